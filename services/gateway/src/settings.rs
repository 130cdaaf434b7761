//! What can be set at the gateway; `defaults.toml` says what each key means.

use std::time::Duration;

use chassis::{Settings, Source};
use ipnet::IpNet;
use poem::http::{
    HeaderValue,
    uri::{Authority, Uri},
};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::{breaker, retry};

/// Services behind the gateway, in a fixed order.
pub const UPSTREAMS: [&str; 5] = ["auth", "project", "notification", "billing", "analytics"];

/// All of it.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// One for each of [`UPSTREAMS`].
    pub upstreams: Vec<Address>,
    /// Proxying.
    pub proxy: Proxy,
    /// When an upstream is left alone.
    pub breaker: breaker::Rules,
    /// From what time on no answer counts against an upstream.
    pub patience: Duration,
    /// When a call is repeated.
    pub retry: retry::Rules,
    /// What is asked about credentials.
    pub introspection: Introspection,
    /// Rate limits.
    pub limits: Limits,
    /// Live streams.
    pub stream: Stream,
    /// The overview.
    pub home: Home,
    /// For how long billing is asked about orders.
    pub order_timeout: Duration,
    /// For how long settled orders are kept.
    pub order_retention: Duration,
    /// Networks whose `X-Forwarded-…` are believed; the chassis' setting.
    pub trusted_proxies: Vec<IpNet>,
}

/// Where a service is.
#[derive(Debug, Clone)]
pub struct Address {
    /// Which service.
    pub service: &'static str,
    /// Host and port to connect to.
    pub authority: Authority,
    /// `Host`.
    pub host: HeaderValue,
}

/// `gateway.proxy`
#[derive(Debug, Clone)]
pub struct Proxy {
    /// For a connection.
    pub connect: Duration,
    /// Idle connections kept to one upstream.
    pub pool: usize,
    /// For how long.
    pub pool_idle: Duration,
    /// For a body's next piece.
    pub stall: Duration,
}

/// `gateway.introspection`
#[derive(Debug, Clone)]
pub struct Introspection {
    /// What is shown to auth.
    pub secret: SecretString,
    /// How long an answer is believed.
    pub cache: Duration,
    /// How many are remembered.
    pub capacity: u64,
    /// How long to wait for one.
    pub timeout: Duration,
}

/// One limit: so many at once, refilled over time. `None`: unlimited.
pub type Quota = Option<(std::num::NonZeroU32, std::num::NonZeroU32)>;

/// `gateway.limits`
#[derive(Debug, Clone)]
pub struct Limits {
    /// Every request of an address.
    pub address: Quota,
    /// Every request of a user.
    pub client: Quota,
    /// Whether the plan of a user, when it is known, says instead how often they may call.
    pub plan_rates: bool,
    /// Failed sign-ins of an address.
    pub sign_in: Quota,
    /// New accounts and mails of an address.
    pub account: Quota,
    /// Invalid tokens of an address.
    pub bad_token: Quota,
}

/// `gateway.stream`
#[derive(Debug, Clone)]
pub struct Stream {
    /// Silence before a comment.
    pub heartbeat: Duration,
    /// Events that wait for one client.
    pub buffer: usize,
    /// Streams of one user.
    pub per_user: usize,
    /// Streams at this replica.
    pub total: usize,
    /// Age of events that can be resumed.
    pub retention: Duration,
    /// Number of events that can be resumed.
    pub retention_events: u64,
    /// Pause between looks.
    pub poll: Duration,
}

/// `gateway.home`
#[derive(Debug, Clone)]
pub struct Home {
    /// For each part.
    pub timeout: Duration,
    /// How far ahead to look for due tasks.
    pub due: Duration,
}

impl Settings for GatewaySettings {
    const DEFAULTS: &'static str = include_str!("defaults.toml");

