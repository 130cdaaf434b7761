//! Where a definition comes from: the stack file and its overlays, the variables of an environment, and the newest version
//! of each secret. `docker stack config` puts them together, as `docker stack deploy` would.

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::{
    definition::{Draft, FileConfig},
    engine::{self, Engine},
};

/// What a release is made from.
#[derive(Debug, Clone, clap::Args)]
pub struct Sources {
    /// The folder of the stack file, its overlays and `environments/`.
    #[arg(long, env = "STACK_FILES", default_value = "stack")]
    pub files: PathBuf,
    /// The stack file in it.
    #[arg(long, env = "STACK_FILE", default_value = "stack.yml")]
    pub file: String,
    /// One of the environments: dev, qa, staging, production. What the caller has set counts instead.
    #[arg(long = "env", value_name = "ENVIRONMENT", env = "ENV")]
    pub environment: Option<String>,
    /// A further file of the folder that changes the stack file: kafka-cluster.yml.
    #[arg(long = "overlay", value_name = "FILE", env = "OVERLAYS", value_delimiter = ' ')]
    pub overlays: Vec<String>,
    /// Which images: TAG in the stack file.
    #[arg(long, env = "TAG", default_value = "latest")]
    pub tag: String,
}

impl Sources {
    /// Puts the definition together.
    ///
    /// # Errors
    /// When a file is missing, or Docker's command line is, is too old, or finds a mistake in the files.
    pub async fn compose(&self, engine: &Engine, stack: &str) -> anyhow::Result<Draft> {
        let mut variables = self.variables()?;
        variables.extend(versions(stack, &engine.secrets().await?));
        variables.insert("STACK".to_owned(), stack.to_owned());
        variables.insert("TAG".to_owned(), self.tag.clone());
        let mut command = engine.command();
        command.args(["stack", "config"]).envs(&variables);
        for file in self.files(&variables)? {
            command.arg("-c").arg(file);
        }
        let composed = match engine::finish(command, None).await {
            Ok(composed) => composed,
            Err(error) if unknown_command(&error) => {
                bail!(
                    "this Docker command line cannot put stack files together (docker stack config): version 23 or newer is needed"
                )
            }
            Err(error) => return Err(error).context("the stack file is refused"),
        };
        let value: Value = serde_saphyr::from_str(&composed).context("docker stack config answered no YAML")?;
        draft(value, stack)
    }

    /// The variables of the environment that the caller has not set.
    fn variables(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let Some(name) = self.environment.as_deref().filter(|name| !name.is_empty()) else {
            return Ok(BTreeMap::new());
        };
        let folder = self.files.join("environments");
        let file = folder.join(format!("{name}.env"));
        let Ok(text) = fs::read_to_string(&file) else {
            let known = fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
            let mut known: Vec<String> = known
                .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".env")?.to_owned()))
                .collect();
            known.sort();
            bail!("there is no {}; ENV is one of: {}", file.display(), known.join(" "));
        };
        let set = |name: &str| env::var(name).is_ok_and(|value| !value.is_empty());
        let variables = parse_variables(&text).with_context(|| format!("{}", file.display()))?;
        Ok(variables.into_iter().filter(|(name, _)| !set(name)).collect())
    }

    /// The stack file and its overlays, in their order.
    fn files(&self, variables: &BTreeMap<String, String>) -> anyhow::Result<Vec<PathBuf>> {
        let setting = |name: &str| env::var(name).ok().or_else(|| variables.get(name).cloned());
        let domain = setting("DOMAIN").filter(|domain| !domain.is_empty());
        let mut names = vec![self.file.clone()];
        if domain.is_some_and(|domain| !domain.ends_with("localhost")) && setting("TLS").as_deref() != Some("off") {
            names.push("tls.yml".to_owned());
        }
        names.extend(self.overlays.iter().filter(|name| !name.is_empty()).cloned());
        let files: Vec<PathBuf> = names.iter().map(|name| self.files.join(name)).collect();
        for file in &files {
            ensure!(file.is_file(), "there is no {} (--files, --overlay)", file.display());
        }
        Ok(files)
    }
}

