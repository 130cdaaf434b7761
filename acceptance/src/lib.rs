//! User stories through the public API, told to any running hub.
//!
//! `HUB_URL=http://gateway.example.org cargo test -p acceptance` tells them to that hub; without it each story starts an
//! embedded hub of its own. Stories that stop, kill or break a hub always start their own; without the feature `own-hub`
//! they are ignored, with the reason.
//!
//! | variable | what it is |
//! |---|---|
//! | `HUB_URL` | the gateway; the other hosts are named alike, with the service's name in place of `gateway` |
//! | `HUB_ADDRESS` | `10.0.0.7:80,…`: where those hosts are, when no name server knows them |
//! | `TARGET_HOST` | the name or address by which that hub reaches this machine; it has to allow private webhook targets |

pub mod hub;
pub mod person;
pub mod stream;
pub mod target;

pub use hub::Hub;
pub use person::{Answer, Person};
pub use target::Target;

use std::time::{Duration, Instant};

/// How long a reaction may take before a story says that it did not happen.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Asks again until there is something, and answers it.
///
/// # Panics
/// After [`PATIENCE`], saying what was waited for.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(20);
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {what}");
        tokio::time::sleep(pause).await;
        // Not so often that the hub's rate limit ends the waiting.
        pause = (pause * 5 / 4).min(Duration::from_millis(250));
    }
}
