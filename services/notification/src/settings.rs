//! What can be set; `defaults.toml` says what each key means.

use std::time::Duration;

use chassis::{Settings, Source};
use mail::Route;
use seal::{Seal, SealError};
use secrecy::{ExposeSecret, SecretString};

use crate::outbound::{Limits, Room};

/// The setting of the key that seals secrets.
pub const MASTER_KEY: &str = "notification.master_key";
/// The setting of the key that opens them too.
pub const MASTER_KEY_OTHER: &str = "notification.master_key_other";

impl NotificationSettings {
    /// Seals secrets.
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

/// All of it.
#[derive(Debug, Clone)]
pub struct NotificationSettings {
    /// How long a notification stays after it was read.
    pub keep_read: Duration,
    /// How long a notification stays unread.
    pub keep_unread: Duration,
    /// How long a delivery stays.
    pub keep_deliveries: Duration,
    /// Seals secrets: 32 bytes in base64.
    pub master_key: SecretString,
    /// Opens them too, while the first is exchanged; may be empty.
    pub master_key_other: SecretString,
    /// How many attempts at a time.
    pub room: Room,
    /// How targets are called.
    pub webhooks: Webhooks,
    /// Where people reach the hub.
    pub public_url: String,
    /// How mails are sent.
    pub mail_route: Route,
    /// Their sender.
    pub mail_from: String,
}

/// How targets are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Webhooks {
    /// Whether a target may be anywhere.
    pub allow_private: bool,
    /// How patient a call is.
    pub limits: Limits,
    /// How long an endpoint may do nothing but fail.
    pub patience: Duration,
}

impl Settings for NotificationSettings {
    const DEFAULTS: &'static str = include_str!("defaults.toml");

    fn parse(source: &mut Source<'_>) -> Option<Self> {
        let keep_read = days(source, "notification.keep_read_days");
        let keep_unread = days(source, "notification.keep_unread_days");
        let keep_deliveries = days(source, "notification.keep_deliveries_days");
        if let (Some(read), Some(unread)) = (keep_read, keep_unread) {
            let reason = "notification.keep_unread_days must not be less than notification.keep_read_days, or what nobody saw goes first";
            source.require(unread >= read, reason);
        }
        let (master_key, master_key_other) = (source.secret(MASTER_KEY), source.secret(MASTER_KEY_OTHER));
        if let Some((key, other)) = master_key.as_ref().zip(master_key_other.as_ref())
            && let Err(error) = seal(key, other)
        {
            source.reject(error.to_string());
        }
        let public_url: Option<String> = source.take("notification.public_url");
        let web = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        source.require(
            public_url.as_deref().is_none_or(web),
            "notification.public_url must be an address like https://hub.example.com",
        );
        let mail_route = route(source);
        let mail_from: Option<String> = source.take("notification.mail_from");
        source.require(
            mail_from.as_deref().is_none_or(mail::is_sender),
            "notification.mail_from must be like: CloudTaskHub <no-reply@example.com>",
        );
        let webhooks = webhooks(source);
        let room = room(source, webhooks.map(|webhooks| webhooks.limits.total));
        Some(Self {
            keep_read: keep_read?,
            keep_unread: keep_unread?,
            keep_deliveries: keep_deliveries?,
            master_key: master_key?,
            master_key_other: master_key_other?,
            room: room?,
            webhooks: webhooks?,
            public_url: public_url?,
            mail_route: mail_route?,
            mail_from: mail_from?,
        })
    }
}

fn route(source: &mut Source<'_>) -> Option<Route> {
    let url: String = source.take("notification.mail_url")?;
    match url.parse() {
        Ok(route) => Some(route),
        Err(error) => {
            source.reject(format!("notification.mail_url {error}"));
            None
        }
    }
}

fn days(source: &mut Source<'_>, key: &str) -> Option<Duration> {
    let days = source.take::<u32>(key)?;
    source.require(
        days > 0,
        format!("{key} must be at least 1, or everything is gone before anybody sees it"),
    );
    Some(Duration::from_secs(u64::from(days) * 24 * 3600))
}

fn webhooks(source: &mut Source<'_>) -> Option<Webhooks> {
    let allow_private = source.take("notification.webhooks.allow_private_targets");
    let connect = positive(source, "notification.webhooks.connect_timeout_s");
    let total = positive(source, "notification.webhooks.timeout_s");
    source.require(
        total.is_none_or(|total| total <= Duration::from_secs(60)),
        "notification.webhooks.timeout_s must be at most 60, or a slow target keeps its share of the room for long",
    );
    let patience = positive(source, "notification.webhooks.disable_after_s");
    Some(Webhooks {
        allow_private: allow_private?,
        limits: Limits {
            connect: connect?,
            total: total?,
        },
        patience: patience?,
    })
}

fn room(source: &mut Source<'_>, longest: Option<Duration>) -> Option<Room> {
    let all: Option<usize> = source.take("notification.deliveries.at_a_time");
    let each: Option<usize> = source.take("notification.deliveries.per_target");
    let fits = all.zip(each).is_none_or(|(all, each)| (1..=all).contains(&each));
    source.require(
        fits,
        "notification.deliveries.per_target must be at least 1 and not more than notification.deliveries.at_a_time",
    );
    source.require(
        all.is_none_or(|all| all <= 1000),
        "notification.deliveries.at_a_time must be at most 1000",
    );
    let lease = source.seconds("notification.deliveries.lease_s");
    source.require(
        lease.zip(longest).is_none_or(|(lease, longest)| lease >= 2 * longest),
        "notification.deliveries.lease_s must be at least twice notification.webhooks.timeout_s, or slow targets get messages twice",
    );
    Some(Room {
        all: all?,
        each: each?,
        lease: lease?,
    })
}

fn positive(source: &mut Source<'_>, key: &str) -> Option<Duration> {
    let value = source.seconds(key)?;
    source.require(!value.is_zero(), format!("{key} must be at least 1"));
    Some(value)
}

#[cfg(test)]
mod tests {
    use testkit::settings::parsed;

    use super::*;

    const KEY: &str =
        "[notification]\nmaster_key = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\nmail_url = \"file:///mail\""; // pragma: allowlist secret

    fn parse(toml: &str) -> (Option<NotificationSettings>, Vec<String>) {
        parsed(&[KEY, toml])
    }

    #[test]
    fn the_defaults_are_good() {
        let (settings, mistakes) = parse("");
        assert!(mistakes.is_empty(), "{mistakes:?}");
        assert_eq!(
            settings.map(|settings| settings.keep_read),
            Some(Duration::from_secs(90 * 24 * 3600))
        );
    }

    #[test]
    fn every_mistake_is_told() {
        let (_, mistakes) = parse("[notification]\nkeep_read_days = 0\nkeep_unread_days = \"long\"");
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
        let (_, mistakes) = parse("[notification]\nkeep_read_days = 30\nkeep_unread_days = 7");
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    }
}
