//! Stripe's webhook signature (docs.stripe.com/webhooks, "Verify manually"): `Stripe-Signature: t=SECONDS,v1=HEX[,v1=HEX]`, where
//! each `v1` is HMAC-SHA256 of `SECONDS.BODY`. Several stand there while a secret is being changed.

use std::time::Duration;

use aws_lc_rs::hmac;
use contracts::Timestamp;

/// How far the time of a webhook may be from ours, so that one that was overheard is not good for long.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// Why a webhook is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The header is missing or cannot be read.
    #[error("Stripe-Signature must be like t=1700000000,v1=…")]
    Malformed,
    /// It is from another time.
    #[error("the webhook's time is more than five minutes from ours")]
    Stale,
    /// It was not made with our secret, or the body is another.
    #[error("the signature does not match")]
    Mismatch,
}

/// Checks a webhook's signature, in constant time.
///
/// # Errors
/// See [`SignatureError`].
pub fn verify(header: Option<&str>, body: &[u8], secret: &str, now: Timestamp) -> Result<(), SignatureError> {
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.ok_or(SignatureError::Malformed)?.split(',') {
        match part.trim().split_once('=') {
            Some(("t", text)) => time = Some(text),
            Some(("v1", text)) => signatures.push(decode(text).ok_or(SignatureError::Malformed)?),
            Some(_) => {}
            None => return Err(SignatureError::Malformed),
        }
    }
    let time = time.ok_or(SignatureError::Malformed)?;
    let seconds: i64 = time.parse().map_err(|_| SignatureError::Malformed)?;
    if signatures.is_empty() {
        return Err(SignatureError::Malformed);
    }
    if now.as_seconds().abs_diff(seconds) > TOLERANCE.as_secs() {
        return Err(SignatureError::Stale);
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signed = [time.as_bytes(), b".", body].concat();
    if signatures
        .iter()
        .any(|signature| hmac::verify(&key, &signed, signature).is_ok())
    {
        Ok(())
    } else {
        Err(SignatureError::Mismatch)
    }
}

fn decode(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec of the tests"; // pragma: allowlist secret

    fn now() -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000)
    }

    fn sign(secret: &str, time: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, format!("{time}.{body}").as_bytes());
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn what_was_signed_with_the_secret_now_is_believed() {
        let good = sign(SECRET, 1_700_000_000, "{}");
        assert_eq!(
            verify(Some(&format!("t=1700000000,v1={good}")), b"{}", SECRET, now()),
            Ok(())
        );
        let rotating = format!(
            "t=1700000000,v1={},v0=00,v1={good}",
            sign("the old one", 1_700_000_000, "{}")
        );
        assert_eq!(verify(Some(&rotating), b"{}", SECRET, now()), Ok(()));
    }

    #[test]
    fn a_signature_made_by_another_implementation_is_believed() {
        // Python's hmac.new(b"whsec_test", b'1700000000.{"id":"evt_1"}', hashlib.sha256).hexdigest()
        let header = "t=1700000000,v1=c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925"; // pragma: allowlist secret
        assert_eq!(verify(Some(header), br#"{"id":"evt_1"}"#, "whsec_test", now()), Ok(()));
    }

    #[test]
    fn another_body_secret_or_time_is_not_believed() {
        let header = |time: i64, secret| format!("t={time},v1={}", sign(secret, time, "{}"));
        let check = |header: &str, body: &[u8]| verify(Some(header), body, SECRET, now()).unwrap_err();
        assert_eq!(check(&header(1_700_000_000, SECRET), b"{ }"), SignatureError::Mismatch);
        assert_eq!(check(&header(1_700_000_000, "guess"), b"{}"), SignatureError::Mismatch);
        assert_eq!(check(&header(1_700_000_301, SECRET), b"{}"), SignatureError::Stale);
        assert_eq!(check(&header(1_699_999_699, SECRET), b"{}"), SignatureError::Stale);
    }

    #[test]
    fn what_is_no_signature_is_said_to_be_none() {
        for header in [
            "",
            "t=1",
            "v1=00",
            "t=x,v1=00",
            "t=1700000000,v1=0",
            "t=1700000000,v1=zz",
            "t=1700000000,v1=é",
        ] {
            assert_eq!(
                verify(Some(header), b"", SECRET, now()),
                Err(SignatureError::Malformed),
                "{header}"
            );
        }
        assert_eq!(verify(None, b"", SECRET, now()), Err(SignatureError::Malformed));
    }
}
