//! The settings that every service has.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use poem::http::HeaderValue;
use secrecy::SecretString;

use super::{Settings, Source};

/// All of them.
#[derive(Debug, Clone)]
pub struct Core {
    /// HTTP.
    pub http: Http,
    /// The database.
    pub database: Database,
    /// The broker.
    pub broker: Broker,
    /// Access tokens.
    pub identity: Identity,
    /// Traces and logs.
    pub telemetry: Telemetry,
    /// Life of the process.
    pub process: Life,
}

/// `http`
#[derive(Debug, Clone)]
pub struct Http {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where the orchestrator connects.
    pub internal_listen: SocketAddr,
    /// How long a request may take until its answer begins.
    pub deadline: Duration,
    /// The largest request body, in bytes.
    pub body_limit: usize,
    /// The largest uploaded file, in bytes.
    pub upload_limit: usize,
    /// How long a request with an upload may take until its answer begins.
    pub upload_deadline: Duration,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may call.
    pub cors_origins: Vec<HeaderValue>,
    /// Connections at most.
    pub max_connections: u32,
    /// How long a connection may be idle between requests.
    pub idle: Duration,
    /// How long a request's head may take, from its first byte.
    pub head: Duration,
    /// How long a client may take nothing of its answer.
    pub stall: Duration,
}

/// `database`
#[derive(Clone)]
pub struct Database {
    /// Address; may hold a password.
    pub url: SecretString,
    /// Connections at most.
    pub max_connections: u32,
    /// How long to wait for it at start.
    pub wait: Duration,
    /// Whether commits survive a power failure.
    pub durable: bool,
}

/// `broker`
#[derive(Clone)]
pub struct Broker {
    /// Where it is.
    pub place: BrokerPlace,
    /// What topics and groups begin with.
    pub prefix: String,
    /// Partitions of a new topic.
    pub partitions: i32,
    /// Replicas of a new topic.
    pub replication: i32,
    /// How long a new topic keeps events.
    pub retention: Duration,
    /// Further properties of librdkafka; may hold a password.
    pub properties: BTreeMap<String, String>,
    /// How long to wait for it at start.
    pub wait: Duration,
    /// Whether the broker inside this process goes down once the process is ready.
    pub down: bool,
}

/// Where the broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerPlace {
    /// In this process.
    Embedded,
    /// `host:port,…`
    Cluster(String),
}

/// `identity`
#[derive(Debug, Clone)]
pub struct Identity {
    /// Who issues access tokens.
    pub issuer: String,
    /// For whom.
    pub audience: String,
    /// Where the public keys are read.
    pub jwks_url: String,
    /// The `Host` to ask for there, when it is not that of the URL.
    pub jwks_host: Option<String>,
    /// What introspecting services show to auth.
    pub introspection_secret: Option<SecretString>,
}

/// `telemetry`
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// Where traces go, if anywhere.
    pub otlp_endpoint: Option<String>,
    /// The part of new traces that is recorded.
    pub sampling_ratio: f64,
    /// How logs look.
    pub log_format: LogFormat,
    /// What is logged.
    pub log_filter: String,
}

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One object a line.
    Json,
    /// For a terminal.
    Human,
}

