//! Versions to release: good ones, and bad ones with what must be said of them.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, ensure};

use crate::{
    docker::{Node, finish},
    proof::SERVICES,
};

/// What building an image may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Versions of the whole stack.
pub(crate) const V1: &str = "e2e-v1";
pub(crate) const V2: &str = "e2e-v2";

/// What is wrong with a version, and what has to be said of it.
pub(crate) struct Bad {
    pub(crate) name: &'static str,
    /// The one service of it that is bad.
    pub(crate) service: &'static str,
    /// Set in that image.
    settings: &'static [&'static str],
    /// Whether another program stands in the service's place.
    replaced: bool,
    /// The exit status of the release.
    pub(crate) status: i64,
    /// Words of the cause that must be told.
    pub(crate) said: &'static [&'static str],
}

pub(crate) const BAD: [Bad; 6] = [
    Bad {
        name: "crash",
        service: "billing",
        settings: &["FAULT=crash"],
        replaced: true,
        status: 4,
        said: &["billing-service", "70"],
    },
    Bad {
        name: "deaf",
        service: "project",
        settings: &["FAULT=deaf"],
        replaced: true,
        status: 4,
        said: &["project-service", "unhealthy"],
    },
    Bad {
        name: "late",
        service: "notification",
        settings: &["FAULT=late"],
        replaced: true,
        status: 4,
        said: &["notification-service", "unhealthy"],
    },
    Bad {
        name: "smoke",
        service: "auth",
        // Enough for those who are in, too little for who opens an account.
        settings: &["CLOUDTASKHUB_HTTP__BODY_LIMIT_BYTES=100"],
        replaced: false,
        status: 4,
        said: &["smoke test", "registers", "413"],
    },
    Bad {
        name: "image",
        service: "analytics",
        settings: &[],
        replaced: false,
        status: 2,
        said: &["analytics", "e2e-image"],
    },
    Bad {
        name: "migration",
        service: "project",
        settings: &["FAULT=migration"],
        replaced: true,
        status: 4,
        said: &["project-service", "already exists"],
    },
];

/// The release tool, and what its versions are made of.
pub(crate) struct Workshop {
    /// `stackctl`.
    pub(crate) tool: String,
    /// The program that stands in a bad service's place.
    faulty: PathBuf,
    /// The tag of good images.
    tag: String,
}

impl Workshop {
    /// With what was built beside this program.
    pub(crate) fn here() -> anyhow::Result<Self> {
        let here = std::env::current_exe()?;
        let beside = |name: &str| {
            let path = here.with_file_name(name);
            ensure!(path.is_file(), "{} is missing: make e2e builds it", path.display());
            Ok(path)
        };
        let tag = std::env::var("TAG").ok().filter(|tag| !tag.is_empty());
        Ok(Self {
            tool: beside("stackctl")?.display().to_string(),
            faulty: beside("cloudtaskhub-faulty")?,
            tag: tag.unwrap_or_else(|| "latest".to_owned()),
        })
    }

    /// Makes the images of every version that is asked for.
    pub(crate) async fn make(&self, node: &Node, wanted: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        for version in [V1, V2] {
            for service in SERVICES.map(short) {
                self.derive(node, service, version, "").await?;
            }
        }
        for bad in BAD.iter().filter(|bad| wanted(bad.name)) {
            let version = format!("e2e-{}", bad.name);
            for service in SERVICES.map(short) {
                let mut lines: String = bad.settings.iter().map(|setting| format!("ENV {setting}\n")).collect();
                if service != bad.service {
                    lines.clear();
                } else if bad.name == "image" {
                    continue;
                } else if bad.replaced {
                    lines.push_str("COPY --from=good /service /good\nCOPY cloudtaskhub-faulty /service\n");
                }
                self.derive(node, service, &version, &lines).await?;
            }
        }
        Ok(())
    }

    /// One image: the good one with these lines.
    pub(crate) async fn derive(&self, node: &Node, service: &str, version: &str, lines: &str) -> anyhow::Result<()> {
        let prefix = prefix();
        let good = format!("{prefix}/{service}:{}", self.tag);
        let file = format!("FROM {good} AS good\nFROM {good}\n{lines}LABEL cloudtaskhub.e2e={version}\n");
        let folder = std::env::temp_dir().join(format!("cloudtaskhub-e2e-{}-{service}", std::process::id()));
        tokio::fs::create_dir_all(&folder).await?;
        tokio::fs::write(folder.join("Dockerfile"), file).await?;
        if lines.contains("COPY") {
            tokio::fs::copy(&self.faulty, folder.join("cloudtaskhub-faulty")).await?;
        }
        let mut build = node.command("docker");
        build
            .args(["build", "--quiet", "--tag", &format!("{prefix}/{service}:{version}")])
            .arg(&folder)
            // Of the engine itself: nothing is fetched.
            .env("DOCKER_BUILDKIT", "0");
        let built = finish(&mut build, PATIENCE).await;
        tokio::fs::remove_dir_all(&folder).await?;
        built.with_context(|| format!("the image {service}:{version}"))?;
        Ok(())
    }
}

/// `auth` of `auth-service`.
pub(crate) fn short(service: &str) -> &str {
    service.trim_end_matches("-service")
}

fn prefix() -> String {
    let prefix = std::env::var("IMAGE_PREFIX").ok().filter(|prefix| !prefix.is_empty());
    prefix.unwrap_or_else(|| "cloudtaskhub".to_owned())
}