    fn parse(source: &mut Source<'_>) -> Option<Self> {
        // Every group is read before any is missed, so that all mistakes are found.
        let upstreams: Vec<Option<Address>> = UPSTREAMS.iter().map(|service| address(source, service)).collect();
        let (proxy, breaker, retry) = (Proxy::read(source), breaker(source), retry(source));
        let patience = source.millis("gateway.breaker.patience_ms");
        let (introspection, limits) = (Introspection::read(source), Limits::read(source));
        let (stream, home) = (Stream::read(source), Home::read(source));
        let order_timeout = source.millis("gateway.orders.timeout_ms");
        let order_days: Option<u32> = source.take("gateway.orders.retention_days");
        source.require(
            order_days != Some(0),
            "gateway.orders.retention_days must be at least 1, or an order is forgotten while it is looked at",
        );
        let trusted_proxies = source.each_parsed("http.trusted_proxies", "networks like 10.0.0.0/8");
        Some(Self {
            upstreams: upstreams.into_iter().collect::<Option<_>>()?,
            proxy: proxy?,
            breaker: breaker?,
            patience: patience?,
            retry: retry?,
            introspection: introspection?,
            limits: limits?,
            stream: stream?,
            home: home?,
            order_timeout: order_timeout?,
            order_retention: Duration::from_secs(u64::from(order_days?) * 86_400),
            trusted_proxies: trusted_proxies?,
        })
    }
}

fn address(source: &mut Source<'_>, service: &'static str) -> Option<Address> {
    let key = format!("gateway.upstreams.{service}");
    let url: Option<String> = source.take(&format!("{key}.url"));
    let host: Option<String> = source.optional(&format!("{key}.host"));
    let uri: Option<Uri> = url?
        .parse()
        .ok()
        .filter(|uri: &Uri| uri.scheme_str() == Some("http") && uri.path() == "/");
    let authority = uri.and_then(|uri| uri.authority().cloned());
    source.require(
        authority.is_some(),
        format!("{key}.url must be like http://{service}-service:8080, without a path"),
    );
    let authority = authority?;
    let host = HeaderValue::from_str(host.as_deref().unwrap_or(authority.as_str())).ok();
    source.require(host.is_some(), format!("{key}.host must be a host name"));
    Some(Address {
        service,
        authority,
        host: host?,
    })
}

impl Proxy {
    fn read(source: &mut Source<'_>) -> Option<Self> {
        let (connect, pool) = (
            source.millis("gateway.proxy.connect_ms"),
            source.take("gateway.proxy.pool"),
        );
        let (pool_idle, stall) = (
            source.seconds("gateway.proxy.pool_idle_s"),
            source.seconds("gateway.proxy.stall_s"),
        );
        Some(Self {
            connect: connect?,
            pool: pool?,
            pool_idle: pool_idle?,
            stall: stall?,
        })
    }
}

fn breaker(source: &mut Source<'_>) -> Option<breaker::Rules> {
    let consecutive = positive(source, "gateway.breaker.consecutive");
    let ratio_percent = positive(source, "gateway.breaker.ratio_percent");
    let minimum = positive(source, "gateway.breaker.minimum");
    let probes = positive(source, "gateway.breaker.probes");
    let window = source.seconds("gateway.breaker.window_s");
    let (open, open_max) = (
        source.millis("gateway.breaker.open_ms"),
        source.millis("gateway.breaker.open_max_ms"),
    );
    let ordered = open.zip(open_max).is_none_or(|(open, longest)| open <= longest);
    source.require(
        ordered,
        "gateway.breaker.open_ms must not exceed gateway.breaker.open_max_ms",
    );
    Some(breaker::Rules {
        consecutive: consecutive?,
        ratio_percent: ratio_percent?,
        minimum: minimum?,
        window: window?,
        open: open?,
        open_max: open_max?,
        probes: probes?,
    })
}

fn positive(source: &mut Source<'_>, key: &str) -> Option<u32> {
    let value = source.take(key);
    source.require(value != Some(0), format!("{key} must be at least 1"));
    value
}

fn retry(source: &mut Source<'_>) -> Option<retry::Rules> {
    let attempts = source.take("gateway.retry.attempts");
    let budget_percent = source.take("gateway.retry.budget_percent");
    let budget_per_second = source.take("gateway.retry.budget_per_second");
    let first_pause = source.millis("gateway.retry.first_pause_ms");
    Some(retry::Rules {
        attempts: attempts?,
        budget_percent: budget_percent?,
        budget_per_second: budget_per_second?,
        first_pause: first_pause?,
    })
}