/// `process`
#[derive(Debug, Clone)]
pub struct Life {
    /// How long to serve after the signal to stop.
    pub drain: Duration,
    /// How long everything has to finish after that.
    pub stop: Duration,
    /// After how long without progress `/livez` turns red.
    pub stuck: Duration,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Settings for Core {
    const DEFAULTS: &'static str = include_str!("defaults.toml");

    fn parse(source: &mut Source<'_>) -> Option<Self> {
        // Every group is read before any is missed, so that all mistakes are found.
        let (http, database, broker) = (Http::read(source), Database::read(source), Broker::read(source));
        let (identity, telemetry, process) = (Identity::read(source), Telemetry::read(source), Life::read(source));
        Some(Self {
            http: http?,
            database: database?,
            broker: broker?,
            identity: identity?,
            telemetry: telemetry?,
            process: process?,
        })
    }
}

impl Http {
    fn read(source: &mut Source<'_>) -> Option<Self> {
        let listen = source.parsed("http.listen", "an address like 0.0.0.0:8080");
        let internal_listen = source.parsed("http.internal_listen", "an address like 0.0.0.0:9090");
        let deadline = source.millis("http.deadline_ms");
        source.require(
            deadline != Some(Duration::ZERO),
            "http.deadline_ms must be at least 1, or every request fails",
        );
        let body_limit = source.take("http.body_limit_bytes");
        let upload_limit = source.take("http.upload_limit_bytes");
        let upload_deadline = source.seconds("http.upload_s");
        source.require(
            upload_deadline != Some(Duration::ZERO),
            "http.upload_s must be at least 1, or every upload fails",
        );
        let trusted_proxies = source.each_parsed("http.trusted_proxies", "networks like 10.0.0.0/8");
        let cors_origins: Option<Vec<String>> = source.take("http.cors_origins");
        let origins = cors_origins.map(|all| all.iter().filter_map(|text| origin(source, text)).collect());
        let max_connections = source.take("http.max_connections");
        source.require(max_connections != Some(0), "http.max_connections must be at least 1");
        let mut patience = |key: &str| {
            let time = source.seconds(key);
            let wrong = format!("{key} must be at least 1, or no client is quick enough");
            source.require(time != Some(Duration::ZERO), wrong);
            time
        };
        let (idle, head) = (patience("http.idle_s"), patience("http.head_s"));
        let stall = patience("http.stall_s");
        Some(Self {
            listen: listen?,
            internal_listen: internal_listen?,
            deadline: deadline?,
            body_limit: body_limit?,
            upload_limit: upload_limit?,
            upload_deadline: upload_deadline?,
            trusted_proxies: trusted_proxies?,
            cors_origins: origins?,
            max_connections: max_connections?,
            idle: idle?,
            head: head?,
            stall: stall?,
        })
    }
}

fn origin(source: &mut Source<'_>, text: &str) -> Option<HeaderValue> {
    let well_formed = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .is_some_and(|rest| !rest.contains('/'));
    let value = HeaderValue::from_str(text).ok().filter(|_| well_formed);
    source.require(
        value.is_some(),
        "http.cors_origins must be origins like https://hub.example.com, without a path",
    );
    value
}

impl Database {
    pub(crate) fn read(source: &mut Source<'_>) -> Option<Self> {
        let url: Option<String> = source.take("database.url");
        let known = url.as_deref().is_none_or(|url| {
            ["sqlite:", "postgres:", "postgresql:"]
                .iter()
                .any(|scheme| url.starts_with(scheme))
        });
        source.require(
            known,
            "database.url must be sqlite:///path/file.db or postgres://user:password@host/name",
        );
        let max_connections: Option<u32> = source.take("database.max_connections");
        source.require(
            max_connections != Some(0),
            "database.max_connections must be at least 1",
        );
        let (wait, durable) = (source.seconds("database.wait_s"), source.take("database.durable"));
        Some(Self {
            url: url?.into(),
            max_connections: max_connections?,
            wait: wait?,
            durable: durable?,
        })
    }

    /// For [`database::Db::open`].
    pub fn options(&self) -> database::Options {
        use secrecy::ExposeSecret;
        database::Options {
            url: self.url.expose_secret().to_owned(),
            max_connections: self.max_connections,
            wait: self.wait,
            durable: self.durable,
        }
    }

    /// The file, when it is one.
    pub fn file(&self) -> Option<PathBuf> {
        use secrecy::ExposeSecret;
        let rest = self.url.expose_secret().strip_prefix("sqlite:")?;
        let path = rest
            .strip_prefix("//")
            .unwrap_or(rest)
            .split('?')
            .next()
            .unwrap_or_default();
        (!path.is_empty() && path != ":memory:").then(|| PathBuf::from(path))
    }
}

impl Broker {
    fn read(source: &mut Source<'_>) -> Option<Self> {
        let bootstrap: Option<String> = source.take("broker.bootstrap");
        let named = bootstrap.as_deref().is_none_or(|text| !text.trim().is_empty());
        source.require(
            named,
            "broker.bootstrap must be host:port of a Kafka broker, or embedded",
        );
        let (properties, wait) = (source.take("broker.properties"), source.seconds("broker.wait_s"));
        let prefix = source.take("broker.prefix");
        let (partitions, replication) = (source.take("broker.partitions"), source.take("broker.replication"));
        let positive = partitions.is_none_or(|many: i32| many > 0) && replication.is_none_or(|many: i32| many > 0);
        source.require(positive, "broker.partitions and broker.replication must be at least 1");
        let hours: Option<u64> = source.take("broker.retention_hours");
        let down: Option<bool> = source.take("broker.down");
        let embedded = bootstrap.as_deref() == Some("embedded");
        source.require(
            embedded || down != Some(true),
            "broker.down is only for the broker inside this process",
        );
        let place = match bootstrap? {
            text if text == "embedded" => BrokerPlace::Embedded,
            text => BrokerPlace::Cluster(text),
        };
        Some(Self {
            place,
            prefix: prefix?,
            partitions: partitions?,
            replication: replication?,
            retention: Duration::from_secs(hours?.saturating_mul(3600)),
            properties: properties?,
            wait: wait?,
            down: down?,
        })
    }

