//! A project's figures, bucket by bucket, made of its tasks' histories.
//!
//! Two kinds of figures: what happened in a bucket (from its first moment, up to and without its end), and what was so at
//! its end. The second kind walks over the intervals between a task's steps and not over the buckets of each.

use contracts::Timestamp;

use super::{
    calendar::{Span, bucket_of},
    statistics::percentiles,
    task::{Status, Step, Task},
};

/// The buckets, and the moment until which there are figures.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// In order, touching each other.
    pub spans: &'a [Span],
    /// The time.
    pub now: Timestamp,
}

impl Window<'_> {
    fn bucket_of(&self, moment: Timestamp) -> Option<usize> {
        bucket_of(self.spans, moment)
    }

    /// The buckets at whose end holds what was so from `since` on, until `until`.
    fn ends(&self, since: Timestamp, until: Option<Timestamp>) -> std::ops::Range<usize> {
        let first = self.spans.partition_point(|span| span.end(self.now) <= since);
        let last = until.map_or(self.spans.len(), |until| {
            self.spans.partition_point(|span| span.end(self.now) <= until)
        });
        first..last.max(first)
    }
}

/// A task's steps, each with the moment of the next.
fn intervals<'a>(steps: &'a [Step<'a>]) -> impl Iterator<Item = (&'a Step<'a>, Option<Timestamp>)> {
    let ends = steps.iter().skip(1).map(|step| Some(step.at)).chain([None]);
    steps.iter().zip(ends)
}

/// What happened in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Throughput {
    /// Tasks made.
    pub created: u64,
    /// Tasks that became done.
    pub completed: u64,
    /// Tasks that were done and no longer are.
    pub reopened: u64,
    /// Tasks that will not be done.
    pub cancelled: u64,
}

/// What was made and finished in each bucket.
pub fn throughput(tasks: &[Task], window: Window<'_>) -> Vec<Throughput> {
    let mut figures = vec![Throughput::default(); window.spans.len()];
    for task in tasks {
        let mut before = None;
        if let Some(bucket) = task.created_at.and_then(|at| window.bucket_of(at)) {
            figures[bucket].created += 1;
        }
        for step in task.steps() {
            let previous = before.replace(step.status);
            let Some(bucket) = window.bucket_of(step.at).filter(|_| previous != Some(step.status)) else {
                continue;
            };
            match (previous, step.status) {
                (_, Status::Done) => figures[bucket].completed += 1,
                (Some(Status::Done), status) if status.is_open() => figures[bucket].reopened += 1,
                (_, Status::Cancelled) => figures[bucket].cancelled += 1,
                _ => {}
            }
        }
    }
    figures
}

/// Tasks by status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stock {
    /// Not begun.
    pub todo: u64,
    /// Begun.
    pub in_progress: u64,
    /// To be looked at.
    pub in_review: u64,
    /// Done.
    pub done: u64,
    /// Will not be done.
    pub cancelled: u64,
}

impl Stock {
    /// Those that are still to be done.
    pub fn open(&self) -> u64 {
        self.todo + self.in_progress + self.in_review
    }

    /// Those that are done or to be done.
    pub fn scope(&self) -> u64 {
        self.open() + self.done
    }

    /// Adds `count` tasks of this status.
    pub fn add(&mut self, status: Status, count: u64) {
        match status {
            Status::Todo => self.todo += count,
            Status::InProgress => self.in_progress += count,
            Status::InReview => self.in_review += count,
            Status::Done => self.done += count,
            Status::Cancelled => self.cancelled += count,
            Status::Deleted => {}
        }
    }
}

/// How many tasks there were of each status at the end of each bucket; `settled` are those that did not change any more.
pub fn cumulative(tasks: &[Task], settled: Stock, window: Window<'_>) -> Vec<Stock> {
    const STATUSES: [Status; 5] = [
        Status::Todo,
        Status::InProgress,
        Status::InReview,
        Status::Done,
        Status::Cancelled,
    ];
    // Differences from one bucket to the next, one more than there are buckets.
    let mut changes = vec![[0_i64; STATUSES.len()]; window.spans.len() + 1];
    for task in tasks {
        let steps = task.steps();
        for (step, until) in intervals(&steps) {
            if let Some(status) = STATUSES.iter().position(|status| *status == step.status) {
                let ends = window.ends(step.at, until);
                changes[ends.start][status] += 1;
                changes[ends.end][status] -= 1;
            }
        }
    }
    let mut level = [0_i64; STATUSES.len()];
    let at_end = changes.iter().take(window.spans.len()).map(|change| {
        let mut stock = settled;
        for (index, status) in STATUSES.into_iter().enumerate() {
            level[index] += change[index];
            stock.add(status, level[index].unsigned_abs());
        }
        stock
    });
    at_end.collect()
}

