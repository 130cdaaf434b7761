//! GitHub issues, as `gh issue list --json …` and the REST API write them.

use chassis::FieldError;
use serde_json::Value;

use super::json::Fields;
use crate::domain::import_row::{SourceComment, SourceTask};

/// A task of an issue. An issue is known by its repository and number, so that both ways to get it mean the same one.
pub(super) fn issue(element: &Value) -> Result<SourceTask, Vec<FieldError>> {
    let mut fields = Fields::of(element);
    let number = fields.text(&["number"]);
    let address = fields.text(&["html_url", "url"]);
    let (state, reason) = (fields.text(&["state"]), fields.text(&["stateReason", "state_reason"]));
    let closed = state.eq_ignore_ascii_case("closed");
    let dropped = reason.eq_ignore_ascii_case("not_planned") || reason.eq_ignore_ascii_case("duplicate");
    let status = match (closed, dropped) {
        (false, _) => "todo",
        (true, false) => "done",
        (true, true) => "cancelled",
    };
    let milestone = &element["milestone"];
    let due_at = milestone["dueOn"].as_str().or(milestone["due_on"].as_str());
    let mut labels = fields.texts("labels", &["name"]);
    labels.extend(milestone["title"].as_str().map(|title| format!("milestone: {title}")));
    // GitHub allows longer names than labels here may have.
    for label in &mut labels {
        if label.chars().count() > crate::domain::label::NAME_MAX {
            *label = label.chars().take(crate::domain::label::NAME_MAX).collect();
        }
    }
    let comments = fields.list("comments").iter().map(|comment| SourceComment {
        author: text(&comment["author"]["login"], &comment["user"]["login"]),
        body: text(&comment["body"], &Value::Null),
        created_at: text(&comment["createdAt"], &comment["created_at"]),
    });
    let task = SourceTask {
        comments: comments.filter(|comment| !comment.body.trim().is_empty()).collect(),
        external_id: external_id(&address, &number),
        title: fields.text(&["title"]),
        description: fields.text(&["body"]),
        status: status.to_owned(),
        priority: String::new(),
        due_at: due_at.unwrap_or_default().to_owned(),
        created_at: fields.text(&["createdAt", "created_at"]),
        completed_at: fields.text(&["closedAt", "closed_at"]),
        labels,
        assignees: fields.texts("assignees", &["login"]),
        passed_over: (!element["pull_request"].is_null()).then_some("this is a pull request, not an issue"),
    };
    if fields.wrong.is_empty() {
        Ok(task)
    } else {
        Err(fields.wrong)
    }
}

fn text(one: &Value, other: &Value) -> String {
    one.as_str().or(other.as_str()).unwrap_or_default().to_owned()
}

/// `owner/repository#7`, from a page's address or that of the API; `#7` when there is no address.
fn external_id(address: &str, number: &str) -> String {
    let path = address.split_once("//").map_or("", |(_, rest)| rest);
    let mut parts = path.split('/').skip(1).peekable();
    parts.next_if_eq(&"repos");
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(owner), Some(repository), Some("issues" | "pull"), Some(number)) => {
            format!("{owner}/{repository}#{number}").to_lowercase()
        }
        _ if number.is_empty() => String::new(),
        _ => format!("#{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issue_is_the_same_however_it_was_fetched() {
        let page = external_id("https://github.com/Ada/Engine/issues/7", "7");
        assert_eq!(page, "ada/engine#7");
        assert_eq!(
            external_id("https://api.github.com/repos/ada/engine/issues/7", "7"),
            page
        );
        assert_eq!(external_id("", "7"), "#7");
        assert_eq!(external_id("", ""), "");
    }
}
