//! When a failed call is made again, and how many of them there may be.
//!
//! Retries help against a lost connection and hurt against an upstream that is overloaded: every caller that tries three
//! times triples the load. So they come out of a budget that ordinary calls fill, at most a share of the traffic, with a
//! small allowance for upstreams that are called rarely (Finagle's and linkerd's scheme).

use std::time::Duration;

use poem::http::{Method, StatusCode};
use rand::Rng;
use tokio::time::Instant;

/// How often and how soon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Attempts beside the first.
    pub attempts: u32,
    /// Retries as a percentage of calls.
    pub budget_percent: u32,
    /// Retries a second that are allowed beside the percentage.
    pub budget_per_second: u32,
    /// Pause before the first retry; doubles with each further one.
    pub first_pause: Duration,
}

impl Rules {
    /// The pause before retry number `retry` (from 1): between half and the whole of the doubled pause, so that callers
    /// that failed together do not come back together.
    pub fn pause(&self, retry: u32) -> Duration {
        let doubled = self
            .first_pause
            .saturating_mul(1_u32.checked_shl(retry.saturating_sub(1)).unwrap_or(u32::MAX));
        doubled
            .min(Duration::from_secs(1))
            .mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}

/// Whether doing it twice is the same as doing it once (RFC 9110, 9.2.2).
pub fn idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS | Method::TRACE
    )
}

/// Whether an answer says that the upstream could not, rather than would not.
pub fn unable(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}

/// What one retry costs; calls pay in percent of it.
const RETRY: u64 = 100;
/// The allowance is saved up for so many seconds, the share of calls as much as a thousand calls bring.
const SAVED_SECONDS: u64 = 10;
const SAVED_CALLS: u64 = 1000;

/// Retries that may still be made.
#[derive(Debug)]
pub struct Budget {
    share: u64,
    per_second: u64,
    earned: u64,
    allowance: u64,
    refilled: Option<Instant>,
}

impl Budget {
    /// With a full allowance.
    pub fn new(rules: &Rules) -> Self {
        let per_second = u64::from(rules.budget_per_second);
        Self {
            share: u64::from(rules.budget_percent),
            per_second,
            earned: 0,
            allowance: per_second * RETRY,
            refilled: None,
        }
    }

    /// A call was made for the first time.
    pub fn call(&mut self) {
        self.earned = (self.earned + self.share).min(self.share * SAVED_CALLS);
    }

    /// Takes one retry out of the budget, if there is one.
    pub fn withdraw(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(*self.refilled.get_or_insert(now));
        let refill = u64::try_from(since.as_millis())
            .unwrap_or(u64::MAX)
            .saturating_mul(self.per_second * RETRY)
            / 1000;
        if refill > 0 {
            self.allowance = self
                .allowance
                .saturating_add(refill)
                .min(self.per_second * RETRY * SAVED_SECONDS);
            self.refilled = Some(now);
        }
        for purse in [&mut self.earned, &mut self.allowance] {
            if *purse >= RETRY {
                *purse -= RETRY;
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules = Rules {
        attempts: 2,
        budget_percent: 20,
        budget_per_second: 1,
        first_pause: Duration::from_millis(20),
    };

    #[test]
    fn only_what_may_be_done_twice_is_done_twice() {
        assert!(
            [Method::GET, Method::HEAD, Method::PUT, Method::DELETE]
                .iter()
                .all(idempotent)
        );
        assert!(![Method::POST, Method::PATCH].iter().any(idempotent));
        assert!(unable(StatusCode::SERVICE_UNAVAILABLE) && !unable(StatusCode::INTERNAL_SERVER_ERROR));
        assert!(
            !unable(StatusCode::TOO_MANY_REQUESTS),
            "the upstream asks for less, not for more"
        );
    }

    #[test]
    fn an_upstream_that_is_rarely_called_still_has_its_allowance() {
        let mut budget = Budget::new(&RULES);
        let start = Instant::now();
        assert!(budget.withdraw(start));
        assert!(!budget.withdraw(start));
        assert!(budget.withdraw(start + Duration::from_secs(1)));
    }

    proptest! {
        #[test]
        fn when_everything_fails_a_fifth_more_calls_are_made_and_no_more(calls in 1_u64..5_000) {
            let mut budget = Budget::new(&RULES);
            let now = Instant::now();
            let mut retries = 0;
            for _ in 0..calls {
                budget.call();
                retries += u64::from((0..RULES.attempts).any(|_| budget.withdraw(now)));
            }
            prop_assert!(retries <= calls / 5 + u64::from(RULES.budget_per_second));
        }

        #[test]
        fn pauses_grow_and_stay_within_their_bounds(retry in 1_u32..100) {
            let pause = RULES.pause(retry);
            prop_assert!(pause <= Duration::from_secs(1) && pause >= RULES.first_pause / 2);
        }
    }
}