/// The stock at the end of each bucket, and what would remain if the same number of tasks had been finished in each, so that
/// nothing was left after the last.
pub fn burndown(tasks: &[Task], settled: Stock, window: Window<'_>) -> Vec<(Stock, u64)> {
    let stock = cumulative(tasks, settled, window);
    let beginning = window.spans.first().map_or(0, |span| {
        let open = |task: &&Task| task.before(span.from).is_some_and(|step| step.status.is_open());
        tasks.iter().filter(open).count() as u64
    });
    let buckets = stock.len() as u64;
    let ideal = (1..=buckets).map(|bucket| (beginning * (buckets - bucket)).div_ceil(buckets));
    stock.into_iter().zip(ideal).collect()
}

/// How long the tasks took that became done in a bucket, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Durations {
    /// Tasks that became done.
    pub completed: u64,
    /// Those of them that somebody had begun before.
    pub begun: u64,
    /// From the first beginning to done: the times that 50, 85 and 95 % did not exceed.
    pub cycle: [Option<u64>; 3],
    /// From being made to done: the same.
    pub lead: [Option<u64>; 3],
}

/// Which percentiles are told.
pub const PERCENTS: [u32; 3] = [50, 85, 95];

/// Cycle and lead times of what was finished in each bucket.
pub fn durations(tasks: &[Task], window: Window<'_>) -> Vec<Durations> {
    let mut cycles = vec![Vec::new(); window.spans.len()];
    let mut leads = vec![Vec::new(); window.spans.len()];
    for task in tasks {
        let (mut begun, mut before) = (None, None);
        for step in task.steps() {
            let previous = before.replace(step.status);
            if step.status.is_work() {
                begun = begun.or(Some(step.at));
            }
            let finished = step.status == Status::Done && previous != Some(Status::Done);
            let Some(bucket) = window.bucket_of(step.at).filter(|_| finished) else {
                continue;
            };
            leads[bucket].push(step.at.since(task.created_at.unwrap_or(step.at)).as_secs());
            cycles[bucket].extend(begun.map(|begun| step.at.since(begun).as_secs()));
        }
    }
    cycles
        .into_iter()
        .zip(leads)
        .map(|(cycles, leads)| Durations {
            completed: leads.len() as u64,
            begun: cycles.len() as u64,
            cycle: percentiles(cycles, PERCENTS),
            lead: percentiles(leads, PERCENTS),
        })
        .collect()
}

/// What was late at the end of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overdue {
    /// Open tasks whose due time had passed.
    pub overdue: u64,
    /// The earliest of those due times.
    pub oldest_due: Option<Timestamp>,
}

/// What was overdue at the end of each bucket.
pub fn overdue(tasks: &[Task], window: Window<'_>) -> Vec<Overdue> {
    let mut figures = vec![Overdue::default(); window.spans.len()];
    for task in tasks {
        let steps = task.steps();
        for (step, until) in intervals(&steps) {
            let Some(due) = step.due.filter(|_| step.status.is_open()) else {
                continue;
            };
            for figure in &mut figures[window.ends(step.at.max(due), until)] {
                figure.overdue += 1;
                figure.oldest_due = Some(figure.oldest_due.map_or(due, |oldest| oldest.min(due)));
            }
        }
    }
    figures
}

/// What was being worked on at the end of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkInProgress {
    /// Tasks in progress or in review.
    pub tasks: u64,
    /// For how long they were, in seconds: what 50, 85 and 95 % did not exceed.
    pub age: [Option<u64>; 3],
    /// The longest of them, in seconds.
    pub oldest: Option<u64>,
}

