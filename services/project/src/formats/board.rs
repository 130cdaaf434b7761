//! Trello boards: cards are tasks, and what they refer to by id stands elsewhere in the file.
//!
//! A list whose name is a state gives its cards that state; the name of any other list becomes a label. Checklists follow
//! the description as Markdown. What has to be kept in memory for that is bounded by [`KEPT`].

use std::collections::HashMap;

use chassis::FieldError;
use serde_json::Value;

use super::{Broken, json::Fields};
use crate::domain::{
    import_row::{SourceComment, SourceTask, status},
    label,
};

/// Bytes of lists, members, comments and checklists that are kept at most.
const KEPT: usize = 16 * 1024 * 1024;

/// What a board says beside its cards, by id.
#[derive(Debug, Clone, Default)]
pub(super) struct Board {
    lists: HashMap<String, String>,
    members: HashMap<String, String>,
    comments: HashMap<String, Vec<SourceComment>>,
    checklists: HashMap<String, String>,
    kept: usize,
}

impl Board {
    /// Keeps what cards may refer to.
    pub(super) fn learn(&mut self, field: &str, element: &Value) -> Result<(), Broken> {
        let text = |name: &str| element[name].as_str().unwrap_or_default().to_owned();
        self.kept += match field {
            "lists" => keep(&mut self.lists, text("id"), text("name")),
            "members" => keep(&mut self.members, text("id"), text("username")),
            "checklists" => {
                let lines = checklist(element);
                let size = lines.len();
                self.checklists.entry(text("idCard")).or_default().push_str(&lines);
                size
            }
            "actions" if element["type"] == "commentCard" => {
                let data = &element["data"];
                let comment = SourceComment {
                    author: element["memberCreator"]["username"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                    body: data["text"].as_str().unwrap_or_default().to_owned(),
                    created_at: text("date"),
                };
                let size = comment.body.len() + 100;
                let card = data["card"]["id"].as_str().unwrap_or_default().to_owned();
                self.comments.entry(card).or_default().push(comment);
                size
            }
            _ => 0,
        };
        if self.kept > KEPT {
            let detail = "the board's lists, members, comments and checklists are larger than 16 MiB in all";
            return Err(Broken::File(detail.to_owned()));
        }
        Ok(())
    }

    /// A task of a card.
    pub(super) fn card(&self, element: &Value) -> Result<SourceTask, Vec<FieldError>> {
        let mut fields = Fields::of(element);
        let id = fields.text(&["id"]);
        let list = self.lists.get(&fields.text(&["idList"]));
        let state = list.and_then(|name| status(name));
        let mut labels = fields.texts("labels", &["name", "color"]);
        if state.is_none() {
            labels.extend(list.map(|name| name.chars().take(label::NAME_MAX).collect()));
        }
        let done = fields.flag("dueComplete") || state == Some(crate::domain::task::Status::Done);
        let status = match (done, fields.flag("closed"), state) {
            (true, ..) => "done",
            // Put away without being done.
            (false, true, _) => "cancelled",
            (false, false, state) => state.unwrap_or_default().name(),
        };
        let mut description = fields.text(&["desc"]);
        if let Some(checklists) = self.checklists.get(&id) {
            if !description.is_empty() {
                description.push_str("\n\n");
            }
            description.push_str(checklists.trim_end());
        }
        let members = fields.texts("idMembers", &[]);
        let task = SourceTask {
            title: fields.text(&["name"]),
            description,
            status: status.to_owned(),
            priority: String::new(),
            due_at: fields.text(&["due"]),
            created_at: String::new(),
            completed_at: String::new(),
            labels,
            assignees: members
                .iter()
                .map(|id| self.members.get(id).unwrap_or(id).clone())
                .collect(),
            // Trello writes the newest first.
            comments: self.comments.get(&id).into_iter().flatten().rev().cloned().collect(),
            external_id: id,
            passed_over: None,
        };
        if fields.wrong.is_empty() {
            Ok(task)
        } else {
            Err(fields.wrong)
        }
    }
}

fn keep(map: &mut HashMap<String, String>, id: String, name: String) -> usize {
    let size = id.len() + name.len() + 50;
    map.insert(id, name);
    size
}

fn checklist(element: &Value) -> String {
    let mut lines = format!("{}\n", element["name"].as_str().unwrap_or_default());
    for item in element["checkItems"].as_array().into_iter().flatten() {
        let mark = if item["state"] == "complete" { 'x' } else { ' ' };
        lines.push_str(&format!("- [{mark}] {}\n", item["name"].as_str().unwrap_or_default()));
    }
    lines.push('\n');
    lines
}
