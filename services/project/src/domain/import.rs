//! Imports: what was asked for, how far it is, and how it ended.
//!
//! A file is received, queued, surveyed, and read row by row in batches. A batch, what became of its rows and how far the
//! import is are one transaction, so an import that was interrupted goes on where it was, and nothing is done twice. What
//! came from which row of which source is remembered: the same rows again are skipped.

use chassis::{FieldError, Problem, http::idempotency::KeyError};
use contracts::{
    Timestamp,
    id::{ImportId, ProjectId, UserId},
    project::ImportProgressed,
};
use encoding_rs::Encoding;
use messaging::Cause;
use sea_orm::DbErr;

use super::{access::AccessError, import_row::Outcome, project, text};

/// Rows of a file at most.
pub const ROWS_MAX: u64 = 100_000;
/// Imports of one user that are not finished at most: each may keep a large file.
pub const UNFINISHED_MAX: u64 = 5;
/// Progress is published whenever so many rows more were read.
const TELL_EVERY: u64 = 1_000;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values.
    Csv,
    /// A board exported from Trello.
    Trello,
    /// Issues of GitHub.
    Github,
    /// A project exported here, as JSON.
    Cloudtaskhub,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Csv, Self::Trello, Self::Github, Self::Cloudtaskhub];

    /// The name in requests, answers and the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Trello => "trello",
            Self::Github => "github",
            Self::Cloudtaskhub => "cloudtaskhub",
        }
    }

    /// The format of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its file is arriving.
    Receiving,
    /// It waits for its turn.
    Queued,
    /// It is at it.
    Running,
    /// It is done.
    Completed,
    /// It was given up.
    Failed,
}

impl State {
    /// The name in answers, events and the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// The state of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::Receiving,
            Self::Queued,
            Self::Running,
            Self::Completed,
            Self::Failed,
        ]
        .into_iter()
        .find(|state| state.name() == name)
    }
}

/// Where the tasks shall go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To a project of this name: the one that an earlier import of the same kind made for it, or a new one.
    Named(String),
    /// To this one.
    Existing(ProjectId),
}

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct ImportWish {
    /// Where to.
    pub target: Target,
    /// What the file is, when that is known.
    pub format: Option<Format>,
    /// Its encoding, when that is known.
    pub charset: Option<&'static Encoding>,
    /// Whether to report only.
    pub dry_run: bool,
}

impl ImportWish {
    /// Reads the parameters of a request; those of the file itself, its type and charset, count where they are missing.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn parse(
        target: Result<ProjectId, Option<&str>>,
        format: Option<&str>,
        charset: Option<&str>,
        of_file: (Option<Format>, Option<&str>),
        dry_run: bool,
    ) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let target = match target {
            Ok(project) => Some(Target::Existing(project)),
            Err(name) => text::line("", name.unwrap_or_default(), project::NAME_MAX)
                .map_err(|error| wrong.push(FieldError::parameter("name", error.detail)))
                .map(Target::Named)
                .ok(),
        };
        let named = format.map(Format::parse);
        if named == Some(None) {
            let names = Format::ALL.map(Format::name).join(", ");
            wrong.push(FieldError::parameter("format", format!("must be one of {names}")));
        }
        let label = charset.or(of_file.1);
        let charset = label.map(|label| Encoding::for_label(label.as_bytes()));
        if charset == Some(None) {
            let detail = "must be an encoding such as utf-8, utf-16le or windows-1252";
            wrong.push(FieldError::parameter("charset", detail));
        }
        match target {
            Some(target) if wrong.is_empty() => Ok(Self {
                target,
                format: named.flatten().or(of_file.0),
                charset: charset.flatten(),
                dry_run,
            }),
            _ => Err(wrong),
        }
    }

    /// The import that this becomes.
    pub fn begin(self, user: UserId, now: Timestamp) -> Import {
        let (project_id, project_name) = match self.target {
            Target::Existing(id) => (Some(id), None),
            Target::Named(name) => (None, Some(name)),
        };
        Import {
            id: ImportId::new(),
            user_id: user,
            project_id,
            project_name,
            format: self.format,
            charset: self.charset.map(|charset| charset.name().to_owned()),
            dry_run: self.dry_run,
            state: State::Receiving,
            size: 0,
            chunks: 0,
            rows_total: None,
            rows_read: 0,
            created: 0,
            skipped: 0,
            rejected: 0,
            notes: Vec::new(),
            failure: None,
            created_at: now,
            updated_at: now,
            finished_at: None,
            cause: Cause::current(),
        }
    }
}

