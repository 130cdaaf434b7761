//! Ids, times and envelopes for any value.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(missing_docs, reason = "a test")]

use contracts::{
    Envelope, EventId, Timestamp,
    id::{TaskId, UserId},
};
use proptest::prelude::*;

prop_compose! {
    fn event_ids()(digits in "[0-7][0-9a-hjkmnp-tv-z]{25}") -> EventId {
        format!("evt_{digits}").parse().expect("made of the alphabet")
    }
}

prop_compose! {
    fn envelopes()(
        id in event_ids(),
        micros in -2_000_000_000_000_000_i64..4_000_000_000_000_000,
        source in "/services/[a-z]{1,12}",
        event_type in "com\\.cloudtaskhub\\.[a-z]{1,12}\\.[a-z_]{1,20}\\.v[1-9]",
        subject in "\\PC{0,60}",
        causation_id in proptest::option::of(event_ids()),
        traceparent in proptest::option::of("00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]"),
        tracestate in proptest::option::of("[a-z]{1,8}=[a-z0-9]{1,16}"),
    ) -> Envelope {
        Envelope { id, source, event_type, time: Timestamp::from_micros(micros), subject, causation_id, traceparent, tracestate }
    }
}

fn parse(headers: &[(&'static str, String)]) -> Result<Envelope, contracts::envelope::InvalidEnvelope> {
    Envelope::parse(headers.iter().map(|(name, value)| (*name, value.as_bytes())))
}

proptest! {
    #[test]
    fn an_envelope_comes_back_from_its_headers(envelope in envelopes()) {
        prop_assert_eq!(parse(&envelope.headers()), Ok(envelope));
    }

    #[test]
    fn an_envelope_without_one_of_its_required_headers_names_that_header(envelope in envelopes(), which in 0_usize..6) {
        let required = ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject"];
        let headers: Vec<_> = envelope.headers().into_iter().filter(|(name, _)| *name != required[which]).collect();
        prop_assert_eq!(parse(&headers).map_err(|error| error.header), Err(required[which]));
    }

    #[test]
    fn headers_of_any_bytes_are_refused_or_read_but_never_break_the_reader(
        headers in proptest::collection::vec(("(ce_id|ce_type|ce_time|ce_specversion|ce_source|ce_subject|x)", proptest::collection::vec(any::<u8>(), 0..40)), 0..10)
    ) {
        // Random bytes are no event id, so there is never an envelope.
        let parsed = Envelope::parse(headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())));
        prop_assert!(parsed.is_err());
    }

    #[test]
    fn an_id_comes_back_from_its_text_and_from_json(digits in "[0-7][0-9a-hjkmnp-tv-z]{25}") {
        let text = format!("tsk_{digits}");
        let id: TaskId = text.parse().expect("made of the alphabet");
        prop_assert_eq!(id.to_string(), text.clone());
        prop_assert_eq!(serde_json::from_value::<TaskId>(serde_json::json!(text)).expect("an id"), id);
        prop_assert!(text.parse::<UserId>().is_err());
    }

    #[test]
    fn any_text_that_is_taken_for_an_id_is_its_very_text(text in "\\PC{0,40}|usr_[0-9a-z]{24,28}") {
        if let Ok(id) = text.parse::<UserId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn ids_sort_as_text_as_they_sort_as_values(a in "[0-7][0-9a-hjkmnp-tv-z]{25}", b in "[0-7][0-9a-hjkmnp-tv-z]{25}") {
        let [x, y]: [TaskId; 2] = [&a, &b].map(|digits| format!("tsk_{digits}").parse().expect("made of the alphabet"));
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
    }

    #[test]
    fn a_time_is_the_same_moment_whatever_offset_it_is_written_with(
        micros in -2_000_000_000_000_000_i64..4_000_000_000_000_000,
        minutes in -14 * 60_i32..=14 * 60,
    ) {
        let time = Timestamp::from_micros(micros);
        let local = Timestamp::from_micros(micros + i64::from(minutes) * 60_000_000).to_string();
        let sign = if minutes < 0 { '-' } else { '+' };
        let written = format!("{}{sign}{:02}:{:02}", local.trim_end_matches('Z'), minutes.abs() / 60, minutes.abs() % 60);
        prop_assert_eq!(written.parse::<Timestamp>(), Ok(time));
        prop_assert_eq!(serde_json::from_str::<Timestamp>(&format!("\"{time}\"")).expect("a time"), time);
    }

    #[test]
    fn times_of_any_size_have_a_text_and_never_wrap(micros in any::<i64>(), seconds in any::<u64>()) {
        let time = Timestamp::from_micros(micros);
        prop_assert!(time.to_string().ends_with('Z'));
        prop_assert!(time + std::time::Duration::from_secs(seconds) >= time);
        prop_assert!(time - std::time::Duration::from_secs(seconds) <= time);
    }
}
