//! Tells the other services of clients that go on over their limit: at most once a minute for each client.
//!
//! A request that is refused must cost next to nothing, so it only leaves a note here; a worker writes the notes to the
//! outbox. Notes of a client that was noted already are dropped, as are those that find the list full.

use std::time::Duration;

use contracts::{Timestamp, gateway::ClientThrottled};
use database::Db;
use messaging::worker::{Step, StepError, Worker};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::limit::Key;

const EVERY: Duration = Duration::from_secs(60);
const CLIENTS: u64 = 10_000;
const WAITING: usize = 1000;

/// Takes notes.
pub struct Throttled {
    noted: moka::sync::Cache<Key, ()>,
    notes: mpsc::Sender<ClientThrottled>,
    /// Addresses are personal data: events carry a hash that only who has this can make.
    salt: SecretString,
}

/// Writes them down.
pub struct Announcer {
    db: Db,
    notes: mpsc::Receiver<ClientThrottled>,
    /// What could not be written yet.
    pending: Vec<ClientThrottled>,
}

/// Both ends.
pub fn throttled(db: Db, salt: SecretString) -> (Throttled, Announcer) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let noted = moka::sync::Cache::builder()
        .max_capacity(CLIENTS)
        .time_to_live(EVERY)
        .build();
    (
        Throttled {
            noted,
            notes: sender,
            salt,
        },
        Announcer {
            db,
            notes: receiver,
            pending: Vec::new(),
        },
    )
}

impl Throttled {
    /// `key` was refused by `policy` at `now`.
    pub fn note(&self, key: Key, policy: &'static str, now: Timestamp) {
        if !self.noted.entry(key).or_insert(()).is_fresh() {
            return;
        }
        let (client, user_id) = match key {
            Key::User(user) => (format!("user:{user}"), Some(user)),
            Key::Address(address) => {
                let mut hash = Sha256::new();
                hash.update(self.salt.expose_secret());
                hash.update(address.to_string());
                let hash: String = hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
                (format!("address:{hash}"), None)
            }
        };
        let note = ClientThrottled {
            client,
            user_id,
            policy: policy.to_owned(),
            throttled_at: now,
        };
        if self.notes.try_send(note).is_err() {
            // Then this client may be noted again at once.
            self.noted.invalidate(&key);
            tracing::debug!(policy, "a note of a throttled client was dropped");
        }
    }
}

#[async_trait::async_trait]
impl Worker for Announcer {
    fn name(&self) -> &'static str {
        "throttle-announcer"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        while let Ok(note) = self.notes.try_recv() {
            self.pending.push(note);
        }
        if !self.pending.is_empty() {
            let notes = &self.pending;
            self.db
                .write(async |tx| {
                    for note in notes {
                        messaging::append(tx, note)?;
                    }
                    Ok::<_, sea_orm::DbErr>(())
                })
                .await?;
            self.pending.clear();
        }
        Ok(Step::Drained)
    }
}
