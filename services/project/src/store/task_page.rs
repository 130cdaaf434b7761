//! Pages of tasks: filter, order, and where the page before ended.
//!
//! A page is one statement that checks the membership and answers one text: the tasks' stored JSON, a line each. Decoding
//! rows and building the answer from them takes four times as long as finding them. Each combination of filters is one
//! constant text with its values as parameters. A page continues after the sort value and `seq` of the last task (`seq`
//! makes the order strict), so it costs the same however far in it is.

use contracts::id::{ProjectId, UserId};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};
use serde::{Deserialize, Serialize};

use super::{json_list, search};
use crate::domain::{
    access::AccessError,
    position::Position,
    task_page::{Filter, Sort, SortKey},
};

/// Whose tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Of this project, for this member of it.
    Project(ProjectId, UserId),
    /// On which this person works, in active projects of which they are a member.
    AssignedTo(UserId),
}

/// The sort value of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Place {
    /// A time or a rank.
    Number(i64),
    /// A position.
    Text(String),
}

/// Where a page ended: sort value and number of its last task.
pub type After = (Place, i64);

/// Some tasks of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// Their JSON, with commas between them.
    pub json: String,
    /// Where the last one stands; absent when the list ends with it.
    pub next: Option<After>,
}

/// Whether `after` can have come from a list with this order.
pub fn fits(after: &After, sort: Sort) -> bool {
    match (&after.0, sort.key) {
        (Place::Text(text), SortKey::Position) => Position::parse(text).is_some(),
        (Place::Number(_), SortKey::CreatedAt | SortKey::UpdatedAt | SortKey::DueAt | SortKey::Priority) => true,
        (Place::Text(_), _) | (Place::Number(_), SortKey::Position) => false,
    }
}

/// What stands for no due time: later than any, or earlier than any when the latest comes first.
const fn no_due_time(descending: bool) -> i64 {
    if descending { -i64::MAX } else { i64::MAX }
}

/// At most `limit` tasks after `after`.
///
/// # Errors
/// [`AccessError::NotFound`] when the user is not a member of the project, or the database's.
pub async fn list(
    db: &impl ConnectionTrait,
    scope: Scope,
    filter: &Filter,
    sort: Sort,
    after: Option<&After>,
    limit: u64,
) -> Result<Lines, AccessError> {
    let backend = db.get_database_backend();
    let mut query = Query {
        backend,
        from: String::new(),
        member: "",
        conditions: Vec::new(),
        values: Vec::new(),
    };
    query.scope(scope);
    query.filter(filter);
    let expression = match sort.key {
        SortKey::Position => "t.position".to_owned(),
        SortKey::CreatedAt => "t.created_at".to_owned(),
        SortKey::UpdatedAt => "t.updated_at".to_owned(),
        SortKey::Priority => "t.priority".to_owned(),
        SortKey::DueAt => format!("COALESCE(t.due_at, {})", no_due_time(sort.descending)),
    };
    let (direction, beyond) = if sort.descending { ("DESC", "<") } else { ("ASC", ">") };
    if let Some((place, seq)) = after {
        let place = query.value(match place {
            Place::Number(number) => Value::from(*number),
            Place::Text(text) => Value::from(text.as_str()),
        });
        let seq = query.value(*seq);
        query
            .conditions
            .push(format!("({expression}, t.seq) {beyond} ({place}, {seq})"));
    }
    // One more than asked for shows whether the list goes on.
    let rows = query.value(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1));
    // SQLite takes the rows as the inner query orders them; it cannot merge the two because of the limit.
    let joined = match backend {
        DbBackend::Postgres => format!("string_agg(line, chr(10) ORDER BY place {direction}, seq {direction})"),
        _ => "group_concat(line, char(10))".to_owned(),
    };
    let sql = format!(
        "SELECT (SELECT {joined} FROM (
             SELECT CAST({expression} AS TEXT) || ' ' || CAST(t.seq AS TEXT) || ' ' || t.json AS line,
                    {expression} AS place, t.seq AS seq
             FROM {} WHERE {} ORDER BY {expression} {direction}, t.seq {direction} LIMIT {rows}) AS page) {}",
        query.from,
        query.conditions.join(" AND "),
        query.member,
    );
    let row = db
        .query_one_raw(Statement::from_sql_and_values(backend, sql, query.values))
        .await?;
    let text: Option<String> = row.ok_or(AccessError::NotFound)?.try_get_by_index(0)?;
    Ok(lines(&text.unwrap_or_default(), sort, limit)?)
}

