//! Signatures of webhooks as Standard Webhooks 1.0 has them (<https://www.standardwebhooks.com>).
//!
//! HMAC-SHA256 over `id.timestamp.body` with the bytes behind `whsec_`, as `v1,` and base64. While a secret is being
//! replaced there are two signatures, one by each, so that a receiver may change over at its leisure.

use aws_lc_rs::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret, SecretString};

/// What a secret begins with.
pub const PREFIX: &str = "whsec_";
/// Random bytes of a secret; the standard wants 24 to 64.
const BYTES: usize = 32;

/// The machine has no randomness.
#[derive(Debug, thiserror::Error)]
#[error("making a secret")]
pub struct NoRandomness;

/// A new secret.
///
/// # Errors
/// See [`NoRandomness`].
pub fn generate() -> Result<SecretString, NoRandomness> {
    let mut bytes = [0_u8; BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(format!("{PREFIX}{}", BASE64_STANDARD.encode(bytes)).into())
}

/// The value of `webhook-signature`: one signature for each of the `secrets`. A secret that is none gives no signature.
pub fn sign(secrets: &[SecretString], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signatures = secrets.iter().filter_map(|secret| {
        let key = BASE64_STANDARD
            .decode(secret.expose_secret().strip_prefix(PREFIX)?)
            .ok()?;
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key));
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        Some(format!("v1,{}", BASE64_STANDARD.encode(context.sign())))
    });
    signatures.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_of_the_standards_own_libraries() {
        // The example of the reference implementations' tests.
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()); // pragma: allowlist secret
        let signed = sign(
            &[secret],
            "msg_p5jXN8AQM9LWM0D4loKWxJek", // pragma: allowlist secret
            1_614_265_330,
            b"{\"test\": 2432232314}",
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_give_two_signatures_of_which_a_receiver_needs_to_know_one() {
        let (old, new) = (generate().unwrap(), generate().unwrap());
        let both = sign(&[new.clone(), old.clone()], "evt_1", 1, b"{}");
        assert_eq!(
            both,
            format!(
                "{} {}",
                sign(&[new], "evt_1", 1, b"{}"),
                sign(&[old], "evt_1", 1, b"{}")
            )
        );
    }
}
