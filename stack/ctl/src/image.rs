//! Which image a name means, for good: tags move, digests do not.
//!
//! An image of a registry is pinned by the digest that the registry has for its tag now. An image that was built on this node
//! and never pushed has no digest that Swarm could find it by: it gets a second name, `TAG.ID`, from its content's
//! identity. That works where all nodes have the same images, so on one node, or where the operator says so.

use std::{env, fs, path::PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bollard::auth::DockerCredentials;
use serde_json::Value;

use crate::engine::{Engine, LocalImage, Swarm};

/// The longest tag that an image may have.
const TAG_LIMIT: usize = 128;

/// An image that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// What it is called from now on.
    pub name: String,
    /// Whether only this node is known to have it.
    pub local: bool,
    /// What it has to be tagged with before it is used: name and tag, of this image id.
    pub alias: Option<(String, String, String)>,
    /// Whether its name means the same image for ever.
    pub lasting: bool,
}

/// Finds an image and its name for good. Changes nothing.
///
/// # Errors
/// With what is wrong with it, for people: it is nowhere, or is made for other machines.
pub async fn resolve(engine: &Engine, swarm: &Swarm, reference: &str, everywhere: bool) -> Result<Pinned, String> {
    let here = swarm.nodes.iter().find(|node| node.id == swarm.node);
    let platform = here.map_or("", |node| node.platform.as_str());
    let fits = |platforms: &[String]| {
        let known: Vec<&String> = platforms.iter().filter(|one| !one.starts_with("unknown")).collect();
        if known.is_empty() || known.iter().any(|one| *one == platform) {
            return Ok(());
        }
        Err(format!(
            "{reference} is made for {}, this node is {platform}",
            known.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", ")
        ))
    };
    let local = engine
        .local_image(reference)
        .await
        .map_err(|error| format!("{reference}: {error:#}"))?;
    // Never in a registry: none is asked, where somebody else may have the same name.
    if let Some(image) = local.as_ref().filter(|image| image.digests.is_empty()) {
        fits(std::slice::from_ref(&image.platform))?;
        return pin_local(reference, image, swarm, everywhere);
    }
    if let (name, Some(_digest)) = split_digest(reference) {
        if let Some(image) = &local {
            fits(std::slice::from_ref(&image.platform))?;
        } else {
            let remote = engine.remote_image(reference).await;
            let remote = remote
                .map_err(|error| format!("{name}: there is no such image here, and its registry says: {error:#}"))?;
            fits(&remote.platforms)?;
        }
        return Ok(Pinned {
            name: reference.to_owned(),
            local: false,
            alias: None,
            lasting: true,
        });
    }
    let digest = match (engine.remote_image(reference).await, &local) {
        (Ok(remote), _) => {
            fits(&remote.platforms)?;
            remote.digest
        }
        (Err(error), None) => {
            return Err(format!(
                "{reference}: there is no such image here, and its registry says: {error:#}"
            ));
        }
        // The registry is away or has forgotten it: what came from there is what it was.
        (Err(_), Some(image)) => {
            fits(std::slice::from_ref(&image.platform))?;
            let repository = repository(split_tag(reference).0);
            let known = image.digests.iter().find_map(|known| {
                let (name, digest) = known.split_once('@')?;
                (repository_matches(name, &repository)).then(|| digest.to_owned())
            });
            match known {
                Some(digest) => digest,
                None => return pin_local(reference, image, swarm, everywhere),
            }
        }
    };
    Ok(Pinned {
        name: format!("{reference}@{digest}"),
        local: false,
        alias: None,
        lasting: true,
    })
}

fn pin_local(reference: &str, image: &LocalImage, swarm: &Swarm, everywhere: bool) -> Result<Pinned, String> {
    if swarm.nodes.len() > 1 {
        if !everywhere {
            return Err(format!(
                "{reference} is on this node alone, and the Swarm has {}: push it to a registry (make push), or load it on all of them and say --images-everywhere",
                swarm.nodes.len()
            ));
        }
        // The other nodes have it by this name and no other.
        return Ok(Pinned {
            name: reference.to_owned(),
            local: true,
            alias: None,
            lasting: false,
        });
    }
    let (name, tag) = split_tag(reference);
    let id = image.id.strip_prefix("sha256:").unwrap_or(&image.id);
    let id = &id[..id.len().min(12)];
    // A definition that was kept has such a name already.
    if tag.ends_with(&format!(".{id}")) {
        return Ok(Pinned {
            name: reference.to_owned(),
            local: true,
            alias: None,
            lasting: true,
        });
    }
    let tag: String = tag.chars().take(TAG_LIMIT - id.len() - 1).collect();
    let tag = format!("{tag}.{id}");
    Ok(Pinned {
        name: format!("{name}:{tag}"),
        local: true,
        alias: Some((image.id.clone(), name.to_owned(), tag)),
        lasting: true,
    })
}