/// An import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Which import.
    pub id: ImportId,
    /// Who asked for it.
    pub user_id: UserId,
    /// The project that it fills; absent until it is known.
    pub project_id: Option<ProjectId>,
    /// The name of the project to fill; absent for one that was there.
    pub project_name: Option<String>,
    /// What the file is; absent until it is known.
    pub format: Option<Format>,
    /// The encoding of its text; absent until it is known.
    pub charset: Option<String>,
    /// Whether it only reports.
    pub dry_run: bool,
    /// How far it is.
    pub state: State,
    /// Bytes of the file.
    pub size: u64,
    /// Chunks that those are kept in.
    pub chunks: u64,
    /// Rows of the file; absent until they are counted.
    pub rows_total: Option<u64>,
    /// Rows that are done with.
    pub rows_read: u64,
    /// Tasks that were created, or would be.
    pub created: u64,
    /// Rows that needed nothing.
    pub skipped: u64,
    /// Rows that could not be taken.
    pub rejected: u64,
    /// What its owner should know.
    pub notes: Vec<String>,
    /// Why it was given up.
    pub failure: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it got on last.
    pub updated_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The request for it: what comes of its rows continues that trace.
    pub cause: Option<Cause>,
}

impl Import {
    /// Counts what became of rows.
    pub fn count(&mut self, outcomes: impl IntoIterator<Item = Outcome>) {
        for outcome in outcomes {
            self.rows_read += 1;
            match outcome {
                Outcome::Created => self.created += 1,
                Outcome::Skipped => self.skipped += 1,
                Outcome::Rejected => self.rejected += 1,
            }
        }
    }

    /// Ends it: with what it did, or with the reason why it cannot go on.
    pub fn finish(&mut self, failure: Option<String>, now: Timestamp) {
        let nothing_taken = || {
            (self.rows_read > 0 && self.rejected == self.rows_read)
                .then(|| "none of the rows could be taken; the report says why".to_owned())
        };
        self.failure = failure.or_else(nothing_taken);
        self.state = if self.failure.is_some() {
            State::Failed
        } else {
            State::Completed
        };
        self.finished_at = Some(now);
    }

    /// Whether enough has happened since `rows` were read to tell it.
    pub fn worth_telling(&self, rows: u64) -> bool {
        self.rows_read / TELL_EVERY > rows / TELL_EVERY
    }

    /// What is published about it.
    pub fn progressed(&self, now: Timestamp) -> ImportProgressed {
        ImportProgressed {
            import_id: self.id,
            user_id: self.user_id,
            project_id: self.project_id.filter(|_| !self.dry_run),
            status: self.state.name().to_owned(),
            rows_read: self.rows_read,
            created: self.created,
            skipped: self.skipped,
            rejected: self.rejected,
            at: now,
        }
    }
}

/// Why something could not be done with an import.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// No such import, or somebody else's.
    #[error("there is no such import, or it is somebody else's")]
    NotFound,
    /// The caller may not do it in the project.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// There are enough.
    #[error("you have {UNFINISHED_MAX} imports that are not finished, which is the limit; wait for one of them")]
    TooMany,
    /// The body cannot be read.
    #[error(transparent)]
    Body(#[from] Problem),
    /// The key was used for something else.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database failed.
    #[error("storing the import")]
    Store(#[from] DbErr),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import() -> Import {
        let wish = ImportWish::parse(Err(Some("Apollo")), None, None, (Some(Format::Csv), None), false);
        wish.unwrap().begin(UserId::new(), Timestamp::now())
    }

    #[test]
    fn all_wrong_parameters_are_told_at_once() {
        let wrong = ImportWish::parse(Err(None), Some("xls"), Some("klingon"), (None, None), false).unwrap_err();
        let pointers: Vec<&str> = wrong.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["?name", "?format", "?charset"]);
    }

    #[test]
    fn what_the_sender_says_counts_more_than_what_the_file_says() {
        let of_file = (Some(Format::Csv), Some("windows-1252"));
        let wish = ImportWish::parse(Err(Some("Apollo")), Some("trello"), Some("utf-8"), of_file, false).unwrap();
        assert_eq!(
            (wish.format, wish.charset),
            (Some(Format::Trello), Some(encoding_rs::UTF_8))
        );
    }

    #[test]
    fn an_import_of_which_no_row_could_be_taken_has_failed() {
        let mut import = import();
        import.count([Outcome::Rejected, Outcome::Rejected]);
        import.finish(None, Timestamp::now());
        assert_eq!(import.state, State::Failed);
        let mut import = self::import();
        import.count([Outcome::Rejected, Outcome::Skipped]);
        import.finish(None, Timestamp::now());
        assert_eq!((import.state, import.failure), (State::Completed, None));
    }
}
