//! What can be set beside what every service has.

use std::time::Duration;

use chassis::{Settings, Source};
use mail::Route;
use seal::{Seal, SealError};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::{
    key::Schedule, mail::Delivery, password::Cost, session::Lifetime, throttle::Policy, token::Limits,
};

/// Settings of auth.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// Seals signing keys: 32 bytes in base64.
    pub master_key: SecretString,
    /// Opens them too, while the first is exchanged; may be empty.
    pub master_key_other: SecretString,
    /// Where people reach auth.
    pub public_url: String,
    /// Who issues access tokens.
    pub issuer: String,
    /// For whom.
    pub audience: String,
    /// What the gateway may show when it introspects.
    pub introspection_secrets: Vec<SecretString>,
    /// Life of an access token.
    pub token_life: Duration,
    /// Life of sessions.
    pub session: Lifetime,
    /// Life of signing keys.
    pub keys: Schedule,
    /// Password hashing.
    pub password: Cost,
    /// Delay by account.
    pub account: Policy,
    /// Delay by network.
    pub network: Policy,
    /// How long a network is known as the user's own after the last sign-in from it.
    pub known_network: Duration,
    /// Personal access tokens.
    pub tokens: Limits,
    /// Delivery of mails.
    pub mail: Delivery,
    /// How mails are sent.
    pub mail_route: Route,
    /// Their sender.
    pub mail_from: String,
}

/// The setting of the key that seals signing keys.
pub const MASTER_KEY: &str = "auth.master_key";
/// The setting of the key that opens them too.
pub const MASTER_KEY_OTHER: &str = "auth.master_key_other";

impl AuthSettings {
    /// Seals signing keys.
    ///
    /// # Errors
    /// When a master key is none.
    pub fn seal(&self) -> Result<Seal, SealError> {
        seal(&self.master_key, &self.master_key_other)
    }
}

fn seal(key: &SecretString, other: &SecretString) -> Result<Seal, SealError> {
    Seal::new(MASTER_KEY, key.expose_secret())?.or(MASTER_KEY_OTHER, other.expose_secret())
}

impl Settings for AuthSettings {
    const DEFAULTS: &'static str = include_str!("defaults.toml");

    fn parse(source: &mut Source<'_>) -> Option<Self> {
        let (master_key, master_key_other) = (source.secret(MASTER_KEY), source.secret(MASTER_KEY_OTHER));
        if let Some((key, other)) = master_key.as_ref().zip(master_key_other.as_ref())
            && let Err(error) = seal(key, other)
        {
            source.reject(error.to_string());
        }
        let public_url = web_address(source, "auth.public_url");
        let (issuer, audience) = (source.take("identity.issuer"), source.take("identity.audience"));
        // Its length is checked where every service's settings are.
        let secret: Option<String> = source.optional("identity.introspection_secret");
        let other_secret: Option<String> = source.optional("identity.introspection_secret_other");
        source.require(
            secret.is_some(),
            "identity.introspection_secret is missing: the gateway shows it to auth",
        );

        let token_life = source.seconds("auth.token_ttl_s");
        let short = token_life.is_none_or(|life| (1..=3600).contains(&life.as_secs()));
        source.require(
            short,
            "auth.token_ttl_s must be 1 to 3600: services cannot take an access token back",
        );
        let session = lifetime(source);
        let keys = schedule(source, token_life);
        let password = cost(source);
        let (account, network) = policies(source);
        let known_network = source.seconds("auth.known_network_s");
        let tokens = limits(source);
        let delivery = delivery(source);
        let mail_route = route(source);
        let mail_from: Option<String> = source.take("auth.mail_from");
        let sender = mail_from.as_deref().is_none_or(mail::is_sender);
        source.require(
            sender,
            "auth.mail_from must be like: CloudTaskHub <no-reply@example.com>",
        );

        Some(Self {
            master_key: master_key?,
            master_key_other: master_key_other?,
            public_url: public_url?,
            issuer: issuer?,
            audience: audience?,
            introspection_secrets: [Some(secret?), other_secret]
                .into_iter()
                .flatten()
                .map(Into::into)
                .collect(),
            token_life: token_life?,
            session: session?,
            keys: keys?,
            password: password?,
            account: account?,
            network: network?,
            known_network: known_network?,
            tokens: tokens?,
            mail: delivery?,
            mail_route: mail_route?,
            mail_from: mail_from?,
        })
    }
}

fn web_address(source: &mut Source<'_>, key: &str) -> Option<String> {
    let url: String = source.take(key)?;
    let http = url.starts_with("http://") || url.starts_with("https://");
    source.require(http, format!("{key} must be an address like https://auth.example.com"));
    Some(url)
}

fn lifetime(source: &mut Source<'_>) -> Option<Lifetime> {
    let (idle, whole) = (
        source.seconds("auth.session_idle_s"),
        source.seconds("auth.session_ttl_s"),
    );
    let grace = source.seconds("auth.refresh_grace_s");
    source.require(idle != Some(Duration::ZERO), "auth.session_idle_s must be at least 1");
    source.require(
        idle.zip(whole).is_none_or(|(idle, whole)| idle <= whole),
        "auth.session_ttl_s must not be less than auth.session_idle_s, or sessions end before they are idle",
    );
    let brief = grace.is_none_or(|grace| grace <= Duration::from_secs(60));
    source.require(
        brief,
        "auth.refresh_grace_s must be at most 60, or a stolen refresh token goes unnoticed",
    );
    Some(Lifetime {
        idle: idle?,
        whole: whole?,
        grace: grace?,
    })
}