/// Takes a page's text apart: sort value, number and JSON of a task on each line.
fn lines(text: &str, sort: Sort, limit: u64) -> Result<Lines, DbErr> {
    let unreadable = || DbErr::Type("a line of a page".to_owned());
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut page = Lines {
        json: String::with_capacity(text.len()),
        next: None,
    };
    let mut last = None;
    for (count, line) in text.split_terminator('\n').enumerate() {
        if count == limit {
            let (place, seq): (&str, &str) = last.ok_or_else(unreadable)?;
            let place = match sort.key {
                SortKey::Position => Place::Text(place.to_owned()),
                SortKey::CreatedAt | SortKey::UpdatedAt | SortKey::DueAt | SortKey::Priority => {
                    Place::Number(place.parse().map_err(|_| unreadable())?)
                }
            };
            page.next = Some((place, seq.parse().map_err(|_| unreadable())?));
            break;
        }
        let (place, rest) = line.split_once(' ').ok_or_else(unreadable)?;
        let (seq, json) = rest.split_once(' ').ok_or_else(unreadable)?;
        if count > 0 {
            page.json.push(',');
        }
        page.json.push_str(json);
        last = Some((place, seq));
    }
    Ok(page)
}

struct Query {
    backend: DbBackend,
    from: String,
    /// Answers no row to somebody who may not see the list.
    member: &'static str,
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Query {
    /// Adds a parameter and answers its place.
    fn value(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn with(&mut self, value: impl Into<Value>, condition: impl FnOnce(&str) -> String) {
        let place = self.value(value);
        self.conditions.push(condition(&place));
    }

    fn scope(&mut self, scope: Scope) {
        match scope {
            Scope::Project(project, user) => {
                "tasks t".clone_into(&mut self.from);
                self.member = "FROM members me WHERE me.project_id = $1 AND me.user_id = $2 AND me.removed_at IS NULL";
                self.values = vec![project.into(), user.into()];
                self.conditions.push("t.project_id = $1".to_owned());
            }
            Scope::AssignedTo(user) => {
                "task_assignees a JOIN tasks t ON t.id = a.task_id
                 JOIN projects p ON p.id = t.project_id
                 JOIN members m ON m.project_id = t.project_id AND m.user_id = a.user_id"
                    .clone_into(&mut self.from);
                self.with(user, |place| {
                    format!("a.user_id = {place} AND m.removed_at IS NULL AND p.archived_at IS NULL")
                });
            }
        }
    }

    fn filter(&mut self, filter: &Filter) {
        let backend = self.backend;
        if !filter.status.is_empty() {
            let names: Vec<&str> = filter.status.iter().map(|status| status.name()).collect();
            self.with(json_list::value(&names), |place| {
                format!("t.status IN (SELECT value FROM {})", json_list::table(backend, place))
            });
        }
        if !filter.priority.is_empty() {
            let ranks: Vec<String> = filter
                .priority
                .iter()
                .map(|priority| priority.rank().to_string())
                .collect();
            self.with(json_list::value(&ranks), |place| {
                format!(
                    "CAST(t.priority AS TEXT) IN (SELECT value FROM {})",
                    json_list::table(backend, place)
                )
            });
        }
        if let Some(user) = filter.assignee {
            self.with(user, |place| {
                format!("t.id IN (SELECT task_id FROM task_assignees WHERE user_id = {place})")
            });
        }
        if let Some(label) = &filter.label {
            self.with(label.as_str(), |place| {
                format!(
                    "t.id IN (SELECT tl.task_id FROM task_labels tl JOIN labels l ON l.id = tl.label_id
                              WHERE l.project_id = t.project_id AND l.name_key = {place})"
                )
            });
        }
        if let Some(due) = filter.due_before {
            self.with(due, |place| format!("t.due_at < {place}"));
        }
        if let Some(due) = filter.due_after {
            self.with(due, |place| format!("t.due_at >= {place}"));
        }
        if let Some(user) = filter.created_by {
            self.with(user, |place| format!("t.created_by = {place}"));
        }
        if let Some(since) = filter.updated_since {
            self.with(since, |place| format!("t.updated_at >= {place}"));
        }
        match &filter.words {
            None => {}
            // Nothing but punctuation finds nothing.
            Some(words) if words.is_empty() => self.conditions.push("1 = 0".to_owned()),
            Some(words) => self.with(search::expression(backend, words), |place| match backend {
                DbBackend::Postgres => format!("t.search @@ to_tsquery('simple', {place})"),
                _ => format!("t.seq IN (SELECT rowid FROM task_search WHERE task_search MATCH {place})"),
            }),
        }
    }
}
