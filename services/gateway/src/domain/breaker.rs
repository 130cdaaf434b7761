//! Circuit breaker: stops calling an upstream that fails, and finds out by itself when it is well again.
//!
//! Closed, it counts: too many failures in a row, or too large a share of the calls of the last seconds, open it. Two
//! signals because each is blind alone: a dead upstream with few callers never fills a window, and one bad replica behind a
//! balancer never fails many times in a row. Open, every call is refused at once, so that callers do not queue for a
//! corpse. After a pause it is half-open: a few probes at a time go through; enough of them that succeed close it, one that
//! fails opens it again for twice as long.
//!
//! A [`Permit`] belongs to the period in which it was given. What a call started earlier comes to is ignored, so a slow
//! old failure cannot open a breaker that has just closed.

use std::time::Duration;

use tokio::time::Instant;

/// When to open and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Failures in a row that open it.
    pub consecutive: u32,
    /// Percentage of failures in the window that opens it.
    pub ratio_percent: u32,
    /// Calls in the window below which the percentage says nothing.
    pub minimum: u32,
    /// Length of the window.
    pub window: Duration,
    /// How long it stays open the first time.
    pub open: Duration,
    /// How long it stays open at most, however often its probes fail.
    pub open_max: Duration,
    /// Probes at a time while half-open, and how many have to succeed.
    pub probes: u32,
}

/// What a breaker lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Everything.
    Closed,
    /// A few probes.
    HalfOpen,
    /// Nothing.
    Open,
}

impl State {
    /// Every state.
    pub const ALL: [State; 3] = [State::Closed, State::HalfOpen, State::Open];

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::HalfOpen => "half_open",
            State::Open => "open",
        }
    }
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream answered, be it that the caller was wrong.
    Success,
    /// It could not be reached, did not answer in time, or said that it cannot.
    Failure,
    /// Nobody waited for the answer: says nothing about the upstream.
    Abandoned,
}

/// The right to make one call; give it back with [`Breaker::record`].
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Permit {
    period: u64,
}

/// See the head of the file.
#[derive(Debug)]
pub struct Breaker {
    rules: Rules,
    phase: Phase,
    /// Rises with every change of phase.
    period: u64,
    /// Openings since it was closed last.
    openings: u32,
}

#[derive(Debug)]
enum Phase {
    Closed { streak: u32, window: Window },
    Open { until: Instant },
    HalfOpen { running: u32, succeeded: u32 },
}

