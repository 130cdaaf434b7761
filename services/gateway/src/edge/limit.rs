//! Rate limits: how often an address or a user may call (draft-ietf-httpapi-ratelimit-headers).
//!
//! Each key has a bucket of its own (GCRA, by governor) in a cache of bounded size: somebody who makes up keys pushes out
//! other rarely seen ones, which at worst gives those a fresh burst, and memory stays what it is.
//!
//! Two ways to count. Ordinary limits count every request. Limits on guessing count failures only, so that an office behind
//! one address can sign in as it likes while somebody who tries passwords is stopped: a failure takes from the bucket, and
//! when there is nothing left the address is refused until there is.
//!
//! A user's plan may allow a rate of its own ([`Limit::count_by`]); when it changes the user begins with a fresh burst.

use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use contracts::id::UserId;
use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::StateInformationMiddleware,
    state::{InMemoryState, NotKeyed},
};
use poem::http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use crate::settings;

/// Buckets of one limit.
const BUCKETS: u64 = 100_000;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// An IPv4 address, or the /64 that an IPv6 client has to itself.
    Address(IpAddr),
    /// A user, whichever of their credentials they use.
    User(UserId),
}

impl Key {
    /// The key of a client's address.
    pub fn address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Address(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::Address(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
        }
    }
}

/// Where a client stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Requests that are left at once.
    pub remaining: u32,
    /// Until all of the burst is there again.
    pub full_in: Duration,
    /// What the client is measured by, as a header.
    policy: HeaderValue,
}

/// Too many; the wait until the next is welcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// How long.
    pub wait: Duration,
    /// What the client is measured by, as a header.
    policy: HeaderValue,
}

/// So many at once, and so many a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate {
    burst: NonZeroU32,
    per_minute: NonZeroU32,
}

impl Rate {
    /// Until one more is given.
    fn per_request(self) -> Duration {
        Duration::from_secs(60) / self.per_minute.get()
    }

    /// Until all of the burst is there.
    fn refilled(self) -> Duration {
        Duration::from_secs(60).mul_f64(f64::from(self.burst.get()) / f64::from(self.per_minute.get()))
    }

    fn policy(self, name: &str) -> HeaderValue {
        let policy = format!("\"{name}\";q={};w={}", self.burst, self.refilled().as_secs_f64().ceil());
        HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static(""))
    }
}

/// Time since the limit was made; tokio's, so that a test can stop it.
#[derive(Debug, Clone, Copy)]
struct Elapsed(Instant);

impl Clock for Elapsed {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, Elapsed, StateInformationMiddleware>;

struct Bucket {
    limiter: Limiter,
    rate: Rate,
    policy: HeaderValue,
    /// When a client that used up its failures may come again, in milliseconds since the limit was made.
    refused_until: AtomicU64,
}

/// One limit.
pub struct Limit {
    name: &'static str,
    rate: Rate,
    clock: Elapsed,
    buckets: moka::sync::Cache<Key, Arc<Bucket>>,
}

impl Limit {
    /// The limit `name`; `None` when the setting switches it off.
    pub fn new(name: &'static str, quota: settings::Quota) -> Option<Self> {
        let (burst, per_minute) = quota?;
        Some(Self::of(name, Rate { burst, per_minute }))
    }

    /// The limit of users whose plan says how often they may call: each with their own rate.
    pub fn by_plan() -> Self {
        let minute = NonZeroU32::MIN;
        Self::of(
            "plan",
            Rate {
                burst: minute,
                per_minute: minute,
            },
        )
    }

    fn of(name: &'static str, rate: Rate) -> Self {
        Self {
            name,
            rate,
            clock: Elapsed(Instant::now()),
            // A bucket that was not touched until it was full again is as good as new.
            buckets: moka::sync::Cache::builder()
                .max_capacity(BUCKETS)
                .time_to_idle(rate.refilled().max(Duration::from_secs(1)))
                .build(),
        }
    }

    /// The name in headers, metrics and events.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Counts a request of `key`.
    ///
    /// # Errors
    /// When there were too many.
    pub fn count(&self, key: Key) -> Result<Standing, Exceeded> {
        self.count_in(&self.bucket(key, self.rate))
    }

