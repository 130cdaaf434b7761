//! What teams do with projects, told as stories against the whole service.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod activity;
mod bulk;
mod comments;
mod directory;
mod document;
mod due;
mod erasure;
mod exports;
mod import_files;
mod import_quotas;
mod import_resume;
mod imports;
mod invitations;
mod labels;
mod members;
mod project_creation;
mod project_lists;
mod projects;
mod quotas;
mod search;
mod task_lists;
mod task_order;
mod tasks;
mod team;
mod work;
