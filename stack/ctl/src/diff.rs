//! What a release would change: this definition beside the one that stands.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::{
    definition::{Definition, FOLLOWS},
    engine::Engine,
    ledger::{Entry, Standing},
    plan::Plan,
    statement::{Statement, events_hash},
};

/// Something that is one thing before and another after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What: a service, a path in the definition.
    pub what: String,
    /// None: it is new.
    pub before: Option<String>,
    /// None: it goes.
    pub after: Option<String>,
}

/// All that a release would change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// The release that stands, if one does.
    pub from: Option<String>,
    /// What would be released.
    pub to: String,
    /// Images, by service.
    pub images: Vec<Change>,
    /// Configs, by the service and the file that gets them.
    pub configs: Vec<Change>,
    /// Secrets and their versions.
    pub secrets: Vec<Change>,
    /// Everything else of the definition, by its path.
    pub settings: Vec<Change>,
    /// Migrations that would be applied, by service.
    pub migrations: BTreeMap<String, Vec<String>>,
    /// Hash of all event schemas, if it changes.
    pub events: Option<Change>,
    /// What somebody changed by hand since the release that stands: a release takes it back.
    pub drift: Vec<Change>,
}

impl Diff {
    /// Compares a plan with what stands, and what stands with what runs.
    ///
    /// # Errors
    /// When the engine does not answer, or the ledger cannot be read.
    pub async fn between(engine: &Engine, stack: &str, standing: Standing<'_>, plan: &Plan) -> anyhow::Result<Self> {
        let entry = match standing {
            Standing::Nothing => None,
            Standing::Release(entry) => Some(entry),
            Standing::Between(attempt, last) => Some(last.unwrap_or(attempt)),
        };
        let before = entry.map(Entry::definition).transpose()?;
        let statements = entry.map(|entry| entry.begun.statements.as_slice()).unwrap_or_default();
        let mut diff = Self::of(before.as_ref(), &plan.definition);
        diff.from = entry.map(Entry::title);
        diff.to.clone_from(&plan.tag);
        diff.migrations = migrations(statements, &plan.supplies.statements);
        let hashes = [statements, &plan.supplies.statements].map(|of| (!of.is_empty()).then(|| events_hash(of)));
        diff.events = change("schemas of all events", hashes[0].as_deref(), hashes[1].as_deref());
        if let Some(before) = &before {
            let images = before.images();
            for service in engine.services(stack).await? {
                let name = &service.name;
                let expected = images.get(name).map(String::as_str);
                let image = Some(service.image.as_str());
                diff.drift.extend(change(&format!("{name} image"), expected, image));
                let (wanted, given) = (variables(before, name), service.given());
                diff.drift
                    .extend(changes(&format!("{name} "), &wanted, &given.environment));
                let used = |list: &str, key: &str| uses(before, list, key, name);
                diff.drift.extend(changes(
                    &format!("{name} secret "),
                    &used("secrets", "target"),
                    &given.secrets,
                ));
            }
        }
        Ok(diff)
    }

    /// Compares two definitions.
    #[must_use]
    pub fn of(before: Option<&Definition>, after: &Definition) -> Self {
        let empty = BTreeMap::new();
        let images = before.map(Definition::images).unwrap_or_default();
        let names: BTreeSet<String> = after.images().keys().chain(images.keys()).cloned().collect();
        let mut diff = Self {
            images: changes("", &images, &after.images()),
            ..Self::default()
        };
        for name in &names {
            let used = |list: &str| {
                let before = before
                    .map(|before| uses(before, list, "target", name))
                    .unwrap_or_default();
                changes(&format!("{name} "), &before, &uses(after, list, "target", name))
            };
            diff.configs.extend(used("configs"));
            diff.secrets.extend(used("secrets"));
        }
        let flat = before.map(settings);
        diff.settings = changes("", flat.as_ref().unwrap_or(&empty), &settings(after));
        diff
    }

    /// Whether nothing would change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let lists = [&self.images, &self.configs, &self.secrets, &self.settings, &self.drift];
        lists.iter().all(|list| list.is_empty()) && self.migrations.is_empty() && self.events.is_none()
    }
}

/// Secrets or configs of a service: the file that it gets → the name in the Swarm.
fn uses(definition: &Definition, list: &str, key: &str, service: &str) -> BTreeMap<String, String> {
    let value = definition.value();
    let entries = value["services"][service][list].as_array().into_iter().flatten();
    entries
        .filter_map(|entry| {
            let source = entry["source"].as_str()?;
            let name = value[list][source]["name"].as_str().unwrap_or(source);
            let file = entry[key].as_str().unwrap_or(source);
            Some((file.to_owned(), name.to_owned()))
        })
        .collect()
}

