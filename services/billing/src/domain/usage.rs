//! What an account uses of what its plan allows.

use contracts::billing::PlanLimits;

/// Something that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meter {
    /// Projects made and not deleted.
    Projects,
    /// People in those projects, each counted once.
    Members,
    /// Tasks in those projects.
    Tasks,
}

impl Meter {
    /// Every meter.
    pub const ALL: [Meter; 3] = [Meter::Projects, Meter::Members, Meter::Tasks];

    /// The name in answers, events and the database.
    pub const fn name(self) -> &'static str {
        match self {
            Meter::Projects => "projects",
            Meter::Members => "members",
            Meter::Tasks => "tasks",
        }
    }

    /// What `limits` allow; `None` for no limit.
    pub fn allowed(self, limits: &PlanLimits) -> Option<u64> {
        match self {
            Meter::Projects => limits.projects,
            Meter::Members => limits.members,
            Meter::Tasks => limits.tasks,
        }
    }
}

/// The highest threshold, in percent, that `used` has reached: 0, 80 or 100. A limit of 0 is reached by the first unit.
pub fn threshold(used: u64, allowed: Option<u64>) -> u32 {
    let Some(allowed) = allowed else { return 0 };
    let (used, allowed) = (u128::from(used), u128::from(allowed));
    match () {
        () if used > 0 && used >= allowed => 100,
        () if used > 0 && used * 100 >= allowed * 80 => 80,
        () => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_at_exactly_eighty_and_a_hundred_percent() {
        let of = |used, allowed| threshold(used, Some(allowed));
        assert_eq!(
            (of(7, 10), of(8, 10), of(9, 10), of(10, 10), of(11, 10)),
            (0, 80, 80, 100, 100)
        );
        assert_eq!((of(0, 0), of(1, 0)), (0, 100));
        assert_eq!(of(u64::MAX, u64::MAX), 100);
        assert_eq!(threshold(u64::MAX, None), 0);
    }
}
