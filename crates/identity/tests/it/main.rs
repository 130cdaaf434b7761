//! What a caller can and cannot pass off as an access token.

mod bearer;
mod http_keys;
mod issuer;
mod verifier;
