//! Ranges of whole days or weeks in a time zone.
//!
//! A day begins at its first moment, which is not always midnight, and lasts 23, 24 or 25 hours, now and then another time;
//! a day that a zone left out (Samoa's 30 December 2011) has no bucket. A week begins on Monday (ISO 8601). The zones are
//! those of the IANA database that is compiled in, so that an answer does not depend on the machine.

use std::sync::LazyLock;

use chassis::FieldError;
use contracts::Timestamp;
use jiff::{
    ToSpan,
    civil::Date,
    tz::{TimeZone, TimeZoneDatabase},
};

/// Buckets of an answer at most.
pub const MOST_BUCKETS: usize = 400;
/// Buckets when the caller does not say from when.
const USUAL_BUCKETS: i64 = 30;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// How long a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// A day.
    Day,
    /// Monday to Sunday.
    Week,
}

impl Bucket {
    /// The name in requests and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Bucket::Day => "day",
            Bucket::Week => "week",
        }
    }

    const fn days(self) -> i64 {
        match self {
            Bucket::Day => 1,
            Bucket::Week => 7,
        }
    }

    /// First day of the bucket that `date` is in.
    fn first_day(self, date: Date) -> Option<Date> {
        match self {
            Bucket::Day => Some(date),
            Bucket::Week => date
                .checked_sub(i64::from(date.weekday().to_monday_zero_offset()).days())
                .ok(),
        }
    }
}

/// One bucket: from its first moment to the first one after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First day.
    pub date: Date,
    /// First moment.
    pub from: Timestamp,
    /// First moment after it.
    pub to: Timestamp,
}

impl Span {
    /// The last moment in it that may have a figure: its end, or `now` while it lasts.
    pub fn end(&self, now: Timestamp) -> Timestamp {
        self.to.min(now.max(self.from))
    }
}

/// The place of the bucket that `moment` is in; `spans` are in order and touch each other.
pub fn bucket_of(spans: &[Span], moment: Timestamp) -> Option<usize> {
    let after = spans.partition_point(|span| span.from <= moment);
    let index = after.checked_sub(1)?;
    (moment < spans[index].to).then_some(index)
}

/// What a caller asks for, as buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// How long a bucket is.
    pub bucket: Bucket,
    /// IANA name of the zone.
    pub zone: String,
    /// The buckets that have begun, in order, without a hole between them.
    pub spans: Vec<Span>,
    /// All of them as one.
    pub whole: Span,
}

/// What a caller asks for, as text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// A day in the zone, or a moment; the range is widened to whole buckets.
    pub from: Option<&'a str>,
    /// The last day, or the first moment after the range.
    pub to: Option<&'a str>,
    /// `day` or `week`.
    pub bucket: Option<&'a str>,
    /// IANA name.
    pub tz: Option<&'a str>,
}

impl Range {
    /// Reads what is asked for; without `to` until now, without `from` the last 30 buckets, without a zone in UTC.
    ///
    /// # Errors
    /// Each wrong parameter.
    pub fn parse(asked: Asked<'_>, now: Timestamp) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let bucket = match asked.bucket {
            None | Some("day") => Bucket::Day,
            Some("week") => Bucket::Week,
            Some(_) => {
                wrong.push(FieldError::parameter("bucket", "must be day or week"));
                Bucket::Day
            }
        };
        let name = asked.tz.unwrap_or("UTC");
        let zone = ZONES.get(name).unwrap_or_else(|_| {
            wrong.push(FieldError::parameter(
                "tz",
                "must be a time zone of the IANA database, such as Europe/Berlin",
            ));
            TimeZone::UTC
        });
        let last = match asked.to {
            None => day_of(now, &zone),
            Some(text) => last_day(text, &zone),
        };
        if last.is_none() {
            wrong.push(FieldError::parameter("to", EXPECTED));
        }
        let first = match asked.from {
            None => last.and_then(|last| last.checked_sub(((USUAL_BUCKETS - 1) * bucket.days()).days()).ok()),
            Some(text) => first_day(text, &zone),
        };
        if first.is_none() && (asked.from.is_some() || last.is_some()) {
            wrong.push(FieldError::parameter("from", EXPECTED));
        }
        let (Some(first), Some(last), true) = (first, last, wrong.is_empty()) else {
            return Err(wrong);
        };
        if first > last {
            return Err(vec![FieldError::parameter("from", "must not be after to")]);
        }
        let spans = spans(bucket, first, last, &zone)?;
        let (Some(begin), Some(end)) = (spans.first(), spans.last()) else {
            return Err(vec![FieldError::parameter("from", "the time zone left this day out")]);
        };
        let whole = Span { to: end.to, ..*begin };
        Ok(Self {
            bucket,
            zone: zone.iana_name().unwrap_or(name).to_owned(),
            spans: spans.into_iter().filter(|span| span.from <= now).collect(),
            whole,
        })
    }

    /// First moment of the day that lies `days` days before the one that `moment` is in the zone's last moment of.
    pub fn days_before(&self, moment: Timestamp, days: i64) -> Timestamp {
        let zone = ZONES.get(&self.zone).unwrap_or(TimeZone::UTC);
        let last = Timestamp::from_micros(moment.as_micros() - 1);
        day_of(last, &zone)
            .and_then(|day| day.checked_sub((days - 1).days()).ok())
            .and_then(|day| start_of(day, &zone))
            .unwrap_or(moment)
    }
}

