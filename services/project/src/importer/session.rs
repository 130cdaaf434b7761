//! One import on its way: first its file is surveyed, then read in batches.

use std::{collections::HashSet, sync::Arc};

use chassis::{Clock, worker::StepError};
use contracts::id::ImportId;
use database::Db;
use encoding_rs::{Encoding, WINDOWS_1252};
use futures_util::future::BoxFuture;
use messaging::{Cause, crash};

use super::pipe::Pipe;
use crate::{
    domain::{
        import::{Format, Import, ROWS_MAX, State},
        import_plan::{Candidate, Seen},
        import_row::Row,
    },
    formats::{self, Broken, Declared, Survey},
    store::import_batch::{self, About, BatchError},
};

/// Rows of a batch.
const ROWS: usize = 500;
/// Bytes of a batch, about.
const BYTES: usize = 1024 * 1024;
/// How often a batch is tried that the database refuses.
const ATTEMPTS: u32 = 5;
/// Crash point: a batch is written and not committed.
const BATCH_WRITTEN: &str = "import.written";
/// Crash point: a batch has committed.
const BATCH_COMMITTED: &str = "import.committed";

/// What the reader of a file says.
enum Item {
    Surveyed(Box<Result<Survey, Broken>>),
    Rows(Vec<Row>),
    End(Result<(), Broken>),
}

/// Whether there is more to do.
pub(super) enum Turn {
    More,
    Over,
}

/// See the head of the file.
pub(super) struct Session {
    db: Db,
    clock: Clock,
    import: Import,
    pipe: Pipe<Item>,
    about: About,
    seen: Seen,
    /// Labels that a dry run would have brought so far.
    labels: HashSet<String>,
    /// What was read and not carried out yet.
    batch: Option<Vec<Candidate>>,
    attempts: u32,
}

impl Session {
    pub(super) fn new(db: Db, clock: Clock, import: Import) -> Self {
        let charset = import.charset.as_deref();
        let charset = charset.and_then(|name| Encoding::for_label(name.as_bytes()));
        Self {
            pipe: surveying(&db, &import, charset),
            db,
            clock,
            import,
            about: About::default(),
            seen: Seen::default(),
            labels: HashSet::new(),
            batch: None,
            attempts: 0,
        }
    }

    pub(super) fn id(&self) -> ImportId {
        self.import.id
    }

