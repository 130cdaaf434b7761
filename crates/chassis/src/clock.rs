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
    offset_micros: Arc<AtomicI64>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(Timestamp::now().as_micros() + self.offset_micros.load(Ordering::Relaxed))
    }

    /// Lets time pass at once, for this clock and its clones.
    pub fn advance(&self, by: Duration) {
        self.offset_micros.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}
