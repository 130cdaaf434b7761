//! Money: whole minor units of a currency, and sums that add up to the last of them.
//!
//! Nothing here is a floating point number. Where an amount is cut into parts, the parts are rounded down and what is left
//! over goes, unit by unit, to the parts that lost most (largest remainder), so that parts always add up to the whole.

use std::str::FromStr;

/// The largest amount of an invoice, in minor units: what card networks and Stripe take (eight digits).
pub const LARGEST: i64 = 99_999_999;

/// An ISO 4217 code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The code.
    pub fn code(&self) -> &str {
        // Three capital letters, by construction.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Digits after the decimal point: 2 but for those that ISO 4217 gives others.
    pub fn exponent(&self) -> usize {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF" | b"UGX"
            | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3, // typos: allow
            _ => 2,
        }
    }

    /// `1234.50 EUR`, `-12 JPY`
    pub fn show(&self, minor: i64) -> String {
        let (digits, places) = (minor.unsigned_abs().to_string(), self.exponent());
        let padded = format!("{digits:0>width$}", width = places + 1);
        let (whole, part) = padded.split_at(padded.len() - places);
        let (sign, point) = (if minor < 0 { "-" } else { "" }, if places > 0 { "." } else { "" });
        format!("{sign}{whole}{point}{part} {}", self.code())
    }
}

impl FromStr for Currency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.as_bytes() {
            &[a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Self([a, b, c])),
            _ => Err("expected an ISO 4217 code like EUR".to_owned()),
        }
    }
}

impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl std::fmt::Debug for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl serde::Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> serde::Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Cuts `total` into parts in proportion to `weights`, which are not all zero; the parts add up to `total`.
pub fn allocate(total: i64, weights: &[u64]) -> Vec<i64> {
    let whole: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let size = u128::from(total.unsigned_abs());
    let exact = weights.iter().map(|weight| size * u128::from(*weight));
    let (floors, remainders): (Vec<u128>, Vec<u128>) =
        exact.map(|exact| (exact / whole.max(1), exact % whole.max(1))).unzip();
    let parts: Vec<i64> = floors
        .into_iter()
        // No part is larger than the whole, which is an i64.
        .map(|part| i64::try_from(part).unwrap_or(i64::MAX) * total.signum())
        .collect();
    hand_out(parts, &remainders, total)
}

/// Tax at `rate` (hundredths of a percent) on each line, and on their sum. The sum is rounded half up, as the tax of an
/// invoice is computed on its total; the lines' taxes add up to it. Lines may be negative.
pub fn tax(nets: &[i64], rate: u32) -> (Vec<i64>, i64) {
    const WHOLE: i128 = 10_000;
    let exact: Vec<i128> = nets.iter().map(|net| i128::from(*net) * i128::from(rate)).collect();
    let total = (exact.iter().sum::<i128>() + WHOLE / 2).div_euclid(WHOLE);
    let total = i64::try_from(total).unwrap_or(i64::MAX);
    let parts = exact
        .iter()
        .map(|exact| i64::try_from(exact.div_euclid(WHOLE)).unwrap_or(i64::MAX))
        .collect();
    let remainders: Vec<u128> = exact
        .iter()
        .map(|exact| exact.rem_euclid(WHOLE).unsigned_abs())
        .collect();
    (hand_out(parts, &remainders, total), total)
}

/// Gives what is missing to `total`, unit by unit, to the parts with the largest remainders; the first wins a tie.
fn hand_out(mut parts: Vec<i64>, remainders: &[u128], total: i64) -> Vec<i64> {
    let missing = total - parts.iter().sum::<i64>();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(remainders[*place]));
    let many = usize::try_from(missing.unsigned_abs()).unwrap_or(usize::MAX);
    for place in order.into_iter().cycle().take(if parts.is_empty() { 0 } else { many }) {
        parts[place] += missing.signum();
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_shown_with_the_digits_of_their_currency() {
        let show = |code: &str, minor| code.parse::<Currency>().unwrap().show(minor);
        assert_eq!(show("EUR", 5), "0.05 EUR");
        assert_eq!(show("EUR", -123_456), "-1234.56 EUR");
        assert_eq!(show("JPY", 1200), "1200 JPY");
        assert_eq!(show("KWD", 1), "0.001 KWD");
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for text in ["", "eur", "EURO", "E€", "12A"] {
            assert!(text.parse::<Currency>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_left_over_goes_to_who_lost_most() {
        assert_eq!(allocate(100, &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(allocate(-100, &[1, 1, 1]), [-34, -33, -33]);
        assert_eq!(allocate(10, &[1, 0, 2]), [3, 0, 7]);
        assert_eq!(tax(&[333, 333, 334], 1900), (vec![63, 63, 64], 190));
        assert_eq!(tax(&[-450, 1000], 1900), (vec![-85, 190], 105));
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_whole_and_none_is_off_by_a_unit(
            total in -LARGEST..=LARGEST,
            weights in prop::collection::vec(0_u64..=u64::MAX, 1..20),
        ) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let parts = allocate(total, &weights);
            prop_assert_eq!(parts.iter().sum::<i64>(), total);
            let whole: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
            for (part, weight) in parts.iter().zip(&weights) {
                let scaled = u128::from(part.unsigned_abs()) * whole;
                let exact = u128::from(total.unsigned_abs()) * u128::from(*weight);
                prop_assert!(scaled.abs_diff(exact) < whole, "a part is off by more than one unit");
                prop_assert!(*part == 0 || part.signum() == total.signum());
            }
        }

        #[test]
        fn the_taxes_of_the_lines_add_up_to_the_tax_of_the_sum(
            nets in prop::collection::vec(-LARGEST..=LARGEST, 1..20),
            rate in 0_u32..=5_000,
        ) {
            let (taxes, total) = tax(&nets, rate);
            prop_assert_eq!(taxes.iter().sum::<i64>(), total);
            let exact: i128 = nets.iter().map(|net| i128::from(*net) * i128::from(rate)).sum();
            prop_assert!((i128::from(total) * 10_000 - exact).abs() <= 5_000, "the total is rounded to the nearest unit");
            for (net, tax) in nets.iter().zip(&taxes) {
                let exact = i128::from(*net) * i128::from(rate);
                prop_assert!((i128::from(*tax) * 10_000 - exact).abs() < 10_000);
            }
        }
    }
}
