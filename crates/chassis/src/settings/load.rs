//! Where settings come from, lowest first: defaults, defaults of the way it is run, the file that `CLOUDTASKHUB_CONFIG`
//! names, `CLOUDTASKHUB_…` variables, `CLOUDTASKHUB_…_FILE` variables, overrides of one service.
//!
//! A key that no default names is a mistake: a misspelt variable would be ignored in silence otherwise. Environment and
//! files are read through [`Environment`], so that tests pass their own.

use std::{collections::BTreeMap, path::PathBuf};

use figment::{
    Figment, Profile,
    providers::{Format, Serialized, Toml},
    value::{Dict, Value},
};

const PREFIX: &str = "CLOUDTASKHUB_";
/// Variables of the prefix that are no settings.
const OTHERS: [&str; 2] = ["CONFIG", "CRASH_AT"];

/// The variables that settings are read from.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The process's own.
    pub fn of_process() -> Self {
        // A variable that is not Unicode is none of ours, or found missing later.
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .filter(|(name, _)| name.starts_with(PREFIX))
                .collect(),
        )
    }
}

/// Collects layers, lowest first, and what is wrong with them.
pub struct Layers {
    known: Figment,
    figment: Figment,
    mistakes: Vec<String>,
}

impl Layers {
    /// Begins with everything that can be set: TOML texts with the defaults of [`super::Core`] and each service.
    pub fn new<'a>(defaults: impl IntoIterator<Item = &'a str>) -> Self {
        let known = defaults
            .into_iter()
            .fold(Figment::new(), |figment, text| figment.merge(Toml::string(text)));
        Self {
            figment: known.clone(),
            known,
            mistakes: Vec::new(),
        }
    }

    /// Begins with what one service can be set to.
    pub fn of_service<S: crate::Service>() -> Self {
        Self::new([
            <super::Core as super::Settings>::DEFAULTS,
            <S::Settings as super::Settings>::DEFAULTS,
        ])
    }

    /// Puts TOML over what there is.
    #[must_use]
    pub fn toml(mut self, name: &str, text: &str) -> Self {
        match Toml::from_str::<Dict>(text) {
            Ok(values) => self.put(name, values),
            // toml's own text shows the line, which may hold a secret.
            Err(error) => {
                let line = error
                    .span()
                    .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
                self.mistakes.push(format!("{name}: line {line} is not TOML"));
            }
        }
        self
    }

    /// Puts the file and the variables of `environment` over what there is.
    #[must_use]
    pub fn environment(mut self, environment: &Environment) -> Self {
        if let Some(path) = environment.0.get(&format!("{PREFIX}CONFIG")) {
            match std::fs::read_to_string(path) {
                Ok(text) => self = self.toml(path, &text),
                Err(error) => self
                    .mistakes
                    .push(format!("{PREFIX}CONFIG: cannot read {path}: {error}")),
            }
        }
        let mut files = Vec::new();
        for (name, value) in &environment.0 {
            let key = name.trim_start_matches(PREFIX);
            if OTHERS.contains(&key) {
                continue;
            }
            let key = key.to_lowercase().replace("__", ".");
            match key
                .strip_suffix("_file")
                .filter(|_| self.known.find_value(&key).is_err())
            {
                Some(key) => files.push((name, key.to_owned(), value)),
                None => self.set(name, &key, value),
            }
        }
        for (name, key, path) in files {
            match std::fs::read_to_string(PathBuf::from(path)) {
                Ok(text) => self.set(name, &key, text.trim_end_matches(['\r', '\n'])),
                Err(error) => self.mistakes.push(format!("{name}: cannot read {path}: {error}")),
            }
        }
        self
    }

    /// The settings, and what was wrong with the layers.
    pub fn finish(self) -> (Figment, Vec<String>) {
        (self.figment, self.mistakes)
    }

    fn set(&mut self, name: &str, key: &str, text: &str) {
        // In an open table all that is left is one key: broker.properties has "security.protocol".
        let (path, last) = match self.open(key) {
            Some(at) => (&key[..at], &key[at + 1..]),
            None => key.rsplit_once('.').unwrap_or(("", key)),
        };
        let value = match self.known.find_value(key) {
            // A list, number or flag is written as in TOML. Where the default is a text, a password of digits stays one.
            Ok(value) if value.as_str().is_none() => text.parse().unwrap_or_else(|never| match never {}),
            _ => Value::from(text.to_owned()),
        };
        let mut values = Dict::from([(last.to_owned(), value)]);
        for part in path.rsplit('.').filter(|part| !part.is_empty()) {
            values = Dict::from([(part.to_owned(), Value::from(values))]);
        }
        self.put(name, values);
    }

    fn put(&mut self, name: &str, values: Dict) {
        let mut unknown = Vec::new();
        leaves("", &values, &mut |key| {
            if !self.knows(key) {
                unknown.push(format!("{name}: there is no setting {key}"));
            }
        });
        if unknown.is_empty() {
            let figment = std::mem::take(&mut self.figment);
            self.figment = figment.merge(Serialized::from(values, Profile::Default));
        }
        self.mistakes.append(&mut unknown);
    }

    /// Whether a default names `key`, or an open table above it.
    fn knows(&self, key: &str) -> bool {
        self.known.find_value(key).is_ok() || self.open(key).is_some()
    }

    /// Where the path of a table ends that may hold any key: one that is empty in the defaults.
    fn open(&self, key: &str) -> Option<usize> {
        let is_open = |at: &usize| {
            self.known
                .find_value(&key[..*at])
                .is_ok_and(|value| value.as_dict().is_some_and(Dict::is_empty))
        };
        key.match_indices('.').map(|(at, _)| at).find(is_open)
    }
}

fn leaves(path: &str, values: &Dict, visit: &mut impl FnMut(&str)) {
    for (name, value) in values {
        let key = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        match value {
            Value::Dict(_, inner) if !inner.is_empty() => leaves(&key, inner, visit),
            _ => visit(&key),
        }
    }
}