/// Takes what is ours out of a composed definition: files become configs that are named by their content.
fn draft(mut value: Value, stack: &str) -> anyhow::Result<Draft> {
    let root = value.as_object_mut().context("the stack file is no map")?;
    root.retain(|name, _| !name.starts_with("x-"));
    let mut files = Vec::new();
    for (name, config) in root
        .get_mut("configs")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
    {
        if let Some(file) = config["file"].as_str() {
            let data = fs::read(file).with_context(|| format!("the config {name} is the file {file}"))?;
            let made = FileConfig::new(stack, name, data);
            *config = serde_json::json!({"name": made.name, "external": true});
            files.push(made);
        }
    }
    for (name, secret) in root.get("secrets").and_then(Value::as_object).into_iter().flatten() {
        ensure!(
            secret["file"].is_null(),
            "the secret {name} is a file: a definition is kept for rollbacks and may not name what is outside of it; make it a Swarm secret (external: true)"
        );
    }
    Ok(Draft { value, files })
}

/// `NAME=VALUE` lines; empty lines and comments are passed over.
fn parse_variables(text: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line
                .split_once('=')
                .with_context(|| format!("'{line}' is not NAME=VALUE"))?;
            Ok((name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// The variables of the stack file that say which version of each secret is used: the newest; and, for what is exchanged
/// in steps, as the other one that is accepted, the one before, while it exists.
fn versions<'a>(
    stack: &str,
    secrets: impl IntoIterator<Item = &'a (String, std::collections::HashMap<String, String>)>,
) -> BTreeMap<String, String> {
    let mut known: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (name, _) in secrets {
        if let Some((short, version)) = split_version(stack, name) {
            known.entry(short.to_owned()).or_default().push(version);
        }
    }
    let mut variables = BTreeMap::new();
    for (name, mut versions) in known {
        versions.sort_unstable();
        let name = name.to_uppercase();
        if let [.., newest] = versions[..] {
            let other = if let [.., before, _] = versions[..] {
                before
            } else {
                newest
            };
            variables.insert(format!("{name}_OTHER_VERSION"), other.to_string());
            variables.insert(format!("{name}_VERSION"), newest.to_string());
        }
    }
    variables
}

/// The name and the version of a secret of this stack: `hub_mail_url_3` is version 3 of `mail_url`.
pub(crate) fn split_version<'a>(stack: &str, secret: &'a str) -> Option<(&'a str, u64)> {
    let (name, version) = secret.strip_prefix(stack)?.strip_prefix('_')?.rsplit_once('_')?;
    Some((name, version.parse().ok()?))
}

fn unknown_command(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}");
    text.contains("is not a docker command")
        || text.contains("unknown command")
        || text.contains("Usage:  docker stack")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn an_environment_is_lines_of_names_and_values() {
        let read = parse_variables("# three of each\n\nREPLICAS=3\nCONSTRAINT=node.labels.a == true\n").unwrap();
        assert_eq!(read["REPLICAS"], "3");
        assert_eq!(read["CONSTRAINT"], "node.labels.a == true");
        assert!(parse_variables("REPLICAS").is_err());
    }

    #[test]
    fn the_newest_version_of_a_secret_is_used_and_the_one_before_is_accepted() {
        let names = [
            "hub_mail_url_9",
            "hub_mail_url_10",
            "hub_key_1",
            "hub2_key_7",
            "other",
            "hub_key_x",
        ];
        let secrets: Vec<_> = names.map(|name| (name.to_owned(), HashMap::new())).into();
        let versions = versions("hub", &secrets);
        assert_eq!(versions["MAIL_URL_VERSION"], "10");
        assert_eq!(versions["MAIL_URL_OTHER_VERSION"], "9");
        assert_eq!(versions["KEY_VERSION"], "1");
        assert_eq!(versions["KEY_OTHER_VERSION"], "1");
        assert_eq!(versions.len(), 4);
    }

    #[test]
    fn a_file_becomes_a_config_named_by_its_content_and_a_secret_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("roles.sh");
        fs::write(&file, "one").unwrap();
        let value = serde_json::json!({"x-a": 1, "services": {}, "configs": {"roles": {"file": file, "name": "any"}}});
        let before = draft(value.clone(), "hub").unwrap();
        assert_eq!(before.value["configs"]["roles"]["name"], before.files[0].name.as_str());
        assert!(before.value["x-a"].is_null());
        fs::write(&file, "two").unwrap();
        assert_ne!(draft(value, "hub").unwrap().files[0].name, before.files[0].name);

        let value = serde_json::json!({"services": {}, "secrets": {"key": {"file": "/key"}}});
        assert!(
            draft(value, "hub")
                .unwrap_err()
                .to_string()
                .contains("the secret key is a file")
        );
    }
}
