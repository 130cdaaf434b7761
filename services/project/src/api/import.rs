//! Imports over HTTP: sending a file, watching it become tasks, and reading what became of each row.

use bytes::BytesMut;
use chassis::{
    Clock, FieldError, Problem,
    http::{
        answer::Accepted,
        idempotency::{Key, once},
        json::Json,
        page::{self, Page},
    },
};
use contracts::id::{ImportId, ProjectId};
use database::Db;
use identity::{Bearer, Caller, ProjectRole};
use poem_openapi::{
    OpenApi,
    param::{Header, Path, Query},
};
use sha2::{Digest, Sha256};

use super::{
    Tag,
    import_answer::{Import, ImportDetail, ImportLine},
    upload::Upload,
};
use crate::{
    domain::{
        import::{self, ImportError, ImportWish, State, UNFINISHED_MAX},
        import_row::Outcome,
    },
    store::{self, access, import_line},
};

/// Bytes of a chunk of a file in the database.
const CHUNK: usize = 256 * 1024;
/// Rows with problems that an import shows by itself.
const SHOWN: u64 = 20;

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::NotFound => Problem::not_found("import-not-found", error.to_string()),
            ImportError::Access(error) => error.into(),
            ImportError::TooMany => Problem::conflict("too-many-imports", error.to_string()),
            ImportError::Body(problem) => problem,
            ImportError::Key(error) => error.into(),
            ImportError::Store(_) => Problem::internal(error),
        }
    }
}

/// Operations on imports.
pub struct ImportApi {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
}

/// The parameters that both ways to import have.
struct Parameters {
    format: Option<String>,
    charset: Option<String>,
    dry_run: bool,
    key: Option<String>,
}

#[OpenApi]
impl ImportApi {
    /// Import a file as a project: CSV, a Trello board, GitHub issues, or a project that was exported here.
    ///
    /// The answer comes when the file has arrived; its rows become tasks afterwards. A name that an earlier import of yours
    /// made a project for means that project, as long as the files are of one format, and rows that it has already are
    /// skipped: repeating an import doubles nothing. Rows that the account's plan has no room for are rejected, as a dry run says
    /// before; import again under a larger plan, and they come.
    #[oai(
        path = "/v1/projects/import",
        method = "post",
        operation_id = "importProject",
        tag = "Tag::Imports"
    )]
    #[expect(clippy::too_many_arguments, reason = "the parameters of the operation")]
    async fn import_project(
        &self,
        Bearer(caller): Bearer,
        /// Name of the project.
        name: Query<Option<String>>,
        /// `csv`, `trello`, `github` or `cloudtaskhub`; found out when left out.
        format: Query<Option<String>>,
        /// The encoding of a text without byte order mark; UTF-8 when left out, windows-1252 when it is not that.
        charset: Query<Option<String>>,
        /// `true`: report what would happen, and change nothing.
        #[oai(default)]
        dry_run: Query<bool>,
        /// Send the request again with the same key, and it is still done once.
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<String>>,
        file: Upload,
    ) -> Result<Accepted<Import>, Problem> {
        let parameters = Parameters {
            format: format.0,
            charset: charset.0,
            dry_run: dry_run.0,
            key: key.0,
        };
        self.accept(&caller, Err(name.0.as_deref()), parameters, file).await
    }

    /// Import a file into a project. Rows that came into it before are skipped. For members.
    #[oai(
        path = "/v1/projects/:id/import",
        method = "post",
        operation_id = "importTasks",
        tag = "Tag::Imports"
    )]
    #[expect(clippy::too_many_arguments, reason = "the parameters of the operation")]
    async fn import_tasks(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// `csv`, `trello`, `github` or `cloudtaskhub`; found out when left out.
        format: Query<Option<String>>,
        /// The encoding of a text without byte order mark; UTF-8 when left out, windows-1252 when it is not that.
        charset: Query<Option<String>>,
        /// `true`: report what would happen, and change nothing.
        #[oai(default)]
        dry_run: Query<bool>,
        /// Send the request again with the same key, and it is still done once.
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<String>>,
        file: Upload,
    ) -> Result<Accepted<Import>, Problem> {
        let member = access::project(self.db.read(), &caller, &id.0, ProjectRole::Member).await?;
        let parameters = Parameters {
            format: format.0,
            charset: charset.0,
            dry_run: dry_run.0,
            key: key.0,
        };
        self.accept(&caller, Ok(member.project.id), parameters, file).await
    }

    /// List the caller's imports, the newest first. They are kept for 30 days.
    #[oai(
        path = "/v1/imports",
        method = "get",
        operation_id = "listImports",
        tag = "Tag::Imports"
    )]
    async fn list_imports(
        &self,
        Bearer(caller): Bearer,
        /// Items of the page at most, 1 to 200; 50 by default.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Page<Import>>, Problem> {
        let limit = page::limit(limit.0)?;
        let list = format!("imports {}", caller.user);
        let after = page::position(&list, cursor.0.as_deref())?;
        let rows = store::import::of_user(self.db.read(), caller.user, after, limit + 1)
            .await
            .map_err(Problem::internal)?;
        Ok(Json(page::page(rows, limit, &list, |row| row.id, Import::from)))
    }

    /// Read how far an import is, with the first rows that could not be taken.
    #[oai(
        path = "/v1/imports/:id",
        method = "get",
        operation_id = "getImport",
        tag = "Tag::Imports"
    )]
    async fn get_import(&self, Bearer(caller): Bearer, id: Path<String>) -> Result<Json<ImportDetail>, Problem> {
        let import = store::import::find(self.db.read(), caller.user, &id.0).await?;
        let lines = import_line::list(self.db.read(), import.id, Some(Outcome::Rejected), 0, SHOWN)
            .await
            .map_err(Problem::internal)?;
        Ok(Json(ImportDetail {
            import: import.into(),
            problems: lines.into_iter().map(ImportLine::from).collect(),
        }))
    }

    /// Read what became of each row, or in a dry run would become of it.
    #[oai(
        path = "/v1/imports/:id/report",
        method = "get",
        operation_id = "getImportReport",
        tag = "Tag::Imports"
    )]
    async fn get_import_report(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// `created`, `skipped` or `rejected`: rows with that outcome only.
        outcome: Query<Option<String>>,
        /// Items of the page at most, 1 to 200; 50 by default.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Page<ImportLine>>, Problem> {
        let import = store::import::find(self.db.read(), caller.user, &id.0).await?;
        let limit = page::limit(limit.0)?;
        let wrong = || {
            let detail = "must be created, skipped or rejected";
            Problem::invalid(vec![FieldError::parameter("outcome", detail)])
        };
        let outcome = outcome.0.as_deref();
        let outcome = outcome.map(|name| Outcome::parse(name).ok_or_else(wrong)).transpose()?;
        let list = format!("import report {} {:?}", import.id, outcome);
        let after = page::position(&list, cursor.0.as_deref())?.unwrap_or(0);
        let rows = import_line::list(self.db.read(), import.id, outcome, after, limit + 1)
            .await
            .map_err(Problem::internal)?;
        Ok(Json(page::page(rows, limit, &list, |row| row.number, ImportLine::from)))
    }
}

