//! What can be set; `defaults.toml` says what each key means.

use std::time::Duration;

use chassis::{Settings, Source};

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationSettings {
    /// How long a notification stays after it was read.
    pub keep_read: Duration,
    /// How long a notification stays unread.
    pub keep_unread: Duration,
}

impl Settings for NotificationSettings {
    const DEFAULTS: &'static str = include_str!("defaults.toml");

    fn parse(source: &mut Source<'_>) -> Option<Self> {
        let keep_read = days(source, "notification.keep_read_days");
        let keep_unread = days(source, "notification.keep_unread_days");
        if let (Some(read), Some(unread)) = (keep_read, keep_unread) {
            let reason = "notification.keep_unread_days must not be less than notification.keep_read_days, or what nobody saw goes first";
            source.require(unread >= read, reason);
        }
        Some(Self {
            keep_read: keep_read?,
            keep_unread: keep_unread?,
        })
    }
}

fn days(source: &mut Source<'_>, key: &str) -> Option<Duration> {
    let days = source.take::<u32>(key)?;
    source.require(
        days > 0,
        format!("{key} must be at least 1, or notifications are gone before anybody sees them"),
    );
    Some(Duration::from_secs(u64::from(days) * 24 * 3600))
}

#[cfg(test)]
mod tests {
    use testkit::settings::parsed;

    use super::*;

    #[test]
    fn the_defaults_are_good() {
        let (settings, mistakes) = parsed::<NotificationSettings>("");
        assert!(mistakes.is_empty(), "{mistakes:?}");
        assert_eq!(
            settings.map(|settings| settings.keep_read),
            Some(Duration::from_secs(90 * 24 * 3600))
        );
    }

    #[test]
    fn every_mistake_is_told() {
        let (_, mistakes) =
            parsed::<NotificationSettings>("[notification]\nkeep_read_days = 0\nkeep_unread_days = \"long\"");
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
        let (_, mistakes) = parsed::<NotificationSettings>("[notification]\nkeep_read_days = 30\nkeep_unread_days = 7");
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    }
}
