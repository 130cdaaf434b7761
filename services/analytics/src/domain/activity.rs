//! What a user did, counted by quarter of an hour.
//!
//! Quarters, because every zone's offset is a multiple of one since 1972: days and weeks of any zone are sums of them.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{Timestamp, id::UserId};

use super::calendar::{Range, Span, bucket_of};

/// Microseconds of a quarter of an hour.
pub const SLOT: i64 = 15 * 60 * 1_000_000;

/// The beginning of the quarter that `time` is in.
pub fn slot(time: Timestamp) -> Timestamp {
    Timestamp::from_micros(time.as_micros().div_euclid(SLOT) * SLOT)
}

/// A kind of activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Made a task.
    TaskCreated,
    /// Finished a task.
    TaskCompleted,
    /// Wrote a comment.
    Comment,
    /// Anything else that shows that somebody was there.
    Other,
}

impl Kind {
    /// The name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::TaskCreated => "task_created",
            Kind::TaskCompleted => "task_completed",
            Kind::Comment => "comment",
            Kind::Other => "other",
        }
    }

    /// The kind of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Kind::TaskCreated, Kind::TaskCompleted, Kind::Comment, Kind::Other]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// What somebody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deeds {
    /// Tasks made.
    pub tasks_created: u64,
    /// Tasks finished.
    pub tasks_completed: u64,
    /// Comments written.
    pub comments: u64,
    /// All that was done, these and other things.
    pub actions: u64,
}

impl Deeds {
    /// Adds `count` of a kind.
    pub fn add(&mut self, kind: Kind, count: u64) {
        self.actions += count;
        match kind {
            Kind::TaskCreated => self.tasks_created += count,
            Kind::TaskCompleted => self.tasks_completed += count,
            Kind::Comment => self.comments += count,
            Kind::Other => {}
        }
    }
}

/// What was done in each bucket.
pub fn by_bucket(counted: &[(Timestamp, Kind, u64)], spans: &[Span]) -> Vec<Deeds> {
    let mut deeds = vec![Deeds::default(); spans.len()];
    for (slot, kind, count) in counted {
        if let Some(index) = bucket_of(spans, *slot) {
            deeds[index].add(*kind, *count);
        }
    }
    deeds
}

/// How many people were active in the day, the 7 and the 30 days before the end of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ActiveUsers {
    /// In the last day.
    pub day: u64,
    /// In the last seven days.
    pub week: u64,
    /// In the last thirty days.
    pub month: u64,
}

/// Days of the three windows.
const WINDOWS: [i64; 3] = [1, 7, 30];

/// The moment from which on activity counts in the first bucket.
pub fn earliest(range: &Range, now: Timestamp) -> Timestamp {
    range
        .spans
        .first()
        .map_or(now, |span| range.days_before(span.end(now), WINDOWS[2]))
}

/// Active people at the end of each bucket; `seen` says in which quarters each was there.
pub fn active_users(seen: &BTreeMap<UserId, BTreeSet<Timestamp>>, range: &Range, now: Timestamp) -> Vec<ActiveUsers> {
    let windows: Vec<([Timestamp; 3], Timestamp)> = range
        .spans
        .iter()
        .map(|span| {
            let end = span.end(now);
            (WINDOWS.map(|days| range.days_before(end, days)), end)
        })
        .collect();
    let mut active = vec![ActiveUsers::default(); windows.len()];
    for slots in seen.values() {
        for (figure, (begins, end)) in active.iter_mut().zip(&windows) {
            // The last time before the end decides about all three.
            if let Some(last) = slots.range(..*end).next_back() {
                figure.day += u64::from(*last >= begins[0]);
                figure.week += u64::from(*last >= begins[1]);
                figure.month += u64::from(*last >= begins[2]);
            }
        }
    }
    active
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::Asked;

    #[test]
    fn somebody_is_active_in_the_windows_that_reach_back_to_the_last_time() {
        let now: Timestamp = "2026-04-20T12:00:00Z".parse().unwrap();
        let asked = Asked {
            from: Some("2026-04-01"),
            to: Some("2026-04-20"),
            tz: Some("Europe/Berlin"),
            ..Asked::default()
        };
        let range = Range::parse(asked, now).unwrap();
        // The first of April in Berlin begins at ten in the evening of UTC's March.
        let there = slot("2026-03-31T22:05:00Z".parse().unwrap());
        let seen = BTreeMap::from([(UserId::new(), BTreeSet::from([there]))]);
        let active = active_users(&seen, &range, now);
        let days: Vec<u64> = active.iter().map(|figure| figure.day).collect();
        let weeks: u64 = active.iter().map(|figure| figure.week).sum();
        assert_eq!(days.iter().position(|count| *count == 1), Some(0));
        assert_eq!((days.iter().sum::<u64>(), weeks), (1, 7));
        assert!(active.iter().all(|figure| figure.month == 1));
        assert!(earliest(&range, now) <= there);
    }
}