    /// For [`messaging::Broker::new`].
    pub fn messaging(&self, client: &str) -> messaging::broker::Settings {
        let (servers, usual) = match &self.place {
            BrokerPlace::Embedded => (None, messaging::broker::Settings::embedded()),
            BrokerPlace::Cluster(servers) => (Some(servers.clone()), messaging::broker::Settings::servers(servers)),
        };
        // In this process more partitions bring no more speed, only more threads and memory.
        let partitions = if servers.is_some() {
            self.partitions
        } else {
            usual.partitions
        };
        messaging::broker::Settings {
            servers,
            client: client.to_owned(),
            prefix: self.prefix.clone(),
            partitions,
            replication: self.replication,
            retention: self.retention,
            properties: self.properties.clone(),
        }
    }
}

impl Identity {
    fn read(source: &mut Source<'_>) -> Option<Self> {
        let (issuer, audience) = (source.take("identity.issuer"), source.take("identity.audience"));
        let jwks_url: Option<String> = source.take("identity.jwks_url");
        let http = jwks_url
            .as_deref()
            .is_none_or(|url| url.starts_with("http://") || url.starts_with("https://"));
        source.require(
            http,
            "identity.jwks_url must be an address like http://auth/.well-known/jwks.json",
        );
        let jwks_host = source.optional("identity.jwks_host");
        let secret: Option<String> = source.optional("identity.introspection_secret");
        let other: Option<String> = source.optional("identity.introspection_secret_other");
        let long = |secret: &Option<String>| secret.as_deref().is_none_or(|secret| secret.len() >= 32);
        source.require(
            long(&secret),
            "identity.introspection_secret must have at least 32 characters, or it can be guessed",
        );
        source.require(
            long(&other),
            "identity.introspection_secret_other must have at least 32 characters, or be empty",
        );
        Some(Self {
            issuer: issuer?,
            audience: audience?,
            jwks_url: jwks_url?,
            jwks_host,
            introspection_secret: secret.map(SecretString::from),
        })
    }
}

impl Telemetry {
    fn read(source: &mut Source<'_>) -> Option<Self> {
        let otlp_endpoint: Option<String> = source.optional("telemetry.otlp_endpoint");
        let http = otlp_endpoint
            .as_deref()
            .is_none_or(|url| url.starts_with("http://") || url.starts_with("https://"));
        source.require(
            http,
            "telemetry.otlp_endpoint must be an address like http://collector:4317",
        );
        let ratio: Option<f64> = source.take("telemetry.sampling_ratio");
        let whole = ratio.is_none_or(|ratio| (0.0..=1.0).contains(&ratio));
        source.require(whole, "telemetry.sampling_ratio must be between 0 and 1");
        let log_format = source.take("telemetry.log_format");
        let log_filter: Option<String> = source.take("telemetry.log_filter");
        let understood = log_filter
            .as_deref()
            .is_none_or(|text| tracing_subscriber::EnvFilter::builder().parse(text).is_ok());
        source.require(understood, "telemetry.log_filter must be like info,project=debug");
        Some(Self {
            otlp_endpoint,
            sampling_ratio: ratio?,
            log_format: log_format?,
            log_filter: log_filter?,
        })
    }
}

impl Life {
    fn read(source: &mut Source<'_>) -> Option<Self> {
        let (drain, stop) = (source.millis("process.drain_ms"), source.seconds("process.stop_s"));
        let stuck = source.seconds("process.stuck_s");
        let patient = stuck.is_none_or(|stuck| stuck >= Duration::from_secs(30));
        source.require(
            patient,
            "process.stuck_s must be at least 30, or a slow step restarts the process",
        );
        Some(Self {
            drain: drain?,
            stop: stop?,
            stuck: stuck?,
        })
    }
}
