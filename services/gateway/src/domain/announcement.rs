//! What goes through a stream: an event as its audience sees it.

use contracts::{EventId, Timestamp, id::ProjectId};
use poem_openapi::Object;
use serde::Serialize;

/// One event of the stream.
#[derive(Debug, Clone, PartialEq, Serialize, Object)]
#[oai(rename = "StreamEvent", example)]
pub struct Announcement {
    /// What happened: `task.created`, `member.removed`, `notification.created`, …
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// Names the event; the same on every delivery.
    pub id: String,
    /// When it happened, UTC.
    #[oai(validator(max_length = 32))]
    pub occurred_at: String,
    /// The project that it happened in.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// The event's data, as in the event catalogue.
    pub data: serde_json::Value,
}

impl Announcement {
    /// `com.cloudtaskhub.task.created.v1` → `task.created`.
    pub fn kind(event_type: &str) -> &str {
        let name = event_type.strip_prefix("com.cloudtaskhub.").unwrap_or(event_type);
        name.rsplit_once(".v").map_or(name, |(name, _)| name)
    }
}

impl poem_openapi::types::Example for Announcement {
    fn example() -> Self {
        Self {
            kind: "task.moved".to_owned(),
            id: "evt_01h455vb4pex5vsknk084sn02q".to_owned(),
            occurred_at: "2026-03-01T12:00:00Z".to_owned(),
            project_id: Some("prj_01h455vb4pex5vsknk084sn02q".to_owned()),
            data: serde_json::json!({
                "task_id": "tsk_01h455vb4pex5vsknk084sn02q",
                "project_id": "prj_01h455vb4pex5vsknk084sn02q",
                "position": "80",
                "actor_id": "usr_01h455vb4pex5vsknk084sn02q",
                "version": 3
            }),
        }
    }
}

/// Where an announcement came from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The event's id.
    pub id: EventId,
    /// The event's full type.
    pub event_type: &'a str,
    /// When it happened.
    pub time: Timestamp,
    /// In which project.
    pub project: Option<ProjectId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_the_type_without_its_owner_and_version() {
        assert_eq!(
            Announcement::kind("com.cloudtaskhub.member.role_changed.v1"),
            "member.role_changed"
        );
        assert_eq!(Announcement::kind("com.cloudtaskhub.task.created.v12"), "task.created");
    }
}
