//! The definition of a stack as it is deployed and kept: one text that needs nothing else.
//!
//! Images are pinned, files are Swarm configs named by their content, secrets are named with their version, and every variable
//! has its value. The text is JSON, which is YAML that nobody can read in two ways, with `$` written as `$$`, because
//! `docker stack deploy` replaces variables. A rollback deploys this text, whatever today's files say.
//!
//! Each service is labelled with the hash of the whole text. Swarm's own rollback brings the old labels back as well: the label
//! tells which definition a service really follows, when its `UpdateStatus` does not.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::sources::split_version;

/// The label of a service that says which definition it follows.
pub const FOLLOWS: &str = "cloudtaskhub.definition";
/// The label (`deploy.labels`) of services whose images can say what release they are.
pub const STATES: &str = "cloudtaskhub.states";
/// So many hexadecimal digits of a hash name a thing.
const DIGITS: usize = 12;

/// A definition whose images are not pinned yet.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What `docker stack config` made of the files.
    pub value: Value,
    /// Configs that it names, with their contents.
    pub files: Vec<FileConfig>,
}

/// A file of the stack that becomes a Swarm config.
#[derive(Debug, Clone)]
pub struct FileConfig {
    /// `STACK_NAME_HASH`.
    pub name: String,
    /// The content.
    pub data: Vec<u8>,
}

/// The whole stack as one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    value: Value,
}

/// A service of a definition.
#[derive(Debug, Clone)]
pub struct Defined<'a> {
    /// Its name: `auth-service`.
    pub name: &'a str,
    /// Its image.
    pub image: &'a str,
    /// Whether its image can say what release it is.
    pub states: bool,
}

impl FileConfig {
    /// Names a file by its content.
    #[must_use]
    pub fn new(stack: &str, name: &str, data: Vec<u8>) -> Self {
        Self {
            name: format!("{stack}_{name}_{}", hash(&data)),
            data,
        }
    }
}

impl Draft {
    /// The images it names, by service.
    #[must_use]
    pub fn images(&self) -> BTreeMap<String, String> {
        defined(&self.value)
            .map(|service| (service.name.to_owned(), service.image.to_owned()))
            .collect()
    }

    /// The definition, with these images instead of those of the same names.
    #[must_use]
    pub fn pin(&self, pinned: &BTreeMap<String, String>) -> Definition {
        let mut value = self.value.clone();
        for service in services(&mut value) {
            let image = service.get("image").and_then(Value::as_str);
            if let Some(image) = image.and_then(|image| pinned.get(image)).cloned() {
                service.insert("image".to_owned(), image.into());
            }
        }
        Definition::labelled(value)
    }
}

impl Definition {
    /// Reads what `text` wrote.
    ///
    /// # Errors
    /// When it is no definition.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut value: Value = serde_json::from_str(text).context("a definition that is not JSON")?;
        each_string(&mut value, &|text| text.replace("$$", "$"));
        Ok(Self { value })
    }

    /// What is given to `docker stack deploy`, and kept.
    #[must_use]
    pub fn text(&self) -> String {
        let mut value = self.value.clone();
        each_string(&mut value, &|text| text.replace('$', "$$"));
        format!("{value:#}\n")
    }

    /// What each of its services is labelled with.
    #[must_use]
    pub fn hash(&self) -> &str {
        let services = self.value["services"].as_object();
        let first = services.and_then(|services| services.values().next());
        first
            .and_then(|service| service["deploy"]["labels"][FOLLOWS].as_str())
            .unwrap_or_default()
    }

    /// All of it, with `$` as it is.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Its services.
    pub fn services(&self) -> impl Iterator<Item = Defined<'_>> {
        defined(&self.value)
    }

    /// The images, by service.
    #[must_use]
    pub fn images(&self) -> BTreeMap<String, String> {
        self.services()
            .map(|service| (service.name.to_owned(), service.image.to_owned()))
            .collect()
    }

    /// Images that can say what release they are, each once.
    #[must_use]
    pub fn stating_images(&self) -> BTreeSet<String> {
        let stating = self.services().filter(|service| service.states);
        stating.map(|service| service.image.to_owned()).collect()
    }

    /// Swarm configs that it names.
    #[must_use]
    pub fn configs(&self) -> BTreeSet<String> {
        self.external("configs")
    }

    /// Swarm secrets that it names.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<String> {
        self.external("secrets")
    }

    /// Networks that have to be there before it.
    #[must_use]
    pub fn networks(&self) -> BTreeSet<String> {
        self.external("networks")
    }

    fn external(&self, kind: &str) -> BTreeSet<String> {
        let things = self.value[kind].as_object().into_iter().flatten();
        let things = things.filter(|(_, thing)| thing["external"] == true);
        things
            .map(|(name, thing)| thing["name"].as_str().unwrap_or(name).to_owned())
            .collect()
    }

    /// The same with secrets that exist: a version that was exchanged since is gone for good, and so its place is taken by the
    /// newest. Answers what was replaced by what.
    #[must_use]
    pub fn with_secrets(&self, stack: &str, existing: &BTreeSet<String>) -> (Self, Vec<(String, String)>) {
        let newest = |gone: &str| {
            let (name, _) = split_version(stack, gone)?;
            let versions = existing
                .iter()
                .filter_map(|secret| split_version(stack, secret).filter(|(other, _)| *other == name));
            let (_, version) = versions.max_by_key(|(_, version)| *version)?;
            Some(format!("{stack}_{name}_{version}"))
        };
        let gone = self.secrets().into_iter().filter(|name| !existing.contains(name));
        let replaced: Vec<(String, String)> = gone
            .filter_map(|gone| Some((newest(&gone)?, gone)))
            .map(|(new, old)| (old, new))
            .collect();
        if replaced.is_empty() {
            return (self.clone(), replaced);
        }
        let mut value = self.value.clone();
        let secrets = value["secrets"].as_object_mut().into_iter().flatten();
        for (_, secret) in secrets {
            if let Some((_, new)) = replaced.iter().find(|(old, _)| secret["name"] == old.as_str()) {
                secret["name"] = new.as_str().into();
            }
        }
        (Self::labelled(value), replaced)
    }

    /// Writes the hash of all of it on each service.
    fn labelled(mut value: Value) -> Self {
        for service in services(&mut value) {
            if let Some(labels) = service
                .get_mut("deploy")
                .and_then(|deploy| deploy.get_mut("labels"))
                .and_then(Value::as_object_mut)
            {
                labels.remove(FOLLOWS);
            }
        }
        let hash = hash(value.to_string().as_bytes());
        for service in services(&mut value) {
            let deploy = service
                .entry("deploy")
                .or_insert_with(|| Value::Object(serde_json::Map::new()));
            if deploy["labels"].is_null() {
                deploy["labels"] = Value::Object(serde_json::Map::new());
            }
            deploy["labels"][FOLLOWS] = hash.as_str().into();
        }
        Self { value }
    }
}

