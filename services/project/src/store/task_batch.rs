//! Many new tasks of one project by few statements: what [`super::task::create`] does for one.

use std::collections::{HashMap, HashSet};

use contracts::{
    Timestamp,
    id::{CommentId, LabelId, ProjectId, TaskId, UserId},
    project::{CommentCreated, TaskAssigned, TaskCreated},
};
use database::{Tx, insert_all};
use messaging::append;
use sea_orm::{DbErr, Value};

use super::{label, task, task_order};
use crate::domain::{
    comment::Comment,
    import_plan::name_key,
    import_row::{CommentDraft, TaskDraft},
    label::{LabelError, LabelName},
    position::Position,
    task::{Destination, Task, TaskError},
};

/// Makes tasks at the end of the project, in their order, each with those who work on it and its comments; answers their
/// ids. `actor` is the author of everything; `names` are what the actor is called, in lower case.
///
/// There are no entries in the activity list: whoever makes so many tasks makes one entry for all of them. Comments mention
/// nobody and reach nobody, as they were written long ago.
///
/// # Errors
/// The database's, or that the labels are too many meanwhile.
pub async fn create(
    tx: &Tx,
    project: ProjectId,
    drafts: Vec<(TaskDraft, Vec<UserId>)>,
    actor: UserId,
    names: &HashSet<String>,
    now: Timestamp,
) -> Result<Vec<TaskId>, TaskError> {
    if drafts.is_empty() {
        return Ok(Vec::new());
    }
    let labels = labels(tx, project, &drafts, now).await?;
    task_order::lock(tx, project).await?;
    let mut position = task_order::place(tx, project, None, Destination::End).await?;
    let (mut tasks, mut comments) = (Vec::with_capacity(drafts.len()), Vec::new());
    let mut labelled: Vec<[Value; 2]> = Vec::new();
    for (draft, people) in drafts {
        let id = TaskId::new();
        let (mut label_names, change) = (Vec::new(), draft.change);
        for name in change.labels.iter().flatten() {
            if let Some((label, name)) = labels.get(name.key()) {
                label_names.push(name.clone());
                labelled.push([id.into(), (*label).into()]);
            }
        }
        comments.extend(draft.comments.into_iter().map(|comment| (tasks.len(), comment)));
        tasks.push(Task {
            id,
            project_id: project,
            title: change.title.unwrap_or_default(),
            description: change.description.unwrap_or_default(),
            status: change.status.unwrap_or_default(),
            priority: change.priority.unwrap_or_default(),
            due_at: change.due_at.flatten(),
            position: position.clone(),
            assignee_ids: people,
            labels: label_names,
            created_by: actor,
            created_at: draft.created_at,
            updated_at: now,
            completed_at: draft.completed_at,
            version: 1,
        });
        let full = || DbErr::Custom(format!("no room in the order of {project}"));
        position = Position::end(Some(&position)).ok_or_else(full)?;
    }
    insert(tx, &tasks, labelled).await?;
    publish(tx, &tasks, actor)?;
    let comments: Vec<(&Task, Comment)> = comments
        .into_iter()
        .map(|(place, draft)| (&tasks[place], comment(&tasks[place], draft, actor, names)))
        .collect();
    insert_comments(tx, &comments).await?;
    Ok(tasks.iter().map(|task| task.id).collect())
}

/// All labels that the tasks have, by their keys; those that the project lacks are made.
async fn labels(
    tx: &Tx,
    project: ProjectId,
    drafts: &[(TaskDraft, Vec<UserId>)],
    now: Timestamp,
) -> Result<HashMap<String, (LabelId, String)>, TaskError> {
    let mut names: Vec<LabelName> = Vec::new();
    let mut keys = HashSet::new();
    for name in drafts.iter().flat_map(|(draft, _)| draft.labels()) {
        if keys.insert(name.key()) {
            names.push(name.clone());
        }
    }
    let labels = label::ensure(tx, project, &names, now)
        .await
        .map_err(|error| match error {
            LabelError::Store(error) => error,
            other => DbErr::Custom(other.to_string()),
        })?;
    Ok(names.iter().map(|name| name.key().to_owned()).zip(labels).collect())
}

async fn insert(tx: &Tx, tasks: &[Task], labelled: Vec<[Value; 2]>) -> Result<(), DbErr> {
    task::insert(tx, tasks).await?;
    let assigned = tasks
        .iter()
        .flat_map(|task| task.assignee_ids.iter().map(|user| [task.id.into(), (*user).into()]))
        .collect();
    insert_all(tx, "INSERT INTO task_assignees (task_id, user_id)", assigned).await?;
    insert_all(tx, "INSERT INTO task_labels (task_id, label_id)", labelled).await
}

fn publish(tx: &Tx, tasks: &[Task], actor: UserId) -> Result<(), DbErr> {
    for task in tasks {
        let created = TaskCreated {
            task_id: task.id,
            task: task.snapshot(),
            actor_id: actor,
        };
        append(tx, &created)?;
        for user in &task.assignee_ids {
            let assigned = TaskAssigned {
                task_id: task.id,
                project_id: task.project_id,
                title: task.title.clone(),
                assignee_id: *user,
                actor_id: actor,
                version: task.version,
            };
            append(tx, &assigned)?;
        }
    }
    Ok(())
}

fn comment(task: &Task, draft: CommentDraft, actor: UserId, names: &HashSet<String>) -> Comment {
    Comment {
        id: CommentId::new(),
        task_id: task.id,
        project_id: task.project_id,
        author_id: actor,
        original_author: draft.author.filter(|name| !names.contains(&name_key(name))),
        body: draft.body,
        mentioned_ids: Vec::new(),
        created_at: draft.created_at,
        edited_at: None,
        version: 1,
    }
}

async fn insert_comments(tx: &Tx, comments: &[(&Task, Comment)]) -> Result<(), DbErr> {
    let rows = comments.iter().map(|(_, comment)| {
        [
            comment.id.into(),
            comment.task_id.into(),
            comment.project_id.into(),
            comment.author_id.into(),
            comment.original_author.clone().into(),
            comment.body.as_str().into(),
            "[]".into(),
            comment.created_at.into(),
            comment.version.into(),
        ]
    });
    let rows = rows.collect();
    let sql = "INSERT INTO comments (id, task_id, project_id, author_id, original_author, body, mentioned_ids, created_at, version)";
    insert_all(tx, sql, rows).await?;
    for (task, comment) in comments {
        let created = CommentCreated {
            comment_id: comment.id,
            task_id: task.id,
            project_id: task.project_id,
            task_title: task.title.clone(),
            author_id: comment.author_id,
            excerpt: comment.excerpt(),
            mentioned_ids: Vec::new(),
            participant_ids: Vec::new(),
            version: comment.version,
        };
        append(tx, &created)?;
    }
    Ok(())
}