impl Introspection {
    fn read(source: &mut Source<'_>) -> Option<Self> {
        let secret = source.secret("identity.introspection_secret");
        let long = secret.as_ref().is_none_or(|secret| secret.expose_secret().len() >= 32);
        source.require(
            long,
            "identity.introspection_secret must have at least 32 characters, the same as at auth",
        );
        let cache = source.seconds("gateway.introspection.cache_s");
        let short = cache.is_none_or(|cache| cache <= Duration::from_secs(30));
        source.require(
            short,
            "gateway.introspection.cache_s must be at most 30, or a revocation that is missed lasts too long",
        );
        source.require(
            cache != Some(Duration::ZERO),
            "gateway.introspection.cache_s must be at least 1, or auth is asked for every request",
        );
        let capacity = source.take("gateway.introspection.capacity");
        let timeout = source.millis("gateway.introspection.timeout_ms");
        Some(Self {
            secret: secret?,
            cache: cache?,
            capacity: capacity?,
            timeout: timeout?,
        })
    }
}

impl Limits {
    fn read(source: &mut Source<'_>) -> Option<Self> {
        let mut quota = |name: &str| {
            let (burst_key, rate_key) = (
                format!("gateway.limits.{name}.burst"),
                format!("gateway.limits.{name}.per_minute"),
            );
            let (burst, rate) = (source.take::<u32>(&burst_key), source.take::<u32>(&rate_key));
            let (burst, rate) = (std::num::NonZeroU32::new(burst?), std::num::NonZeroU32::new(rate?));
            source.require(
                burst.is_none() || rate.is_some(),
                format!("{rate_key} must be at least 1; to switch the limit off, set {burst_key} to 0"),
            );
            Some(burst.zip(rate))
        };
        let (address, client) = (quota("address"), quota("client"));
        let (sign_in, account, bad_token) = (quota("sign_in"), quota("account"), quota("bad_token"));
        let plan_rates = source.take("gateway.limits.plan_rates");
        Some(Self {
            address: address?,
            client: client?,
            plan_rates: plan_rates?,
            sign_in: sign_in?,
            account: account?,
            bad_token: bad_token?,
        })
    }
}

impl Stream {
    fn read(source: &mut Source<'_>) -> Option<Self> {
        let heartbeat = source.seconds("gateway.stream.heartbeat_s");
        source.require(
            heartbeat != Some(Duration::ZERO),
            "gateway.stream.heartbeat_s must be at least 1",
        );
        let buffer: Option<usize> = source.take("gateway.stream.buffer");
        source.require(buffer != Some(0), "gateway.stream.buffer must be at least 1");
        let (per_user, total) = (
            source.take("gateway.stream.per_user"),
            source.take("gateway.stream.total"),
        );
        let hours: Option<u32> = source.take("gateway.stream.retention_h");
        let retention_events = source.take("gateway.stream.retention_events");
        let poll = source.millis("gateway.stream.poll_ms");
        let busy = poll.is_none_or(|poll| (Duration::from_millis(1)..=Duration::from_millis(500)).contains(&poll));
        source.require(
            busy,
            "gateway.stream.poll_ms must be between 1 and 500, or a revocation takes longer than a second",
        );
        Some(Self {
            heartbeat: heartbeat?,
            buffer: buffer?,
            per_user: per_user?,
            total: total?,
            retention: Duration::from_secs(u64::from(hours?) * 3600),
            retention_events: retention_events?,
            poll: poll?,
        })
    }
}

impl Home {
    fn read(source: &mut Source<'_>) -> Option<Self> {
        let (timeout, days) = (
            source.millis("gateway.home.timeout_ms"),
            source.take::<u32>("gateway.home.due_days"),
        );
        Some(Self {
            timeout: timeout?,
            due: Duration::from_secs(u64::from(days?) * 86_400),
        })
    }
}
