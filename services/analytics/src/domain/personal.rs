//! What the log holds about a person, and how it is blanked.
//!
//! Ids stay: they hold the figures and chains of others together, and when auth has erased the account nobody can say whose
//! they were. What describes a person goes: address, names, and what they wrote.

use contracts::id::UserId;
use serde_json::{Map, Value};

/// Fields that describe or quote somebody.
const PERSONAL: [&str; 10] = [
    "email",
    "handle",
    "display_name",
    "client",
    "excerpt",
    "title",
    "task_title",
    "body",
    "name",
    "description",
];

/// Blanks in `data` what describes or quotes `user`, if the event is about or by them; answers the new text when it differs.
///
/// An event of somebody else that only names them by id stays as it is, unless it carries one of their `addresses`.
pub fn blanked(data: &str, user: UserId, addresses: &[String]) -> Option<String> {
    let mut value: Value = serde_json::from_str(data).ok()?;
    let id = user.to_string();
    let theirs = value.as_object().is_some_and(|fields| is_theirs(fields, &id));
    let mut changed = false;
    blank(&mut value, theirs, addresses, &mut changed);
    changed.then(|| value.to_string())
}

/// Whether somebody is the one who acts in, or whom an event is about.
fn is_theirs(fields: &Map<String, Value>, id: &str) -> bool {
    ["user_id", "author_id", "actor_id", "assignee_id", "created_by"]
        .iter()
        .any(|field| fields.get(*field).and_then(Value::as_str) == Some(id))
}

fn blank(value: &mut Value, theirs: bool, addresses: &[String], changed: &mut bool) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) => {
                        let personal = theirs && PERSONAL.contains(&name.as_str());
                        let address = addresses.iter().any(|address| address.eq_ignore_ascii_case(text));
                        if (personal || address) && !text.is_empty() {
                            text.clear();
                            *changed = true;
                        }
                    }
                    deeper => blank(deeper, theirs, addresses, changed),
                }
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| blank(item, theirs, addresses, changed)),
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
    use serde_json::json;

    use super::*;

    #[test]
    fn what_somebody_is_called_and_wrote_is_blanked_and_what_others_did_stays() {
        let (ada, bob) = (UserId::new(), UserId::new());
        let addresses = ["Ada@example.com".to_owned()];
        let own = json!({ "user_id": ada, "user": { "user_id": ada, "email": "Ada@example.com", "display_name": "Ada", "version": 3 } });
        let blanked_own: Value = serde_json::from_str(&blanked(&own.to_string(), ada, &addresses).unwrap()).unwrap();
        assert_eq!(
            blanked_own,
            json!({ "user_id": ada, "user": { "user_id": ada, "email": "", "display_name": "", "version": 3 } })
        );
        let comment = json!({ "author_id": ada, "excerpt": "look here", "mentioned_ids": [bob] });
        assert!(
            !blanked(&comment.to_string(), ada, &addresses)
                .unwrap()
                .contains("look here")
        );
        assert_eq!(
            blanked(&comment.to_string(), bob, &[]),
            None,
            "a mention is the author's"
        );
        let invitation = json!({ "actor_id": bob, "email": "ada@EXAMPLE.com", "project_name": "Apollo" });
        let left = blanked(&invitation.to_string(), ada, &addresses).unwrap();
        assert!(!left.contains("EXAMPLE") && left.contains("Apollo"), "{left}");
    }

    #[test]
    fn blanking_twice_changes_nothing_more() {
        let ada = UserId::new();
        let once = blanked(&json!({ "author_id": ada, "excerpt": "x" }).to_string(), ada, &[]).unwrap();
        assert_eq!(blanked(&once, ada, &[]), None);
        assert_eq!(blanked("not json", ada, &[]), None);
    }
}
