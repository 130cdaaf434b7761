//! What was released: an append-only ledger in Swarm itself.
//!
//! A release is two Swarm configs that are never changed: `STACK_release_000012_begun`, written before anything is touched, and
//! `STACK_release_000012_ended`. Raft replicates them to all managers, so the ledger survives the machine that deployed. A
//! release that has begun, has not ended, and whose lock nobody holds was killed: the next one says so and writes its end.

use std::{
    collections::{BTreeMap, HashMap},
    io::{Read, Write},
};

use anyhow::{Context, ensure};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    definition::Definition,
    engine::{Config, Engine},
    statement::Statement,
};

/// The label of the ledger's objects; its value is the stack.
const STACK: &str = "cloudtaskhub.release";
const NUMBER: &str = "cloudtaskhub.release.number";
const PART: &str = "cloudtaskhub.release.part";
/// What an engine takes as one config.
const LIMIT: usize = 500_000;

/// What kind of release it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A definition that was made for it.
    Deploy,
    /// The definition of an earlier release.
    Rollback,
}

/// A release as it began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// Its number; each is one more than the one before.
    pub number: u64,
    /// Deploy or rollback.
    pub kind: Kind,
    /// Which images: TAG of the stack file.
    pub tag: String,
    /// Of a rollback: the release whose definition it takes.
    pub target: Option<u64>,
    /// Who asked for it.
    pub actor: String,
    /// When.
    pub started: Timestamp,
    /// The version of this tool.
    pub tool: String,
    /// The environment, if one was named.
    pub environment: Option<String>,
    /// Images by service, by digest.
    pub images: BTreeMap<String, String>,
    /// Swarm configs, which are named by their content.
    pub configs: Vec<String>,
    /// Swarm secrets, with their versions.
    pub secrets: Vec<String>,
    /// What the images say of themselves: schemas and events.
    pub statements: Vec<Statement>,
    /// What was given to `docker stack deploy`.
    pub definition: String,
}

/// How a release ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// All services run it, and it passed its smoke test.
    Succeeded,
    /// It did not.
    Failed,
    /// Whoever did it was killed.
    Interrupted,
}

/// The end of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// Why, if it did not succeed.
    pub reason: Option<String>,
    /// When.
    pub ended: Timestamp,
    /// Of one that failed: the release that the stack was brought back to, if it was.
    pub restored: Option<u64>,
}

/// A release.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Its begin.
    #[serde(flatten)]
    pub begun: Begun,
    /// Its end. None: it is under way, or was killed.
    #[serde(flatten)]
    pub ended: Option<Ended>,
}

/// What a stack runs now, as far as releases tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standing<'a> {
    /// There was no release, or none that left anything in order.
    Nothing,
    /// This one.
    Release(&'a Entry),
    /// The last attempt left it somewhere between; the last release that succeeded, if there is one.
    Between(&'a Entry, Option<&'a Entry>),
}

/// The ledger of a stack.
#[derive(Debug, Clone, Copy)]
pub struct Ledger<'a> {
    engine: &'a Engine,
    stack: &'a str,
}

impl Entry {
    /// The stack as it was deployed.
    ///
    /// # Errors
    /// When it was written by a tool that this one does not understand.
    pub fn definition(&self) -> anyhow::Result<Definition> {
        Definition::parse(&self.begun.definition).with_context(|| format!("release {}", self.begun.number))
    }

    /// Whether it ended well.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.ended
            .as_ref()
            .is_some_and(|ended| ended.outcome == Outcome::Succeeded)
    }

    /// How long it took, in seconds, if it has ended.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        let ended = self.ended.as_ref()?;
        Some(self.begun.started.duration_until(ended.ended).as_secs_f64())
    }

    /// `release 12 (v3)`.
    #[must_use]
    pub fn title(&self) -> String {
        format!("release {} ({})", self.begun.number, self.begun.tag)
    }
}

/// What stands, by what was recorded.
#[must_use]
pub fn standing(entries: &[Entry]) -> Standing<'_> {
    let Some(last) = entries.last() else {
        return Standing::Nothing;
    };
    if last.succeeded() {
        return Standing::Release(last);
    }
    let restored = last.ended.as_ref().and_then(|ended| ended.restored);
    match restored.and_then(|number| find(entries, number)) {
        Some(entry) => Standing::Release(entry),
        None => Standing::Between(last, last_good(entries)),
    }
}

