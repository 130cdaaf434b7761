//! The files that tasks come from: CSV, Trello boards, GitHub issues, and what this service exports.
//!
//! A file is read twice, from its beginning to its end and never as a whole: [`survey`] finds out what it is and whether it
//! can be read to its end, so that a broken file leaves nothing half done; [`rows`] gives its rows one by one. Memory is
//! bounded by the longest row and by what a Trello board says beside its cards.

mod board;
mod cell;
mod csv;
mod encoding;
pub(crate) mod export;
mod github;
mod json;
mod records;

use std::io::Read;

use encoding_rs::Encoding;

use crate::domain::{import::Format, import_row::Row};

/// What is known of a file before it is read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Declared {
    /// What the sender says it is.
    pub(crate) format: Option<Format>,
    /// The encoding that the sender names.
    pub(crate) charset: Option<&'static Encoding>,
}

/// What a file is.
#[derive(Debug, Clone)]
pub(crate) struct Survey {
    /// Its format.
    pub(crate) format: Format,
    /// The encoding of its text.
    pub(crate) charset: &'static Encoding,
    /// How many rows it has.
    pub(crate) rows: u64,
    /// What its owner should know.
    pub(crate) notes: Vec<String>,
    /// Labels with their colours, where the file says any.
    pub(crate) labels: Vec<(String, String)>,
    /// What the project is about, where the file says it.
    pub(crate) description: String,
    /// What a Trello board says beside its cards.
    board: board::Board,
}

impl Survey {
    fn of(format: Format, charset: &'static Encoding) -> Self {
        Self {
            format,
            charset,
            rows: 0,
            notes: Vec::new(),
            labels: Vec::new(),
            description: String::new(),
            board: board::Board::default(),
        }
    }
}

/// Why a file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// It is not what it should be; the text is for its owner.
    #[error("{0}")]
    File(String),
    /// It is not UTF-8, and nobody said what it is.
    #[error("the file is not UTF-8; save it as UTF-8 or name its encoding with ?charset=")]
    Encoding,
    /// Its bytes cannot be had any more, or nobody takes its rows any more.
    #[error("reading the file")]
    Input(#[from] std::io::Error),
}

/// Takes rows; an error ends the reading.
pub(crate) type Take<'a> = dyn FnMut(Row) -> Result<(), Broken> + 'a;

/// Reads the whole file to find out what it is.
///
/// # Errors
/// Why it cannot be imported at all.
pub(crate) fn survey(input: impl Read, declared: Declared) -> Result<Survey, Broken> {
    let (mut text, charset) = encoding::Decoded::new(input, declared.charset)?;
    let mut begin = Vec::new();
    let is_json = match declared.format {
        Some(format) => format != Format::Csv,
        None => begins_as_json(&mut text, &mut begin)?,
    };
    let text = std::io::Cursor::new(begin).chain(text);
    let mut survey = Survey::of(declared.format.unwrap_or(Format::Csv), charset);
    if is_json {
        json::survey(text, &mut survey, declared.format)?;
    } else {
        csv::survey(text, &mut survey, declared.charset.is_some())?;
    }
    Ok(survey)
}

/// Looks at the first byte that is no blank; what was read goes to `begin`.
fn begins_as_json(text: &mut impl Read, begin: &mut Vec<u8>) -> Result<bool, Broken> {
    let mut byte = [0];
    // More blanks than that begin no file that somebody wrote.
    while begin.len() < 4096 && text.read(&mut byte)? == 1 {
        begin.push(byte[0]);
        if !byte[0].is_ascii_whitespace() {
            return Ok(matches!(byte[0], b'{' | b'['));
        }
    }
    Ok(false)
}

/// Reads the file that `survey` is about, row by row.
///
/// # Errors
/// As `take`, or when the file is not the one that was surveyed.
pub(crate) fn rows(input: impl Read, survey: &Survey, take: &mut Take<'_>) -> Result<(), Broken> {
    let (text, _) = encoding::Decoded::new(input, Some(survey.charset))?;
    if survey.format == Format::Csv {
        csv::rows(text, true, take).map(drop)
    } else {
        json::rows(text, survey, take)
    }
}