const EXPECTED: &str = "must be a day such as 2026-03-01 or a time such as 2026-03-01T12:00:00Z, between 1970 and 2500";

fn spans(bucket: Bucket, first: Date, last: Date, zone: &TimeZone) -> Result<Vec<Span>, Vec<FieldError>> {
    let outside = || vec![FieldError::parameter("from", EXPECTED)];
    let mut spans = Vec::new();
    let mut date = bucket.first_day(first).ok_or_else(outside)?;
    let mut from = start_of(date, zone).ok_or_else(outside)?;
    while date <= last {
        let next = date.checked_add(bucket.days().days()).map_err(|_| outside())?;
        let to = start_of(next, zone).ok_or_else(outside)?;
        if from < to {
            spans.push(Span { date, from, to });
        }
        if spans.len() > MOST_BUCKETS {
            let detail = format!("the range has more than {MOST_BUCKETS} buckets; choose a later from, or bucket=week");
            return Err(vec![FieldError::parameter("from", detail)]);
        }
        (date, from) = (next, to);
    }
    Ok(spans)
}

fn start_of(date: Date, zone: &TimeZone) -> Option<Timestamp> {
    let zoned = date.to_zoned(zone.clone()).ok()?;
    Some(Timestamp::from_micros(zoned.timestamp().as_microsecond()))
}

fn day_of(moment: Timestamp, zone: &TimeZone) -> Option<Date> {
    let moment = jiff::Timestamp::from_microsecond(moment.as_micros()).ok()?;
    Some(moment.to_zoned(zone.clone()).date())
}

fn date(text: &str) -> Option<Date> {
    (text.len() == 10).then(|| text.parse().ok()).flatten()
}

fn first_day(text: &str, zone: &TimeZone) -> Option<Date> {
    let day = date(text).or_else(|| day_of(text.parse().ok()?, zone))?;
    sane(day)
}

/// A moment is the first one after the range: the day before it when a day begins there.
fn last_day(text: &str, zone: &TimeZone) -> Option<Date> {
    let before = |moment: Timestamp| Timestamp::from_micros(moment.as_micros() - 1);
    let day = date(text).or_else(|| day_of(before(text.parse().ok()?), zone))?;
    sane(day)
}

