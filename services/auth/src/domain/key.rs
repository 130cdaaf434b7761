//! When signing keys come and go.
//!
//! A key is published for a while before it signs (so that every verifier knows it by then), signs for a while, and stays
//! published until every token that it signed has expired. The whole plan follows from one time per key, its
//! `active_from`: at any moment the youngest active key signs, on every replica alike, without any of them deciding so.

use std::time::Duration;

use contracts::{Timestamp, id::KeyId};

/// How long keys serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// How long a key signs.
    pub rotation: Duration,
    /// How long a key is published before it signs, and after.
    pub overlap: Duration,
}

/// A key's place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Which key.
    pub id: KeyId,
    /// From when on it signs, until a younger one does.
    pub active_from: Timestamp,
}

impl Schedule {
    /// The `active_from` of the key that has to be made now, if any.
    pub fn due(&self, keys: &[Span], now: Timestamp) -> Option<Timestamp> {
        let Some(youngest) = keys.iter().map(|key| key.active_from).max() else {
            return Some(now);
        };
        let next = youngest + self.rotation;
        // After a long sleep the next one is late; it still gets its time to become known.
        (next <= now + self.overlap).then(|| next.max(now + self.overlap))
    }

    /// Keys whose last token has expired.
    pub fn obsolete(&self, keys: &[Span], now: Timestamp) -> Vec<KeyId> {
        let succeeded = |key: &&Span| {
            let successor = keys
                .iter()
                .map(|other| other.active_from)
                .filter(|at| *at > key.active_from)
                .min();
            successor.is_some_and(|at| at + self.overlap <= now)
        };
        keys.iter().filter(succeeded).map(|key| key.id).collect()
    }

    /// The key that signs.
    pub fn current(keys: &[Span], now: Timestamp) -> Option<KeyId> {
        let active = keys.iter().filter(|key| key.active_from <= now);
        active.max_by_key(|key| (key.active_from, key.id)).map(|key| key.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule {
        rotation: Duration::from_secs(100),
        overlap: Duration::from_secs(10),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn key(active_from: i64) -> Span {
        Span {
            id: KeyId::new(),
            active_from: at(active_from),
        }
    }

    #[test]
    fn the_first_key_signs_at_once_and_the_next_is_made_ahead_of_its_time() {
        assert_eq!(SCHEDULE.due(&[], at(0)), Some(at(0)));
        let first = key(0);
        assert_eq!(SCHEDULE.due(&[first], at(89)), None);
        assert_eq!(SCHEDULE.due(&[first], at(90)), Some(at(100)));
        assert_eq!(SCHEDULE.due(&[first, key(100)], at(95)), None);
    }

    #[test]
    fn after_a_long_sleep_the_next_key_still_becomes_known_before_it_signs() {
        assert_eq!(SCHEDULE.due(&[key(0)], at(5000)), Some(at(5010)));
    }

    #[test]
    fn keys_overlap_before_and_after_the_change() {
        let (old, new) = (key(0), key(100));
        let keys = [old, new];
        assert_eq!(Schedule::current(&keys, at(99)), Some(old.id));
        assert_eq!(Schedule::current(&keys, at(100)), Some(new.id));
        assert_eq!(SCHEDULE.obsolete(&keys, at(109)), []);
        assert_eq!(SCHEDULE.obsolete(&keys, at(110)), [old.id]);
    }

    #[test]
    fn there_is_always_a_key_that_signs_over_many_rotations() {
        let mut keys: Vec<Span> = Vec::new();
        for second in 0..2000 {
            let now = at(second);
            if let Some(active_from) = SCHEDULE.due(&keys, now) {
                keys.push(Span {
                    id: KeyId::new(),
                    active_from,
                });
            }
            let gone = SCHEDULE.obsolete(&keys, now);
            keys.retain(|key| !gone.contains(&key.id));
            assert!(Schedule::current(&keys, now).is_some(), "at {second}");
            assert!((1..=2).contains(&keys.len()), "{} keys at {second}", keys.len());
        }
    }
}
