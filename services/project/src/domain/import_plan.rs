//! What becomes of the rows of a batch: the same for a dry run and for the import itself.

use std::collections::{HashMap, HashSet};

use chassis::FieldError;
use contracts::{
    Timestamp,
    id::{TaskId, UserId},
};
use sha2::{Digest, Sha256};

use super::{
    import::Format,
    import_row::{Outcome, Row, SourceTask, TaskDraft},
    label::PER_PROJECT,
    quota::Left,
};

/// Characters of a title that the report shows.
const SHOWN: usize = 200;

/// What names a row at its source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// `csv`, `trello`, `github`, or `cloudtaskhub` for a task of this service in a file of any format.
    pub source: &'static str,
    /// Its id there, or a hash of what it says when it has none.
    pub external_id: String,
}

/// The rows of a file that were seen so far, as hashes of their origins.
#[derive(Debug, Default)]
pub struct Seen {
    first: HashMap<[u8; 16], u64>,
    alike: HashMap<[u8; 16], u32>,
}

impl Seen {
    /// The origin of row `number`, and the row that had the same id before it, if any.
    ///
    /// Rows without an id are told apart by what they say; equal ones are counted, so that two equal rows are two tasks, and
    /// the same two when the file comes again.
    pub fn origin(&mut self, format: Format, number: u64, task: &SourceTask) -> (Origin, Option<u64>) {
        let origin = if task.external_id.is_empty() {
            let hash = content(task);
            let count = self.alike.entry(hash).or_default();
            *count += 1;
            let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            Origin {
                source: format.name(),
                external_id: format!("sha256:{hex}:{count}"),
            }
        } else {
            let source = match task.external_id.parse::<TaskId>() {
                Ok(_) => Format::Cloudtaskhub,
                Err(_) => format,
            };
            Origin {
                source: source.name(),
                external_id: task.external_id.clone(),
            }
        };
        let key = hash(&[origin.source, &origin.external_id]);
        let earlier = *self.first.entry(key).or_insert(number);
        (origin, Some(earlier).filter(|row| *row != number))
    }
}

fn content(task: &SourceTask) -> [u8; 16] {
    let mut parts = vec![
        task.title.as_str(),
        &task.description,
        &task.status,
        &task.priority,
        &task.due_at,
        &task.created_at,
        &task.completed_at,
    ];
    for list in [&task.labels, &task.assignees] {
        parts.push("\u{1}");
        parts.extend(list.iter().map(String::as_str));
    }
    hash(&parts)
}

/// The first half of a SHA-256 over the parts and their lengths.
fn hash(parts: &[&str]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let whole = hash.finalize();
    let mut half = [0; 16];
    half.copy_from_slice(&whole[..16]);
    half
}

/// A row that was read and held against the rules; what the project says to it comes with [`plan`].
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Which row.
    pub number: u64,
    /// Its line.
    pub line: Option<u64>,
    /// What the report shows of its title.
    pub title: String,
    /// The task to be, or what became of the row already and why.
    pub task: Result<(Origin, TaskDraft), (Outcome, Vec<FieldError>)>,
}

impl Candidate {
    /// Holds a row against the rules.
    pub fn of(row: Row, format: Format, seen: &mut Seen, now: Timestamp) -> Self {
        let mut title = String::new();
        let task = row.task.map_err(|wrong| (Outcome::Rejected, wrong)).and_then(|task| {
            title = task.title.trim().chars().take(SHOWN).collect();
            let (origin, earlier) = seen.origin(format, row.number, &task);
            let skipped = |why: String| Err((Outcome::Skipped, vec![FieldError::new("", why)]));
            if let Some(why) = task.passed_over {
                return skipped(why.to_owned());
            }
            if let Some(earlier) = earlier {
                return skipped(format!("row {earlier} has the same id"));
            }
            let draft = TaskDraft::parse(task, now).map_err(|wrong| (Outcome::Rejected, wrong))?;
            Ok((origin, draft))
        });
        Self {
            number: row.number,
            line: row.line,
            title,
            task,
        }
    }
}

/// What the project says to a batch.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Origins of tasks that it has or had.
    pub origins: HashSet<Origin>,
    /// Keys of its labels.
    pub labels: HashSet<String>,
    /// Members by handle, address and id, in lower case.
    pub people: HashMap<String, UserId>,
    /// How many tasks its account may still have; absent when there is no limit.
    pub room: Option<Left>,
}

/// What becomes of a row.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Which row.
    pub number: u64,
    /// Its line.
    pub line: Option<u64>,
    /// Its title.
    pub title: String,
    /// What becomes of it.
    pub outcome: Outcome,
    /// Why, or what could not be taken over.
    pub problems: Vec<FieldError>,
    /// The task to be created, with who works on it.
    pub task: Option<(Origin, TaskDraft, Vec<UserId>)>,
}

/// How names are compared: without case, and without `@` before a handle.
pub fn name_key(name: &str) -> String {
    let name = name.trim();
    name.strip_prefix('@').unwrap_or(name).to_lowercase()
}

