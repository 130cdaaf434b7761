//! When a user wants to hear something outside of the inbox: not in quiet hours, and perhaps collected.
//!
//! Quiet hours and the hour of a daily digest are times of a clock on the wall, so they are worked out by the rules of the
//! time zone for each day anew. A time that a change to summer time leaves out begins after the gap; of a time that is there
//! twice, each occurrence that is still to come counts.

use std::fmt;

use chassis::FieldError;
use contracts::Timestamp;
use jiff::{
    ToSpan, Zoned,
    civil::{Date, Time},
    tz::TimeZone,
};

/// The hour of a daily digest.
const MORNING: Time = Time::constant(8, 0, 0, 0);

/// Whether mails are collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Digest {
    /// Each comes by itself.
    #[default]
    Off,
    /// One mail an hour.
    Hourly,
    /// One mail a day, in the morning.
    Daily,
}

impl Digest {
    /// Every choice.
    pub const ALL: [Digest; 3] = [Digest::Off, Digest::Hourly, Digest::Daily];

    /// The name in requests and the database.
    pub const fn name(self) -> &'static str {
        match self {
            Digest::Off => "off",
            Digest::Hourly => "hourly",
            Digest::Daily => "daily",
        }
    }

    /// The choice of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|digest| digest.name() == name)
    }
}

/// From when to when nothing comes; over midnight when `to` is earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    from: Time,
    to: Time,
}

impl Quiet {
    /// When they begin, `HH:MM`.
    pub fn from(self) -> String {
        clock(self.from)
    }

    /// When they end, `HH:MM`.
    pub fn to(self) -> String {
        clock(self.to)
    }

    fn contains(self, time: Time) -> bool {
        match self.from < self.to {
            true => self.from <= time && time < self.to,
            false => self.from <= time || time < self.to,
        }
    }
}

fn clock(time: Time) -> String {
    format!("{:02}:{:02}", time.hour(), time.minute())
}

fn wall(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

/// When a user wants to hear something outside of the inbox.
#[derive(Clone, PartialEq, Eq)]
pub struct Schedule {
    zone: TimeZone,
    zone_name: String,
    /// When nothing comes.
    pub quiet: Option<Quiet>,
    /// Whether mails are collected.
    pub digest: Digest,
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {:?}", self.zone_name, self.quiet, self.digest)
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            zone: TimeZone::UTC,
            zone_name: "UTC".to_owned(),
            quiet: None,
            digest: Digest::Off,
        }
    }
}

