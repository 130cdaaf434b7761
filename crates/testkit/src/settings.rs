//! What a service makes of settings, without starting it.

use chassis::{Settings, Source};
use figment::{
    Figment,
    providers::{Format, Toml},
};

/// `T` with `layers` of TOML, each over the ones before, over its defaults; and every mistake in it.
pub fn parsed<T: Settings>(layers: &[&str]) -> (Option<T>, Vec<String>) {
    let defaults = Figment::from(Toml::string(T::DEFAULTS));
    let figment = layers
        .iter()
        .fold(defaults, |figment, toml| figment.merge(Toml::string(toml)));
    let mut source = Source::new(&figment);
    let settings = T::parse(&mut source);
    (settings, source.mistakes())
}
