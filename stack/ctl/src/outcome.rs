//! What a release ends with: for people, for machines, and as an exit status.
//!
//! | status | meaning |
//! |---|---|
//! | 0 | it stands, watched and tested |
//! | 1 | wrong usage, or something unforeseen |
//! | 2 | refused before anything changed |
//! | 3 | another release holds the lock |
//! | 4 | it failed; the previous release is back, and was watched and tested again |
//! | 5 | it failed, and what stands now is not a release that was tested |
//! | 6 | refused before anything changed, because the releases do not fit together |

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{failure::Failure, lock::Holder, preflight::Problem, report::table, watch::Condition};

/// How a release ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It stands.
    Succeeded,
    /// Nothing was to be changed, and nothing was.
    Planned,
    /// Something was wrong before it began.
    Refused,
    /// Somebody else is releasing.
    Locked,
    /// It failed; the previous release stands again.
    Restored,
    /// It failed, and so did going back.
    Broken,
    /// The releases do not fit together.
    Incompatible,
}

/// How a release ended, and all that tells it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// In a word.
    pub result: Verdict,
    /// What this process ends with.
    pub exit_code: u8,
    /// The stack.
    pub stack: String,
    /// Its number in the ledger, if it began.
    pub release: Option<u64>,
    /// What was, or was to be, released.
    pub tag: String,
    /// In seconds, from the command to its end.
    pub seconds: f64,
    /// What refused it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// Who holds the lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The release that stands again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored: Option<u64>,
    /// Why that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_failure: Option<Failure>,
    /// How each service does, where that matters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<String, Condition>,
    /// What helps now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
}

impl Verdict {
    /// The exit status.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Succeeded | Self::Planned => 0,
            Self::Refused => 2,
            Self::Locked => 3,
            Self::Restored => 4,
            Self::Broken => 5,
            Self::Incompatible => 6,
        }
    }
}

impl Outcome {
    /// One that ended so.
    #[must_use]
    pub fn new(result: Verdict, stack: &str, tag: &str) -> Self {
        Self {
            result,
            exit_code: result.code(),
            stack: stack.to_owned(),
            release: None,
            tag: tag.to_owned(),
            seconds: 0.0,
            problems: Vec::new(),
            holder: None,
            failure: None,
            restored: None,
            restore_failure: None,
            services: BTreeMap::new(),
            commands: Vec::new(),
        }
    }

    /// One that was refused: by the releases themselves, if that is all that is wrong.
    #[must_use]
    pub fn refused(stack: &str, tag: &str, problems: Vec<Problem>) -> Self {
        let incompatible = problems.iter().all(|problem| problem.about == "compatibility");
        let result = if incompatible {
            Verdict::Incompatible
        } else {
            Verdict::Refused
        };
        Self {
            problems,
            ..Self::new(result, stack, tag)
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (stack, tag) = (&self.stack, &self.tag);
        let number = self
            .release
            .map(|number| format!("release {number} "))
            .unwrap_or_default();
        match self.result {
            Verdict::Succeeded => write!(f, "{stack}: {number}({tag}) stands, after {:.1} s", self.seconds)?,
            Verdict::Planned => write!(f, "{stack}: {tag} can be released; nothing was changed")?,
            Verdict::Refused | Verdict::Incompatible => {
                write!(f, "{stack}: {tag} is refused, nothing was changed:")?;
            }
            Verdict::Locked => {
                write!(f, "{stack}: nothing was changed, another release is under way")?;
            }
            Verdict::Restored => {
                let back = self
                    .restored
                    .map(|number| format!("release {number}"))
                    .unwrap_or_default();
                write!(
                    f,
                    "{stack}: {number}({tag}) FAILED; {back} is back and was tested, after {:.1} s",
                    self.seconds
                )?;
            }
            Verdict::Broken => write!(f, "{stack}: {number}({tag}) FAILED, and no tested release stands now")?,
        }
        for problem in &self.problems {
            write!(f, "\n  {:<14} {}", problem.about, problem.text)?;
        }
        if let Some(holder) = &self.holder {
            write!(
                f,
                "\n  held by {holder}\n  a lock that is not renewed for a minute is taken over; stackctl unlock breaks it"
            )?;
        }
        if let Some(failure) = &self.failure {
            write!(f, "\n{failure}")?;
        }
        if let Some(failure) = &self.restore_failure {
            write!(f, "\ngoing back to the previous release failed as well:\n{failure}")?;
        }
        if !self.services.is_empty() {
            let rows: Vec<Vec<String>> = self
                .services
                .iter()
                .map(|(name, condition)| vec![name.clone(), condition.to_string()])
                .collect();
            write!(
                f,
                "\nwhat stands now:\n{}",
                table(&["SERVICE", "CONDITION"], &rows).trim_end()
            )?;
        }
        if !self.commands.is_empty() {
            write!(f, "\nwhat to do:")?;
        }
        for command in &self.commands {
            write!(f, "\n  {command}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(about: &'static str) -> Problem {
        Problem {
            about,
            text: "is wrong".to_owned(),
        }
    }

    #[test]
    fn only_what_does_not_fit_together_is_incompatible() {
        let outcome = Outcome::refused("hub", "v3", vec![problem("compatibility")]);
        assert_eq!((outcome.result, outcome.exit_code), (Verdict::Incompatible, 6));
        let outcome = Outcome::refused("hub", "v3", vec![problem("compatibility"), problem("disk")]);
        assert_eq!((outcome.result, outcome.exit_code), (Verdict::Refused, 2));
        let text = outcome.to_string();
        assert!(
            text.contains("nothing was changed") && text.contains("disk") && text.contains("is wrong"),
            "{text}"
        );
    }

    #[test]
    fn every_verdict_has_a_status_of_its_own_except_good_ones() {
        use Verdict::{Broken, Incompatible, Locked, Planned, Refused, Restored, Succeeded};
        let codes = [Succeeded, Planned, Refused, Locked, Restored, Broken, Incompatible].map(Verdict::code);
        assert_eq!(codes, [0, 0, 2, 3, 4, 5, 6]);
    }
}