    /// Why it is imported.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.import.cause.clone()
    }

    /// Whether it holds a batch that was not carried out.
    pub(super) fn has_batch(&self) -> bool {
        self.batch.is_some()
    }

    /// Does a batch.
    pub(super) fn turn(&mut self) -> BoxFuture<'_, Result<Turn, StepError>> {
        Box::pin(async move {
            if let Some(batch) = self.batch.take() {
                return self.carry_out(batch).await;
            }
            match self.pipe.next().await? {
                Some(Item::Surveyed(surveyed)) => match *surveyed {
                    Ok(survey) => self.start(survey).await,
                    Err(Broken::Encoding) if self.import.charset.is_none() => {
                        // What spreadsheets write that do not write UTF-8.
                        self.import.charset = Some(WINDOWS_1252.name().to_owned());
                        let note = "the file is not UTF-8 and was read as windows-1252; if letters are wrong, name its encoding with ?charset=";
                        self.import.notes.push(note.to_owned());
                        self.pipe = surveying(&self.db, &self.import, Some(WINDOWS_1252));
                        Ok(Turn::More)
                    }
                    Err(broken) => self.broken(broken).await,
                },
                Some(Item::Rows(rows)) => {
                    let format = self.import.format.unwrap_or(Format::Csv);
                    let now = self.clock.now();
                    let done = self.import.rows_read;
                    let batch: Vec<Candidate> = rows
                    .into_iter()
                    .map(|row| Candidate::of(row, format, &mut self.seen, now))
                    // Rows that are done still count as seen.
                    .filter(|candidate| candidate.number > done)
                    .collect();
                    if batch.is_empty() {
                        return Ok(Turn::More);
                    }
                    self.carry_out(batch).await
                }
                Some(Item::End(Ok(()))) => self.finish(None).await,
                Some(Item::End(Err(broken))) => self.broken(broken).await,
                // Its thread was ended: the process stops, or it panicked and the hook has logged it.
                None => self.finish(Some("the file could not be read".to_owned())).await,
            }
        })
    }

    fn start(&mut self, survey: Survey) -> BoxFuture<'_, Result<Turn, StepError>> {
        Box::pin(async move {
            if survey.rows > ROWS_MAX {
                let detail = format!(
                    "the file has {} rows; at most {ROWS_MAX} can be imported at once",
                    survey.rows
                );
                return self.finish(Some(detail)).await;
            }
            let was = self.import.state;
            if was == State::Queued {
                self.import.notes.extend(survey.notes.iter().cloned());
            }
            self.import.format = Some(survey.format);
            self.import.charset = Some(survey.charset.name().to_owned());
            self.import.rows_total = Some(survey.rows);
            self.about = About {
                description: survey.description.clone(),
                labels: survey.labels.clone(),
            };
            let mut import = self.import.clone();
            let now = self.clock.now();
            let started = self
                .db
                .write(async |tx| {
                    import_batch::start(tx, &mut import, was, now).await?;
                    Ok::<_, BatchError>(import)
                })
                .await;
            match started {
                Ok(import) => self.import = import,
                Err(error) => return self.refused(error, None).await,
            }
            self.pipe = reading(&self.db, &self.import, survey);
            Ok(Turn::More)
        })
    }

    fn carry_out(&mut self, batch: Vec<Candidate>) -> BoxFuture<'_, Result<Turn, StepError>> {
        Box::pin(async move {
            let (mut import, mut labels) = (self.import.clone(), self.labels.clone());
            let (about, now, candidates) = (&self.about, self.clock.now(), batch.clone());
            let carried_out = self
                .db
                .write(async |tx| {
                    import_batch::carry_out(tx, &mut import, candidates, about, &mut labels, now).await?;
                    crash::point(BATCH_WRITTEN);
                    Ok::<_, BatchError>((import, labels))
                })
                .await;
            match carried_out {
                Ok((import, labels)) => {
                    crash::point(BATCH_COMMITTED);
                    (self.import, self.labels) = (import, labels);
                    self.attempts = 0;
                    Ok(Turn::More)
                }
                Err(error) => self.refused(error, Some(batch)).await,
            }
        })
    }

    fn refused(&mut self, error: BatchError, batch: Option<Vec<Candidate>>) -> BoxFuture<'_, Result<Turn, StepError>> {
        Box::pin(async move {
            match error {
                BatchError::Elsewhere => Ok(Turn::Over),
                BatchError::Access(error) => self.finish(Some(error.to_string())).await,
                BatchError::Quota(exceeded) => self.finish(Some(exceeded.to_string())).await,
                BatchError::Store(error) => {
                    self.attempts += 1;
                    if self.attempts >= ATTEMPTS && !database::is_transient(&error) {
                        tracing::error!(import = %self.import.id, error = %error, "an import is given up");
                        let detail = "something went wrong on our side; what was imported stays, and importing the file again goes on after it";
                        return self.finish(Some(detail.to_owned())).await;
                    }
                    self.batch = batch;
                    Err(error.into())
                }
            }
        })
    }

    async fn broken(&mut self, broken: Broken) -> Result<Turn, StepError> {
        match broken {
            Broken::Input(error) => {
                tracing::warn!(import = %self.import.id, error = %error, "the reader of an import broke off");
                self.finish(Some("the file could not be read".to_owned())).await
            }
            other => self.finish(Some(other.to_string())).await,
        }
    }

    fn finish(&mut self, failure: Option<String>) -> BoxFuture<'_, Result<Turn, StepError>> {
        Box::pin(async move {
            let was = self.import.state;
            let mut import = self.import.clone();
            let (about, now) = (&self.about, self.clock.now());
            let finished = self
                .db
                .write(async |tx| import_batch::finish(tx, &mut import, was, failure, about, now).await)
                .await;
            match finished {
                Ok(()) | Err(BatchError::Elsewhere) => Ok(Turn::Over),
                // There is no room for the project of a file without rows.
                Err(BatchError::Quota(exceeded)) => self.finish(Some(exceeded.to_string())).await,
                Err(error) => Err(error.into()),
            }
        })
    }
}

fn surveying(db: &Db, import: &Import, charset: Option<&'static Encoding>) -> Pipe<Item> {
    let declared = Declared {
        format: import.format,
        charset,
    };
    Pipe::open(db.clone(), import.id, import.chunks, move |file, items| {
        let surveyed = formats::survey(file, declared);
        // Nobody may be there to hear it.
        let _ = items.send(Item::Surveyed(Box::new(surveyed)));
    })
}

fn reading(db: &Db, import: &Import, survey: Survey) -> Pipe<Item> {
    let survey = Arc::new(survey);
    Pipe::open(db.clone(), import.id, import.chunks, move |file, items| {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        let mut take = |row: Row| {
            bytes += row.size();
            rows.push(row);
            if rows.len() >= ROWS || bytes >= BYTES {
                bytes = 0;
                items.send(Item::Rows(std::mem::take(&mut rows)))?;
            }
            Ok(())
        };
        let read = formats::rows(file, &survey, &mut take);
        if read.is_ok() && !rows.is_empty() {
            // Nobody may be there to hear it, here and below.
            let _ = items.send(Item::Rows(rows));
        }
        let _ = items.send(Item::End(read));
    })
}
