//! The chain of events from a request to all its reactions.
//!
//! Events belong together that are of one trace, and those of which one is the other's cause: a chain goes on where a trace
//! was not recorded, and beyond the trace where a scheduler took up what an event began.

use std::collections::{BTreeMap, BTreeSet};

use contracts::EventId;
use sea_orm::DbErr;

use super::event::Logged;

/// Events of a chain at most.
pub const MOST: usize = 1000;

/// Why events cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The log has none of this id.
    #[error("there is no such event in the log; it may be older than the log")]
    NotFound,
    /// The database failed.
    #[error("reading the log")]
    Store(#[from] DbErr),
}

/// What is known of a chain.
#[derive(Debug, Default)]
pub struct Chain {
    events: BTreeMap<EventId, Logged>,
    traces: BTreeSet<String>,
}

/// Where a chain may go on: traces, causes and ids that were not looked at yet.
#[derive(Debug, Default)]
pub struct Frontier {
    /// Traces.
    pub traces: Vec<String>,
    /// Causes that are not known yet.
    pub causes: Vec<EventId>,
    /// Events whose effects are not known yet.
    pub ids: Vec<EventId>,
}

impl Frontier {
    /// Whether the chain is complete.
    pub fn is_empty(&self) -> bool {
        self.traces.is_empty() && self.causes.is_empty() && self.ids.is_empty()
    }
}

impl Chain {
    /// Adds what was found; answers where to look next.
    pub fn add(&mut self, found: Vec<Logged>) -> Frontier {
        let mut frontier = Frontier::default();
        for event in found {
            if self.events.len() >= MOST || self.events.contains_key(&event.id) {
                continue;
            }
            frontier.ids.push(event.id);
            frontier.causes.extend(event.causation_id);
            if let Some(trace) = &event.trace_id
                && self.traces.insert(trace.clone())
            {
                frontier.traces.push(trace.clone());
            }
            self.events.insert(event.id, event);
        }
        frontier.causes.retain(|cause| !self.events.contains_key(cause));
        frontier
    }

    /// Whether there may be more than are told.
    pub fn is_full(&self) -> bool {
        self.events.len() >= MOST
    }

    /// The events in order of time, each with the number of causes before it.
    pub fn in_order(self) -> Vec<(usize, Logged)> {
        let depth = |event: &Logged| {
            let causes = std::iter::successors(event.causation_id, |cause| self.events.get(cause)?.causation_id);
            causes.take(MOST).count()
        };
        let mut events: Vec<(usize, Logged)> = self
            .events
            .values()
            .map(|event| (depth(event), event.clone()))
            .collect();
        events.sort_by_key(|(depth, event)| (event.time, *depth, event.id));
        events
    }
}
