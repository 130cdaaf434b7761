//! The secrets of an embedded hub: made at its first start, kept in its data folder, readable by its owner alone.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use rand::RngCore;

/// The secrets of a data folder, 32 random bytes in base64 each.
pub(crate) struct Secrets {
    /// Seals auth's signing keys.
    pub(crate) auth_key: String,
    /// Seals notification's secrets.
    pub(crate) notification_key: String,
    /// What the gateway shows to auth.
    pub(crate) introspection: String,
}

impl Secrets {
    /// Makes what is missing.
    pub(crate) fn in_folder(data: &Path) -> anyhow::Result<Self> {
        let folder = data.join("secrets");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .with_context(|| {
                format!(
                    "{}: cannot be made; choose a folder that can be written with --data",
                    folder.display()
                )
            })?;
        Ok(Self {
            auth_key: file(&folder, "auth-master-key")?,
            notification_key: file(&folder, "notification-master-key")?,
            introspection: file(&folder, "introspection")?,
        })
    }
}

/// What the file says; makes it when it is missing.
fn file(folder: &Path, name: &str) -> anyhow::Result<String> {
    let path = folder.join(name);
    if path.exists() {
        let secret = fs::read_to_string(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
        return Ok(secret.trim().to_owned());
    }
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    let secret = BASE64_STANDARD.encode(bytes);
    // Written whole under another name first: a power failure must not leave half a key.
    let fresh = folder.join(format!(".{name}.new"));
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(secret.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &path)
    };
    write().with_context(|| {
        format!(
            "{}: cannot be written; choose another folder with --data",
            path.display()
        )
    })?;
    Ok(secret)
}
