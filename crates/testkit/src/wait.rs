//! The only wait there is: for a condition, with an end.

use std::time::{Duration, Instant};

/// Waits until `condition` holds; fails the test when it does not within `deadline`.
pub async fn eventually(deadline: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + deadline;
    loop {
        if condition().await {
            return;
        }
        assert!(
            Instant::now() < end,
            "what the test waits for did not happen within {deadline:?}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
