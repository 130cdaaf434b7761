//! A project's figures, for its members.

#![expect(clippy::too_many_arguments, reason = "one for each parameter of an operation")]

use chassis::{Clock, Problem};
use contracts::{Timestamp, id::ProjectId};
use database::Db;
use identity::{Bearer, Caller};
use poem::web::Accept;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use super::{
    Tag,
    rendered::Rendered,
    series::{Series, point},
};
use crate::{
    domain::{
        calendar::{Asked, Range, Span},
        figures::FiguresError,
        flow::{self, Stock, Window},
        task::Task,
    },
    store,
};

/// Operations on a project's figures.
pub struct ProjectApi {
    /// The service's database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
}

point! {
    /// What was made and finished in a bucket.
    Throughput {
        /// Tasks that were made.
        created: u64,
        /// Tasks that became done; one that was reopened and became done again counts again.
        completed: u64,
        /// Tasks that were done and are to be done again.
        reopened: u64,
        /// Tasks that were cancelled.
        cancelled: u64,
    }
}

point! {
    /// How many tasks there were of each status at the end of a bucket.
    CumulativeFlow {
        /// Not begun.
        todo: u64,
        /// In progress.
        in_progress: u64,
        /// In review.
        in_review: u64,
        /// Done.
        done: u64,
        /// Cancelled.
        cancelled: u64,
    }
}

point! {
    /// How long the tasks took that became done in a bucket. Percentiles are values that occurred (nearest rank).
    CycleTime {
        /// Tasks that became done.
        completed: u64,
        /// Those of them that were in progress or in review before; the others have no cycle time.
        begun: u64,
        /// Seconds from the first beginning to done: the median.
        cycle_p50_s: Option<u64>,
        /// What 85 % did not exceed.
        cycle_p85_s: Option<u64>,
        /// What 95 % did not exceed.
        cycle_p95_s: Option<u64>,
        /// Seconds from being made to done: the median.
        lead_p50_s: Option<u64>,
        /// What 85 % did not exceed.
        lead_p85_s: Option<u64>,
        /// What 95 % did not exceed.
        lead_p95_s: Option<u64>,
    }
}

point! {
    /// What was left to do at the end of a bucket.
    Burndown {
        /// Tasks to be done.
        remaining: u64,
        /// Tasks done.
        completed: u64,
        /// Both together: cancelled and deleted tasks are not part of it.
        scope: u64,
        /// What would remain if the same number had been finished in every bucket, so that nothing was left after the last.
        ideal: u64,
    }
}

point! {
    /// What was late at the end of a bucket.
    Overdue {
        /// Tasks to be done whose due time had passed.
        overdue: u64,
        /// The earliest of those due times.
        oldest_due_at: Option<String>,
    }
}

point! {
    /// What was being worked on at the end of a bucket, and for how long already.
    WorkInProgress {
        /// Tasks in progress or in review.
        tasks: u64,
        /// Their age, in seconds since they were begun: the median.
        age_p50_s: Option<u64>,
        /// What 85 % did not exceed.
        age_p85_s: Option<u64>,
        /// What 95 % did not exceed.
        age_p95_s: Option<u64>,
        /// The oldest one's.
        oldest_s: Option<u64>,
    }
}

/// A project's tasks as far as they matter for a range.
struct Looked {
    range: Range,
    tasks: Vec<Task>,
    settled: Stock,
    now: Timestamp,
}

