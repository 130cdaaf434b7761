//! What people see while a release goes on: a line for each service, live on a terminal; a line for each change in a log.
//! All of it is on stderr: stdout has the result.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::watch::Condition;

/// The progress of a command.
#[derive(Debug)]
pub struct Progress {
    begun: Instant,
    live: Option<MultiProgress>,
    seen: Mutex<BTreeMap<String, (String, Option<ProgressBar>)>>,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// Live if stderr is a terminal.
    #[must_use]
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            live: std::io::stderr().is_terminal().then(MultiProgress::new),
            seen: Mutex::default(),
        }
    }

    /// Says something once.
    pub fn say(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        if let Some(live) = &self.live {
            drop(live.println(text));
        } else {
            // Who reads no progress still gets the result.
            let elapsed = self.begun.elapsed().as_secs();
            drop(writeln!(std::io::stderr(), "{elapsed:>4} s  {text}"));
        }
    }

    /// Shows how each service does.
    pub fn conditions(&self, conditions: &BTreeMap<String, Condition>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (service, condition) in conditions {
            let text: String = condition.to_string().chars().take(160).collect();
            let known = seen.get(service).is_some_and(|(last, _)| *last == text);
            if known {
                continue;
            }
            let Some(live) = &self.live else {
                self.say(format!("{service:<24} {text}"));
                seen.insert(service.clone(), (text, None));
                continue;
            };
            let entry = seen.entry(service.clone()).or_insert_with(|| {
                let bar = live.add(ProgressBar::new_spinner());
                if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:<24} {wide_msg}") {
                    bar.set_style(style);
                }
                bar.set_prefix(service.clone());
                bar.enable_steady_tick(Duration::from_millis(250));
                (String::new(), Some(bar))
            });
            entry.0.clone_from(&text);
            if let Some(bar) = &entry.1 {
                bar.set_message(text);
            }
        }
    }

    /// Leaves the lines as they are; the next step begins with new ones.
    pub fn next(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, bar) in std::mem::take(&mut *seen).into_values() {
            if let Some(bar) = bar {
                bar.abandon();
            }
        }
    }
}

/// Writes a result to stdout.
///
/// # Errors
/// When nobody reads it.
pub fn print(text: impl AsRef<str>) -> anyhow::Result<()> {
    let text = text.as_ref();
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Columns as wide as they have to be, the last one as it is.
#[must_use]
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut lines = vec![head.iter().map(|title| (*title).to_owned()).collect::<Vec<_>>()];
    lines.extend(rows.iter().cloned());
    let width = |column: usize| {
        lines
            .iter()
            .filter_map(|line| line.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..head.len())
        .map(|column| width(column).unwrap_or_default())
        .collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_wide_as_its_cells() {
        let rows = [
            vec!["1".to_owned(), "a very long one".to_owned()],
            vec!["12".to_owned(), "b".to_owned()],
        ];
        assert_eq!(table(&["NO", "TAG"], &rows), "NO  TAG\n1   a very long one\n12  b\n");
    }
}
