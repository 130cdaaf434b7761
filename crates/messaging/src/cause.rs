//! What something is done because of, kept for whoever does it later.
//!
//! A request or a reaction may leave work to a worker: a payment to be charged, a file to be read. It keeps
//! [`Cause::current`] beside the work, in the transaction that asks for it, and the worker does the work within [`resume`]. What it
//! publishes then names the same event as its cause and is of the same trace, as if it had been done at once. Work without
//! a kept cause (a clock began it, or an older release) is done as it is.

use contracts::EventId;
use sea_orm::DeriveValueType;
use serde_json::{Value, json};
use tracing::Instrument;

use crate::{
    outbox::CAUSE,
    trace::{self, TraceContext},
};

/// The event that is being handled and the trace that this is part of, as it is kept in a column of text.
#[derive(Debug, Clone, PartialEq, Eq, DeriveValueType)]
pub struct Cause(String);

impl Cause {
    /// What is being done now is done because of this; `None` outside of any reaction and any trace.
    pub fn current() -> Option<Self> {
        let event = CAUSE.try_with(EventId::to_string).ok();
        let trace = TraceContext::current();
        if event.is_none() && trace.traceparent.is_none() {
            return None;
        }
        let kept = json!({ "event": event, "traceparent": trace.traceparent, "tracestate": trace.tracestate });
        Some(Self(kept.to_string()))
    }
}

/// Does `work` because of `cause`: what it appends to the outbox names that event, and continues that trace.
pub async fn resume<F: Future>(cause: Option<&Cause>, work: F) -> F::Output {
    let Some(Cause(kept)) = cause else { return work.await };
    let (span, event) = {
        let kept: Value = serde_json::from_str(kept).unwrap_or_default();
        let text = |name: &str| kept[name].as_str();
        let span = tracing::info_span!("resume");
        let around = trace::context_of(&tracing::Span::current());
        let parent = trace::Headers {
            traceparent: text("traceparent"),
            tracestate: text("tracestate"),
        };
        trace::adopt(&span, &parent, &around);
        (span, text("event").and_then(|id| id.parse::<EventId>().ok()))
    };
    let work = work.instrument(span);
    match event {
        Some(event) => CAUSE.scope(event, work).await,
        None => work.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_reaction_leaves_to_a_worker_is_done_because_of_the_same_event() {
        let event = EventId::new();
        let kept = CAUSE.scope(event, async { Cause::current() }).await;
        let seen = resume(kept.as_ref(), async { CAUSE.try_with(|id| *id).ok() }).await;
        assert_eq!(seen, Some(event));
    }

    #[tokio::test]
    async fn work_without_a_cause_and_one_that_cannot_be_read_are_done_all_the_same() {
        let seen = async || CAUSE.try_with(|id| *id).ok();
        assert_eq!(Cause::current(), None);
        assert_eq!(resume(None, seen()).await, None);
        let unreadable = Cause("from a release to come".to_owned());
        assert_eq!(resume(Some(&unreadable), seen()).await, None);
    }
}