fn variables(definition: &Definition, service: &str) -> BTreeMap<String, String> {
    let variables = definition.value()["services"][service]["environment"].as_object();
    let variables = variables.into_iter().flatten();
    variables
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// All of a definition that has no list of its own, flat.
fn settings(definition: &Definition) -> BTreeMap<String, String> {
    let mut value = definition.value().clone();
    for service in value["services"]
        .as_object_mut()
        .into_iter()
        .flat_map(|all| all.values_mut())
    {
        if let Some(service) = service.as_object_mut() {
            for list in ["image", "configs", "secrets"] {
                service.remove(list);
            }
        }
        if let Some(labels) = service["deploy"]["labels"].as_object_mut() {
            labels.remove(FOLLOWS);
        }
    }
    if let Some(all) = value.as_object_mut() {
        all.retain(|name, _| name != "configs" && name != "secrets");
    }
    let mut flat = BTreeMap::new();
    flatten("", &value, &mut flat);
    flat
}

fn flatten(path: &str, value: &Value, flat: &mut BTreeMap<String, String>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter().for_each(|(name, value)| flatten(&below(name), value, flat))
        }
        // A list is one setting: places in it mean nothing.
        Value::String(text) => drop(flat.insert(path.to_owned(), text.clone())),
        other => drop(flat.insert(path.to_owned(), other.to_string())),
    }
}

/// Migrations that the new binaries know and the old do not.
fn migrations(before: &[Statement], after: &[Statement]) -> BTreeMap<String, Vec<String>> {
    let new = after.iter().filter_map(|new| {
        let old = before.iter().find(|old| old.service == new.service);
        let added = new.migrations.iter().map(|migration| &migration.name);
        let added: Vec<String> = added
            .filter(|name| !old.is_some_and(|old| old.knows(name)))
            .cloned()
            .collect();
        (!added.is_empty()).then(|| (new.service.clone(), added))
    });
    new.collect()
}

fn change(what: &str, before: Option<&str>, after: Option<&str>) -> Option<Change> {
    (before != after).then(|| Change {
        what: what.to_owned(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    })
}

fn changes(prefix: &str, before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<Change> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let names = names.into_iter().filter_map(|name| {
        let (before, after) = (
            before.get(name).map(String::as_str),
            after.get(name).map(String::as_str),
        );
        change(&format!("{prefix}{name}"), before, after)
    });
    names.collect()
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(f, "~ {}: {before} → {after}", self.what),
            (None, Some(after)) => write!(f, "+ {}: {after}", self.what),
            (Some(before), None) => write!(f, "- {}: {before}", self.what),
            (None, None) => write!(f, "  {}", self.what),
        }
    }
}

impl std::fmt::Display for Diff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let from = self.from.as_deref().unwrap_or("nothing that was released");
        write!(f, "{from} → {}", self.to)?;
        if self.is_empty() {
            return write!(f, "\nnothing would change");
        }
        let list = |f: &mut std::fmt::Formatter<'_>, title: &str, changes: &[Change]| {
            if !changes.is_empty() {
                write!(f, "\n{title}")?;
            }
            changes.iter().try_for_each(|change| write!(f, "\n  {change}"))
        };
        list(f, "images", &self.images)?;
        list(f, "configs", &self.configs)?;
        list(f, "secrets", &self.secrets)?;
        list(f, "settings", &self.settings)?;
        if !self.migrations.is_empty() {
            write!(f, "\nmigrations")?;
        }
        for (service, migrations) in &self.migrations {
            write!(f, "\n  + {service}: {}", migrations.join(", "))?;
        }
        list(f, "events", self.events.as_slice())?;
        list(f, "changed by hand since, and taken back by a release", &self.drift)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(image: &str, replicas: u64, secret: &str) -> Definition {
        let value = json!({
            "services": {"web": {
                "image": image,
                "deploy": {"replicas": replicas, "labels": {FOLLOWS: image}},
                "secrets": [{"source": "key", "target": "key_file"}],
            }},
            "secrets": {"key": {"name": secret, "external": true}},
        });
        Definition::parse(&value.to_string()).unwrap()
    }

    #[test]
    fn images_secrets_and_settings_are_told_apart() {
        let before = definition("web@sha256:aa", 2, "hub_key_1");
        let diff = Diff::of(Some(&before), &definition("web@sha256:bb", 3, "hub_key_2"));
        assert_eq!(diff.images[0].to_string(), "~ web: web@sha256:aa → web@sha256:bb");
        assert_eq!(diff.secrets[0].to_string(), "~ web key_file: hub_key_1 → hub_key_2");
        assert_eq!(diff.settings.len(), 1);
        assert_eq!(diff.settings[0].to_string(), "~ services.web.deploy.replicas: 2 → 3");
        assert!(Diff::of(Some(&before), &before).is_empty());
    }

    #[test]
    fn on_an_empty_swarm_everything_is_new() {
        let diff = Diff::of(None, &definition("web@sha256:aa", 2, "hub_key_1"));
        assert_eq!(diff.images[0].before, None);
        assert!(diff.to_string().starts_with("nothing that was released"));
    }
}
