//! HTTP in and out: handlers and what is on the wire. No SQL, no rule.

pub mod access;
pub mod activity;
pub mod bulk;
pub mod comment;
pub mod export;
pub mod import;
pub mod import_answer;
pub mod invitation;
pub mod label;
pub mod member;
pub mod personal_data;
pub mod project;
pub mod quota;
pub mod search;
pub mod task;
pub mod task_answer;
pub mod task_page;
pub mod upload;

use poem_openapi::Tags;

/// Groups of operations in the document.
#[derive(Tags)]
pub enum Tag {
    /// Projects and their life.
    Projects,
    /// Who is in a project, and who is asked to be.
    Members,
    /// What happened in a project.
    Activity,
    /// Tasks, their order and their state.
    Tasks,
    /// Labels of a project's tasks.
    Labels,
    /// Comments on tasks.
    Comments,
    /// Finding tasks over all projects.
    Search,
    /// Tasks from files, and projects as files.
    Imports,
}