/// How much was being worked on at the end of each bucket, and for how long already.
pub fn work_in_progress(tasks: &[Task], window: Window<'_>) -> Vec<WorkInProgress> {
    let mut ages = vec![Vec::new(); window.spans.len()];
    for task in tasks {
        let steps = task.steps();
        let mut begun = None;
        for (step, until) in intervals(&steps) {
            if !step.status.is_work() {
                begun = None;
                continue;
            }
            let since = *begun.get_or_insert(step.at);
            for bucket in window.ends(step.at, until) {
                ages[bucket].push(window.spans[bucket].end(window.now).since(since).as_secs());
            }
        }
    }
    ages.into_iter()
        .map(|ages| WorkInProgress {
            tasks: ages.len() as u64,
            oldest: ages.iter().max().copied(),
            age: percentiles(ages, PERCENTS),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use contracts::{
        id::{ProjectId, TaskId, UserId},
        project::TaskSnapshot,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::domain::calendar::{Asked, Range};

    const HOUR: i64 = 3_600_000_000;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_micros(hour * HOUR)
    }

    fn snapshot(version: i64, hour: i64, created: i64, status: &str, due: Option<i64>) -> TaskSnapshot {
        TaskSnapshot {
            task_id: TaskId::new(),
            project_id: ProjectId::new(),
            title: String::new(),
            status: status.to_owned(),
            priority: "none".to_owned(),
            due_at: due.map(at),
            assignee_ids: vec![],
            labels: vec![],
            created_by: UserId::new(),
            created_at: at(created),
            completed_at: (status == "done").then(|| at(hour)),
            version,
        }
    }

    /// A task that has each status from its hour on, due at an hour.
    fn task(story: &[(i64, &str)], due: Option<i64>) -> Task {
        let mut task = Task::of(ProjectId::new());
        for (index, (hour, status)) in story.iter().enumerate() {
            let snapshot = snapshot(index as i64 + 1, *hour, story[0].0, status, due);
            task.learn(&snapshot, at(*hour)).unwrap();
        }
        task
    }

    /// Days from 1970 on.
    fn days(count: i64) -> Range {
        let last = jiff::civil::date(1970, 1, 1)
            .checked_add(jiff::Span::new().days(count - 1))
            .unwrap()
            .to_string();
        let asked = Asked {
            from: Some("1970-01-01"),
            to: Some(&last),
            ..Asked::default()
        };
        Range::parse(asked, at(24 * 365)).unwrap()
    }

    fn window(range: &Range) -> Window<'_> {
        Window {
            spans: &range.spans,
            now: at(24 * 365),
        }
    }

    #[test]
    fn what_happens_at_the_first_moment_of_a_day_belongs_to_that_day() {
        let range = days(3);
        let tasks = [
            task(&[(0, "todo"), (24, "done")], None),
            task(&[(1, "todo"), (48, "cancelled")], None),
        ];
        let figures = throughput(&tasks, window(&range));
        assert_eq!((figures[0].created, figures[0].completed), (2, 0));
        assert_eq!((figures[1].created, figures[1].completed), (0, 1));
        assert_eq!((figures[2].completed, figures[2].cancelled), (0, 1));
    }

    #[test]
    fn a_task_that_is_done_twice_counts_twice_and_its_reopening_once() {
        let range = days(2);
        let tasks = [task(
            &[(0, "todo"), (1, "done"), (2, "in_progress"), (30, "done"), (31, "done")],
            None,
        )];
        let figures = throughput(&tasks, window(&range));
        assert_eq!((figures[0].completed, figures[0].reopened), (1, 1));
        assert_eq!((figures[1].completed, figures[1].reopened), (1, 0));
    }

    #[test]
    fn the_stock_at_the_end_of_each_day_adds_up() {
        let range = days(4);
        let tasks = [
            task(&[(1, "todo"), (30, "in_progress"), (60, "done")], None),
            task(&[(26, "in_review"), (49, "cancelled")], None),
        ];
        let settled = Stock {
            done: 5,
            ..Stock::default()
        };
        let stock = cumulative(&tasks, settled, window(&range));
        let lines: Vec<[u64; 5]> = stock
            .iter()
            .map(|s| [s.todo, s.in_progress, s.in_review, s.done, s.cancelled])
            .collect();
        assert_eq!(
            lines,
            [[1, 0, 0, 5, 0], [0, 1, 1, 5, 0], [0, 0, 0, 6, 1], [0, 0, 0, 6, 1]]
        );
    }

    #[test]
    fn a_deleted_task_is_in_no_stock_from_then_on() {
        let range = days(2);
        let mut gone = task(&[(1, "todo")], None);
        gone.bury(2, at(25));
        let stock = cumulative(&[gone], Stock::default(), window(&range));
        assert_eq!((stock[0].todo, stock[1].scope()), (1, 0));
    }

    #[test]
    fn cycle_time_counts_from_the_first_beginning_and_lead_time_from_the_making() {
        let range = days(2);
        let tasks = [
            task(&[(0, "todo"), (2, "in_progress"), (5, "in_review"), (6, "done")], None),
            task(&[(0, "todo"), (10, "done")], None),
        ];
        let figures = durations(&tasks, window(&range));
        assert_eq!((figures[0].completed, figures[0].begun), (2, 1));
        assert_eq!(figures[0].cycle[0], Some(4 * 3600));
        assert_eq!(figures[0].lead, [Some(6 * 3600), Some(10 * 3600), Some(10 * 3600)]);
        assert_eq!(figures[1], Durations::default());
    }

    #[test]
    fn a_task_is_overdue_from_its_due_time_until_it_is_done() {
        let range = days(4);
        let tasks = [
            task(&[(0, "todo"), (72, "done")], Some(30)),
            task(&[(0, "todo")], Some(1000)),
        ];
        let late: Vec<u64> = overdue(&tasks, window(&range))
            .iter()
            .map(|figure| figure.overdue)
            .collect();
        assert_eq!(late, [0, 1, 1, 0]);
    }

    #[test]
    fn the_age_of_work_begins_anew_when_it_was_put_back() {
        let range = days(3);
        let tasks = [task(
            &[(0, "in_progress"), (23, "todo"), (25, "in_progress"), (26, "in_review")],
            None,
        )];
        let figures = work_in_progress(&tasks, window(&range));
        assert_eq!(figures[0].tasks, 0);
        assert_eq!(figures[1].age[0], Some(23 * 3600));
        assert_eq!((figures[2].tasks, figures[2].oldest), (1, Some(47 * 3600)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn in_whatever_order_states_become_known_the_history_is_the_same(
            hours in proptest::collection::vec((0..100_i64, 0..5_usize), 1..8),
            order in any::<proptest::sample::Index>(),
        ) {
            let names = ["todo", "in_progress", "in_review", "done", "cancelled"];
            let states: Vec<TaskSnapshot> = hours
                .iter()
                .enumerate()
                .map(|(index, (hour, status))| snapshot(index as i64 + 1, *hour, 0, names[*status], None))
                .map(|snapshot| TaskSnapshot { created_by: UserId::new(), ..snapshot })
                .collect();
            let told = |order: Vec<usize>| {
                let mut task = Task::of(ProjectId::new());
                for index in order {
                    task.learn(&states[index], at(hours[index].0)).unwrap();
                }
                task.creator = None;
                task.project = states[0].project_id;
                task
            };
            let straight: Vec<usize> = (0..states.len()).collect();
            let mut turned = straight.clone();
            turned.rotate_left(order.index(states.len()));
            turned.extend(straight.iter().rev());
            prop_assert_eq!(told(straight), told(turned));
        }

        #[test]
        fn the_stock_is_what_counting_each_task_at_each_end_gives(
            stories in proptest::collection::vec(proptest::collection::vec((0..200_i64, 0..5_usize), 1..6), 0..10),
        ) {
            let names = ["todo", "in_progress", "in_review", "done", "cancelled"];
            let tasks: Vec<Task> = stories
                .iter()
                .map(|story| {
                    let mut story: Vec<(i64, &str)> = story.iter().map(|(hour, status)| (*hour, names[*status])).collect();
                    story.sort_by_key(|(hour, _)| *hour);
                    task(&story, None)
                })
                .collect();
            let range = days(7);
            let window = window(&range);
            let counted: Vec<Stock> = range
                .spans
                .iter()
                .map(|span| {
                    let mut stock = Stock::default();
                    for step in tasks.iter().filter_map(|task| task.before(span.end(window.now))) {
                        stock.add(step.status, 1);
                    }
                    stock
                })
                .collect();
            prop_assert_eq!(cumulative(&tasks, Stock::default(), window), counted);
        }
    }
}
