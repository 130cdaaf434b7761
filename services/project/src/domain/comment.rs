//! Comments on tasks, and whom they mention.
//!
//! A mention is `@` and a handle or an e-mail address of a member. The `@` must stand at the beginning or after something
//! that is no part of a word or address, so that `bob@example.com` mentions nobody; nothing between backquotes counts,
//! so that code can be shown.

use chassis::{FieldError, Problem, http::idempotency::KeyError};
use contracts::{
    Timestamp,
    id::{CommentId, ProjectId, TaskId, UserId},
};
use identity::ProjectRole;
use sea_orm::DbErr;

use super::{access::AccessError, task::TaskError, text};

/// Characters of a comment at most.
pub const BODY_MAX: usize = 10_000;
/// Characters of a comment that its events carry.
pub const EXCERPT: usize = 200;
/// Names of a comment that are looked up at most; further ones mention nobody.
pub const NAMES_MAX: usize = 50;

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Which comment.
    pub id: CommentId,
    /// On which task.
    pub task_id: TaskId,
    /// In which project.
    pub project_id: ProjectId,
    /// Who wrote it.
    pub author_id: UserId,
    /// Who wrote it where it was imported from, when that is somebody else.
    pub original_author: Option<String>,
    /// The text.
    pub body: String,
    /// Members whom the text mentions.
    pub mentioned_ids: Vec<UserId>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was changed last; absent when never.
    pub edited_at: Option<Timestamp>,
    /// Rises by one with each change.
    pub version: i64,
}

impl Comment {
    /// What events show of it.
    pub fn excerpt(&self) -> String {
        self.body.chars().take(EXCERPT).collect()
    }
}

/// A comment that the caller reached, with what its events need.
#[derive(Debug, Clone)]
pub struct Reached {
    /// The comment.
    pub comment: Comment,
    /// Title of its task.
    pub task_title: String,
    /// The caller's role in its project.
    pub role: ProjectRole,
}

impl Reached {
    /// Goes on only for who wrote it.
    ///
    /// # Errors
    /// [`CommentError::NotYours`].
    pub fn may_change(&self, user: UserId) -> Result<(), CommentError> {
        if self.comment.author_id == user {
            Ok(())
        } else {
            Err(CommentError::NotYours)
        }
    }

    /// Goes on only for who wrote it and for admins.
    ///
    /// # Errors
    /// [`CommentError::NotYoursToDelete`].
    pub fn may_delete(&self, user: UserId) -> Result<(), CommentError> {
        let may = self.comment.author_id == user || self.role >= ProjectRole::Admin;
        if may {
            Ok(())
        } else {
            Err(CommentError::NotYoursToDelete)
        }
    }
}

/// The text of a comment.
///
/// # Errors
/// When it is blank, too long, or holds control characters; at `#/body`.
pub fn body(text: &str) -> Result<String, FieldError> {
    if text.trim().is_empty() {
        return Err(FieldError::new(
            "/body",
            format!("must have 1 to {BODY_MAX} characters, not only blanks"),
        ));
    }
    text::lines("/body", text, BODY_MAX)
}

/// The names after `@` in `text`, in lower case, each once, in the order they come: handles and e-mail addresses.
pub fn mentioned_names(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for prose in without_code(text) {
        let mut rest = prose;
        let mut before = None;
        while let Some(at) = rest.find('@') {
            let previous = rest[..at].chars().next_back().or(before);
            let after = &rest[at + 1..];
            let length = after
                .find(|letter: char| !(part_of_name(letter) || letter == '@'))
                .unwrap_or(after.len());
            // A sentence may end right after a name.
            let name = after[..length].trim_end_matches(['.', '-', '+', '@', '_']);
            let starts = previous.is_none_or(|letter| !(part_of_name(letter) || matches!(letter, '@' | '/')));
            if starts
                && name.starts_with(char::is_alphanumeric)
                && name.matches('@').count() <= 1
                && names.len() < NAMES_MAX
            {
                let name = name.to_lowercase();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            before = after[..length].chars().next_back().or(Some('@'));
            rest = &after[length..];
        }
    }
    names
}

fn part_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_' | '+')
}

/// The parts of a text that are not between backquotes: as many close as have opened, as in Markdown.
fn without_code(text: &str) -> Vec<&str> {
    let mut prose = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('`') {
        let fence = &rest[open..][..rest[open..].len() - rest[open..].trim_start_matches('`').len()];
        prose.push(&rest[..open]);
        let inside = &rest[open + fence.len()..];
        match closing(inside, fence) {
            Some(end) => rest = &inside[end + fence.len()..],
            // Never closed: then they are only backquotes.
            None => rest = inside,
        }
    }
    prose.push(rest);
    prose
}

/// Where a run of exactly as many backquotes as `fence` begins.
fn closing(text: &str, fence: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = text[from..].find('`') {
        let start = from + found;
        let run = text[start..].len() - text[start..].trim_start_matches('`').len();
        if run == fence.len() {
            return Some(start);
        }
        from = start + run;
    }
    None
}

/// Why something could not be done with a comment.
#[derive(Debug, thiserror::Error)]
pub enum CommentError {
    /// No such comment, or not in one of the caller's projects: it cannot be told which.
    #[error("there is no such comment, or you are not a member of its project")]
    NotFound,
    /// The task cannot be reached.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The caller may not do it in the project.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Somebody else wrote it.
    #[error("only who wrote a comment may change it")]
    NotYours,
    /// Somebody else wrote it, and the caller is no admin.
    #[error("only who wrote a comment, and admins of the project, may delete it")]
    NotYoursToDelete,
    /// Another version was expected.
    #[error(transparent)]
    Precondition(#[from] Problem),
    /// The key was used for something else.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database failed.
    #[error("storing the comment")]
    Store(#[from] DbErr),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_and_addresses_are_mentioned_once_each_in_lower_case() {
        let text = "@Ada, (@bob-smith) and @ada again; also @Carol@Example.com. Thanks @dave!";
        assert_eq!(mentioned_names(text), ["ada", "bob-smith", "carol@example.com", "dave"]);
    }

    #[test]
    fn an_address_a_path_or_a_lone_sign_mentions_nobody() {
        for text in [
            "bob@example.com",
            "see https://hub/@ada",
            "@",
            "@ ada",
            "a@b@c",
            "@@ada",
            "..@ada",
            "@a@b@c",
            "@-x",
        ] {
            assert_eq!(mentioned_names(text), Vec::<String>::new(), "{text:?}");
        }
    }

    #[test]
    fn code_mentions_nobody() {
        assert_eq!(
            mentioned_names("`@ada` and ``x ` @bob`` and\n```\n@carol\n```\nbut @dave"),
            ["dave"]
        );
        assert_eq!(mentioned_names("an open ` does not hide @ada"), ["ada"]);
    }

    #[test]
    fn a_thousand_names_are_not_all_looked_up() {
        let text: String = (0..1000).map(|n| format!("@user{n} ")).collect();
        assert_eq!(mentioned_names(&text).len(), NAMES_MAX);
    }

    #[test]
    fn letters_of_any_script_do_not_break_it() {
        assert_eq!(mentioned_names("é@ada 日本@bob @größe `@x"), ["größe", "x"]);
    }
}
