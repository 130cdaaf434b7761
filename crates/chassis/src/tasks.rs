//! What runs beside requests: named, traced, joined at shutdown.
//!
//! A task that panics or ends on its own ends the process: an orchestrator starts it again, whereas a process that limps
//! along without its relay looks healthy and is not. The panic hook has logged where it happened.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// Spawns tasks; clones spawn into the same group.
#[derive(Clone)]
pub struct Tasks {
    service: &'static str,
    tracker: TaskTracker,
    running: Arc<Mutex<Running>>,
    failed: watch::Sender<Option<String>>,
}

#[derive(Default)]
struct Running {
    next: u64,
    names: BTreeMap<u64, String>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new("")
    }
}

impl Tasks {
    /// A group of `service`.
    pub fn new(service: &'static str) -> Self {
        Self {
            service,
            tracker: TaskTracker::new(),
            running: Arc::default(),
            failed: watch::Sender::new(None),
        }
    }

    /// The same group, on behalf of `service`.
    #[must_use]
    pub fn of(&self, service: &'static str) -> Self {
        Self {
            service,
            ..self.clone()
        }
    }

    /// A group of its own, whose panics end the process as this one's do.
    #[must_use]
    pub(crate) fn group(&self) -> Self {
        Self {
            failed: self.failed.clone(),
            ..Self::new(self.service)
        }
    }

    /// Runs `work` in the background. It must end by itself when the process stops.
    pub fn spawn(&self, name: impl Into<String>, work: impl Future<Output = ()> + Send + 'static) {
        let name = name.into();
        // Not exported (see telemetry): it lasts as long as the process and would be the parent of everything.
        let span =
            tracing::info_span!(target: "chassis::task", parent: None, "task", service = self.service, task = %name);
        let id = {
            let mut running = self.running();
            running.next += 1;
            let id = running.next;
            running.names.insert(id, name.clone());
            id
        };
        let tasks = self.clone();
        let work = async move {
            let ended = AssertUnwindSafe(work).catch_unwind().await;
            tasks.running().names.remove(&id);
            if ended.is_err() {
                tasks.failed.send_replace(Some(name));
            }
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that spawns: named, traced, joined"
        )]
        tokio::spawn(self.tracker.track_future(work.instrument(span)));
    }

    /// Waits until all have ended, `within` at most; answers the names of those that have not.
    ///
    /// # Errors
    /// Those names.
    pub async fn join(&self, within: Duration) -> Result<(), Vec<String>> {
        self.tracker.close();
        if tokio::time::timeout(within, self.tracker.wait()).await.is_ok() {
            return Ok(());
        }
        Err(self.running().names.values().cloned().collect())
    }

    /// Ends when a task of this or a related group has panicked; its name.
    pub async fn failed(&self) -> String {
        let mut failed = self.failed.subscribe();
        match failed.wait_for(Option::is_some).await {
            Ok(name) => name.clone().unwrap_or_default(),
            // Cannot happen: this group holds a sender.
            Err(_) => std::future::pending().await,
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Running> {
        // A map of names is whole at any time.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_task_that_panics_is_told_by_name_in_every_related_group() {
        let tasks = Tasks::new("project");
        tasks.group().spawn("relay", async { panic!("out of order") });
        assert_eq!(tokio::time::timeout(SOON, tasks.failed()).await.unwrap(), "relay");
        assert_eq!(tasks.join(SOON).await, Ok(()));
    }

    #[tokio::test]
    async fn joining_names_the_tasks_that_do_not_end() {
        let tasks = Tasks::new("project");
        tasks.spawn("quick", async {});
        tasks.spawn("endless", std::future::pending());
        assert_eq!(
            tasks.join(Duration::from_millis(50)).await,
            Err(vec!["endless".to_owned()])
        );
    }
}
