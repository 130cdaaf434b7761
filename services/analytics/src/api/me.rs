//! The caller's own figures.

use chassis::{Clock, Problem};
use database::Db;
use identity::Bearer;
use poem::web::Accept;
use poem_openapi::{OpenApi, param::Query};

use super::{
    Tag,
    rendered::Rendered,
    series::{Series, point},
};
use crate::{
    domain::{
        activity::{self, Deeds},
        calendar::{Asked, Range, Span},
        figures::FiguresError,
    },
    store,
};

/// Operations on the caller's figures.
pub struct MeApi {
    /// The service's database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
}

point! {
    /// What the caller did in a bucket.
    MyActivity {
        /// Tasks that the caller made.
        tasks_created: u64,
        /// Tasks that the caller finished.
        tasks_completed: u64,
        /// Comments that the caller wrote.
        comments: u64,
        /// All that the caller did in the hub: these and other changes, and signing in.
        actions: u64,
    }
}

#[OpenApi]
impl MeApi {
    /// Count what the caller did.
    #[oai(
        path = "/v1/analytics/me",
        method = "get",
        operation_id = "getMyActivity",
        tag = "Tag::Analytics"
    )]
    async fn my_activity(
        &self,
        Bearer(caller): Bearer,
        accept: Accept,
        /// First day (`2026-03-01`, in the time zone) or a time; 30 buckets before the end without it.
        from: Query<Option<String>>,
        /// Last day, or the first time after the range; now without it. The range is widened to whole buckets, 400 at most.
        to: Query<Option<String>>,
        /// `day` or `week` (from Monday); a day without it.
        bucket: Query<Option<String>>,
        /// Time zone of days and weeks, by its IANA name; UTC without it.
        tz: Query<Option<String>>,
    ) -> Result<Rendered<Series<MyActivity>>, Problem> {
        let now = self.clock.now();
        let asked = Asked {
            from: from.0.as_deref(),
            to: to.0.as_deref(),
            bucket: bucket.0.as_deref(),
            tz: tz.0.as_deref(),
        };
        let range = Range::parse(asked, now).map_err(FiguresError::Range)?;
        let counted = store::activity::of(self.db.read(), caller.user, range.whole.from, range.whole.to)
            .await
            .map_err(FiguresError::from)?;
        let point = |span: &Span, deeds: Deeds| MyActivity {
            date: span.date.to_string(),
            from: span.from.to_string(),
            to: span.to.to_string(),
            tasks_created: deeds.tasks_created,
            tasks_completed: deeds.tasks_completed,
            comments: deeds.comments,
            actions: deeds.actions,
        };
        let series = Series::of(&range, now, |window| activity::by_bucket(&counted, window.spans), point);
        let series = series.ok_or(FiguresError::Range(Vec::new()))?;
        Ok(Rendered::new(series, &accept))
    }
}
