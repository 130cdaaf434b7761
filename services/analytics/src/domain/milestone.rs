//! Round numbers of finished tasks: 10, 50, 100, 500, 1000, and so on.

/// What is counted.
pub const MEASURE: &str = "tasks_completed";

/// The milestones that lie above `before` and not above `after`, in order.
pub fn passed(before: u64, after: u64) -> Vec<u64> {
    std::iter::successors(Some(10_u64), |last| {
        // 10 → 50 → 100 → 500: times five, then times two.
        let factor = if last.to_string().starts_with('1') { 5 } else { 2 };
        last.checked_mul(factor)
    })
    .take_while(|milestone| *milestone <= after)
    .filter(|milestone| *milestone > before)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milestones_are_round_numbers_and_none_is_passed_twice() {
        assert!(passed(0, 9).is_empty());
        assert_eq!(passed(9, 10), [10]);
        assert!(passed(10, 49).is_empty());
        assert_eq!(passed(0, 12_000), [10, 50, 100, 500, 1000, 5000, 10_000]);
        let one_by_one: Vec<u64> = (0..1200).flat_map(|count| passed(count, count + 1)).collect();
        assert_eq!(one_by_one, passed(0, 1200));
        assert!(passed(u64::MAX - 1, u64::MAX).is_empty());
    }
}
