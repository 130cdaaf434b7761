//! Weekly reports: when a week is over, everybody who did something in it gets one.
//!
//! Weeks begin on Monday, 00:00 UTC. A report is a row with user and week as its key, written in the transaction that
//! publishes it: two replicas, or a scheduler that begins again, make one.

use std::time::Duration;

use chassis::{
    Clock,
    worker::{Step, StepError, Worker},
};
use contracts::{
    Timestamp,
    analytics::ReportGenerated,
    id::{ReportId, UserId},
};
use database::Db;
use sea_orm::DbErr;

use crate::{
    domain::{activity::Deeds, task::Task},
    store,
};

/// Reports that one step makes at most.
const BATCH: i64 = 100;

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
/// The first Monday: 1970 began on a Thursday.
const FIRST_MONDAY: i64 = 4 * 24 * 3600 * 1_000_000;

/// Makes reports.
pub struct Reports {
    db: Db,
    clock: Clock,
    delay: Duration,
}

impl Reports {
    /// Nothing runs yet.
    pub fn new(db: Db, clock: Clock, delay: Duration) -> Self {
        Self { db, clock, delay }
    }
}

/// First moment of the week that `time` is in.
fn week_of(time: Timestamp) -> Timestamp {
    let week = i64::try_from(WEEK.as_micros()).unwrap_or(i64::MAX);
    let since = time.as_micros() - FIRST_MONDAY;
    Timestamp::from_micros(FIRST_MONDAY + since.div_euclid(week) * week)
}

async fn deeds(db: &Db, user: UserId, from: Timestamp, to: Timestamp) -> Result<Deeds, DbErr> {
    let mut deeds = Deeds::default();
    for (_, kind, count) in store::activity::of(db.read(), user, from, to).await? {
        deeds.add(kind, count);
    }
    Ok(deeds)
}

/// How many of `tasks` were `user`'s and overdue just before `moment`.
fn overdue(tasks: &[Task], user: UserId, moment: Timestamp) -> u64 {
    let late = tasks.iter().filter(|task| {
        task.before(moment).is_some_and(|step| {
            step.status.is_open() && step.due.is_some_and(|due| due < moment) && task.owners(&step).contains(&user)
        })
    });
    late.count() as u64
}

#[async_trait::async_trait]
impl Worker for Reports {
    fn name(&self) -> &'static str {
        "analytics-reports"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        let to = week_of(self.clock.now() - self.delay);
        let from = to - WEEK;
        let users = store::report::missing(self.db.read(), from, to, BATCH).await?;
        if users.is_empty() {
            return Ok(Step::Drained);
        }
        let late = store::task::overdue_at(self.db.read(), to).await?;
        let mut reports = Vec::with_capacity(users.len());
        for user in &users {
            let deeds = deeds(&self.db, *user, from, to).await?;
            reports.push(ReportGenerated {
                report_id: ReportId::new(),
                user_id: *user,
                from,
                to,
                tasks_completed: deeds.tasks_completed,
                tasks_created: deeds.tasks_created,
                comments: deeds.comments,
                overdue: overdue(&late, *user, to),
            });
        }
        self.db
            .write(async |tx| {
                for report in &reports {
                    if store::report::claim(tx, report.user_id, report.from, report.report_id).await? {
                        messaging::append(tx, report)?;
                    }
                }
                Ok::<_, DbErr>(())
            })
            .await?;
        Ok(Step::Full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_is_from_monday_to_monday() {
        let monday: Timestamp = "2026-03-09T00:00:00Z".parse().unwrap();
        for time in [
            "2026-03-09T00:00:00Z",
            "2026-03-15T23:59:59.999999Z",
            "2026-03-12T12:00:00Z",
        ] {
            assert_eq!(week_of(time.parse().unwrap()), monday, "{time}");
        }
        assert_eq!(week_of("2026-03-08T23:59:59Z".parse().unwrap()), monday - WEEK);
    }
}
