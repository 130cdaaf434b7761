//! What no kept release needs any more goes: configs that releases made, and names of images on this node.
//!
//! Kept are the last releases that succeeded; a rollback to one of them finds everything that it needs. The ledger itself and
//! secrets are never touched. The engine refuses to remove what is in use, which is one more check.

use std::collections::BTreeSet;

use crate::{
    ledger::{Entry, Ledger},
    release::{CONFIG, Releaser},
};

impl Releaser<'_> {
    /// Removes what no kept release needs, and answers its names.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn prune(&self) -> anyhow::Result<Vec<String>> {
        let ledger = Ledger::new(self.engine, &self.stack);
        let entries = ledger.read().await?;
        let kept = kept(&entries, self.settings.keep);
        let mut removed = Vec::new();
        for config in self.engine.configs(&format!("{CONFIG}={}", self.stack)).await? {
            if !kept.configs.contains(config.name.as_str()) && self.engine.remove_config(&config.id).await? {
                removed.push(config.name);
            }
        }
        // Stacks share what is on this node.
        let others = ledger.others().await?;
        let foreign: Vec<Kept<'_>> = others
            .iter()
            .map(|entries| self::kept(entries, self.settings.keep))
            .collect();
        let wanted =
            |image: &str| kept.images.contains(image) || foreign.iter().any(|other| other.images.contains(image));
        let old: BTreeSet<&String> = entries.iter().flat_map(|entry| entry.begun.images.values()).collect();
        for image in old.into_iter().filter(|image| !wanted(image)) {
            if self.engine.local_image(image).await?.is_some() && self.engine.remove_image(image).await? {
                removed.push(image.clone());
            }
        }
        Ok(removed)
    }
}

struct Kept<'a> {
    configs: BTreeSet<&'a str>,
    images: BTreeSet<&'a str>,
}

/// What the last releases that succeeded need; and the last one of all, however it ended: it may be under way.
fn kept(entries: &[Entry], keep: usize) -> Kept<'_> {
    let good = entries.iter().rev().filter(|entry| entry.succeeded()).take(keep.max(1));
    let all: Vec<&Entry> = good.chain(entries.last()).collect();
    Kept {
        configs: all
            .iter()
            .flat_map(|entry| &entry.begun.configs)
            .map(String::as_str)
            .collect(),
        images: all
            .iter()
            .flat_map(|entry| entry.begun.images.values())
            .map(String::as_str)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::{failed, good};

    #[test]
    fn what_the_last_good_releases_need_is_kept_and_what_failed_takes_no_place() {
        let mut entries: Vec<Entry> = (1..=12).map(|number| good(number, &format!("v{number}"))).collect();
        entries.push(failed(13, "bad"));
        entries.push(good(14, "v14"));
        let kept = kept(&entries, 10);
        assert!(!kept.images.contains("web:v3") && kept.images.contains("web:v4"));
        assert!(!kept.images.contains("web:bad") && kept.images.contains("web:v14"));
        assert_eq!(kept.images.len(), 10);
    }
}
