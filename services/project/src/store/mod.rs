//! What is kept: rows, queries, migrations. Every write takes the transaction it belongs to.

pub mod access;
pub mod activity;
pub mod bulk;
pub mod comment;
pub mod due;
pub mod erasure;
pub mod export;
pub mod import;
pub mod import_batch;
pub mod import_line;
pub mod invitation;
mod json_list;
pub mod label;
pub mod member;
pub mod migrations;
pub mod personal_data;
pub mod project;
pub mod quota;
pub mod room;
pub mod search;
pub mod task;
pub mod task_batch;
pub mod task_order;
pub mod task_page;
pub mod user;
