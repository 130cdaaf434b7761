//! Months and years of a subscription.
//!
//! Every boundary is counted from the day the subscription began, not from the one before it: 31 January, 28 February,
//! 31 March. Days and months are those of UTC.

use contracts::Timestamp;
use jiff::{Span, tz::TimeZone};

/// How long a seat is paid for at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interval {
    /// A month.
    Month,
    /// A year.
    Year,
}

impl Interval {
    /// The name in orders, answers and events.
    pub const fn name(self) -> &'static str {
        match self {
            Interval::Month => "month",
            Interval::Year => "year",
        }
    }

    /// How many months it has.
    pub const fn months(self) -> i64 {
        match self {
            Interval::Month => 1,
            Interval::Year => 12,
        }
    }
}

impl std::str::FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "month" => Ok(Interval::Month),
            "year" => Ok(Interval::Year),
            _ => Err("expected month or year".to_owned()),
        }
    }
}

/// When period `number` begins, of a subscription that began at `anchor` with period 0. The end of the calendar is as far as
/// it goes.
pub fn boundary(anchor: Timestamp, interval: Interval, number: i64) -> Timestamp {
    let end = Timestamp::from_micros(i64::MAX);
    let Ok(start) = jiff::Timestamp::from_microsecond(anchor.as_micros()) else {
        return end;
    };
    let span = Span::new().try_months(interval.months().saturating_mul(number));
    let there = span.and_then(|span| start.to_zoned(TimeZone::UTC).checked_add(span));
    there.map_or(end, |there| Timestamp::from_micros(there.timestamp().as_microsecond()))
}

/// The year of a time, in UTC.
pub fn year(time: Timestamp) -> i32 {
    jiff::Timestamp::from_microsecond(time.as_micros())
        .map_or(9999, |time| i32::from(time.to_zoned(TimeZone::UTC).year()))
}

/// The day of a time, in UTC: `2026-03-31`.
pub fn day(time: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(time.as_micros()).map_or_else(
        |_| "9999-12-31".to_owned(),
        |time| time.to_zoned(TimeZone::UTC).date().to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(anchor: &str, interval: Interval) -> Vec<String> {
        let anchor = anchor.parse().unwrap();
        (0..5).map(|number| day(boundary(anchor, interval, number))).collect()
    }

    #[test]
    fn a_subscription_of_the_31st_renews_at_each_months_end_and_comes_back_to_the_31st() {
        let expected = ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31"];
        assert_eq!(days("2027-01-31T10:00:00Z", Interval::Month), expected);
    }

    #[test]
    fn a_year_that_began_on_the_29th_of_february_ends_on_the_28th_but_for_leap_years() {
        let expected = ["2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"];
        assert_eq!(days("2028-02-29T00:00:00Z", Interval::Year), expected);
    }

    #[test]
    fn the_end_of_the_calendar_is_no_panic() {
        let anchor = "9990-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(boundary(anchor, Interval::Year, 1000).as_micros(), i64::MAX);
    }
}
