//! The log of events, for admins: what happened, and what followed from it.

use chassis::{
    FieldError, Problem,
    http::{
        json::Json,
        page::{self, Page},
    },
};
use contracts::{EventId, Timestamp};
use database::Db;
use identity::Bearer;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    types::Any,
};
use serde::{Deserialize, Serialize};

use super::Tag;
use crate::{
    domain::{
        chain::{Chain, EventError},
        event::{Logged, type_named},
    },
    store::{self, event::Filter},
};

/// Operations on the log.
pub struct EventApi {
    /// The service's database.
    pub db: Db,
}

/// An event as it was published.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(rename = "LoggedEvent")]
pub struct Event {
    /// Names it.
    pub id: String,
    /// What sort of event: `task.created.v1`.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// Who published it: `/services/project`.
    pub source: String,
    /// The id of what it is about.
    pub subject: String,
    /// When it happened.
    pub time: String,
    /// When it came into the log.
    pub received_at: String,
    /// The trace that it is part of (W3C Trace Context).
    pub trace_id: Option<String>,
    /// The event whose reaction published it; null when a request or a scheduler did.
    pub causation_id: Option<String>,
    /// What happened. What described somebody who closed their account is blank.
    pub data: Any<serde_json::Value>,
}

impl From<Logged> for Event {
    fn from(event: Logged) -> Self {
        Self {
            id: event.id.to_string(),
            kind: event.short_type().to_owned(),
            time: event.time.to_string(),
            received_at: event.received_at.to_string(),
            causation_id: event.causation_id.map(|id| id.to_string()),
            // The log takes JSON alone.
            data: Any(serde_json::from_str(&event.data).unwrap_or_default()),
            source: event.source,
            subject: event.subject,
            trace_id: event.trace_id,
        }
    }
}

/// An event in a chain.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct Link {
    /// How many events come before it in the chain of causes: 0 for what a request or a scheduler published.
    pub depth: u64,
    /// The event.
    pub event: Event,
}

/// What belongs together: a request's events, what services did about them, and so on.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct EventTrace {
    /// In order of time.
    pub events: Vec<Link>,
    /// Whether there are more than the 1000 that are told.
    pub truncated: bool,
}

fn moment(name: &str, text: Option<&str>, wrong: &mut Vec<FieldError>) -> Option<Timestamp> {
    let parsed = text?.parse::<Timestamp>();
    parsed
        .map_err(|error| wrong.push(FieldError::parameter(name, error.to_string())))
        .ok()
}

#[OpenApi]
impl EventApi {
    /// List events, newest first.
    #[oai(
        path = "/v1/events",
        method = "get",
        operation_id = "listEvents",
        tag = "Tag::Events"
    )]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the operation")]
    async fn list_events(
        &self,
        _caller: Bearer,
        /// Only of this type: `task.created.v1`.
        #[oai(name = "type")]
        kind: Query<Option<String>>,
        /// Only about this: `tsk_…`, `usr_…`.
        subject: Query<Option<String>>,
        /// Not before this time.
        from: Query<Option<String>>,
        /// Before this time.
        to: Query<Option<String>>,
        /// Items of a page, 1 to 200; 50 without it.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Page<Event>>, Problem> {
        let mut wrong = Vec::new();
        let event_type = kind.0.as_deref().and_then(|name| {
            let known = type_named(name);
            if known.is_none() {
                wrong.push(FieldError::parameter(
                    "type",
                    "must be the type of an event, such as task.created.v1",
                ));
            }
            known
        });
        let filter = Filter {
            event_type,
            subject: subject.0,
            from: moment("from", from.0.as_deref(), &mut wrong),
            to: moment("to", to.0.as_deref(), &mut wrong),
        };
        if !wrong.is_empty() {
            return Err(Problem::invalid(wrong));
        }
        let limit = page::limit(limit.0)?;
        let list = format!("events {filter:?}");
        let after = page::position::<(Timestamp, EventId)>(&list, cursor.0.as_deref())?;
        let rows = store::event::page(self.db.read(), &filter, after, limit + 1)
            .await
            .map_err(EventError::from)?;
        Ok(Json(page::page(
            rows,
            limit,
            &list,
            |row| (row.time, row.id),
            Event::from,
        )))
    }

    /// Show the chain that an event is part of, from a request to all its reactions.
    #[oai(
        path = "/v1/events/:id/trace",
        method = "get",
        operation_id = "traceEvent",
        tag = "Tag::Events"
    )]
    async fn trace_event(
        &self,
        _caller: Bearer,
        /// Any event of the chain.
        id: Path<String>,
    ) -> Result<Json<EventTrace>, Problem> {
        let id: EventId = id.0.parse().map_err(|_| EventError::NotFound)?;
        let chain = chain(&self.db, id).await?;
        let truncated = chain.is_full();
        let events = chain.in_order().into_iter().map(|(depth, event)| Link {
            depth: depth as u64,
            event: event.into(),
        });
        Ok(Json(EventTrace {
            events: events.collect(),
            truncated,
        }))
    }
}

async fn chain(db: &Db, id: EventId) -> Result<Chain, EventError> {
    let first = store::event::find(db.read(), id).await?.ok_or(EventError::NotFound)?;
    let mut chain = Chain::default();
    let mut frontier = chain.add(vec![first]);
    while !frontier.is_empty() && !chain.is_full() {
        let traces: Vec<&str> = frontier.traces.iter().map(String::as_str).collect();
        let limit = crate::domain::chain::MOST as u64;
        let found = store::event::related(db.read(), &traces, &frontier.causes, &frontier.ids, limit).await?;
        frontier = chain.add(found);
    }
    Ok(chain)
}

impl From<EventError> for Problem {
    fn from(error: EventError) -> Self {
        match error {
            EventError::NotFound => Problem::not_found("event-not-found", error.to_string()),
            EventError::Store(_) => Problem::internal(error),
        }
    }
}