impl Looked {
    fn series<F, P>(
        &self,
        figures: impl Fn(&Self, Window<'_>) -> Vec<F>,
        point: impl FnMut(&Span, F) -> P,
        accept: &Accept,
    ) -> Result<Rendered<Series<P>>, Problem>
    where
        P: super::series::Point
            + Send
            + Sync
            + poem_openapi::types::Type
            + poem_openapi::types::ParseFromJSON
            + poem_openapi::types::ToJSON,
    {
        let series = Series::of(&self.range, self.now, |window| figures(self, window), point);
        let series = series.ok_or(FiguresError::Range(Vec::new()))?;
        Ok(Rendered::new(series, accept))
    }
}

/// The parameters that all of these have.
struct Wanted {
    from: Query<Option<String>>,
    to: Query<Option<String>>,
    bucket: Query<Option<String>>,
    tz: Query<Option<String>>,
}

impl ProjectApi {
    async fn look(&self, caller: &Caller, project: &str, wanted: Wanted) -> Result<Looked, FiguresError> {
        let project: ProjectId = project.parse().map_err(|_| FiguresError::NoSuchProject)?;
        if !store::member::may_see(self.db.read(), project, caller.user).await? {
            return Err(FiguresError::NoSuchProject);
        }
        let now = self.clock.now();
        let asked = Asked {
            from: wanted.from.0.as_deref(),
            to: wanted.to.0.as_deref(),
            bucket: wanted.bucket.0.as_deref(),
            tz: wanted.tz.0.as_deref(),
        };
        let range = Range::parse(asked, now).map_err(FiguresError::Range)?;
        let (tasks, settled) = store::task::of_project(self.db.read(), project, range.whole.from).await?;
        Ok(Looked {
            range,
            tasks,
            settled,
            now,
        })
    }
}

#[OpenApi]
impl ProjectApi {
    /// Count what was made and finished in a project.
    #[oai(
        path = "/v1/analytics/projects/:id/throughput",
        method = "get",
        operation_id = "getProjectThroughput",
        tag = "Tag::Analytics"
    )]
    async fn throughput(
        &self,
        Bearer(caller): Bearer,
        accept: Accept,
        /// The project.
        id: Path<String>,
        /// First day (`2026-03-01`, in the time zone) or a time; 30 buckets before the end without it.
        from: Query<Option<String>>,
        /// Last day, or the first time after the range; now without it. The range is widened to whole buckets, 400 at most.
        to: Query<Option<String>>,
        /// `day` or `week` (from Monday); a day without it.
        bucket: Query<Option<String>>,
        /// Time zone of days and weeks, by its IANA name; UTC without it.
        tz: Query<Option<String>>,
    ) -> Result<Rendered<Series<Throughput>>, Problem> {
        let wanted = Wanted { from, to, bucket, tz };
        let looked = self.look(&caller, &id.0, wanted).await?;
        let point = |span: &Span, figure: flow::Throughput| Throughput {
            date: span.date.to_string(),
            from: span.from.to_string(),
            to: span.to.to_string(),
            created: figure.created,
            completed: figure.completed,
            reopened: figure.reopened,
            cancelled: figure.cancelled,
        };
        looked.series(|looked, window| flow::throughput(&looked.tasks, window), point, &accept)
    }

    /// Count a project's tasks by status, over time.
    #[oai(
        path = "/v1/analytics/projects/:id/cumulative-flow",
        method = "get",
        operation_id = "getProjectCumulativeFlow",
        tag = "Tag::Analytics"
    )]
    async fn cumulative_flow(
        &self,
        Bearer(caller): Bearer,
        accept: Accept,
        /// The project.
        id: Path<String>,
        /// First day (`2026-03-01`, in the time zone) or a time; 30 buckets before the end without it.
        from: Query<Option<String>>,
        /// Last day, or the first time after the range; now without it. The range is widened to whole buckets, 400 at most.
        to: Query<Option<String>>,
        /// `day` or `week` (from Monday); a day without it.
        bucket: Query<Option<String>>,
        /// Time zone of days and weeks, by its IANA name; UTC without it.
        tz: Query<Option<String>>,
    ) -> Result<Rendered<Series<CumulativeFlow>>, Problem> {
        let wanted = Wanted { from, to, bucket, tz };
        let looked = self.look(&caller, &id.0, wanted).await?;
        let point = |span: &Span, stock: Stock| CumulativeFlow {
            date: span.date.to_string(),
            from: span.from.to_string(),
            to: span.to.to_string(),
            todo: stock.todo,
            in_progress: stock.in_progress,
            in_review: stock.in_review,
            done: stock.done,
            cancelled: stock.cancelled,
        };
        let figures = |looked: &Looked, window: Window<'_>| flow::cumulative(&looked.tasks, looked.settled, window);
        looked.series(figures, point, &accept)
    }

    /// Measure how long a project's tasks take.
    #[oai(
        path = "/v1/analytics/projects/:id/cycle-time",
        method = "get",
        operation_id = "getProjectCycleTime",
        tag = "Tag::Analytics"
    )]
    async fn cycle_time(
        &self,
        Bearer(caller): Bearer,
        accept: Accept,
        /// The project.
        id: Path<String>,
        /// First day (`2026-03-01`, in the time zone) or a time; 30 buckets before the end without it.
        from: Query<Option<String>>,
        /// Last day, or the first time after the range; now without it. The range is widened to whole buckets, 400 at most.
        to: Query<Option<String>>,
        /// `day` or `week` (from Monday); a day without it.
        bucket: Query<Option<String>>,
        /// Time zone of days and weeks, by its IANA name; UTC without it.
        tz: Query<Option<String>>,
    ) -> Result<Rendered<Series<CycleTime>>, Problem> {
        let wanted = Wanted { from, to, bucket, tz };
        let looked = self.look(&caller, &id.0, wanted).await?;
        let point = |span: &Span, figure: flow::Durations| {
            let ([cycle_p50_s, cycle_p85_s, cycle_p95_s], [lead_p50_s, lead_p85_s, lead_p95_s]) =
                (figure.cycle, figure.lead);
            CycleTime {
                date: span.date.to_string(),
                from: span.from.to_string(),
                to: span.to.to_string(),
                completed: figure.completed,
                begun: figure.begun,
                cycle_p50_s,
                cycle_p85_s,
                cycle_p95_s,
                lead_p50_s,
                lead_p85_s,
                lead_p95_s,
            }
        };
        looked.series(|looked, window| flow::durations(&looked.tasks, window), point, &accept)
    }

    /// Count what is left to do in a project.
    #[oai(
        path = "/v1/analytics/projects/:id/burndown",
        method = "get",
        operation_id = "getProjectBurndown",
        tag = "Tag::Analytics"
    )]
    async fn burndown(
        &self,
        Bearer(caller): Bearer,
        accept: Accept,
        /// The project.
        id: Path<String>,
        /// First day (`2026-03-01`, in the time zone) or a time; 30 buckets before the end without it.
        from: Query<Option<String>>,
        /// Last day, or the first time after the range; now without it. The range is widened to whole buckets, 400 at most.
        to: Query<Option<String>>,
        /// `day` or `week` (from Monday); a day without it.
        bucket: Query<Option<String>>,
        /// Time zone of days and weeks, by its IANA name; UTC without it.
        tz: Query<Option<String>>,
    ) -> Result<Rendered<Series<Burndown>>, Problem> {
        let wanted = Wanted { from, to, bucket, tz };
        let looked = self.look(&caller, &id.0, wanted).await?;
        let point = |span: &Span, (stock, ideal): (Stock, u64)| Burndown {
            date: span.date.to_string(),
            from: span.from.to_string(),
            to: span.to.to_string(),
            remaining: stock.open(),
            completed: stock.done,
            scope: stock.scope(),
            ideal,
        };
        let figures = |looked: &Looked, window: Window<'_>| flow::burndown(&looked.tasks, looked.settled, window);
        looked.series(figures, point, &accept)
    }

    /// Count what is overdue in a project.
    #[oai(
        path = "/v1/analytics/projects/:id/overdue",
        method = "get",
        operation_id = "getProjectOverdue",
        tag = "Tag::Analytics"
    )]
    async fn overdue(
        &self,
        Bearer(caller): Bearer,
        accept: Accept,
        /// The project.
        id: Path<String>,
        /// First day (`2026-03-01`, in the time zone) or a time; 30 buckets before the end without it.
        from: Query<Option<String>>,
        /// Last day, or the first time after the range; now without it. The range is widened to whole buckets, 400 at most.
        to: Query<Option<String>>,
        /// `day` or `week` (from Monday); a day without it.
        bucket: Query<Option<String>>,
        /// Time zone of days and weeks, by its IANA name; UTC without it.
        tz: Query<Option<String>>,
    ) -> Result<Rendered<Series<Overdue>>, Problem> {
        let wanted = Wanted { from, to, bucket, tz };
        let looked = self.look(&caller, &id.0, wanted).await?;
        let point = |span: &Span, figure: flow::Overdue| Overdue {
            date: span.date.to_string(),
            from: span.from.to_string(),
            to: span.to.to_string(),
            overdue: figure.overdue,
            oldest_due_at: figure.oldest_due.map(|due| due.to_string()),
        };
        looked.series(|looked, window| flow::overdue(&looked.tasks, window), point, &accept)
    }

    /// Measure how old the work in progress of a project is.
    #[oai(
        path = "/v1/analytics/projects/:id/work-in-progress",
        method = "get",
        operation_id = "getProjectWorkInProgress",
        tag = "Tag::Analytics"
    )]
    async fn work_in_progress(
        &self,
        Bearer(caller): Bearer,
        accept: Accept,
        /// The project.
        id: Path<String>,
        /// First day (`2026-03-01`, in the time zone) or a time; 30 buckets before the end without it.
        from: Query<Option<String>>,
        /// Last day, or the first time after the range; now without it. The range is widened to whole buckets, 400 at most.
        to: Query<Option<String>>,
        /// `day` or `week` (from Monday); a day without it.
        bucket: Query<Option<String>>,
        /// Time zone of days and weeks, by its IANA name; UTC without it.
        tz: Query<Option<String>>,
    ) -> Result<Rendered<Series<WorkInProgress>>, Problem> {
        let wanted = Wanted { from, to, bucket, tz };
        let looked = self.look(&caller, &id.0, wanted).await?;
        let point = |span: &Span, figure: flow::WorkInProgress| {
            let [age_p50_s, age_p85_s, age_p95_s] = figure.age;
            WorkInProgress {
                date: span.date.to_string(),
                from: span.from.to_string(),
                to: span.to.to_string(),
                tasks: figure.tasks,
                age_p50_s,
                age_p85_s,
                age_p95_s,
                oldest_s: figure.oldest,
            }
        };
        looked.series(
            |looked, window| flow::work_in_progress(&looked.tasks, window),
            point,
            &accept,
        )
    }
}
