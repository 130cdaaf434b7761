//! The time, as an argument: a test sets it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use contracts::Timestamp;

/// Tells the time; clones tell the same.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// What it shows beside its offset; without it, the machine's clock.
    stopped_at: Option<Timestamp>,
    offset_micros: Arc<AtomicI64>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still at the machine's time until it is advanced: what a test measures does not depend on how
    /// busy the machine is.
    pub fn stopped() -> Self {
        Self {
            stopped_at: Some(Timestamp::now()),
            ..Self::default()
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        let shown = self.stopped_at.unwrap_or_else(Timestamp::now);
        Timestamp::from_micros(shown.as_micros() + self.offset_micros.load(Ordering::Relaxed))
    }

    /// Lets time pass at once, for this clock and its clones.
    pub fn advance(&self, by: Duration) {
        self.offset_micros
            .fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}
