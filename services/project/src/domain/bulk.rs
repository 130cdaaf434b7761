//! One change of many tasks: all or nothing.

use chassis::FieldError;
use contracts::id::TaskId;

use super::task_change::{Change, Wish};

/// Tasks changed at once at most.
pub const TASKS_MAX: usize = 200;

/// What shall be done with each task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// They get these values.
    Change(Box<Change>),
    /// They are deleted.
    Delete,
}

/// What shall be done with which tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bulk {
    /// Which, each once.
    pub tasks: Vec<TaskId>,
    /// What.
    pub deed: Deed,
    /// Where in the request each of `tasks` was named.
    places: Vec<usize>,
}

impl Bulk {
    /// Reads a request; a task that is named twice counts once.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn parse(ids: &[String], change: Option<Wish>, delete: bool) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let (mut tasks, mut places) = (Vec::new(), Vec::new());
        if ids.is_empty() || ids.len() > TASKS_MAX {
            wrong.push(FieldError::new(
                "/task_ids",
                format!("must be 1 to {TASKS_MAX} ids, not {}", ids.len()),
            ));
        } else {
            for (place, id) in ids.iter().enumerate() {
                match id.parse::<TaskId>() {
                    Ok(id) if tasks.contains(&id) => {}
                    Ok(id) => {
                        tasks.push(id);
                        places.push(place);
                    }
                    Err(error) => wrong.push(FieldError::new(format!("/task_ids/{place}"), error.to_string())),
                }
            }
        }
        let deed = match (change, delete) {
            (Some(wish), false) => match Change::parse(wish, "/change") {
                Ok(change) if change == Change::default() => {
                    wrong.push(FieldError::new("/change", "must name at least one field"));
                    None
                }
                Ok(change) => Some(Deed::Change(Box::new(change))),
                Err(errors) => {
                    wrong.extend(errors);
                    None
                }
            },
            (None, true) => Some(Deed::Delete),
            (Some(_), true) => {
                wrong.push(FieldError::new("/delete", "either change the tasks or delete them"));
                None
            }
            (None, false) => {
                wrong.push(FieldError::new("/change", "say what to change, or set delete to true"));
                None
            }
        };
        match deed {
            Some(deed) if wrong.is_empty() => Ok(Self { tasks, deed, places }),
            _ => Err(wrong),
        }
    }

    /// Goes on only when every task was found.
    ///
    /// # Errors
    /// The place of each that was not: unknown and foreign ones look the same.
    pub fn all_found(&self, found: impl Fn(TaskId) -> bool) -> Result<(), Vec<FieldError>> {
        let missing = self.tasks.iter().zip(&self.places).filter(|(id, _)| !found(**id));
        let wrong: Vec<FieldError> = missing
            .map(|(_, place)| FieldError::new(format!("/task_ids/{place}"), "there is no such task in this project"))
            .collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::Status;

    fn done() -> Option<Wish> {
        Some(Wish {
            status: Some(Status::Done),
            ..Wish::default()
        })
    }

    #[test]
    fn a_task_named_twice_counts_once_and_the_missing_are_told_where_they_were_named() {
        let (a, b) = (TaskId::new(), TaskId::new());
        let bulk = Bulk::parse(&[a.to_string(), a.to_string(), b.to_string()], done(), false).unwrap();
        assert_eq!(bulk.tasks, [a, b]);
        let wrong = bulk.all_found(|id| id == a).unwrap_err();
        assert_eq!(wrong[0].pointer, "#/task_ids/2");
    }

    #[test]
    fn nothing_too_much_or_two_things_at_once_are_refused() {
        let pointer = |ids: &[String], change, delete| Bulk::parse(ids, change, delete).unwrap_err()[0].pointer.clone();
        let many: Vec<String> = (0..201).map(|_| TaskId::new().to_string()).collect();
        assert_eq!(pointer(&[], done(), false), "#/task_ids");
        assert_eq!(pointer(&many, done(), false), "#/task_ids");
        assert_eq!(pointer(&["tsk_1".to_owned()], done(), false), "#/task_ids/0");
        assert_eq!(pointer(&many[..1], None, false), "#/change");
        assert_eq!(pointer(&many[..1], Some(Wish::default()), false), "#/change");
        assert_eq!(pointer(&many[..1], done(), true), "#/delete");
    }
}
