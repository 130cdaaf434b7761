//! What the log holds about a person, and how it is blanked.
//!
//! Ids stay: they hold the figures and chains of others together, and when auth has erased the account nobody can say whose
//! they were. What describes a person goes: address, names, and what they wrote.

use contracts::id::UserId;
use serde_json::{Map, Value};

use super::event::Logged;

/// Fields of an event type that describe or quote whom it is about. What a project and its tasks are called is the project's.
fn personal(short_type: &str) -> &'static [&'static str] {
    match short_type.split('.').next().unwrap_or_default() {
        "user" => &["email", "handle", "display_name"],
        "session" => &["client"],
        "token" => &["name"],
        "comment" => &["excerpt"],
        "notification" => &["title", "body"],
        _ => &[],
    }
}

/// Blanks in `event` what describes or quotes `user`, if it is about or by them; answers the new data when it differs.
///
/// An event of somebody else that only names them by id stays as it is, unless it carries one of their `addresses`.
pub fn blanked(event: &Logged, user: UserId, addresses: &[String]) -> Option<String> {
    let mut value: Value = serde_json::from_str(&event.data).ok()?;
    let id = user.to_string();
    let theirs = value.as_object().is_some_and(|fields| is_theirs(fields, &id));
    let fields = if theirs { personal(event.short_type()) } else { &[] };
    let mut changed = false;
    blank(&mut value, fields, addresses, &mut changed);
    changed.then(|| value.to_string())
}

/// Whether somebody is the one who acts in, or whom an event is about.
fn is_theirs(fields: &Map<String, Value>, id: &str) -> bool {
    ["user_id", "author_id", "actor_id", "assignee_id", "created_by"]
        .iter()
        .any(|field| fields.get(*field).and_then(Value::as_str) == Some(id))
}

fn blank(value: &mut Value, personal: &[&str], addresses: &[String], changed: &mut bool) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) => {
                        let told = personal.contains(&name.as_str());
                        let address = addresses.iter().any(|address| address.eq_ignore_ascii_case(text));
                        if (told || address) && !text.is_empty() {
                            text.clear();
                            *changed = true;
                        }
                    }
                    deeper => blank(deeper, personal, addresses, changed),
                }
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| blank(item, personal, addresses, changed)),
        _ => {}
    }
}

/// The address in an event of auth's about `user`.
pub fn address(data: &str, user: UserId) -> Option<String> {
    let value: Value = serde_json::from_str(data).ok()?;
    let profile = value.get("user")?;
    let of_user = profile.get("user_id")?.as_str()? == user.to_string();
    let email = profile.get("email")?.as_str().filter(|email| !email.is_empty())?;
    of_user.then(|| email.to_owned())
}

#[cfg(test)]
mod tests {
    use contracts::{
        Event, EventId, Timestamp, auth::UserRegistered, project::CommentCreated, project::MemberInvited,
        project::ProjectCreated,
    };
    use serde_json::json;

    use super::*;

    fn logged<E: Event>(data: &Value) -> Logged {
        let time = Timestamp::from_micros(0);
        Logged {
            id: EventId::new(),
            event_type: E::TYPE.to_owned(),
            source: String::new(),
            subject: String::new(),
            time,
            received_at: time,
            trace_id: None,
            causation_id: None,
            data: data.to_string(),
        }
    }

    #[test]
    fn what_somebody_is_called_and_wrote_is_blanked_and_what_others_did_stays() {
        let (ada, bob) = (UserId::new(), UserId::new());
        let addresses = ["Ada@example.com".to_owned()];
        let own = json!({ "user_id": ada, "user": { "user_id": ada, "email": "Ada@example.com", "display_name": "Ada", "version": 3 } });
        let left = blanked(&logged::<UserRegistered>(&own), ada, &addresses).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&left).unwrap(),
            json!({ "user_id": ada, "user": { "user_id": ada, "email": "", "display_name": "", "version": 3 } })
        );
        let comment =
            logged::<CommentCreated>(&json!({ "author_id": ada, "excerpt": "look here", "mentioned_ids": [bob] }));
        assert!(!blanked(&comment, ada, &addresses).unwrap().contains("look here"));
        assert_eq!(blanked(&comment, bob, &[]), None, "a mention is the author's");
        let invitation = json!({ "actor_id": bob, "email": "ada@EXAMPLE.com", "project_name": "Apollo" });
        let left = blanked(&logged::<MemberInvited>(&invitation), ada, &addresses).unwrap();
        assert!(!left.contains("EXAMPLE") && left.contains("Apollo"), "{left}");
        let project = json!({ "actor_id": ada, "project": { "name": "Apollo", "description": "To the moon" } });
        assert_eq!(blanked(&logged::<ProjectCreated>(&project), ada, &addresses), None);
    }

    #[test]
    fn blanking_twice_changes_nothing_more() {
        let ada = UserId::new();
        let mut comment = logged::<CommentCreated>(&json!({ "author_id": ada, "excerpt": "x" }));
        comment.data = blanked(&comment, ada, &[]).unwrap();
        assert_eq!(blanked(&comment, ada, &[]), None);
    }
}
