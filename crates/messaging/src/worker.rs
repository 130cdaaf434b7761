//! The loop of every background task: relay, schedulers, senders, janitors.
//!
//! [`Worker::step`] owns the work and is what tests call; [`run`] owns pace and stop. A step that answers `Full` is followed
//! by the next at once, `Drained` by a pause that a wake-up cuts short, an error by a growing pause that nothing cuts short,
//! so that a failing dependency is not hammered. A step that has begun is finished. Every return of a step beats
//! [`Progress`], which `/livez` reads, unless the worker says that it is stalled.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use contracts::Timestamp;
use rand::Rng;
use tokio_util::sync::CancellationToken;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is probably more to do.
    Full,
    /// All is done for now.
    Drained,
}

/// What a step may fail with.
pub type StepError = Box<dyn std::error::Error + Send + Sync>;

/// Work that comes in bounded, repeatable steps.
#[async_trait]
pub trait Worker: Send + Sync {
    /// For logs and metrics: `relay`, `due-scheduler`.
    fn name(&self) -> &'static str;

    /// Does a bounded piece of the work.
    ///
    /// # Errors
    /// Then it is tried again after a pause.
    async fn step(&mut self) -> Result<Step, StepError>;

    /// Whether the last step failed although what it depends on answers: then a new start may help, it does not count as
    /// progress, and `/livez` turns red in the end. By default never.
    fn stalled(&self) -> bool {
        false
    }

    /// Called once, after the last step; what it does is bounded in time.
    async fn finish(&mut self) {}

    /// Ends when there may be work before the idle pause is over. By default never.
    async fn woken(&self) {
        std::future::pending().await
    }
}

/// How long a worker pauses.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// After a step that drained the work.
    pub idle: Duration,
    /// After the first error; doubles with each further one.
    pub first_retry: Duration,
    /// The longest pause after an error.
    pub last_retry: Duration,
}

impl Pace {
    /// The usual pauses after errors: 100 ms to 10 s.
    pub const fn every(idle: Duration) -> Self {
        Self {
            idle,
            first_retry: Duration::from_millis(100),
            last_retry: Duration::from_secs(10),
        }
    }

    /// The pause after `errors` errors in a row, give or take a fifth so that replicas spread.
    pub fn after(&self, errors: u32) -> Duration {
        let doubled = self
            .first_retry
            .saturating_mul(1_u32.checked_shl(errors.saturating_sub(1)).unwrap_or(u32::MAX));
        doubled.min(self.last_retry).mul_f64(rand::rng().random_range(0.8..1.2))
    }
}

/// When a worker or consumer last got anywhere.
#[derive(Debug, Clone)]
pub struct Progress {
    name: &'static str,
    beat: Arc<AtomicI64>,
}

impl Progress {
    /// As if it had just got somewhere.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            beat: Arc::new(AtomicI64::new(Timestamp::now().as_micros())),
        }
    }

    /// Whose progress.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// It got somewhere, or has nothing to do.
    pub fn beat(&self) {
        self.beat.store(Timestamp::now().as_micros(), Ordering::Relaxed);
    }

    /// How long it has been stuck.
    pub fn age(&self) -> Duration {
        Timestamp::now().since(Timestamp::from_micros(self.beat.load(Ordering::Relaxed)))
    }
}

/// Runs `worker` until `stop`.
pub async fn run<W: Worker + ?Sized>(worker: &mut W, pace: Pace, progress: Progress, stop: CancellationToken) {
    let mut errors = 0;
    while !stop.is_cancelled() {
        let stepped = worker.step().await;
        if stepped.is_ok() || !worker.stalled() {
            progress.beat();
        }
        let pause = match stepped {
            Ok(Step::Full) => {
                errors = 0;
                continue;
            }
            Ok(Step::Drained) => {
                errors = 0;
                pace.idle
            }
            Err(error) => {
                errors += 1;
                let pause = pace.after(errors);
                tracing::warn!(worker = worker.name(), error = %chain(error.as_ref()), errors, "step failed");
                pause
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
            () = worker.woken(), if errors == 0 => {}
        }
    }
    worker.finish().await;
}

/// An error and what caused it, in one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}
