//! What a service makes of settings, without starting it.

use chassis::{Settings, Source};
use figment::{
    Figment,
    providers::{Format, Toml},
};

/// `T` with `toml` over its defaults, and every mistake in it.
pub fn parsed<T: Settings>(toml: &str) -> (Option<T>, Vec<String>) {
    let figment = Figment::from(Toml::string(T::DEFAULTS)).merge(Toml::string(toml));
    let mut source = Source::new(&figment);
    let settings = T::parse(&mut source);
    (settings, source.mistakes())
}
