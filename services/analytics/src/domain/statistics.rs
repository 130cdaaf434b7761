//! Percentiles by nearest rank: the smallest value that so many percent of the values do not exceed.

/// The values at the `percents`, in their order; all absent when there is no value.
pub fn percentiles<const N: usize>(mut values: Vec<u64>, percents: [u32; N]) -> [Option<u64>; N] {
    values.sort_unstable();
    percents.map(|percent| {
        let rank = (values.len() * percent as usize).div_ceil(100).max(1);
        values.get(rank - 1).copied()
    })
}

/// The same of values that were only counted by upper bounds, in ascending order: the bound that the value does not exceed.
pub fn bounded<const N: usize>(counts: &[(u64, u64)], percents: [u32; N]) -> [Option<u64>; N] {
    let total: u64 = counts.iter().map(|(_, count)| count).sum();
    percents.map(|percent| {
        let rank = (total * u64::from(percent)).div_ceil(100).max(1);
        let mut seen = 0;
        counts.iter().find_map(|(bound, count)| {
            seen += count;
            (seen >= rank).then_some(*bound)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occur() {
        assert_eq!(percentiles(vec![], [50, 95]), [None, None]);
        assert_eq!(percentiles(vec![7], [0, 50, 100]), [Some(7); 3]);
        assert_eq!(
            percentiles((1..=100).rev().collect(), [50, 85, 95, 100]),
            [Some(50), Some(85), Some(95), Some(100)]
        );
        assert_eq!(percentiles(vec![1, 2, 3, 4], [50, 85]), [Some(2), Some(4)]);
    }

    #[test]
    fn of_counted_values_the_bound_is_told() {
        assert_eq!(bounded(&[], [50]), [None]);
        let counts = [(1, 90), (10, 5), (100, 5)];
        assert_eq!(bounded(&counts, [50, 95, 99]), [Some(1), Some(10), Some(100)]);
    }
}