/// The newest release that succeeded.
#[must_use]
pub fn last_good(entries: &[Entry]) -> Option<&Entry> {
    entries.iter().rev().find(|entry| entry.succeeded())
}

/// The release of this number.
#[must_use]
pub fn find(entries: &[Entry], number: u64) -> Option<&Entry> {
    entries.iter().find(|entry| entry.begun.number == number)
}

/// Where a rollback without a name goes. From a stack between two releases: to the last that succeeded. From a release that
/// stands: to the one before it that succeeded and is another; a rollback stands for its target, so that going back twice goes two
/// steps, and never forward.
#[must_use]
pub fn step_back(entries: &[Entry]) -> Option<&Entry> {
    let mut from = match standing(entries) {
        Standing::Nothing => return None,
        Standing::Between(_, last) => return last,
        Standing::Release(entry) => entry,
    };
    while let Some(target) = from.begun.target.and_then(|number| find(entries, number)) {
        from = target;
    }
    let before = entries
        .iter()
        .rev()
        .filter(|entry| entry.begun.number < from.begun.number);
    before
        .filter(|entry| entry.succeeded())
        .find(|entry| entry.begun.definition != from.begun.definition)
}

impl<'a> Ledger<'a> {
    /// The ledger of this stack.
    #[must_use]
    pub fn new(engine: &'a Engine, stack: &'a str) -> Self {
        Self { engine, stack }
    }

    /// All releases, oldest first.
    ///
    /// # Errors
    /// When the engine does not answer, or an object is damaged.
    pub async fn read(&self) -> anyhow::Result<Vec<Entry>> {
        let configs = self.engine.configs(&format!("{STACK}={}", self.stack)).await?;
        Ok(collect(configs)?.remove(self.stack).unwrap_or_default())
    }

    /// The releases of the other stacks of this Swarm.
    ///
    /// # Errors
    /// When the engine does not answer, or an object is damaged.
    pub async fn others(&self) -> anyhow::Result<Vec<Vec<Entry>>> {
        let mut all = collect(self.engine.configs(STACK).await?)?;
        all.remove(self.stack);
        Ok(all.into_values().collect())
    }

    /// Writes that a release begins.
    ///
    /// # Errors
    /// When there is one of this number, it is too big, or the engine does not answer.
    pub async fn begin(&self, begun: &Begun) -> anyhow::Result<()> {
        self.append(begun.number, "begun", &pack(begun)?).await
    }

    /// Writes how a release ended.
    ///
    /// # Errors
    /// When it has ended already, or the engine does not answer.
    pub async fn end(&self, number: u64, ended: &Ended) -> anyhow::Result<()> {
        self.append(number, "ended", &pack(ended)?).await
    }

    async fn append(&self, number: u64, part: &str, data: &[u8]) -> anyhow::Result<()> {
        let name = format!("{}_release_{number:06}_{part}", self.stack);
        ensure!(
            data.len() <= LIMIT,
            "{name} has {} bytes, more than Swarm keeps in one config",
            data.len()
        );
        let labels = HashMap::from([
            (STACK.to_owned(), self.stack.to_owned()),
            (NUMBER.to_owned(), number.to_string()),
            (PART.to_owned(), part.to_owned()),
        ]);
        let new = self.engine.create_config(&name, labels, data).await?;
        ensure!(new, "{name} is in the ledger already");
        Ok(())
    }
}

/// The releases that these objects are, by stack.
fn collect(configs: Vec<Config>) -> anyhow::Result<BTreeMap<String, Vec<Entry>>> {
    let (mut begun, mut ended) = (BTreeMap::new(), BTreeMap::new());
    for config in configs {
        let stack = config.label(STACK).to_owned();
        let number = config.label(NUMBER).parse::<u64>();
        let key = (stack, number.with_context(|| format!("{} has no number", config.name))?);
        let damaged = || format!("{} cannot be read", config.name);
        if config.label(PART) == "begun" {
            begun.insert(key, unpack::<Begun>(&config.data).with_context(damaged)?);
        } else {
            ended.insert(key, unpack::<Ended>(&config.data).with_context(damaged)?);
        }
    }
    let mut stacks: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for (key, begun) in begun {
        let ended = ended.remove(&key);
        stacks.entry(key.0).or_default().push(Entry { begun, ended });
    }
    Ok(stacks)
}