/// The first digits of the SHA-256 of this.
#[must_use]
pub fn hash(data: &[u8]) -> String {
    let digest = Sha256::digest(data);
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    digits[..DIGITS].to_owned()
}

fn defined(value: &Value) -> impl Iterator<Item = Defined<'_>> {
    let services = value["services"].as_object().into_iter().flatten();
    services.map(|(name, service)| Defined {
        name,
        image: service["image"].as_str().unwrap_or_default(),
        states: service["deploy"]["labels"][STATES] == "true",
    })
}

fn services(value: &mut Value) -> impl Iterator<Item = &mut serde_json::Map<String, Value>> {
    let services = value.get_mut("services").and_then(Value::as_object_mut);
    services
        .into_iter()
        .flatten()
        .filter_map(|(_, service)| service.as_object_mut())
}

fn each_string(value: &mut Value, change: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_string(item, change)),
        Value::Object(map) => map.values_mut().for_each(|item| each_string(item, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn draft() -> Draft {
        Draft {
            value: json!({
                "services": {
                    "web": {"image": "web:1", "environment": {"PRICE": "5$ or ${HOME}"}, "deploy": {"labels": {STATES: "true"}}},
                    "store": {"image": "store:1"},
                },
                "secrets": {"key": {"external": true, "name": "hub_key_1"}, "url": {"external": true, "name": "hub_url_2"}},
                "networks": {"public": {"external": true}, "inner": {}},
            }),
            files: Vec::new(),
        }
    }

    fn pinned(digest: &str) -> Definition {
        draft().pin(&BTreeMap::from([("web:1".to_owned(), format!("web:1@{digest}"))]))
    }

    #[test]
    fn a_text_that_was_kept_is_the_same_definition_again() {
        let definition = pinned("sha256:aa");
        let text = definition.text();
        assert!(text.contains("5$$ or $${HOME}"), "{text}");
        let read = Definition::parse(&text).unwrap();
        assert_eq!(read, definition);
        assert_eq!(read.text(), text);
        assert_eq!(read.images()["web"], "web:1@sha256:aa");
        assert_eq!(read.images()["store"], "store:1");
    }

    #[test]
    fn each_service_says_which_definition_it_follows() {
        let (one, two) = (pinned("sha256:aa"), pinned("sha256:bb"));
        for service in ["web", "store"] {
            assert_eq!(
                one.value()["services"][service]["deploy"]["labels"][FOLLOWS],
                one.hash()
            );
        }
        assert_eq!(one.hash().len(), 12);
        assert_ne!(one.hash(), two.hash());
        assert_eq!(one.hash(), pinned("sha256:aa").hash());
    }

    #[test]
    fn only_what_is_outside_has_to_be_there_before() {
        let definition = pinned("sha256:aa");
        assert_eq!(definition.networks(), BTreeSet::from(["public".to_owned()]));
        assert_eq!(
            definition.stating_images(),
            BTreeSet::from(["web:1@sha256:aa".to_owned()])
        );
    }

    #[test]
    fn a_secret_that_was_exchanged_since_is_taken_in_its_newest_version() {
        let definition = pinned("sha256:aa");
        let existing = ["hub_key_1", "hub_url_3", "hub_url_4"].map(str::to_owned).into();
        let (changed, replaced) = definition.with_secrets("hub", &existing);
        assert_eq!(replaced, [("hub_url_2".to_owned(), "hub_url_4".to_owned())]);
        assert_eq!(
            changed.secrets(),
            BTreeSet::from(["hub_key_1".to_owned(), "hub_url_4".to_owned()])
        );
        assert_ne!(changed.hash(), definition.hash());

        let existing = ["hub_key_1", "hub_url_2"].map(str::to_owned).into();
        let (same, replaced) = definition.with_secrets("hub", &existing);
        assert!(replaced.is_empty());
        assert_eq!(same, definition);
    }
}