    /// Counts a request of `key`, which may make `per_minute` of them in a minute, all at once if it likes.
    ///
    /// # Errors
    /// When there were too many.
    pub fn count_by(&self, key: Key, per_minute: NonZeroU32) -> Result<Standing, Exceeded> {
        let rate = Rate {
            burst: per_minute,
            per_minute,
        };
        self.count_in(&self.bucket(key, rate))
    }

    fn count_in(&self, bucket: &Bucket) -> Result<Standing, Exceeded> {
        let policy = bucket.policy.clone();
        match bucket.limiter.check() {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let missing = bucket.rate.burst.get().saturating_sub(remaining);
                Ok(Standing {
                    remaining,
                    full_in: bucket.rate.per_request() * missing,
                    policy,
                })
            }
            Err(too_many) => Err(Exceeded {
                wait: too_many.wait_time_from(self.clock.now()),
                policy,
            }),
        }
    }

    /// Whether `key` used up its failures.
    ///
    /// # Errors
    /// When it did.
    pub fn check_failures(&self, key: Key) -> Result<(), Exceeded> {
        let Some(bucket) = self.buckets.get(&key) else {
            return Ok(());
        };
        let now = u64::try_from(self.clock.now().as_millis()).unwrap_or(u64::MAX);
        match bucket.refused_until.load(Ordering::Relaxed).checked_sub(now) {
            None | Some(0) => Ok(()),
            Some(wait) => Err(Exceeded {
                wait: Duration::from_millis(wait),
                policy: bucket.policy.clone(),
            }),
        }
    }

