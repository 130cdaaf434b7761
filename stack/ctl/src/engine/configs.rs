//! Swarm configs: what the release tool remembers things in.

use std::collections::HashMap;

use anyhow::Context;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bollard::{
    models::ConfigSpec,
    query_parameters::{ListConfigsOptions, UpdateConfigOptions},
};

use super::{Engine, label_filter, status};

/// A Swarm config.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: HashMap<String, String>,
    /// What it holds.
    pub data: Vec<u8>,
    /// Rises with every change.
    pub version: u64,
}

impl Engine {
    /// Configs that have this label (`name` or `name=value`).
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn configs(&self, label: &str) -> anyhow::Result<Vec<Config>> {
        let options = ListConfigsOptions {
            filters: Some(label_filter(label)),
        };
        let configs = self.docker.list_configs(Some(options)).await?;
        configs.into_iter().map(Config::read).collect()
    }

    /// The names of all configs.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn config_names(&self) -> anyhow::Result<Vec<String>> {
        let configs = self.docker.list_configs(None::<ListConfigsOptions>).await?;
        Ok(configs.into_iter().filter_map(|config| config.spec?.name).collect())
    }

    /// The config of this name.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn config(&self, name: &str) -> anyhow::Result<Option<Config>> {
        match self.docker.inspect_config(name).await {
            // the engine takes the beginning of an id for a name too
            Ok(config) => Ok(Some(Config::read(config)?).filter(|config| config.name == name)),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a config; false when there is one of that name, which then stays what it is.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn create_config(
        &self,
        name: &str,
        labels: HashMap<String, String>,
        data: &[u8],
    ) -> anyhow::Result<bool> {
        let spec = ConfigSpec {
            name: Some(name.to_owned()),
            labels: Some(labels),
            data: Some(BASE64_STANDARD.encode(data)),
            templating: None,
        };
        match self.docker.create_config(spec).await {
            Ok(_) => Ok(true),
            Err(error) if status(&error) == Some(409) => Ok(false),
            Err(error) => Err(error).with_context(|| format!("making the config {name}")),
        }
    }

    /// Replaces the labels of a config, if nobody has changed it since it was read; false when somebody has, or it is gone.
    ///
    /// # Errors
    /// When the engine refuses for another reason.
    pub async fn relabel_config(&self, config: &Config, labels: HashMap<String, String>) -> anyhow::Result<bool> {
        let spec = ConfigSpec {
            name: Some(config.name.clone()),
            labels: Some(labels),
            data: Some(BASE64_STANDARD.encode(&config.data)),
            templating: None,
        };
        let options = UpdateConfigOptions {
            version: i64::try_from(config.version).unwrap_or(i64::MAX),
        };
        match self.docker.update_config(&config.id, spec, options).await {
            Ok(()) => Ok(true),
            Err(error) if status(&error) == Some(404) || error.to_string().contains("out of sequence") => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a config; false when there is none, or a service uses it.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn remove_config(&self, id: &str) -> anyhow::Result<bool> {
        match self.docker.delete_config(id).await {
            Ok(()) => Ok(true),
            Err(error) if matches!(status(&error), Some(400 | 404 | 409)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl Config {
    fn read(config: bollard::models::Config) -> anyhow::Result<Self> {
        let spec = config.spec.unwrap_or_default();
        let data = spec.data.unwrap_or_default();
        Ok(Self {
            id: config.id.unwrap_or_default(),
            name: spec.name.unwrap_or_default(),
            labels: spec.labels.unwrap_or_default(),
            data: BASE64_STANDARD.decode(data).context("a config that is not base64")?,
            version: config.version.and_then(|version| version.index).unwrap_or_default(),
        })
    }

    /// The value of a label, empty when there is none.
    #[must_use]
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}
