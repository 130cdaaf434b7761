//! Sealing of what must be kept but not read in a stolen database: AES-256-GCM under `auth.master_key`.
//!
//! Every sealed text is bound to its place (`signing_keys/key_…`): it cannot be moved to another row.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD},
};

/// Why something was not sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// `auth.master_key` is not a key.
    #[error("auth.master_key must be 32 bytes in base64; make one with: openssl rand -base64 32")]
    Key,
    /// The cipher failed.
    #[error("sealing {0} failed")]
    Sealing(String),
    /// Sealed under another key, moved, or changed.
    #[error(
        "auth.master_key does not open {0}: it is another key than the one it was sealed with, or the database was changed"
    )]
    Opening(String),
}

/// Seals and opens.
pub struct Seal {
    key: RandomizedNonceKey,
}

impl Seal {
    /// Under a key of 32 bytes in base64.
    ///
    /// # Errors
    /// See [`SealError::Key`].
    pub fn new(master_key: &str) -> Result<Self, SealError> {
        let text = master_key.trim();
        let bytes = BASE64_STANDARD
            .decode(text)
            .or_else(|_| BASE64_STANDARD_NO_PAD.decode(text));
        let bytes = bytes.ok().filter(|bytes| bytes.len() == 32).ok_or(SealError::Key)?;
        Ok(Self {
            key: RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| SealError::Key)?,
        })
    }

    /// `secret` as a text that only this key opens, at this `place`.
    ///
    /// # Errors
    /// See [`SealError::Sealing`].
    pub fn seal(&self, place: &str, secret: &[u8]) -> Result<String, SealError> {
        let mut sealed = secret.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut sealed);
        let nonce = nonce.map_err(|_| SealError::Sealing(place.to_owned()))?;
        Ok(BASE64_STANDARD.encode([nonce.as_ref().as_slice(), sealed.as_slice()].concat()))
    }

    /// What was sealed at this `place`.
    ///
    /// # Errors
    /// See [`SealError::Opening`].
    pub fn open(&self, place: &str, sealed: &str) -> Result<Vec<u8>, SealError> {
        let wrong = || SealError::Opening(place.to_owned());
        let bytes = BASE64_STANDARD.decode(sealed).map_err(|_| wrong())?;
        let (nonce, rest) = bytes.split_at_checked(NONCE_LEN).ok_or_else(wrong)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong())?;
        let mut rest = rest.to_vec();
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(place.as_bytes()), &mut rest)
            .map_err(|_| wrong())?;
        Ok(plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Seal {
        Seal::new(&BASE64_STANDARD.encode([byte; 32])).unwrap()
    }

    #[test]
    fn what_was_sealed_is_opened_by_the_same_key_at_the_same_place_only() {
        let sealed = key(1).seal("signing_keys/a", b"secret").unwrap();
        assert_eq!(key(1).open("signing_keys/a", &sealed).unwrap(), b"secret");
        assert!(key(2).open("signing_keys/a", &sealed).is_err(), "another key");
        assert!(key(1).open("signing_keys/b", &sealed).is_err(), "another place");
        let mut changed = BASE64_STANDARD.decode(&sealed).unwrap();
        *changed.last_mut().unwrap() ^= 1;
        assert!(
            key(1).open("signing_keys/a", &BASE64_STANDARD.encode(changed)).is_err(),
            "changed"
        );
        for broken in ["", "AAAA", "not base64!"] {
            assert!(key(1).open("signing_keys/a", broken).is_err(), "{broken:?}");
        }
        assert_ne!(
            sealed,
            key(1).seal("signing_keys/a", b"secret").unwrap(),
            "never twice the same text"
        );
    }

    #[test]
    fn a_master_key_of_another_length_is_refused() {
        for text in [
            "",
            "short",
            &BASE64_STANDARD.encode([0; 31]),
            &BASE64_STANDARD.encode([0; 33]),
        ] {
            assert!(matches!(Seal::new(text), Err(SealError::Key)), "{text:?}");
        }
        assert!(
            Seal::new(&format!("{}\n", BASE64_STANDARD.encode([0; 32]))).is_ok(),
            "as a file ends"
        );
    }
}
