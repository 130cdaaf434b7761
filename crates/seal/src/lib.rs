//! Sealing of what must be kept but not read in a stolen database: AES-256-GCM under a service's master key.
//!
//! While a master key is exchanged there are two: [`Seal::or`] opens what either sealed, and [`Seal::renew`] seals it anew
//! under the first. Once nothing is left under the other key, it can go.
//!
//! Each service has a key of its own, so that what one sealed means nothing to another. Every sealed text is bound to its place (`signing_keys/key_…`): it cannot be moved to another row.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD},
};

/// Why something was not sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The setting is not a key.
    #[error("{0} must be 32 bytes in base64; make one with: openssl rand -base64 32")]
    Key(&'static str),
    /// The cipher failed.
    #[error("sealing {0} failed")]
    Sealing(String),
    /// Sealed under another key, moved, or changed.
    #[error(
        "{setting} does not open {place}: it is another key than the one it was sealed with, or the database was changed"
    )]
    Opening {
        /// The setting that holds the key.
        setting: &'static str,
        /// What was to be opened.
        place: String,
    },
}

/// Seals and opens.
pub struct Seal {
    setting: &'static str,
    key: RandomizedNonceKey,
    other: Option<RandomizedNonceKey>,
}

impl Seal {
    /// Under a key of 32 bytes in base64, the value of the setting `setting`: errors name it, and never its value.
    ///
    /// # Errors
    /// See [`SealError::Key`].
    pub fn new(setting: &'static str, master_key: &str) -> Result<Self, SealError> {
        Ok(Self {
            setting,
            key: key(setting, master_key)?,
            other: None,
        })
    }

    /// The same, which also opens what was sealed under `master_key`, the value of the setting `setting`. An empty one is none.
    ///
    /// # Errors
    /// See [`SealError::Key`].
    pub fn or(self, setting: &'static str, master_key: &str) -> Result<Self, SealError> {
        let other = match master_key.trim() {
            "" => None,
            text => Some(key(setting, text)?),
        };
        Ok(Self { other, ..self })
    }

    /// Whether there is a second key, so that something may have to be sealed anew.
    pub fn is_changing(&self) -> bool {
        self.other.is_some()
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
        open(&self.key, place, sealed)
            .or_else(|| open(self.other.as_ref()?, place, sealed))
            .ok_or_else(|| SealError::Opening {
                setting: self.setting,
                place: place.to_owned(),
            })
    }

    /// What was sealed at this `place` under the other key, sealed under this one; `None` when it already is.
    ///
    /// # Errors
    /// See [`SealError::Opening`].
    pub fn renew(&self, place: &str, sealed: &str) -> Result<Option<String>, SealError> {
        if open(&self.key, place, sealed).is_some() {
            return Ok(None);
        }
        self.seal(place, &self.open(place, sealed)?).map(Some)
    }
}

fn key(setting: &'static str, text: &str) -> Result<RandomizedNonceKey, SealError> {
    let text = text.trim();
    let bytes = BASE64_STANDARD
        .decode(text)
        .or_else(|_| BASE64_STANDARD_NO_PAD.decode(text));
    let bytes = bytes.ok().filter(|bytes| bytes.len() == 32);
    bytes
        .and_then(|bytes| RandomizedNonceKey::new(&AES_256_GCM, &bytes).ok())
        .ok_or(SealError::Key(setting))
}

fn open(key: &RandomizedNonceKey, place: &str, sealed: &str) -> Option<Vec<u8>> {
    let bytes = BASE64_STANDARD.decode(sealed).ok()?;
    let (nonce, rest) = bytes.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut rest = rest.to_vec();
    let plain = key.open_in_place(nonce, Aad::from(place.as_bytes()), &mut rest).ok()?;
    Some(plain.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Seal {
        Seal::new("auth.master_key", &BASE64_STANDARD.encode([byte; 32])).unwrap()
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
    fn while_a_key_is_exchanged_either_opens_and_the_first_seals() {
        let (old, new) = (BASE64_STANDARD.encode([1; 32]), BASE64_STANDARD.encode([2; 32]));
        let both = key(2).or("auth.master_key_other", &old).unwrap();
        let sealed = key(1).seal("signing_keys/a", b"secret").unwrap();
        assert_eq!(both.open("signing_keys/a", &sealed).unwrap(), b"secret");
        let renewed = both.renew("signing_keys/a", &sealed).unwrap().unwrap();
        assert_eq!(key(2).open("signing_keys/a", &renewed).unwrap(), b"secret");
        assert_eq!(both.renew("signing_keys/a", &renewed).unwrap(), None, "it is done");
        assert!(both.renew("signing_keys/b", &sealed).is_err(), "another place");
        // A replica that still seals under the old key is told of the new one first.
        let before = key(1).or("auth.master_key_other", &new).unwrap();
        assert_eq!(before.open("signing_keys/a", &renewed).unwrap(), b"secret");
        assert!(!key(1).or("auth.master_key_other", "").unwrap().is_changing());
        assert!(matches!(
            key(1).or("auth.master_key_other", "short"),
            Err(SealError::Key("auth.master_key_other"))
        ));
    }

    #[test]
    fn a_master_key_of_another_length_is_refused() {
        for text in [
            "",
            "short",
            &BASE64_STANDARD.encode([0; 31]),
            &BASE64_STANDARD.encode([0; 33]),
        ] {
            assert!(
                matches!(
                    Seal::new("auth.master_key", text),
                    Err(SealError::Key("auth.master_key"))
                ),
                "{text:?}"
            );
        }
        assert!(
            Seal::new("auth.master_key", &format!("{}\n", BASE64_STANDARD.encode([0; 32]))).is_ok(),
            "as a file ends"
        );
    }
}