/// Decides about a batch; notes in `known` what it adds to the project.
pub fn plan(candidates: Vec<Candidate>, known: &mut Known) -> Vec<Planned> {
    candidates
        .into_iter()
        .map(|candidate| decide(candidate, known))
        .collect()
}

fn decide(candidate: Candidate, known: &mut Known) -> Planned {
    let Candidate {
        number,
        line,
        title,
        task,
    } = candidate;
    let planned = |outcome, problems, task| Planned {
        number,
        line,
        title,
        outcome,
        problems,
        task,
    };
    let (origin, draft) = match task {
        Ok(task) => task,
        Err((outcome, problems)) => return planned(outcome, problems, None),
    };
    if known.origins.contains(&origin) {
        let why = FieldError::new("", "the project has this task already, or had it");
        return planned(Outcome::Skipped, vec![why], None);
    }
    let fresh: HashSet<String> = (draft.labels().iter())
        .map(|name| name.key().to_owned())
        .filter(|key| !known.labels.contains(key))
        .collect();
    if (known.labels.len() + fresh.len()) as u64 > PER_PROJECT {
        let detail = format!("a project has at most {PER_PROJECT} labels, and this row would bring new ones");
        return planned(Outcome::Rejected, vec![FieldError::new("/labels", detail)], None);
    }
    if let Some(Err(exceeded)) = known.room.as_mut().map(Left::take) {
        return planned(Outcome::Rejected, vec![FieldError::new("", exceeded.to_string())], None);
    }
    known.labels.extend(fresh);
    let (mut people, mut problems) = (Vec::new(), Vec::new());
    for name in &draft.assignees {
        match known.people.get(&name_key(name)) {
            Some(user) if people.contains(user) => {}
            Some(user) => people.push(*user),
            None => {
                let shown: String = name.chars().take(60).collect();
                let detail = format!("{shown:?} is no member of the project; the task is not assigned to them");
                problems.push(FieldError::new("/assignees", detail));
            }
        }
    }
    known.origins.insert(origin.clone());
    planned(Outcome::Created, problems, Some((origin, draft, people)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u64, id: &str, title: &str, labels: &[String]) -> Row {
        Row {
            number,
            line: None,
            task: Ok(SourceTask {
                external_id: id.to_owned(),
                title: title.to_owned(),
                labels: labels.to_vec(),
                ..SourceTask::default()
            }),
        }
    }

    fn candidates(rows: Vec<Row>) -> Vec<Candidate> {
        let mut seen = Seen::default();
        let read = |row| Candidate::of(row, Format::Csv, &mut seen, Timestamp::now());
        rows.into_iter().map(read).collect()
    }

    fn outcomes(planned: &[Planned]) -> Vec<Outcome> {
        planned.iter().map(|planned| planned.outcome).collect()
    }

    #[test]
    fn two_equal_rows_without_id_are_two_tasks_and_the_same_two_when_they_come_again() {
        let rows = vec![row(1, "", "Call Bob", &[]), row(2, "", "Call Bob", &[])];
        let mut known = Known::default();
        let first = plan(candidates(rows.clone()), &mut known);
        assert_eq!(outcomes(&first), [Outcome::Created, Outcome::Created]);
        let again = plan(candidates(rows), &mut known);
        assert_eq!(outcomes(&again), [Outcome::Skipped, Outcome::Skipped]);
    }

    #[test]
    fn the_second_row_with_an_id_is_skipped_whatever_it_says() {
        let rows = vec![row(1, "7", "Call Bob", &[]), row(2, "7", "Call Eve", &[])];
        let planned = plan(candidates(rows), &mut Known::default());
        assert_eq!(outcomes(&planned), [Outcome::Created, Outcome::Skipped]);
        assert!(planned[1].problems[0].detail.contains("row 1"), "{:?}", planned[1]);
    }

    #[test]
    fn rows_that_would_bring_too_many_labels_are_rejected_and_the_others_are_not() {
        let many = |from: u64| (from..from + 50).map(|n| format!("label {n}")).collect::<Vec<_>>();
        let mut rows: Vec<Row> = (0..11)
            .map(|n| row(n + 1, "", &format!("Task {n}"), &many(n * 50)))
            .collect();
        rows.push(row(12, "", "Task 12", &many(0)));
        let planned = plan(candidates(rows), &mut Known::default());
        let mut expected = vec![Outcome::Created; 12];
        expected[10] = Outcome::Rejected;
        assert_eq!(outcomes(&planned), expected);
    }

    #[test]
    fn somebody_who_is_no_member_is_told_and_the_task_is_made_without_them() {
        let ada = UserId::new();
        let mut known = Known {
            people: HashMap::from([("ada".to_owned(), ada)]),
            ..Known::default()
        };
        let mut row = row(1, "", "Call Bob", &[]);
        if let Ok(task) = &mut row.task {
            task.assignees = vec!["@Ada".to_owned(), "eve@example.com".to_owned()];
        }
        let planned = plan(candidates(vec![row]), &mut known);
        assert_eq!(planned[0].task.as_ref().unwrap().2, [ada]);
        assert_eq!(planned[0].problems[0].pointer, "#/assignees");
    }
}