fn sane(day: Date) -> Option<Date> {
    (1970..=2500).contains(&day.year()).then_some(day)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn range(from: &str, to: &str, bucket: &str, tz: &str) -> Range {
        let asked = Asked {
            from: Some(from),
            to: Some(to),
            bucket: Some(bucket),
            tz: Some(tz),
        };
        Range::parse(asked, "2030-01-01T00:00:00Z".parse().unwrap()).unwrap()
    }

    fn hours(range: &Range) -> Vec<u64> {
        let seconds = range.spans.iter().map(|span| span.to.since(span.from).as_secs());
        seconds.map(|seconds| seconds / 3600).collect()
    }

    #[rstest]
    #[case::berlin_loses_an_hour("2026-03-28", "2026-03-30", "Europe/Berlin", &[24, 23, 24], "2026-03-27T23:00:00Z")]
    #[case::berlin_gains_one("2026-10-24", "2026-10-26", "Europe/Berlin", &[24, 25, 24], "2026-10-23T22:00:00Z")]
    #[case::new_york_loses_one("2026-03-07", "2026-03-09", "America/New_York", &[24, 23, 24], "2026-03-07T05:00:00Z")]
    #[case::new_york_gains_one("2026-11-01", "2026-11-01", "America/New_York", &[25], "2026-11-01T04:00:00Z")]
    #[case::half_hours("2026-03-01", "2026-03-02", "Asia/Kolkata", &[24, 24], "2026-02-28T18:30:00Z")]
    #[case::half_an_hour_of_summer("2026-04-05", "2026-04-05", "Australia/Lord_Howe", &[24], "2026-04-04T13:00:00Z")]
    #[case::a_day_that_was_left_out("2011-12-29", "2011-12-31", "Pacific/Apia", &[24, 24], "2011-12-29T10:00:00Z")]
    #[case::a_day_without_midnight("2018-11-04", "2018-11-04", "America/Sao_Paulo", &[23], "2018-11-04T03:00:00Z")]
    fn days_are_those_of_the_zone(
        #[case] from: &str,
        #[case] to: &str,
        #[case] tz: &str,
        #[case] lengths: &[u64],
        #[case] begin: &str,
    ) {
        let range = range(from, to, "day", tz);
        assert_eq!(hours(&range), lengths);
        assert_eq!(range.whole.from, begin.parse().unwrap());
    }

    #[test]
    fn weeks_begin_on_monday_and_have_an_hour_less_or_more_where_clocks_change() {
        let range = range("2026-03-25", "2026-04-01", "week", "Europe/Berlin");
        let days: Vec<String> = range.spans.iter().map(|span| span.date.to_string()).collect();
        assert_eq!(days, ["2026-03-23", "2026-03-30"]);
        assert_eq!(hours(&range), [7 * 24 - 1, 7 * 24]);
    }

    #[test]
    fn a_week_over_a_day_that_was_left_out_is_a_day_shorter_and_the_day_alone_is_no_range() {
        assert_eq!(
            hours(&range("2011-12-28", "2011-12-28", "week", "Pacific/Apia")),
            [6 * 24]
        );
        let asked = Asked {
            from: Some("2011-12-30"),
            to: Some("2011-12-30"),
            tz: Some("Pacific/Apia"),
            bucket: None,
        };
        let wrong = Range::parse(asked, Timestamp::now()).unwrap_err();
        assert_eq!(wrong[0].pointer, "?from");
    }

    #[test]
    fn buckets_touch_each_other() {
        for tz in [
            "UTC",
            "Europe/Berlin",
            "America/New_York",
            "Pacific/Apia",
            "Asia/Kathmandu",
        ] {
            let range = range("2011-11-01", "2012-11-30", "day", tz);
            assert!(range.spans.windows(2).all(|pair| pair[0].to == pair[1].from), "{tz}");
        }
    }

    #[test]
    fn a_moment_as_the_end_is_not_part_of_the_range_and_a_day_is() {
        let by_day = range("2026-03-01", "2026-03-02", "day", "Europe/Berlin");
        let by_moment = range("2026-02-28T23:00:00Z", "2026-03-02T23:00:00Z", "day", "Europe/Berlin");
        assert_eq!(by_day, by_moment);
    }

    #[test]
    fn without_parameters_it_is_the_last_thirty_days_in_utc_and_what_has_not_begun_is_left_out() {
        let now = "2026-03-10T12:00:00Z".parse().unwrap();
        let range = Range::parse(Asked::default(), now).unwrap();
        assert_eq!(range.spans.len(), 30);
        assert_eq!(range.spans[29].date.to_string(), "2026-03-10");
        assert_eq!(range.spans[29].end(now), now);
        let asked = Asked {
            from: Some("2026-03-09"),
            to: Some("2026-03-20"),
            ..Asked::default()
        };
        let range = Range::parse(asked, now).unwrap();
        assert_eq!(range.spans.len(), 2);
    }

    #[rstest]
    #[case(Some("2026-03-02"), Some("2026-03-01"), None, None, &["?from"])]
    #[case(Some("yesterday"), Some("2026-02-30"), None, None, &["?to", "?from"])]
    #[case(Some("2026-03-01T00:00:00"), None, None, None, &["?from"])]
    #[case(None, None, Some("month"), Some("Mars/Olympus"), &["?bucket", "?tz"])]
    #[case(Some("2020-01-01"), Some("2026-01-01"), None, None, &["?from"])]
    #[case(Some("0001-01-01"), Some("9999-12-31"), Some("week"), None, &["?to", "?from"])]
    #[case(Some(""), Some(""), Some(""), Some(""), &["?bucket", "?tz", "?to", "?from"])]
    fn what_cannot_be_a_range_is_told_by_parameter(
        #[case] from: Option<&str>,
        #[case] to: Option<&str>,
        #[case] bucket: Option<&str>,
        #[case] tz: Option<&str>,
        #[case] pointers: &[&str],
    ) {
        let asked = Asked { from, to, bucket, tz };
        let wrong = Range::parse(asked, "2026-03-10T12:00:00Z".parse().unwrap()).unwrap_err();
        let named: Vec<&str> = wrong.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(named, pointers);
    }
}