impl Breaker {
    /// Closed.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            phase: Phase::Closed {
                streak: 0,
                window: Window::default(),
            },
            period: 0,
            openings: 0,
        }
    }

    /// What it lets through now.
    pub fn state(&self, now: Instant) -> State {
        match &self.phase {
            Phase::Closed { .. } => State::Closed,
            Phase::Open { until } if now < *until => State::Open,
            Phase::Open { .. } | Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// Asks to make a call.
    ///
    /// # Errors
    /// How long to wait before asking again.
    pub fn admit(&mut self, now: Instant) -> Result<Permit, Duration> {
        if let Phase::Open { until } = self.phase {
            if now < until {
                return Err(until - now);
            }
            self.enter(Phase::HalfOpen {
                running: 0,
                succeeded: 0,
            });
        }
        if let Phase::HalfOpen { running, .. } = &mut self.phase {
            if *running >= self.rules.probes {
                // The probes that are out decide within a call's time.
                return Err(Duration::from_secs(1));
            }
            *running += 1;
        }
        Ok(Permit { period: self.period })
    }

    /// Says what the call came to.
    pub fn record(&mut self, permit: Permit, outcome: Outcome, now: Instant) {
        if permit.period != self.period {
            return;
        }
        let opens = match &mut self.phase {
            Phase::Closed { streak, window } => match outcome {
                Outcome::Abandoned => false,
                Outcome::Success => {
                    *streak = 0;
                    window.add(self.rules.window, now, false);
                    false
                }
                Outcome::Failure => {
                    *streak += 1;
                    window.add(self.rules.window, now, true);
                    *streak >= self.rules.consecutive || window.fails(&self.rules)
                }
            },
            Phase::HalfOpen { running, succeeded } => {
                *running -= 1;
                match outcome {
                    Outcome::Abandoned => false,
                    Outcome::Failure => true,
                    Outcome::Success => {
                        *succeeded += 1;
                        if *succeeded >= self.rules.probes {
                            self.openings = 0;
                            self.enter(Phase::Closed {
                                streak: 0,
                                window: Window::default(),
                            });
                        }
                        false
                    }
                }
            }
            // An open breaker gives no permits.
            Phase::Open { .. } => false,
        };
        if opens {
            let pause = self
                .rules
                .open
                .saturating_mul(1_u32.checked_shl(self.openings).unwrap_or(u32::MAX));
            self.openings = self.openings.saturating_add(1);
            self.enter(Phase::Open {
                until: now + pause.min(self.rules.open_max),
            });
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.period += 1;
    }
}

const SLICES: usize = 10;

/// Calls of the last seconds, in slices of a tenth of the window.
#[derive(Debug, Default)]
struct Window {
    slices: [Slice; SLICES],
    /// When the first call was counted; slices are numbered from then.
    start: Option<Instant>,
    newest: u128,
}

#[derive(Debug, Default, Clone, Copy)]
struct Slice {
    calls: u32,
    failures: u32,
}

impl Window {
    fn add(&mut self, length: Duration, now: Instant, failed: bool) {
        let start = *self.start.get_or_insert(now);
        let slice = (length / SLICES as u32).as_nanos().max(1);
        let number = (now.saturating_duration_since(start).as_nanos() / slice).max(self.newest);
        let passed = usize::try_from(number - self.newest).unwrap_or(SLICES).min(SLICES);
        for back in 0..passed {
            self.slices[Self::place(number - back as u128)] = Slice::default();
        }
        self.newest = number;
        let slice = &mut self.slices[Self::place(number)];
        slice.calls += 1;
        slice.failures += u32::from(failed);
    }

    fn fails(&self, rules: &Rules) -> bool {
        let calls: u32 = self.slices.iter().map(|slice| slice.calls).sum();
        let failures: u32 = self.slices.iter().map(|slice| slice.failures).sum();
        calls >= rules.minimum && u64::from(failures) * 100 >= u64::from(calls) * u64::from(rules.ratio_percent)
    }

    fn place(number: u128) -> usize {
        (number % SLICES as u128) as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules = Rules {
        consecutive: 3,
        ratio_percent: 50,
        minimum: 10,
        window: Duration::from_secs(10),
        open: Duration::from_secs(5),
        open_max: Duration::from_secs(30),
        probes: 2,
    };

    struct Story {
        breaker: Breaker,
        now: Instant,
    }

    impl Story {
        fn begin() -> Self {
            Self {
                breaker: Breaker::new(RULES),
                now: Instant::now(),
            }
        }

        fn call(&mut self, outcome: Outcome) {
            let permit = self.breaker.admit(self.now).expect("let through");
            self.breaker.record(permit, outcome, self.now);
        }

        fn after(&mut self, pause: Duration) -> State {
            self.now += pause;
            self.breaker.state(self.now)
        }

        fn state(&self) -> State {
            self.breaker.state(self.now)
        }
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_callers_are_told_how_long() {
        let mut story = Story::begin();
        story.call(Outcome::Failure);
        story.call(Outcome::Failure);
        story.call(Outcome::Success);
        story.call(Outcome::Failure);
        story.call(Outcome::Failure);
        assert_eq!(story.state(), State::Closed, "the success in between counts");
        story.call(Outcome::Failure);
        assert_eq!(story.state(), State::Open);
        story.now += Duration::from_secs(2);
        assert_eq!(story.breaker.admit(story.now), Err(Duration::from_secs(3)));
    }

    #[test]
    fn half_of_the_calls_failing_opens_it_though_never_three_in_a_row() {
        let mut story = Story::begin();
        for _ in 0..4 {
            story.call(Outcome::Failure);
            story.call(Outcome::Success);
        }
        assert_eq!(story.state(), State::Closed, "eight calls are too few to judge");
        story.call(Outcome::Success);
        story.call(Outcome::Failure);
        assert_eq!(story.state(), State::Open);
    }

    #[test]
    fn failures_of_long_ago_are_forgotten() {
        let mut story = Story::begin();
        for _ in 0..4 {
            story.call(Outcome::Failure);
            story.call(Outcome::Success);
        }
        story.after(RULES.window);
        for _ in 0..8 {
            story.call(Outcome::Success);
        }
        story.call(Outcome::Failure);
        story.call(Outcome::Failure);
        assert_eq!(story.state(), State::Closed);
    }

    #[test]
    fn probes_that_succeed_close_it() {
        let mut story = Story::begin();
        (0..3).for_each(|_| story.call(Outcome::Failure));
        assert_eq!(story.after(RULES.open), State::HalfOpen);
        let first = story.breaker.admit(story.now).unwrap();
        let second = story.breaker.admit(story.now).unwrap();
        assert!(story.breaker.admit(story.now).is_err(), "two probes at a time");
        story.breaker.record(first, Outcome::Success, story.now);
        assert_eq!(story.state(), State::HalfOpen);
        story.breaker.record(second, Outcome::Success, story.now);
        assert_eq!(story.state(), State::Closed);
    }

    #[test]
    fn a_probe_that_fails_opens_it_for_twice_as_long_up_to_a_limit() {
        let mut story = Story::begin();
        (0..3).for_each(|_| story.call(Outcome::Failure));
        for pause in [5, 10, 20, 30, 30] {
            assert_eq!(story.breaker.admit(story.now), Err(Duration::from_secs(pause)));
            assert_eq!(story.after(Duration::from_secs(pause)), State::HalfOpen);
            story.call(Outcome::Failure);
        }
    }

    #[test]
    fn a_probe_nobody_waited_for_makes_room_for_another() {
        let mut story = Story::begin();
        (0..3).for_each(|_| story.call(Outcome::Failure));
        story.after(RULES.open);
        (0..5).for_each(|_| story.call(Outcome::Abandoned));
        assert_eq!(story.state(), State::HalfOpen);
    }

    #[test]
    fn what_a_call_of_an_earlier_period_comes_to_is_ignored() {
        let mut story = Story::begin();
        let slow: Vec<Permit> = (0..5).map(|_| story.breaker.admit(story.now).unwrap()).collect();
        (0..3).for_each(|_| story.call(Outcome::Failure));
        story.after(RULES.open);
        (0..2).for_each(|_| story.call(Outcome::Success));
        for permit in slow {
            story.breaker.record(permit, Outcome::Failure, story.now);
        }
        assert_eq!(story.state(), State::Closed);
    }

    proptest! {
        #[test]
        fn whatever_happens_it_recovers_once_the_upstream_is_well(
            history in prop::collection::vec((0_u8..4, 0_u64..8_000), 0..200),
        ) {
            let mut story = Story::begin();
            let mut out = Vec::new();
            for (what, millis) in history {
                story.after(Duration::from_millis(millis));
                match (what, out.is_empty()) {
                    (0, _) => out.extend(story.breaker.admit(story.now)),
                    (_, true) => {}
                    (1, false) => story.breaker.record(out.remove(0), Outcome::Success, story.now),
                    (2, false) => story.breaker.record(out.remove(0), Outcome::Failure, story.now),
                    (_, false) => story.breaker.record(out.remove(0), Outcome::Abandoned, story.now),
                }
            }
            for permit in out {
                story.breaker.record(permit, Outcome::Abandoned, story.now);
            }
            story.after(RULES.open_max);
            for _ in 0..RULES.probes {
                story.call(Outcome::Success);
            }
            prop_assert_eq!(story.state(), State::Closed);
        }

        #[test]
        fn an_open_breaker_lets_nothing_through_and_a_half_open_one_never_more_than_its_probes(
            failures in 3_u32..20, attempts in 1_usize..50,
        ) {
            let mut story = Story::begin();
            for _ in 0..failures.min(RULES.consecutive) {
                story.call(Outcome::Failure);
            }
            prop_assert!((0..attempts).all(|_| story.breaker.admit(story.now).is_err()));
            story.after(RULES.open);
            let let_through = (0..attempts).filter(|_| story.breaker.admit(story.now).is_ok()).count();
            prop_assert!(let_through <= RULES.probes as usize);
        }
    }
}
