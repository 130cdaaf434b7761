//! The rules: types that cannot hold an invalid state. No HTTP, no SQL, no Kafka.

pub mod access;
pub mod bulk;
pub mod comment;
pub mod import;
pub mod import_plan;
pub mod import_row;
pub mod invitation;
pub mod label;
pub mod member;
pub mod position;
pub mod project;
pub mod quota;
pub mod search;
pub mod task;
pub mod task_change;
pub mod task_page;
pub mod text;
