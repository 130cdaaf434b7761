//! Tokens that are secrets: made from 256 random bits, shown once, kept as a digest.
//!
//! SHA-256 without salt or stretching is right for them: nobody can guess 256 bits, so there is nothing to slow down.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

/// What a refresh token begins with; secret scanners look for it.
pub const REFRESH: &str = "cth_rt_";
/// What a personal access token begins with.
pub const PERSONAL: &str = "cth_pat_";
/// What the code in a verification mail begins with.
pub const VERIFY: &str = "cth_ev_";
/// What the code in a reset mail begins with.
pub const RESET: &str = "cth_pr_";

/// What the id of an erasure begins with.
pub const ERASURE: &str = "cth_er_";

/// The machine has no random bytes to give.
#[derive(Debug, thiserror::Error)]
#[error("the system's random source failed")]
pub struct NoRandomness;

/// A new secret that begins with `prefix`.
///
/// # Errors
/// See [`NoRandomness`].
pub fn generate(prefix: &str) -> Result<SecretString, NoRandomness> {
    let mut bytes = [0_u8; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(SecretString::from(format!(
        "{prefix}{}",
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    )))
}

/// What is kept of a secret: 64 hexadecimal digits.
pub fn digest(secret: &str) -> String {
    Sha256::digest(secret.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn every_secret_is_another_one_and_says_what_it_is_for() {
        let (one, two) = (generate(PERSONAL).unwrap(), generate(PERSONAL).unwrap());
        assert_ne!(one.expose_secret(), two.expose_secret());
        assert!(one.expose_secret().starts_with("cth_pat_") && one.expose_secret().len() == 8 + 43);
        assert_ne!(digest(one.expose_secret()), digest(two.expose_secret()));
    }
}
