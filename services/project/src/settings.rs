//! What can be set beside what every service has; `defaults.toml` says what each key means.

use std::time::Duration;

use chassis::{Settings, Source};

/// Settings of project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectSettings {
    /// How long before its due time a task is announced as due soon.
    pub due_soon: Duration,
    /// How often tasks that come due soon are looked for.
    pub due_scan: Duration,
    /// How often accepted imports are looked for.
    pub import_scan: Duration,
    /// When an upload of which nothing more comes is given up.
    pub import_stalled: Duration,
}

impl Settings for ProjectSettings {
    const DEFAULTS: &'static str = include_str!("defaults.toml");

    fn parse(source: &mut Source<'_>) -> Option<Self> {
        let due_soon = source.seconds("project.due_soon_s");
        let due_scan = source.seconds("project.due_scan_s");
        source.require(
            due_scan.is_none_or(|every| every >= Duration::from_secs(1)),
            "project.due_scan_s must be at least 1, or the database is asked without pause",
        );
        source.require(
            due_soon.zip(due_scan).is_none_or(|(before, every)| before > every),
            "project.due_soon_s must exceed project.due_scan_s, or tasks are announced after they were due",
        );
        let import_scan = source.millis("project.import_scan_ms");
        let import_stalled = source.seconds("project.import_stalled_s");
        source.require(
            import_scan.is_none_or(|every| every >= Duration::from_millis(10)),
            "project.import_scan_ms must be at least 10, or the database is asked without pause",
        );
        source.require(
            import_stalled.is_none_or(|after| after >= Duration::from_secs(60)),
            "project.import_stalled_s must be at least 60, or slow uploads are given up while they arrive",
        );
        Some(Self {
            due_soon: due_soon?,
            due_scan: due_scan?,
            import_scan: import_scan?,
            import_stalled: import_stalled?,
        })
    }
}

#[cfg(test)]
mod tests {
    use testkit::settings::parsed;

    use super::*;

    #[test]
    fn the_defaults_are_good() {
        let (settings, mistakes) = parsed::<ProjectSettings>(&[""]);
        assert!(mistakes.is_empty(), "{mistakes:?}");
        assert_eq!(
            settings.map(|settings| settings.due_soon),
            Some(Duration::from_secs(24 * 3600))
        );
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let (_, mistakes) = parsed::<ProjectSettings>(&["[project]\ndue_soon_s = 0\ndue_scan_s = 0"]);
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
        let (settings, mistakes) = parsed::<ProjectSettings>(&["[project]\ndue_soon_s = \"long\"\ndue_scan_s = -1"]);
        assert_eq!((settings, mistakes.len()), (None, 2), "{mistakes:?}");
    }
}
