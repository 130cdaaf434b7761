//! A batch of an import: one transaction with its tasks, its report, how far the import is, and what is published.

use std::collections::{HashMap, HashSet};

use contracts::{
    Timestamp,
    id::{ProjectId, TaskId, UserId},
};
use database::{Tx, insert_all};
use identity::ProjectRole;
use messaging::append;
use sea_orm::{ConnectionTrait, DbErr, Statement};
use serde_json::json;

use super::{
    access, activity::record_activity, import, import_line, json_list, label, member, project, quota, task_batch,
    task_order, user,
};
use crate::domain::{
    access::AccessError,
    import::{Import, State},
    import_plan::{Candidate, Known, Origin, Planned, name_key, plan},
    import_row::Outcome,
    label::{LabelName, PER_PROJECT, colour},
    member::Membership,
    project::{ProjectDraft, ProjectError},
    quota::{Exceeded, Meter, QuotaError},
    task::TaskError,
};

/// What a file says of the project to be.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// What it is about.
    pub description: String,
    /// Its labels with their colours.
    pub labels: Vec<(String, String)>,
}

/// Why a batch could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// Its owner may not do it any more, or the project is gone: the import has to be given up.
    #[error(transparent)]
    Access(AccessError),
    /// The account's plan allows no project more: the import has to be given up, and can be sent again under a larger plan.
    #[error(transparent)]
    Quota(Exceeded),
    /// Another replica got on with it, or it is gone.
    #[error("the import is not where it was")]
    Elsewhere,
    /// The database failed.
    #[error("storing a batch")]
    Store(#[from] DbErr),
}

impl From<AccessError> for BatchError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Store(error) => Self::Store(error),
            other => Self::Access(other),
        }
    }
}

impl From<QuotaError> for BatchError {
    fn from(error: QuotaError) -> Self {
        match error {
            QuotaError::Store(error) => Self::Store(error),
            QuotaError::Exceeded(exceeded) => Self::Quota(exceeded),
        }
    }
}

impl From<ProjectError> for BatchError {
    fn from(error: ProjectError) -> Self {
        match error {
            ProjectError::Store(error) => Self::Store(error),
            ProjectError::Access(error) => error.into(),
            ProjectError::Quota(error) => error.into(),
            other => Self::Store(DbErr::Custom(other.to_string())),
        }
    }
}

impl From<TaskError> for BatchError {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Store(error) => Self::Store(error),
            TaskError::Access(error) => error.into(),
            other => Self::Store(DbErr::Custom(other.to_string())),
        }
    }
}

/// Begins an import whose file was surveyed, or begins it again after an interruption.
///
/// # Errors
/// See [`BatchError`].
pub async fn start(tx: &Tx, import: &mut Import, was: State, now: Timestamp) -> Result<(), BatchError> {
    import.state = State::Running;
    import.updated_at = now;
    find_project(tx, import).await?;
    if !import::update(tx, import, was, import.rows_read).await? {
        return Err(BatchError::Elsewhere);
    }
    if was == State::Queued {
        append(tx, &import.progressed(now))?;
    }
    Ok(())
}