/// The credentials that `docker login` left for the registry of this image, if it keeps them in its file.
#[must_use]
pub fn credentials(reference: &str) -> Option<DockerCredentials> {
    let folder = env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".docker")))?;
    let config = fs::read(folder.join("config.json")).ok()?;
    let config: Value = serde_json::from_slice(&config).ok()?;
    let registry = registry(reference);
    let key = if registry == "docker.io" {
        "https://index.docker.io/v1/"
    } else {
        registry
    };
    let auth = BASE64_STANDARD.decode(config["auths"][key]["auth"].as_str()?).ok()?;
    let auth = String::from_utf8(auth).ok()?;
    let (user, password) = auth.split_once(':')?;
    Some(DockerCredentials {
        username: Some(user.to_owned()),
        password: Some(password.to_owned()),
        serveraddress: Some(key.to_owned()),
        ..Default::default()
    })
}

/// `NAME` and `sha256:…` of `NAME@sha256:…`.
fn split_digest(reference: &str) -> (&str, Option<&str>) {
    match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (reference, None),
    }
}

/// Name and tag; `latest` where there is none. A colon before a slash is a registry's port.
fn split_tag(reference: &str) -> (&str, &str) {
    match split_digest(reference).0.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (split_digest(reference).0, "latest"),
    }
}

/// The registry that a name is of.
fn registry(reference: &str) -> &str {
    match reference.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => "docker.io",
    }
}

/// A name with all that may be left out of it.
fn repository(name: &str) -> String {
    let registry = registry(name);
    let path = name
        .strip_prefix(registry)
        .map_or(name, |rest| rest.trim_start_matches('/'));
    let library = if registry == "docker.io" && !path.contains('/') {
        "library/"
    } else {
        ""
    };
    format!("{registry}/{library}{path}")
}

fn repository_matches(name: &str, wanted: &str) -> bool {
    repository(name) == wanted
}

/// Whether two names mean the same image: Docker writes some in full.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    let full = |reference: &str| {
        let (name, tag) = split_tag(reference);
        (
            repository(name),
            tag.to_owned(),
            split_digest(reference).1.map(str::to_owned),
        )
    };
    one == other || full(one) == full(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Node;

    fn swarm(nodes: usize) -> Swarm {
        let node = |number: usize| Node {
            id: number.to_string(),
            name: format!("node{number}"),
            platform: "linux/amd64".to_owned(),
            usable: true,
        };
        Swarm {
            node: "0".to_owned(),
            root: "/var/lib/docker".to_owned(),
            nodes: (0..nodes).map(node).collect(),
        }
    }

    fn image() -> LocalImage {
        LocalImage {
            id: "sha256:113c5fdf84d5aaaa".to_owned(),
            digests: Vec::new(),
            platform: "linux/amd64".to_owned(),
        }
    }

    #[test]
    fn an_image_that_was_never_pushed_is_named_by_its_content() {
        let pinned = pin_local("hub/auth:ci", &image(), &swarm(1), false).unwrap();
        assert_eq!(pinned.name, "hub/auth:ci.113c5fdf84d5");
        assert!(pinned.local);
        let again = pin_local(&pinned.name, &image(), &swarm(1), false).unwrap();
        assert_eq!((again.name, again.alias), (pinned.name, None));
        let long = pin_local(&format!("hub/auth:{}", "x".repeat(128)), &image(), &swarm(1), false).unwrap();
        assert_eq!(split_tag(&long.name).1.len(), TAG_LIMIT);
    }

    #[test]
    fn an_image_of_one_node_is_refused_on_several_unless_all_have_it() {
        let refusal = pin_local("hub/auth:ci", &image(), &swarm(3), false).unwrap_err();
        assert!(refusal.contains("the Swarm has 3"), "{refusal}");
        assert_eq!(
            pin_local("hub/auth:ci", &image(), &swarm(3), true).unwrap().name,
            "hub/auth:ci"
        );
    }

    #[test]
    fn names_are_taken_apart_as_docker_does() {
        assert_eq!(
            split_tag("registry:5000/hub/auth"),
            ("registry:5000/hub/auth", "latest")
        );
        assert_eq!(
            split_tag("registry:5000/hub/auth:v2@sha256:aa"),
            ("registry:5000/hub/auth", "v2")
        );
        assert_eq!(registry("registry:5000/hub/auth:v2"), "registry:5000");
        assert_eq!(registry("hub/auth"), "docker.io");
        assert_eq!(repository("postgres"), "docker.io/library/postgres");
        assert!(same("postgres:18", "docker.io/library/postgres:18"));
        assert!(!same("postgres:18@sha256:aa", "postgres:18@sha256:bb"));
    }
}
