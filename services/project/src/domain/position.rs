//! Where a task stands in its project's order: a text that sorts byte by byte, with room for another between any two.
//!
//! Eight base-36 digits count up with each task that is added at the end, so that positions of appended tasks never grow.
//! Further digits are a fraction, which a task moved between two others gets. Whoever makes a position holds the lock of
//! the project's order, so two moves cannot choose the same one.
//!
//! A gap that is halved again and again makes longer and longer fractions; past [`LONGEST`] there is no room and the
//! store spreads the project's tasks anew. The crate `fractional_index` 2.0 is not used: its `new_between` panics, or in
//! release answers a text outside the gap, once a byte has fallen to zero, which takes 128 moves to one place.

use std::fmt;

use serde::Serialize;

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const BASE: u64 = 36;
/// Digits before the fraction.
const WHOLE: usize = 8;
/// The first position of a project: the middle, for there may be tasks before it one day.
const FIRST: u64 = 18 * 36_u64.pow(7);
/// Digits of a position at most.
pub const LONGEST: usize = 96;

/// A place in a project's order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Position(String);

impl Position {
    /// A position as it was stored; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = text.len() >= WHOLE && text.bytes().all(|digit| DIGITS.contains(&digit));
        valid.then(|| Self(text.to_owned()))
    }

    /// The text to store and to compare.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A place after `last`, the last of the project, or the first place when there is none. `None`: no room.
    pub fn end(last: Option<&Self>) -> Option<Self> {
        match last {
            None => Some(whole(FIRST)),
            Some(last) => last
                .count()
                .checked_add(1)
                .filter(|count| *count < BASE.pow(8))
                .map(whole),
        }
    }

    /// A place before `first`, the first of the project. `None`: no room.
    pub fn start(first: &Self) -> Option<Self> {
        first.count().checked_sub(1).map(whole)
    }

    /// A place after `low` and before `high`. `None`: no room, or `low` does not come before `high`.
    pub fn between(low: &Self, high: &Self) -> Option<Self> {
        if low >= high {
            return None;
        }
        let mut digits = halve(&values(&low.0), Some(&values(&high.0)));
        digits.resize(digits.len().max(WHOLE), 0);
        let text = digits
            .into_iter()
            .map(|value| char::from(DIGITS[usize::from(value)]))
            .collect::<String>();
        (text.len() <= LONGEST).then_some(Self(text))
    }

    /// The number that the first eight digits are.
    fn count(&self) -> u64 {
        self.0
            .bytes()
            .take(WHOLE)
            .fold(0, |count, digit| count * BASE + u64::from(value(digit)))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn whole(mut count: u64) -> Position {
    let mut digits = [b'0'; WHOLE];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(count % BASE) as usize];
        count /= BASE;
    }
    Position(digits.iter().copied().map(char::from).collect())
}

/// The digits' values, without zeros at the end: as a fraction these say nothing.
fn values(text: &str) -> Vec<u8> {
    text.trim_end_matches('0').bytes().map(value).collect()
}

fn value(digit: u8) -> u8 {
    if digit.is_ascii_digit() {
        digit - b'0'
    } else {
        digit.saturating_sub(b'a') + 10
    }
}

/// A fraction between two, never ending in zero; without `high` the upper end is one.
///
/// Above a digit that bounds from below only, it takes the next one rather than the middle: tasks dropped one behind the
/// other then use up a digit's 36 values instead of halving them away.
fn halve(low: &[u8], high: Option<&[u8]>) -> Vec<u8> {
    if let Some(high) = high {
        let digit = |place: usize| low.get(place).copied().unwrap_or(0);
        let common = high
            .iter()
            .enumerate()
            .take_while(|(place, value)| digit(*place) == **value)
            .count();
        if common > 0 {
            let rest = halve(low.get(common..).unwrap_or_default(), Some(&high[common..]));
            return [&high[..common], &rest].concat();
        }
    }
    let below = low.first().copied().unwrap_or(0);
    let above = high.and_then(|high| high.first().copied()).unwrap_or(36);
    match (high, above - below) {
        (None, 2..) if !low.is_empty() => vec![below + 1],
        (_, 2..) => vec![below + (above - below) / 2],
        (Some(high), _) if high.len() > 1 => vec![above],
        _ => [vec![below], halve(low.get(1..).unwrap_or_default(), None)].concat(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn positions_of_appended_tasks_rise_and_never_grow() {
        let mut last = Position::end(None).unwrap();
        for _ in 0..100_000 {
            let next = Position::end(Some(&last)).unwrap();
            assert!(last < next && next.0.len() == WHOLE);
            last = next;
        }
    }

    #[test]
    fn a_task_can_stand_before_the_first_and_after_one_with_a_fraction() {
        let first = Position::end(None).unwrap();
        let second = Position::end(Some(&first)).unwrap();
        let middle = Position::between(&first, &second).unwrap();
        assert!(Position::start(&first).unwrap() < first);
        assert!(Position::start(&middle).unwrap() < middle);
        assert!(Position::end(Some(&middle)).unwrap() > middle);
    }

    #[test]
    fn one_gap_takes_hundreds_of_tasks_at_either_end_before_there_is_no_room() {
        let (low, high) = (whole(7), whole(8));
        for downwards in [true, false] {
            let (mut a, mut b) = (low.clone(), high.clone());
            let mut moved = 0;
            while let Some(middle) = Position::between(&a, &b) {
                assert!(a < middle && middle < b, "{a} {middle} {b}");
                if downwards {
                    b = middle
                } else {
                    a = middle
                }
                moved += 1;
            }
            assert!(moved > 400, "{moved}");
        }
    }

    #[test]
    fn what_is_no_position_is_not_taken_for_one() {
        for text in ["", "i000000", "I0000000", "i000000é", "i000-000"] {
            assert_eq!(Position::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn tasks_put_anywhere_any_number_of_times_keep_a_strict_order(places in prop::collection::vec(any::<prop::sample::Index>(), 1..400)) {
            let mut order = vec![Position::end(None).unwrap()];
            for place in places {
                let at = place.index(order.len() + 1);
                let new = match (at.checked_sub(1).map(|low| &order[low]), order.get(at)) {
                    (Some(low), Some(high)) => Position::between(low, high),
                    (None, Some(first)) => Position::start(first),
                    (last, None) => Position::end(last),
                };
                order.insert(at, new.unwrap());
                prop_assert!(order.is_sorted_by(|a, b| a < b));
            }
        }
    }
}
