//! The secrets of an embedded hub: made at its first start, kept in its data folder, readable by its owner alone.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use rand::RngCore;

/// Where the secrets of a data folder are; settings name the files, so that no secret passes through here.
pub(crate) struct Secrets {
    /// Seals auth's signing keys.
    pub(crate) master_key: PathBuf,
    /// What the gateway shows to auth.
    pub(crate) introspection: PathBuf,
}

impl Secrets {
    /// Makes what is missing.
    pub(crate) fn in_folder(data: &Path) -> anyhow::Result<Self> {
        let folder = data.join("secrets");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("{}: cannot be made; choose a folder that can be written with --data", folder.display()))?;
        Ok(Self {
            master_key: file(&folder, "auth-master-key")?,
            introspection: file(&folder, "introspection")?,
        })
    }
}

/// A file with 32 random bytes in base64.
fn file(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    if path.exists() {
        return Ok(path);
    }
    let mut secret = [0_u8; 32];
    rand::rng().fill_bytes(&mut secret);
    // Written whole under another name first: a power failure must not leave half a key.
    let fresh = folder.join(format!(".{name}.new"));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(BASE64_STANDARD.encode(secret).as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &path)
    };
    write().with_context(|| format!("{}: cannot be written; choose another folder with --data", path.display()))?;
    Ok(path)
}
