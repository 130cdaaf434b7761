//! Amounts of money as people read them.

/// Digits after the point that a currency does not have two of (ISO 4217).
const OTHER_EXPONENTS: [(&str, usize); 22] = [
    ("BIF", 0),
    ("CLP", 0),
    ("DJF", 0),
    ("GNF", 0),
    ("ISK", 0),
    ("JPY", 0),
    ("KMF", 0),
    ("KRW", 0),
    ("PYG", 0),
    ("RWF", 0),
    ("UGX", 0),
    ("VND", 0),
    ("VUV", 0),
    ("XAF", 0),
    ("XOF", 0),
    ("BHD", 3),
    ("IQD", 3),
    ("JOD", 3), // typos: allow
    ("KWD", 3),
    ("LYD", 3),
    ("OMR", 3),
    ("TND", 3),
];

/// `minor` units of `currency`: `12.50 EUR`.
pub fn shown(minor: i64, currency: &str) -> String {
    let other = OTHER_EXPONENTS.iter().find(|(code, _)| *code == currency);
    let digits = other.map_or(2, |(_, digits)| *digits);
    let sign = if minor < 0 { "-" } else { "" };
    let all = format!("{:0>1$}", minor.unsigned_abs(), digits + 1);
    let (whole, rest) = all.split_at(all.len() - digits);
    match digits {
        0 => format!("{sign}{whole} {currency}"),
        _ => format!("{sign}{whole}.{rest} {currency}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_as_many_digits_as_their_currency() {
        assert_eq!(shown(1250, "EUR"), "12.50 EUR");
        assert_eq!(shown(5, "USD"), "0.05 USD");
        assert_eq!(shown(-5, "USD"), "-0.05 USD");
        assert_eq!(shown(1250, "JPY"), "1250 JPY");
        assert_eq!(shown(1250, "KWD"), "1.250 KWD");
        assert_eq!(shown(i64::MIN, "EUR"), "-92233720368547758.08 EUR");
    }
}
