//! Mails together what was collected, when its hour has come: one delivery for each reader.

use chassis::{
    Clock,
    worker::{Step, StepError, Worker},
};
use contracts::{Timestamp, id::UserId};
use database::{Db, Tx};
use sea_orm::DbErr;
use serde_json::json;

use crate::{
    domain::delivery::Channel,
    outbound::{DIGEST, EMAIL_TARGET},
    store::{
        delivery::{self, Model},
        digest,
    },
};

/// Readers in one step.
const READERS: u64 = 50;
/// Entries in one mail; what is more comes in the next.
const ENTRIES: u64 = 100;

/// Writes digests.
pub struct Digests {
    db: Db,
    clock: Clock,
}

impl Digests {
    /// Nothing runs yet.
    pub fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock }
    }
}

#[async_trait::async_trait]
impl Worker for Digests {
    fn name(&self) -> &'static str {
        "digests"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        let now = self.clock.now();
        let readers = digest::due(self.db.read(), now, READERS).await?;
        if readers.is_empty() {
            return Ok(Step::Drained);
        }
        self.db
            .write(async |tx| {
                for reader in &readers {
                    write(tx, *reader, now).await?;
                }
                Ok::<_, DbErr>(())
            })
            .await?;
        Ok(Step::Full)
    }
}

async fn write(tx: &Tx, reader: UserId, now: Timestamp) -> Result<(), DbErr> {
    let entries = digest::take(tx, reader, now, ENTRIES).await?;
    // Another replica may have been faster.
    if entries.is_empty() {
        return Ok(());
    }
    let listed: Vec<_> = entries
        .iter()
        .map(|entry| json!({ "title": entry.title, "body": entry.body }))
        .collect();
    let payload = json!({ "entries": listed }).to_string();
    let message = format!("{reader}:{DIGEST}:{}", delivery::own_message());
    let mail = Model::new(
        Channel::Email,
        reader,
        EMAIL_TARGET.to_owned(),
        message,
        DIGEST,
        payload,
        now,
    );
    delivery::insert(tx, vec![mail]).await
}