impl ImportApi {
    async fn accept(
        &self,
        caller: &Caller,
        target: Result<ProjectId, Option<&str>>,
        parameters: Parameters,
        mut file: Upload,
    ) -> Result<Accepted<Import>, Problem> {
        let said = file.open().await?;
        let wish = ImportWish::parse(
            target,
            parameters.format.as_deref(),
            parameters.charset.as_deref(),
            (said.format, said.charset.as_deref()),
            parameters.dry_run,
        )
        .map_err(Problem::invalid)?;
        let operation = format!(
            "import {target:?} {:?} {:?} {}",
            parameters.format, parameters.charset, parameters.dry_run
        );
        // A key that is no key is told before the file is read.
        Key::parse(parameters.key.as_deref(), caller.user, &operation, &())?;
        let mut import = wish.begin(caller.user, self.clock.now());
        self.db
            .write(async |tx| {
                if store::import::unfinished(tx, caller.user).await? >= UNFINISHED_MAX {
                    return Err(ImportError::TooMany);
                }
                store::import::insert(tx, &import).await?;
                Ok::<_, ImportError>(())
            })
            .await?;
        let received = match self.receive(&mut import, &mut file).await {
            Ok(hash) => {
                self.queue(caller, &import, parameters.key.as_deref(), &operation, &hash)
                    .await
            }
            Err(problem) => Err(problem),
        };
        let answer = match received {
            Ok(answer) => answer,
            Err(problem) => {
                self.discard(import.id).await;
                return Err(problem);
            }
        };
        if answer.id != import.id.to_string() {
            self.discard(import.id).await;
        }
        Ok(Accepted {
            location: format!("/v1/imports/{}", answer.id),
            body: answer,
        })
    }

    /// Stores the file in chunks as it comes; answers its hash.
    async fn receive(&self, import: &mut import::Import, file: &mut Upload) -> Result<String, Problem> {
        let (mut hash, mut buffer) = (Sha256::new(), BytesMut::new());
        loop {
            let piece = file.next().await?;
            if let Some(piece) = &piece {
                hash.update(piece);
                import.size += piece.len() as u64;
                buffer.extend_from_slice(piece);
            }
            while buffer.len() >= CHUNK || (piece.is_none() && !buffer.is_empty()) {
                let chunk = buffer.split_to(buffer.len().min(CHUNK)).to_vec();
                let (id, number, now) = (import.id, import.chunks, self.clock.now());
                self.db
                    .write(async |tx| store::import::add_chunk(tx, id, number, chunk, now).await)
                    .await
                    .map_err(Problem::internal)?;
                import.chunks += 1;
            }
            if piece.is_none() {
                break;
            }
        }
        if import.size == 0 {
            return Err(Problem::malformed("the file is empty"));
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Accepts the import, or answers the one that was accepted with the same key.
    async fn queue(
        &self,
        caller: &Caller,
        import: &import::Import,
        key: Option<&str>,
        operation: &str,
        hash: &str,
    ) -> Result<Import, Problem> {
        let key = Key::parse(key, caller.user, operation, &hash)?;
        let mut import = import.clone();
        import.state = State::Queued;
        import.updated_at = self.clock.now();
        let queued = once(&self.db, key.as_ref(), async |tx| {
            if !store::import::update(tx, &import, State::Receiving, 0).await? {
                return Err(ImportError::NotFound);
            }
            Ok::<_, ImportError>(Import::from(import))
        })
        .await;
        queued.map_err(Problem::from)
    }

    /// What cannot be removed now, the importer removes later.
    async fn discard(&self, import: ImportId) {
        let removed = self.db.write(async |tx| store::import::delete(tx, import).await).await;
        if let Err(error) = removed {
            tracing::warn!(%import, error = %error, "an upload is left for the importer to remove");
        }
    }
}
