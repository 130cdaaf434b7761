//! HTTP in and out: handlers and what is on the wire. No SQL, no rule.

/// What holds a secret is not logged by accident: its `Debug` shows the name of the type alone.
macro_rules! opaque {
    ($($secret:ident)*) => {$(
        impl std::fmt::Debug for $secret {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($secret)).finish_non_exhaustive()
            }
        }
    )*};
}

pub mod client;
pub mod erasure;
pub mod introspection;
pub mod key;
pub mod mail;
pub mod page;
pub mod password;
pub mod personal_data;
pub mod problem;
pub mod session;
pub mod token;
pub mod user;

use poem_openapi::Tags;

/// Groups of operations in the document.
#[derive(Tags)]
pub enum Tag {
    /// Opening an account and proving who one is.
    Accounts,
    /// One's own profile and password.
    Profile,
    /// Signing in and out.
    Sessions,
    /// Personal access tokens, for programs.
    Tokens,
    /// Accounts, for those who run the hub.
    Users,
    /// For other services.
    Services,
}