fn pack(value: &impl Serialize) -> anyhow::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(&serde_json::to_vec(value)?)?;
    Ok(packer.finish()?)
}

fn unpack<T: DeserializeOwned>(data: &[u8]) -> anyhow::Result<T> {
    let mut text = Vec::new();
    GzDecoder::new(data).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn entry(number: u64, tag: &str, target: Option<u64>, outcome: Option<Outcome>, restored: Option<u64>) -> Entry {
        let started: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        Entry {
            begun: Begun {
                number,
                kind: if target.is_some() { Kind::Rollback } else { Kind::Deploy },
                tag: tag.to_owned(),
                target,
                actor: "ann@one".to_owned(),
                started,
                tool: "1".to_owned(),
                environment: None,
                images: BTreeMap::from([("web".to_owned(), format!("web:{tag}"))]),
                configs: Vec::new(),
                secrets: Vec::new(),
                statements: Vec::new(),
                definition: tag.to_owned(),
            },
            ended: outcome.map(|outcome| Ended {
                outcome,
                reason: None,
                ended: "2026-11-22T00:01:30.5Z".parse().unwrap(),
                restored,
            }),
        }
    }

    /// A release that succeeded, of one service `web`.
    pub(crate) fn good(number: u64, tag: &str) -> Entry {
        entry(number, tag, None, Some(Outcome::Succeeded), None)
    }

    /// One that failed, and left things between.
    pub(crate) fn failed(number: u64, tag: &str) -> Entry {
        entry(number, tag, None, Some(Outcome::Failed), None)
    }

    #[test]
    fn what_is_written_is_read_again_and_small() {
        let mut one = good(1, "v1");
        one.begun.definition = "services: many of the same words\n".repeat(3_000);
        let packed = pack(&one.begun).unwrap();
        assert!(packed.len() < 2_000, "{}", packed.len());
        assert_eq!(unpack::<Begun>(&packed).unwrap(), one.begun);
        assert!(unpack::<Begun>(b"not packed").is_err());
        assert!((one.seconds().unwrap() - 90.5).abs() < f64::EPSILON);
    }

    #[test]
    fn the_last_release_that_succeeded_or_was_restored_stands() {
        assert_eq!(standing(&[]), Standing::Nothing);
        let mut entries = vec![good(1, "v1"), good(2, "v2")];
        assert_eq!(standing(&entries), Standing::Release(&entries[1]));
        entries.push(entry(3, "v3", None, Some(Outcome::Failed), Some(2)));
        assert_eq!(standing(&entries), Standing::Release(&entries[1]));
        entries.push(entry(4, "v4", None, None, None));
        assert_eq!(standing(&entries), Standing::Between(&entries[3], Some(&entries[1])));
        entries[3] = entry(4, "v4", None, Some(Outcome::Failed), None);
        assert_eq!(standing(&entries), Standing::Between(&entries[3], Some(&entries[1])));
    }

    #[test]
    fn going_back_twice_goes_two_steps_and_never_forward() {
        let mut entries = vec![good(1, "v1"), good(2, "v2"), good(3, "v3")];
        assert_eq!(step_back(&entries).unwrap().begun.number, 2);
        entries.push(entry(4, "v2", Some(2), Some(Outcome::Succeeded), None));
        assert_eq!(step_back(&entries).unwrap().begun.number, 1);
        entries.push(entry(5, "v1", Some(1), Some(Outcome::Succeeded), None));
        assert_eq!(step_back(&entries), None);
    }

    #[test]
    fn from_between_two_releases_it_goes_to_the_last_that_succeeded() {
        let entries = [
            good(1, "v1"),
            good(2, "v2"),
            entry(3, "v3", None, Some(Outcome::Interrupted), None),
        ];
        assert_eq!(step_back(&entries).unwrap().begun.number, 2);
        let restored = [
            good(1, "v1"),
            good(2, "v2"),
            entry(3, "v3", None, Some(Outcome::Failed), Some(2)),
        ];
        assert_eq!(step_back(&restored).unwrap().begun.number, 1);
    }

    #[test]
    fn deploying_the_same_again_is_no_step() {
        let entries = [good(1, "v1"), good(2, "v2"), good(3, "v2")];
        assert_eq!(step_back(&entries).unwrap().begun.number, 1);
    }
}
