//! What a caller can and cannot pass off as an access token.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bearer;
mod http_keys;
mod issuer;
mod verifier;