impl Schedule {
    /// Reads a request, or what the database keeps of one.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(
        zone: Option<&str>,
        quiet: Option<(&str, &str)>,
        digest: Option<&str>,
    ) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let zone_name = zone.unwrap_or("UTC");
        let zone = TimeZone::get(zone_name).ok();
        if zone.is_none() {
            let detail = "must be a time zone of the IANA database, such as Europe/Berlin";
            wrong.push(FieldError::new("/time_zone", detail));
        }
        let quiet = quiet.and_then(|(from, to)| {
            let mut read = |text, pointer| {
                let time = wall(text);
                if time.is_none() {
                    wrong.push(FieldError::new(pointer, "must be a time like 22:00"));
                }
                time
            };
            let (from, to) = (read(from, "/quiet_hours/from"), read(to, "/quiet_hours/to"));
            let (from, to) = from.zip(to)?;
            if from == to {
                let detail = "must differ from the beginning; to hear nothing, turn the channels off";
                wrong.push(FieldError::new("/quiet_hours/to", detail));
            }
            Some(Quiet { from, to })
        });
        let digest = Digest::named(digest.unwrap_or(Digest::Off.name()));
        if digest.is_none() {
            wrong.push(FieldError::new("/digest", "must be off, hourly or daily"));
        }
        match (zone, digest) {
            (Some(zone), Some(digest)) if wrong.is_empty() => Ok(Self {
                zone,
                zone_name: zone_name.to_owned(),
                quiet,
                digest,
            }),
            _ => Err(wrong),
        }
    }

    /// Name of the time zone.
    pub fn zone(&self) -> &str {
        &self.zone_name
    }

    /// The first moment from `now` on that is not in quiet hours.
    pub fn awake(&self, now: Timestamp) -> Timestamp {
        let Some((quiet, local)) = self.quiet.zip(self.local(now)) else {
            return now;
        };
        if !quiet.contains(local.time()) {
            return now;
        }
        self.next(&local, quiet.to).unwrap_or(now)
    }

    /// When what is collected now is sent; `None` when nothing is collected.
    pub fn collected(&self, now: Timestamp) -> Option<Timestamp> {
        const HOUR: i64 = 3600 * 1_000_000;
        let due = match self.digest {
            Digest::Off => return None,
            Digest::Hourly => Timestamp::from_micros((now.as_micros().div_euclid(HOUR) + 1) * HOUR),
            Digest::Daily => self.local(now).and_then(|local| self.next(&local, MORNING))?,
        };
        Some(self.awake(due))
    }

    /// `None` out of the range that calendars know.
    fn local(&self, at: Timestamp) -> Option<Zoned> {
        let at = jiff::Timestamp::from_microsecond(at.as_micros()).ok()?;
        Some(at.to_zoned(self.zone.clone()))
    }

    /// The next moment after `now` at which the clock on the wall shows `time`.
    fn next(&self, now: &Zoned, time: Time) -> Option<Timestamp> {
        let today = now.date();
        let tomorrow = today.checked_add(1.day()).ok()?;
        let of = |date: Date| {
            let moment = || self.zone.to_ambiguous_zoned(date.to_datetime(time));
            [moment().compatible(), moment().later()]
        };
        let moments = of(today).into_iter().chain(of(tomorrow)).filter_map(Result::ok);
        let next = moments.filter(|moment| moment > now).min()?;
        Some(Timestamp::from_micros(next.timestamp().as_microsecond()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn berlin(from: &str, to: &str, digest: &str) -> Schedule {
        Schedule::parse(Some("Europe/Berlin"), Some((from, to)), Some(digest)).unwrap()
    }

    #[rstest]
    #[case::in_the_evening("2026-01-10T22:30:00Z", "2026-01-11T06:00:00Z")]
    #[case::after_midnight("2026-01-11T02:00:00Z", "2026-01-11T06:00:00Z")]
    #[case::by_day("2026-01-11T12:00:00Z", "2026-01-11T12:00:00Z")]
    #[case::at_the_end("2026-01-11T06:00:00Z", "2026-01-11T06:00:00Z")]
    #[case::in_summer("2026-07-10T22:30:00Z", "2026-07-11T05:00:00Z")]
    #[case::the_night_clocks_go_forward("2026-03-28T23:00:00Z", "2026-03-29T05:00:00Z")]
    #[case::the_night_clocks_go_back("2026-10-24T22:00:00Z", "2026-10-25T06:00:00Z")]
    fn quiet_hours_end_by_the_clock_on_the_wall(#[case] now: &str, #[case] awake: &str) {
        let schedule = berlin("22:00", "07:00", "off");
        assert_eq!(schedule.awake(now.parse().unwrap()).to_string(), awake);
    }

    #[rstest]
    // 02:30 is left out: the clock goes from 02:00 to 03:00.
    #[case::left_out("2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z")]
    // 02:30 comes twice: at 00:30 and at 01:30 in UTC.
    #[case::twice_first("2026-10-25T00:15:00Z", "2026-10-25T00:30:00Z")]
    #[case::twice_between("2026-10-25T00:45:00Z", "2026-10-25T00:45:00Z")]
    #[case::twice_second("2026-10-25T01:10:00Z", "2026-10-25T01:30:00Z")]
    fn quiet_hours_end_also_when_their_end_is_missing_or_there_twice(#[case] now: &str, #[case] awake: &str) {
        let schedule = berlin("01:00", "02:30", "off");
        assert_eq!(schedule.awake(now.parse().unwrap()).to_string(), awake);
    }

    #[rstest]
    #[case("hourly", "2026-01-10T12:00:00Z", "2026-01-10T13:00:00Z")]
    #[case("hourly", "2026-01-10T21:30:00Z", "2026-01-11T06:00:00Z")]
    #[case("daily", "2026-01-10T12:00:00Z", "2026-01-11T07:00:00Z")]
    #[case("daily", "2026-03-28T12:00:00Z", "2026-03-29T06:00:00Z")]
    fn a_digest_is_sent_at_its_hour_and_not_in_quiet_ones(#[case] digest: &str, #[case] now: &str, #[case] due: &str) {
        let schedule = berlin("22:00", "07:00", digest);
        let due: Timestamp = due.parse().unwrap();
        assert_eq!(schedule.collected(now.parse().unwrap()), Some(due));
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let wrong = Schedule::parse(Some("Mars/Olympus"), Some(("24:00", "7:00")), Some("weekly")).unwrap_err();
        let pointers: Vec<&str> = wrong.iter().map(|error| error.pointer.as_str()).collect();
        let expected = ["#/time_zone", "#/quiet_hours/from", "#/quiet_hours/to", "#/digest"];
        assert_eq!(pointers, expected);
        assert!(Schedule::parse(None, Some(("07:00", "07:00")), None).is_err());
    }

    proptest! {
        #[test]
        fn nobody_waits_for_more_than_a_day_and_an_hour_nor_is_woken_in_quiet_hours(
            seconds in 1_700_000_000_i64..2_000_000_000, from in 0..1440_i64, length in 1..1440_i64,
        ) {
            let time = |minute: i64| format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
            let schedule = berlin(&time(from), &time(from + length), "off");
            let now = Timestamp::from_micros(seconds * 1_000_000);
            let awake = schedule.awake(now);
            prop_assert!(awake >= now && awake.since(now).as_secs() <= 25 * 3600);
            prop_assert_eq!(schedule.awake(awake), awake);
        }
    }
}