/// Carries out a batch: rows that the account's plan has no room for are rejected, as are those that are wrong. `extra` are the labels that earlier batches of a dry run would have brought, and gets those of this
/// one.
///
/// # Errors
/// See [`BatchError`].
pub async fn carry_out(
    tx: &Tx,
    import: &mut Import,
    candidates: Vec<Candidate>,
    about: &About,
    extra: &mut HashSet<String>,
    now: Timestamp,
) -> Result<(), BatchError> {
    let before = import.rows_read;
    let names = names_of(tx, import.user_id).await?;
    // Another import of the same name may have been first meanwhile.
    find_project(tx, import).await?;
    let account = match import.project_id {
        Some(project) => {
            let member = access::of_user(tx, import.user_id, project, ProjectRole::Member).await?;
            member.project.created_by
        }
        None if import.project_name.is_some() => import.user_id,
        None => return Err(BatchError::Access(AccessError::NotFound)),
    };
    // The project before the account, as everybody locks them.
    if let Some(project) = import.project_id.filter(|_| !import.dry_run) {
        task_order::lock(tx, project).await?;
    }
    let mut known = known(tx, import, &candidates, &names).await?;
    known.room = quota::left(tx, account, Meter::Tasks).await?;
    if import.dry_run {
        known.labels.extend(extra.iter().cloned());
        // Those that the batches before would have made.
        if let Some(room) = &mut known.room {
            room.used += import.created;
        }
    }
    let mut planned = plan(candidates, &mut known);
    if import.dry_run {
        *extra = known.labels;
    }
    import.count(planned.iter().map(|planned| planned.outcome));
    import.updated_at = now;
    let creates = planned
        .iter()
        .filter(|planned| planned.outcome == Outcome::Created)
        .count();
    let mut tasks: Vec<Option<TaskId>> = vec![None; planned.len()];
    if creates > 0 && import.dry_run && import.project_id.is_none() {
        quota::room(tx, account, Meter::Projects, 1).await?;
    }
    if creates > 0 && !import.dry_run {
        let project = match import.project_id {
            Some(project) => project,
            None => make_project(tx, import, about, now).await?,
        };
        if before == 0 {
            make_labels(tx, project, about, now).await?;
        }
        tasks = create(tx, import, project, &mut planned, &names, now).await?;
    }
    let lines: Vec<(Planned, Option<TaskId>)> = planned.into_iter().zip(tasks).collect();
    import_line::insert(tx, import.id, &lines).await?;
    if !import::update(tx, import, State::Running, before).await? {
        return Err(BatchError::Elsewhere);
    }
    if import.worth_telling(before) {
        append(tx, &import.progressed(now))?;
    }
    Ok(())
}

/// Ends an import, for a `failure` or because its file has been read.
///
/// # Errors
/// See [`BatchError`].
pub async fn finish(
    tx: &Tx,
    import: &mut Import,
    was: State,
    failure: Option<String>,
    about: &About,
    now: Timestamp,
) -> Result<(), BatchError> {
    import.finish(failure, now);
    import.updated_at = now;
    if import.state == State::Completed {
        find_project(tx, import).await?;
    }
    // A file without rows is a project without tasks.
    if import.state == State::Completed && import.project_id.is_none() && import.project_name.is_some() {
        if import.dry_run {
            quota::room(tx, import.user_id, Meter::Projects, 1).await?;
        } else {
            let project = make_project(tx, import, about, now).await?;
            make_labels(tx, project, about, now).await?;
        }
    }
    if let Some(project) = import.project_id.filter(|_| !import.dry_run && import.created > 0) {
        let data = json!({ "created": import.created, "format": import.format.map(|format| format.name()) });
        let subject = import.id.to_string();
        record_activity(tx, project, import.user_id, "tasks.imported", &subject, data, now).await?;
    }
    if !import::update(tx, import, was, import.rows_read).await? {
        return Err(BatchError::Elsewhere);
    }
    append(tx, &import.progressed(now))?;
    Ok(())
}

/// Fills the project that an earlier import of the same user, name and kind of source has made, if there is one.
async fn find_project(tx: &Tx, import: &mut Import) -> Result<(), DbErr> {
    let (None, Some(name), Some(format)) = (import.project_id, &import.project_name, import.format) else {
        return Ok(());
    };
    let query = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "SELECT project_id FROM import_projects WHERE user_id = $1 AND name = $2 AND source = $3",
        [import.user_id.into(), name.as_str().into(), format.name().into()],
    );
    if let Some(row) = tx.query_one_raw(query).await? {
        import.project_id = Some(row.try_get_by_index(0)?);
    }
    Ok(())
}

async fn make_project(tx: &Tx, import: &mut Import, about: &About, now: Timestamp) -> Result<ProjectId, BatchError> {
    let name = import.project_name.clone().unwrap_or_default();
    let draft = ProjectDraft::parse(&name, Some(&about.description)).or_else(|_| ProjectDraft::parse(&name, None));
    let draft = draft.map_err(|_| DbErr::Custom("the name of an import's project".to_owned()))?;
    let (made, created) = draft.create(import.user_id, now);
    let owner = Membership::first_owner(import.user_id, now);
    project::insert(tx, &made).await?;
    member::add(tx, made.id, owner.user, owner.role, now).await?;
    let (subject, data) = (made.id.to_string(), json!({ "name": made.name }));
    record_activity(tx, made.id, import.user_id, "project.created", &subject, data, now).await?;
    append(tx, &created)?;
    append(tx, &owner.added(&made, import.user_id))?;
    let source = import.format.map_or("", |format| format.name());
    let remember = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO import_projects (user_id, name, source, project_id) VALUES ($1, $2, $3, $4)",
        [import.user_id.into(), name.into(), source.into(), made.id.into()],
    );
    tx.execute_raw(remember).await?;
    import.project_id = Some(made.id);
    Ok(made.id)
}

