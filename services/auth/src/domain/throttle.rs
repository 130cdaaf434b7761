//! Progressive delay against guessing passwords.
//!
//! Failures are counted by account and by network. After some free attempts every further one doubles the time until the
//! next attempt is looked at. An attempt is counted before its password is checked and given back when it was right, so that
//! a hundred at once are not all free; an attempt during a delay is refused without being counted, so that a delay ends.
//!
//! A stranger who keeps failing would keep the owner out. So attempts from a network that the owner has signed in from are
//! counted apart from everybody else's, and a password reset clears the account. Accounts that do not exist are counted
//! like those that do: the delay tells nothing about them.
//!
//! Counters live in the database: they hold over restarts and replicas.

use std::time::Duration;

use contracts::Timestamp;

use super::{client::Client, secret};

/// How much is free, and how long it takes after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Attempts that are looked at without a delay.
    pub free: u32,
    /// The delay after the last of them; doubles with each further one.
    pub first: Duration,
    /// The longest delay.
    pub last: Duration,
    /// How long after the last failure all are forgotten.
    pub forget: Duration,
}

/// What is remembered of a series of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// Failures, and attempts that are being checked.
    pub failures: i64,
    /// The last of them.
    pub last_at: Timestamp,
    /// Until when nothing is looked at.
    pub blocked_until: Timestamp,
}

/// Come back later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many failed attempts; try again in {} s", wait.as_millis().div_ceil(1000).max(1))]
pub struct Throttled {
    /// How long to wait.
    pub wait: Duration,
}

impl Policy {
    /// Takes one attempt.
    ///
    /// # Errors
    /// How long to wait; the attempt is not counted.
    pub fn take(&self, counter: Option<Counter>, now: Timestamp) -> Result<Counter, Throttled> {
        let failures = match counter {
            // Without a delay nobody waits: `now` may be a little older than the last attempt, which came in between.
            Some(counter) if counter.last_at < counter.blocked_until && now < counter.blocked_until => {
                return Err(Throttled {
                    wait: counter.blocked_until.since(now),
                });
            }
            Some(counter) if now.since(counter.last_at) < self.forget => counter.failures.saturating_add(1),
            _ => 1,
        };
        Ok(Counter {
            failures,
            last_at: now,
            blocked_until: now + self.delay(failures),
        })
    }

    /// Gives one attempt back: its password was right.
    pub fn give_back(&self, counter: Counter) -> Counter {
        let failures = (counter.failures - 1).max(0);
        Counter {
            failures,
            blocked_until: counter.last_at + self.delay(failures),
            ..counter
        }
    }

    fn delay(&self, failures: i64) -> Duration {
        let over = failures - i64::from(self.free);
        // The attempt that uses up the last free one is looked at; the next has to wait.
        match u32::try_from(over) {
            Ok(doublings) => self
                .first
                .saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX))
                .min(self.last),
            Err(_) => Duration::ZERO,
        }
    }
}

/// Counter of an account, for everybody but the networks that its owner is known by.
pub fn account(email_key: &str) -> String {
    format!("account:{}", secret::digest(email_key))
}

/// Counter of an account for one network that its owner is known by.
pub fn account_from(email_key: &str, client: &Client) -> String {
    format!("account:{}", secret::digest(&format!("{email_key} {}", client.network)))
}

/// Counter of a signed-in user who has to tell the password again; strangers cannot touch it.
pub fn signed_in(email_key: &str) -> String {
    format!("signed-in:{}", secret::digest(email_key))
}

/// Counter of a network that asks for mails.
pub fn mails(client: &Client) -> String {
    format!("mails:{}", client.network)
}

/// Counter of a network.
pub fn network(client: &Client) -> String {
    format!("network:{}", client.network)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        free: 3,
        first: Duration::from_secs(2),
        last: Duration::from_secs(60),
        forget: Duration::from_secs(3600),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn the_delay_doubles_after_the_free_failures_and_stops_growing() {
        let (mut counter, mut now, mut waits) = (None, at(1000), Vec::new());
        for _ in 0..9 {
            let taken = POLICY.take(counter, now).unwrap();
            let wait = taken.blocked_until.since(now);
            waits.push(wait.as_secs());
            now = now + wait;
            counter = Some(taken);
        }
        assert_eq!(waits, [0, 0, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn an_attempt_during_a_delay_does_not_make_it_longer() {
        let mut counter = None;
        for _ in 0..3 {
            counter = Some(POLICY.take(counter, at(1000)).unwrap());
        }
        for _ in 0..100 {
            assert_eq!(
                POLICY.take(counter, at(1001)),
                Err(Throttled {
                    wait: Duration::from_secs(1)
                })
            );
        }
        assert!(POLICY.take(counter, at(1002)).is_ok());
    }

    #[test]
    fn attempts_at_the_same_moment_are_not_all_free() {
        let mut counter = None;
        let taken = (0..100)
            .filter(|_| POLICY.take(counter, at(1000)).map(|next| counter = Some(next)).is_ok())
            .count();
        assert_eq!(taken, 3);
    }

    #[test]
    fn an_attempt_that_is_overtaken_by_another_is_as_free_as_that() {
        let first = POLICY.take(None, at(1001)).unwrap();
        assert_eq!(POLICY.take(Some(first), at(1000)).unwrap().failures, 2);
    }

    #[test]
    fn failures_are_forgotten_after_a_while() {
        let old = Counter {
            failures: 50,
            last_at: at(1000),
            blocked_until: at(1060),
        };
        assert_eq!(POLICY.take(Some(old), at(1000 + 3600)).unwrap().failures, 1);
    }

    #[test]
    fn a_right_password_is_no_failure() {
        let mut counter = None;
        for _ in 0..50 {
            counter = Some(POLICY.give_back(POLICY.take(counter, at(1000)).unwrap()));
        }
        assert_eq!(counter.unwrap().failures, 0);
    }
}
