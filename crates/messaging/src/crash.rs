//! Points where tests let the process die, to prove that nothing depends on what comes after them. Those of events are named
//! here, those of a service's own work where it is done.
//!
//! Compiled only with the feature `crash-points`; otherwise [`point`] is empty. `CLOUDTASKHUB_CRASH_AT=relay.published:3`
//! kills the process with SIGKILL at the third passage of that point: no destructor runs, no buffer is flushed.

/// A transaction with events has committed, nothing of it is published.
pub const OUTBOX_COMMITTED: &str = "outbox.committed";
/// The broker has acknowledged events that are not marked as sent.
pub const RELAY_PUBLISHED: &str = "relay.published";
/// Effects have committed, the offsets of their events are not stored.
pub const CONSUMER_COMMITTED: &str = "consumer.committed";

/// Dies here, if the environment says so.
#[cfg(not(feature = "crash-points"))]
#[inline]
pub fn point(_name: &str) {}

/// Dies here, if the environment says so.
#[cfg(feature = "crash-points")]
pub fn point(name: &str) {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    };
    static AT: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let text = std::env::var("CLOUDTASKHUB_CRASH_AT").ok()?;
        let (point, passage) = text.rsplit_once(':')?;
        Some((point.to_owned(), passage.parse().ok()?))
    });
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let Some((at, passage)) = &*AT else { return };
    if at == name && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *passage {
        let killed = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        unreachable!("the process outlived its kill: {killed:?}");
    }
}