/// Makes the labels that the file says, as long as there is room; those that are there keep their colours.
async fn make_labels(tx: &Tx, project: ProjectId, about: &About, now: Timestamp) -> Result<(), DbErr> {
    let mut room = PER_PROJECT.saturating_sub(label::keys(tx, project).await?.len() as u64);
    for (name, hue) in &about.labels {
        let (Ok(name), Ok(hue)) = (LabelName::parse("", name), colour("", hue)) else {
            continue;
        };
        if room > 0 && label::insert(tx, &label::new(project, &name, Some(hue), now), &name).await? {
            room -= 1;
        }
    }
    Ok(())
}

async fn create(
    tx: &Tx,
    import: &Import,
    project: ProjectId,
    planned: &mut [Planned],
    names: &HashSet<String>,
    now: Timestamp,
) -> Result<Vec<Option<TaskId>>, BatchError> {
    let (mut drafts, mut origins) = (Vec::new(), Vec::new());
    for planned in planned.iter_mut() {
        if let Some((origin, draft, people)) = planned.task.take() {
            drafts.push((draft, people));
            origins.push(origin);
        }
    }
    let made = task_batch::create(tx, project, drafts, import.user_id, names, now).await?;
    let remembered = origins.iter().zip(&made).map(|(origin, task)| {
        [
            project.into(),
            origin.source.into(),
            origin.external_id.as_str().into(),
            (*task).into(),
        ]
    });
    let insert = "INSERT INTO imported_tasks (project_id, source, external_id, task_id)";
    insert_all(tx, insert, remembered.collect()).await?;
    let mut made = made.into_iter();
    let task = |planned: &Planned| match planned.outcome {
        Outcome::Created => made.next(),
        Outcome::Skipped | Outcome::Rejected => None,
    };
    Ok(planned.iter().map(task).collect())
}

/// What a user is called.
async fn names_of(tx: &Tx, id: UserId) -> Result<HashSet<String>, DbErr> {
    let mut names = HashSet::from([id.to_string()]);
    if let Some(known) = user::find(tx, id).await? {
        names.extend(
            [known.handle_key, known.email_key]
                .into_iter()
                .filter(|name| !name.is_empty()),
        );
    }
    Ok(names)
}

async fn known(tx: &Tx, import: &Import, candidates: &[Candidate], importer: &HashSet<String>) -> Result<Known, DbErr> {
    let Some(project) = import.project_id else {
        return Ok(Known {
            people: importer.iter().map(|name| (name.clone(), import.user_id)).collect(),
            ..Known::default()
        });
    };
    let (mut origins, mut people): (HashMap<&'static str, Vec<&str>>, HashSet<String>) =
        (HashMap::new(), HashSet::new());
    for (origin, draft) in candidates.iter().filter_map(|candidate| candidate.task.as_ref().ok()) {
        origins.entry(origin.source).or_default().push(&origin.external_id);
        people.extend(draft.assignees.iter().map(|name| name_key(name)));
    }
    let mut known = Known {
        labels: label::keys(tx, project).await?,
        people: member::by_names(tx, project, &people).await?,
        ..Known::default()
    };
    let backend = tx.get_database_backend();
    for (source, ids) in origins {
        // A task of this very project in its own export is there already.
        let sql = format!(
            "SELECT external_id FROM imported_tasks
             WHERE project_id = $1 AND source = $2 AND external_id IN (SELECT value FROM {list})
             UNION SELECT id FROM tasks WHERE project_id = $1 AND id IN (SELECT value FROM {list})",
            list = json_list::table(backend, "$3")
        );
        let values = [project.into(), source.into(), json_list::value(&ids).into()];
        for row in tx
            .query_all_raw(Statement::from_sql_and_values(backend, sql, values))
            .await?
        {
            known.origins.insert(Origin {
                source,
                external_id: row.try_get_by_index(0)?,
            });
        }
    }
    Ok(known)
}
