//! Settings: defaults, then a file, then `CLOUDTASKHUB_…` variables, then `…_FILE` secrets. All mistakes are told at once.
//!
//! Each crate embeds its defaults as TOML, which is also the reference of what can be set. `auth.token_ttl_s` is set by
//! `CLOUDTASKHUB_AUTH__TOKEN_TTL_S=600`, and by the content of a file through `CLOUDTASKHUB_AUTH__TOKEN_TTL_S_FILE`.

mod core;
mod load;

pub use self::{
    core::{Broker, BrokerPlace, Core, Database, Http, Identity, Life, LogFormat, Telemetry},
    load::{Environment, Layers},
};

use figment::Figment;
use secrecy::SecretString;
use serde::de::DeserializeOwned;

/// Reads settings and remembers what is wrong with them.
pub struct Source<'a> {
    figment: &'a Figment,
    mistakes: Vec<String>,
}

impl<'a> Source<'a> {
    /// Reads from `figment`.
    pub fn new(figment: &'a Figment) -> Self {
        Self {
            figment,
            mistakes: Vec::new(),
        }
    }

    /// The value of `key` (`http.listen`); `None` after noting a mistake.
    pub fn take<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        match self.figment.extract_inner(key) {
            Ok(value) => Some(value),
            Err(error) => {
                // figment's own text may show the value, which may be secret.
                let reason = match error.kind {
                    figment::error::Kind::MissingField(_) => "is missing".to_owned(),
                    figment::error::Kind::InvalidType(_, expected) => format!("must be {expected}"),
                    figment::error::Kind::InvalidValue(_, expected) => format!("must be {expected}"),
                    figment::error::Kind::UnknownVariant(_, expected) => {
                        format!("must be one of {}", expected.join(", "))
                    }
                    _ => "cannot be read".to_owned(),
                };
                self.reject(format!("{key} {reason}"));
                None
            }
        }
    }

    /// The value of `key`, or `None` without a mistake when it is absent or empty.
    pub fn optional<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        match self.figment.find_value(key) {
            Err(_) => None,
            Ok(value) if value.as_str().is_some_and(str::is_empty) => None,
            Ok(_) => self.take(key),
        }
    }

    /// A duration given in whole seconds.
    pub fn seconds(&mut self, key: &str) -> Option<std::time::Duration> {
        self.take(key).map(std::time::Duration::from_secs)
    }

    /// A duration given in whole milliseconds.
    pub fn millis(&mut self, key: &str) -> Option<std::time::Duration> {
        self.take(key).map(std::time::Duration::from_millis)
    }

    /// A value that is written as text; `expected` is what to write.
    pub fn parsed<T: std::str::FromStr>(&mut self, key: &str, expected: &str) -> Option<T> {
        let text: String = self.take(key)?;
        let value = text.parse().ok();
        self.require(value.is_some(), format!("{key} must be {expected}"));
        value
    }

    /// A list of such values.
    pub fn each_parsed<T: std::str::FromStr>(&mut self, key: &str, expected: &str) -> Option<Vec<T>> {
        let texts: Vec<String> = self.take(key)?;
        let values = texts.iter().map(|text| text.parse().ok()).collect::<Option<Vec<T>>>();
        self.require(values.is_some(), format!("{key} must be {expected}"));
        values
    }

    /// A secret.
    pub fn secret(&mut self, key: &str) -> Option<SecretString> {
        self.take::<String>(key).map(SecretString::from)
    }

    /// Notes a mistake: what is wrong and what to do.
    pub fn reject(&mut self, mistake: impl Into<String>) {
        self.mistakes.push(mistake.into());
    }

    /// Notes a mistake unless `holds`.
    pub fn require(&mut self, holds: bool, mistake: impl Into<String>) {
        if !holds {
            self.reject(mistake);
        }
    }

    /// Everything found wrong.
    pub fn mistakes(self) -> Vec<String> {
        self.mistakes
    }
}

/// A group of settings.
pub trait Settings: Sized + Send + Sync + 'static {
    /// All keys with their defaults, as TOML.
    const DEFAULTS: &'static str;

    /// Reads and checks every value before giving up, so that one start tells all mistakes. No side effects.
    fn parse(source: &mut Source<'_>) -> Option<Self>;
}

impl Settings for () {
    const DEFAULTS: &'static str = "";

    fn parse(_: &mut Source<'_>) -> Option<Self> {
        Some(())
    }
}
