//! The table and the JSON file.

use std::{io::Write, path::Path};

use anyhow::Context;
use serde::Serialize;

/// What a figure should be.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Goal {
    name: String,
    unit: &'static str,
    least: Option<f64>,
    most: Option<f64>,
}

impl Goal {
    pub(crate) fn at_least(name: impl Into<String>, unit: &'static str, least: f64) -> Self {
        Self {
            name: name.into(),
            unit,
            least: Some(least),
            most: None,
        }
    }

    pub(crate) fn at_most(name: impl Into<String>, unit: &'static str, most: f64) -> Self {
        Self {
            name: name.into(),
            unit,
            least: None,
            most: Some(most),
        }
    }
}

#[derive(Debug, Serialize)]
struct Figure {
    #[serde(flatten)]
    goal: Goal,
    value: f64,
    /// Absent where there is no goal.
    reached: Option<bool>,
    /// Whether it is a limit of the machine and not of the hub.
    limit: bool,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    cores: usize,
    figures: Vec<Figure>,
}

impl Report {
    /// A limit of the machine.
    pub(crate) fn machine(&mut self, name: impl Into<String>, unit: &'static str, value: f64) {
        self.push(
            Goal {
                name: name.into(),
                unit,
                least: None,
                most: None,
            },
            value,
            true,
        );
    }

    /// A figure that should be in a range.
    pub(crate) fn goal(&mut self, goal: Goal, value: f64) {
        self.push(goal, value, false);
    }

    /// A figure without a goal.
    pub(crate) fn figure(&mut self, name: impl Into<String>, unit: &'static str, value: f64) {
        self.push(
            Goal {
                name: name.into(),
                unit,
                least: None,
                most: None,
            },
            value,
            false,
        );
    }

    fn push(&mut self, goal: Goal, value: f64, limit: bool) {
        let reached = match (goal.least, goal.most) {
            (None, None) => None,
            (least, most) => Some(least.is_none_or(|least| value >= least) && most.is_none_or(|most| value <= most)),
        };
        self.figures.push(Figure {
            goal,
            value,
            reached,
            limit,
        });
    }

    pub(crate) fn print(&self) -> anyhow::Result<()> {
        let mut out = std::io::stdout();
        writeln!(out, "{:<46} {:>10} {:<4} {:>9}", "figure", "measured", "", "goal")?;
        for Figure {
            goal,
            value,
            reached,
            limit,
        } in &self.figures
        {
            let wanted = match (goal.least, goal.most) {
                (Some(least), _) => format!("≥ {least}"),
                (_, Some(most)) => format!("≤ {most}"),
                _ if *limit => "machine".to_owned(),
                _ => String::new(),
            };
            let mark = match reached {
                Some(true) => "reached",
                Some(false) => "MISSED",
                None => "",
            };
            writeln!(
                out,
                "{:<46} {value:>10.1} {:<4} {wanted:>9} {mark}",
                goal.name, goal.unit
            )?;
        }
        Ok(())
    }

    pub(crate) fn write(mut self, path: &Path) -> anyhow::Result<()> {
        self.cores = std::thread::available_parallelism()?.get();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, serde_json::to_vec_pretty(&self)?).with_context(|| format!("writing {}", path.display()))
    }
}
