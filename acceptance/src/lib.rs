//! User stories through the public API, told to any running hub.
//!
//! `HUB_URL=https://gateway.example.org cargo test -p acceptance` tells them to that hub; without it each story starts an
//! embedded hub of its own. Stories that stop, kill or break a hub always start their own.

pub mod hub;
pub mod person;
pub mod stream;
pub mod target;

pub use hub::Hub;
pub use person::{Answer, Person};
pub use target::Target;

use std::time::{Duration, Instant};

/// How long a reaction may take before a story says that it did not happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again until there is something, and answers it.
///
/// # Panics
/// After [`PATIENCE`], saying what was waited for.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
