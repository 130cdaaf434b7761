//! A delivery: one message to one target outside, with all its attempts.
//!
//! ```text
//! pending ─┬─> sending ─┬─> delivered
//!          │            ├─> retry_scheduled ─> sending …
//!          │            ├─> unknown ─────────> sending …   the process died: its lease ended without a record
//!          └────────────┴─> failed ──────────> pending      when its owner sends it again
//! ```
//!
//! Every attempt carries the same message id, so a receiver knows a double. A message goes to a target once, kept by a
//! unique key, however often the event behind it is handled.

use std::time::Duration;

use contracts::Timestamp;
use rand::Rng;

/// How a message leaves the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// To an endpoint of the user, signed.
    Webhook,
    /// To the user's address.
    Email,
    /// To Slack.
    Slack,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Channel; 3] = [Channel::Webhook, Channel::Email, Channel::Slack];

    /// The name in answers and the database.
    pub const fn name(self) -> &'static str {
        match self {
            Channel::Webhook => "webhook",
            Channel::Email => "email",
            Channel::Slack => "slack",
        }
    }

    /// The channel of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }
}

/// How far a delivery got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Waits for its first attempt.
    Pending,
    /// An attempt is under way.
    Sending,
    /// The target took it.
    Delivered,
    /// The last attempt failed; there will be another.
    RetryScheduled,
    /// It was given up.
    Failed,
    /// Nobody knows what came of the last attempt; there will be another.
    Unknown,
}

impl State {
    /// Every state.
    pub const ALL: [State; 6] = [
        State::Pending,
        State::Sending,
        State::Delivered,
        State::RetryScheduled,
        State::Failed,
        State::Unknown,
    ];

    /// The name in answers and the database.
    pub const fn name(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Sending => "sending",
            State::Delivered => "delivered",
            State::RetryScheduled => "retry_scheduled",
            State::Failed => "failed",
            State::Unknown => "unknown",
        }
    }

    /// The state of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The target took the message.
    Taken,
    /// Not now; perhaps later, not before `after` when the target said so.
    Later {
        /// Why, for the owner.
        reason: String,
        /// How long the target wants to be left alone.
        after: Option<Duration>,
    },
    /// Never: it would fail again.
    Never {
        /// Why, for the owner.
        reason: String,
    },
    /// Never, and nothing else either: the target is gone.
    Gone {
        /// Why, for the owner.
        reason: String,
    },
}

impl Outcome {
    /// Why it failed; `None` when it did not.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Outcome::Taken => None,
            Outcome::Later { reason, .. } | Outcome::Never { reason } | Outcome::Gone { reason } => Some(reason),
        }
    }
}

/// One attempt, as its owner sees it later: without secrets, and cut to a bearable length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What came of it.
    pub outcome: Outcome,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// HTTP status or SMTP code, when there was an answer.
    pub status: Option<u16>,
    /// What was sent.
    pub request: String,
    /// What was answered.
    pub response: Option<String>,
}

/// Pauses between attempts, on average 24 hours in all. Each is stretched or shortened by a fifth at most, so that many
/// deliveries that failed together do not come again together.
const PAUSES: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(3600),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(4 * 3600),
    Duration::from_secs(8 * 3600),
    Duration::from_secs(8 * 3600 + 25 * 60),
];

/// Attempts until a delivery is given up.
pub const MOST_TRIES: i64 = PAUSES.len() as i64 + 1;

/// A target may ask for a longer pause, up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// The pause after so many attempts since the message was (last) asked for; `None`: it is given up.
pub fn pause(tries: i64, asked: Option<Duration>, rng: &mut impl Rng) -> Option<Duration> {
    let pause = PAUSES.get(usize::try_from(tries.max(1) - 1).ok()?)?;
    let jittered = pause.mul_f64(rng.random_range(0.8..=1.2));
    Some(asked.map_or(jittered, |asked| jittered.max(asked.min(LONGEST_PAUSE))))
}

/// Where a delivery goes from an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// The new state.
    pub state: State,
    /// When the next attempt is due.
    pub due_at: Option<Timestamp>,
}

/// The step of the state machine after an attempt, the `tries`th.
pub fn after(outcome: &Outcome, tries: i64, now: Timestamp, rng: &mut impl Rng) -> Next {
    let ended = |state| Next { state, due_at: None };
    match outcome {
        Outcome::Taken => ended(State::Delivered),
        Outcome::Never { .. } | Outcome::Gone { .. } => ended(State::Failed),
        Outcome::Later { after, .. } => match pause(tries, *after, rng) {
            Some(pause) => Next {
                state: State::RetryScheduled,
                due_at: Some(now + pause),
            },
            None => ended(State::Failed),
        },
    }
}

/// Cuts `text` to `most` bytes at a character, and says so.
pub fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}… ({} bytes in all)", &text[..end], text.len())
}

/// Why a delivery cannot be shown or sent again.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// Unknown, or somebody else's.
    #[error("there is no such delivery")]
    NotFound,
    /// It has not ended yet.
    #[error("this delivery has not ended yet; it is tried again by itself")]
    NotEnded,
    /// Its endpoint is disabled.
    #[error("the webhook is disabled; enable it first: PATCH it with \"enabled\": true")]
    Disabled,
    /// The database failed.
    #[error("reading or storing deliveries")]
    Store(#[from] sea_orm::DbErr),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn attempts_are_spread_over_a_day_and_then_end() {
        let mut rng = StdRng::seed_from_u64(1);
        let pauses: Vec<Duration> = (1..).map_while(|tries| pause(tries, None, &mut rng)).collect();
        assert_eq!(pauses.len() as i64, MOST_TRIES - 1);
        assert!(PAUSES.is_sorted());
        let average: Duration = PAUSES.iter().sum();
        assert_eq!(average.as_secs() / 3600, 24);
    }

    #[test]
    fn a_target_that_asks_for_a_longer_pause_gets_it_up_to_a_day() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut asked = |seconds| {
            pause(1, Some(Duration::from_secs(seconds)), &mut rng)
                .unwrap()
                .as_secs()
        };
        assert_eq!(asked(600), 600);
        assert_eq!(asked(10_000_000), 24 * 3600);
        assert!(asked(0) >= 4, "not sooner than planned");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character_and_says_so() {
        assert_eq!(shortened("short", 5), "short");
        assert_eq!(shortened("éé", 3), "é… (4 bytes in all)");
    }

    proptest! {
        #[test]
        fn a_pause_strays_by_a_fifth_at_most(tries in 1..MOST_TRIES, seed: u64) {
            let planned = PAUSES[usize::try_from(tries - 1).unwrap()];
            let pause = pause(tries, None, &mut StdRng::seed_from_u64(seed)).unwrap();
            prop_assert!(pause >= planned.mul_f64(0.799) && pause <= planned.mul_f64(1.201));
        }

        #[test]
        fn a_delivery_ends_exactly_when_no_attempt_is_due(tries in 1..2 * MOST_TRIES, which in 0..4, seed: u64) {
            let reason = String::new();
            let outcome = match which {
                0 => Outcome::Taken,
                1 => Outcome::Later { reason, after: None },
                2 => Outcome::Never { reason },
                _ => Outcome::Gone { reason },
            };
            let next = after(&outcome, tries, Timestamp::from_micros(0), &mut StdRng::seed_from_u64(seed));
            let ended = matches!(next.state, State::Delivered | State::Failed);
            prop_assert_eq!(ended, next.due_at.is_none());
            prop_assert_eq!(next.state == State::Delivered, outcome == Outcome::Taken);
        }
    }
}