fn schedule(source: &mut Source<'_>, token_life: Option<Duration>) -> Option<Schedule> {
    let (rotation, overlap) = (
        source.seconds("auth.key_rotation_s"),
        source.seconds("auth.key_overlap_s"),
    );
    let least = token_life.unwrap_or_default() + identity::verifier::KEYS_AGE;
    source.require(
        overlap.is_none_or(|overlap| overlap > least),
        format!(
            "auth.key_overlap_s must exceed {}: verifiers read keys rarely, and tokens outlive their key",
            least.as_secs()
        ),
    );
    source.require(
        rotation
            .zip(overlap)
            .is_none_or(|(rotation, overlap)| rotation > overlap),
        "auth.key_rotation_s must exceed auth.key_overlap_s, or keys pile up",
    );
    Some(Schedule {
        rotation: rotation?,
        overlap: overlap?,
    })
}

fn cost(source: &mut Source<'_>) -> Option<Cost> {
    let (memory_kib, passes) = (source.take("auth.argon2_memory_kib"), source.take("auth.argon2_passes"));
    let (running, waiting) = (source.take("auth.argon2_running"), source.take("auth.argon2_waiting"));
    let valid = memory_kib
        .zip(passes)
        .is_none_or(|(memory, passes)| argon2::Params::new(memory, passes, 1, None).is_ok());
    source.require(
        valid,
        "auth.argon2_memory_kib must be at least 8 and auth.argon2_passes at least 1",
    );
    source.require(
        running != Some(0),
        "auth.argon2_running must be at least 1, or nobody can sign in",
    );
    source.require(
        waiting.is_none_or(|waiting: usize| waiting <= 100_000),
        "auth.argon2_waiting must be at most 100000",
    );
    Some(Cost {
        memory_kib: memory_kib?,
        passes: passes?,
        running: running?,
        waiting: waiting?,
    })
}

fn policies(source: &mut Source<'_>) -> (Option<Policy>, Option<Policy>) {
    let account: Option<u32> = source.take("auth.account_attempts");
    let network: Option<u32> = source.take("auth.network_attempts");
    let (first, last) = (
        source.seconds("auth.first_delay_s"),
        source.seconds("auth.last_delay_s"),
    );
    let forget = source.seconds("auth.forget_failures_s");
    for (key, free) in [("account", account), ("network", network)] {
        source.require(
            free != Some(0),
            format!("auth.{key}_attempts must be at least 1, or nobody can sign in"),
        );
    }
    source.require(
        first.zip(last).is_none_or(|(first, last)| first <= last),
        "auth.last_delay_s must not be less than auth.first_delay_s",
    );
    source.require(
        last.zip(forget).is_none_or(|(last, forget)| last < forget),
        "auth.forget_failures_s must exceed auth.last_delay_s, or the longest delay is forgotten before it ends",
    );
    let policy = |free: Option<u32>| {
        Some(Policy {
            free: free?,
            first: first?,
            last: last?,
            forget: forget?,
        })
    };
    (policy(account), policy(network))
}

fn limits(source: &mut Source<'_>) -> Option<Limits> {
    let (usual, longest) = (source.seconds("auth.pat_ttl_s"), source.seconds("auth.pat_max_ttl_s"));
    let each = source.take("auth.pats_per_user");
    source.require(
        usual.zip(longest).is_none_or(|(usual, longest)| usual <= longest),
        "auth.pat_max_ttl_s must not be less than auth.pat_ttl_s",
    );
    Some(Limits {
        usual: usual?,
        longest: longest?,
        each: each?,
    })
}

fn delivery(source: &mut Source<'_>) -> Option<Delivery> {
    let attempts = source.take("auth.mail_attempts");
    source.require(
        attempts.is_none_or(|attempts: i64| attempts >= 1),
        "auth.mail_attempts must be at least 1",
    );
    let (first_retry, last_retry) = (
        source.seconds("auth.mail_first_retry_s"),
        source.seconds("auth.mail_last_retry_s"),
    );
    let lease = source.seconds("auth.mail_lease_s");
    let patient = lease.is_none_or(|lease| lease >= Duration::from_secs(60));
    source.require(
        patient,
        "auth.mail_lease_s must be at least 60, or a slow mail server gets mails twice",
    );
    let hourly = source.take("auth.mails_per_hour");
    let (verify_life, reset_life) = (source.seconds("auth.verify_ttl_s"), source.seconds("auth.reset_ttl_s"));
    Some(Delivery {
        attempts: attempts?,
        first_retry: first_retry?,
        last_retry: last_retry?,
        lease: lease?,
        hourly: hourly?,
        verify_life: verify_life?,
        reset_life: reset_life?,
    })
}

fn route(source: &mut Source<'_>) -> Option<Route> {
    let url: String = source.take("auth.mail_url")?;
    match url.parse() {
        Ok(route) => Some(route),
        Err(error) => {
            source.reject(format!("auth.mail_url {error}"));
            None
        }
    }
}
