//! What can be set; `defaults.toml` says what each key means.

use std::time::Duration;

use chassis::{Settings, Source};

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnalyticsSettings {
    /// How long an event stays in the log.
    pub keep_events: Duration,
    /// How long after the end of a week its reports are made.
    pub report_delay: Duration,
}

impl Settings for AnalyticsSettings {
    const DEFAULTS: &'static str = include_str!("defaults.toml");

    fn parse(source: &mut Source<'_>) -> Option<Self> {
        let days = source.take::<u32>("analytics.keep_events_days");
        let minutes = source.take::<u32>("analytics.report_delay_minutes");
        if let Some(days) = days {
            source.require(
                days >= 15,
                "analytics.keep_events_days must be at least 15, or an event that comes again after its inbox row went counts twice",
            );
        }
        if let Some(minutes) = minutes {
            source.require(
                minutes < 7 * 24 * 60,
                "analytics.report_delay_minutes must be less than a week, or reports are about the week before",
            );
        }
        Some(Self {
            keep_events: Duration::from_secs(u64::from(days?) * 24 * 3600),
            report_delay: Duration::from_secs(u64::from(minutes?) * 60),
        })
    }
}

#[cfg(test)]
mod tests {
    use figment::{
        Figment,
        providers::{Format, Toml},
    };

    use super::*;

    fn parse(toml: &str) -> (Option<AnalyticsSettings>, Vec<String>) {
        let figment = Figment::from(Toml::string(AnalyticsSettings::DEFAULTS)).merge(Toml::string(toml));
        let mut source = Source::new(&figment);
        let settings = AnalyticsSettings::parse(&mut source);
        (settings, source.mistakes())
    }

    #[test]
    fn the_defaults_are_good() {
        let (settings, mistakes) = parse("");
        assert!(mistakes.is_empty(), "{mistakes:?}");
        assert_eq!(
            settings.map(|settings| settings.report_delay),
            Some(Duration::from_secs(3600))
        );
    }

    #[test]
    fn every_mistake_is_told() {
        let (_, mistakes) = parse("[analytics]\nkeep_events_days = 1\nreport_delay_minutes = 10080");
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
        let (_, mistakes) = parse("[analytics]\nkeep_events_days = -1\nreport_delay_minutes = \"soon\"");
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    }
}
