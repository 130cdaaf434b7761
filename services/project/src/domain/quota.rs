//! Quotas: how much the plan of an account lets its projects hold.
//!
//! The account of a project is its maker's. What is over a limit stays, whoever made it; only more is refused. An account
//! of which no plan is known has no limits: billing has not told yet, or is not there.

use contracts::billing::PlanLimits;
use sea_orm::DbErr;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meter {
    /// Projects that the account made and that were not deleted, archived or not.
    Projects,
    /// People in those projects, each counted once.
    Members,
    /// Tasks in those projects.
    Tasks,
}

impl Meter {
    /// The name in answers; as in billing's events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Projects => "projects",
            Self::Members => "members",
            Self::Tasks => "tasks",
        }
    }
}

/// How many there are of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Projects.
    pub projects: u64,
    /// People.
    pub members: u64,
    /// Tasks.
    pub tasks: u64,
}

/// A plan and what it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// An absent figure is no limit.
    pub limits: PlanLimits,
}

/// The plan allows no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the plan {plan} of the account that made this project allows {limit} {}, and {used} are there; \
     delete some, or let the account's owner choose a larger plan", meter.name()
)]
pub struct Exceeded {
    /// Of what.
    pub meter: Meter,
    /// How many there are.
    pub used: u64,
    /// How many there may be.
    pub limit: u64,
    /// The plan.
    pub plan: String,
}

/// How much of something may still be added, one after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The plan.
    pub plan: Plan,
    /// Of what.
    pub meter: Meter,
    /// How many there are.
    pub used: u64,
}

impl Left {
    /// Adds one, if it fits.
    ///
    /// # Errors
    /// [`Exceeded`]; then nothing was added.
    pub fn take(&mut self) -> Result<(), Exceeded> {
        self.plan.admit(self.meter, self.used, 1)?;
        self.used += 1;
        Ok(())
    }
}

/// Why nothing was added.
#[derive(Debug, thiserror::Error)]
pub enum QuotaError {
    /// The plan allows no more.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// The database failed.
    #[error("reading the account's usage")]
    Store(#[from] DbErr),
}

impl Plan {
    /// How many of `meter` there may be.
    pub fn limit(&self, meter: Meter) -> Option<u64> {
        match meter {
            Meter::Projects => self.limits.projects,
            Meter::Members => self.limits.members,
            Meter::Tasks => self.limits.tasks,
        }
    }

    /// Goes on only when `more` can be added to the `used`.
    ///
    /// # Errors
    /// [`Exceeded`].
    pub fn admit(&self, meter: Meter, used: u64, more: u64) -> Result<(), Exceeded> {
        match self.limit(meter) {
            Some(limit) if used.saturating_add(more) > limit => Err(Exceeded {
                meter,
                used,
                limit,
                plan: self.name.clone(),
            }),
            _ => Ok(()),
        }
    }
}

impl Usage {
    /// How many of `meter`.
    pub fn of(&self, meter: Meter) -> u64 {
        match meter {
            Meter::Projects => self.projects,
            Meter::Members => self.members,
            Meter::Tasks => self.tasks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(tasks: Option<u64>) -> Plan {
        Plan {
            name: "free".to_owned(),
            limits: PlanLimits {
                tasks,
                ..PlanLimits::default()
            },
        }
    }

    #[test]
    fn the_last_one_fits_and_the_next_does_not() {
        assert_eq!(plan(Some(3)).admit(Meter::Tasks, 2, 1), Ok(()));
        let exceeded = plan(Some(3)).admit(Meter::Tasks, 3, 1).unwrap_err();
        assert_eq!((exceeded.used, exceeded.limit, exceeded.plan.as_str()), (3, 3, "free"));
        assert!(plan(Some(3)).admit(Meter::Tasks, 1, 3).is_err(), "all of them or none");
        assert!(plan(Some(3)).admit(Meter::Tasks, 9, 1).is_err(), "after a downgrade");
        assert!(plan(Some(u64::MAX)).admit(Meter::Tasks, u64::MAX, 1).is_ok());
    }

    #[test]
    fn one_after_another_fits_until_the_limit() {
        let mut left = Left {
            plan: plan(Some(2)),
            meter: Meter::Tasks,
            used: 1,
        };
        assert_eq!(left.take(), Ok(()));
        assert_eq!(left.take().unwrap_err().used, 2);
        assert_eq!(left.used, 2);
    }

    #[test]
    fn without_a_limit_everything_fits() {
        assert_eq!(plan(None).admit(Meter::Tasks, u64::MAX, u64::MAX), Ok(()));
        assert_eq!(plan(Some(0)).admit(Meter::Projects, 7, 1), Ok(()));
    }
}