    /// Counts a failure of `key`.
    pub fn count_failure(&self, key: Key) {
        let bucket = self.bucket(key, self.rate);
        let counted = bucket.limiter.check();
        let used_up = counted.map_or(true, |state| state.remaining_burst_capacity() == 0);
        if used_up {
            let until = self.clock.now() + self.rate.per_request();
            bucket
                .refused_until
                .fetch_max(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// Tells a client the limit and where it stands.
    pub fn tell(&self, headers: &mut HeaderMap, standing: &Standing) {
        headers.insert(POLICY, standing.policy.clone());
        let state = format!(
            "\"{}\";r={};t={}",
            self.name,
            standing.remaining,
            standing.full_in.as_secs_f64().ceil()
        );
        if let Ok(value) = HeaderValue::from_str(&state) {
            headers.insert(STATE, value);
        }
    }

    /// The problem's headers: nothing left.
    pub fn told(&self, exceeded: &Exceeded) -> [(HeaderName, HeaderValue); 2] {
        let mut headers = HeaderMap::new();
        let standing = Standing {
            remaining: 0,
            full_in: exceeded.wait,
            policy: exceeded.policy.clone(),
        };
        self.tell(&mut headers, &standing);
        let state = headers.remove(STATE).unwrap_or(HeaderValue::from_static(""));
        [(POLICY, standing.policy), (STATE, state)]
    }

    fn bucket(&self, key: Key, rate: Rate) -> Arc<Bucket> {
        let bucket = self.buckets.get_with(key, || self.fresh(rate));
        if bucket.rate == rate {
            return bucket;
        }
        let bucket = self.fresh(rate);
        self.buckets.insert(key, Arc::clone(&bucket));
        bucket
    }

    fn fresh(&self, rate: Rate) -> Arc<Bucket> {
        let period = rate.per_request().max(Duration::from_nanos(1));
        let quota = Quota::with_period(period)
            .unwrap_or(Quota::per_minute(rate.per_minute))
            .allow_burst(rate.burst);
        let limiter = RateLimiter::direct_with_clock(quota, self.clock).with_middleware();
        Arc::new(Bucket {
            limiter,
            rate,
            policy: rate.policy(self.name),
            refused_until: AtomicU64::new(0),
        })
    }
}

/// All limits of the gateway.
pub struct Limits {
    /// Every request of an address.
    pub address: Option<Limit>,
    /// Every request of a user.
    pub client: Option<Limit>,
    /// The same for users whose plan says how often they may call.
    pub plan: Limit,
    /// Failed sign-ins.
    pub sign_in: Option<Limit>,
    /// New accounts and mails.
    pub account: Option<Limit>,
    /// Invalid tokens.
    pub bad_token: Option<Limit>,
}

/// How a path is limited beside the ordinary limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Not.
    None,
    /// By its failures.
    SignIn,
    /// By how often it is asked for.
    Account,
}

impl Guard {
    /// How `path` is guarded.
    pub fn of(path: &str) -> Self {
        match path {
            "/v1/auth/login" | "/v1/auth/reset" | "/v1/auth/verify" | "/v1/auth/refresh" | "/v1/me/password" => {
                Self::SignIn
            }
            "/v1/auth/register" | "/v1/auth/forgot" | "/v1/auth/verify/resend" => Self::Account,
            _ => Self::None,
        }
    }
}

impl Limits {
    /// As the settings say.
    pub fn new(settings: &settings::Limits) -> Self {
        Self {
            address: Limit::new("address", settings.address),
            client: Limit::new("client", settings.client),
            plan: Limit::by_plan(),
            sign_in: Limit::new("sign-in", settings.sign_in),
            account: Limit::new("account", settings.account),
            bad_token: Limit::new("bad-token", settings.bad_token),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(burst: u32, per_minute: u32) -> Limit {
        Limit::new("test", NonZeroU32::new(burst).zip(NonZeroU32::new(per_minute))).expect("a limit")
    }

    fn of(address: &str) -> Key {
        Key::address(address.parse().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_served_then_the_client_waits_as_long_as_it_is_told() {
        let limit = limit(3, 60);
        let key = of("203.0.113.9");
        let left: Vec<u32> = (0..3).map(|_| limit.count(key).unwrap().remaining).collect();
        assert_eq!(left, [2, 1, 0]);
        let exceeded = limit.count(key).unwrap_err();
        assert_eq!(exceeded.wait, Duration::from_secs(1));
        assert!(
            limit.count(of("203.0.113.10")).is_ok(),
            "another client is not concerned"
        );
        tokio::time::advance(exceeded.wait).await;
        assert!(limit.count(key).is_ok());
        assert!(limit.count(key).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn only_failures_count_and_a_guesser_is_refused_until_one_is_given_back() {
        let limit = limit(3, 60);
        let key = of("203.0.113.9");
        for _ in 0..3 {
            assert!(limit.check_failures(key).is_ok());
            limit.count_failure(key);
        }
        let exceeded = limit.check_failures(key).unwrap_err();
        assert_eq!(exceeded.wait, Duration::from_secs(1));
        tokio::time::advance(exceeded.wait).await;
        assert!(limit.check_failures(key).is_ok(), "one more try");
        limit.count_failure(key);
        assert!(limit.check_failures(key).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_headers_name_the_policy_and_what_is_left() {
        let limit = limit(120, 60);
        let mut headers = HeaderMap::new();
        let standing = limit.count(of("203.0.113.9")).unwrap();
        limit.tell(&mut headers, &standing);
        assert_eq!(headers["ratelimit-policy"], "\"test\";q=120;w=120");
        assert_eq!(headers["ratelimit"], "\"test\";r=119;t=1");
    }

    #[tokio::test(start_paused = true)]
    async fn each_user_is_measured_by_the_rate_of_their_plan_and_afresh_when_it_changes() {
        let limit = Limit::by_plan();
        let (ada, bob) = (Key::User(UserId::new()), Key::User(UserId::new()));
        let rate = |per_minute| NonZeroU32::new(per_minute).unwrap();
        let mut headers = HeaderMap::new();
        limit.tell(&mut headers, &limit.count_by(ada, rate(2)).unwrap());
        assert_eq!(headers["ratelimit-policy"], "\"plan\";q=2;w=60");
        assert_eq!(headers["ratelimit"], "\"plan\";r=1;t=30");
        assert!(limit.count_by(ada, rate(2)).is_ok());
        let exceeded = limit.count_by(ada, rate(2)).unwrap_err();
        assert_eq!(exceeded.wait, Duration::from_secs(30));
        assert_eq!(limit.told(&exceeded)[0].1, "\"plan\";q=2;w=60");
        assert_eq!(limit.count_by(bob, rate(600)).unwrap().remaining, 599);
        assert_eq!(limit.count_by(ada, rate(600)).unwrap().remaining, 599, "a larger plan");
    }

    #[test]
    fn an_ipv6_client_cannot_use_each_of_its_addresses_anew() {
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    }

    #[tokio::test]
    async fn made_up_keys_do_not_fill_the_memory() {
        let limit = limit(3, 60);
        for number in 0..BUCKETS as u32 + 20_000 {
            let _ = limit.count(Key::Address(std::net::Ipv4Addr::from(number).into()));
        }
        limit.buckets.run_pending_tasks();
        assert!(limit.buckets.entry_count() <= BUCKETS);
    }
}
