//! The janitor: old notifications, deliveries and tombstones go, in small transactions so that nobody waits for it.
//!
//! An unread notification that goes leaves the badge in the same transaction, and clients hear of it.

use std::collections::BTreeMap;

use chassis::{
    Clock,
    worker::{Step, StepError, Worker},
};
use contracts::{
    Timestamp,
    id::{NotificationId, UserId},
    notification::NotificationRead,
};
use database::{Db, Tx};
use sea_orm::DbErr;

use crate::{
    settings::NotificationSettings,
    store::{delivery, inbox, notification, tombstone},
};

/// Rows that one step removes of each sort at most.
const BATCH: u32 = 500;

/// Removes what is older than the settings allow.
pub struct Retention {
    db: Db,
    clock: Clock,
    settings: NotificationSettings,
}

impl Retention {
    /// Nothing runs yet.
    pub fn new(db: Db, clock: Clock, settings: NotificationSettings) -> Self {
        Self { db, clock, settings }
    }
}

#[async_trait::async_trait]
impl Worker for Retention {
    fn name(&self) -> &'static str {
        "notification-retention"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        let now = self.clock.now();
        let (read, unread) = (now - self.settings.keep_read, now - self.settings.keep_unread);
        let ended = now - self.settings.keep_deliveries;
        let removed = self
            .db
            .write(async move |tx| remove(tx, read, unread, ended).await)
            .await?;
        Ok(if removed.into_iter().any(|count| count >= u64::from(BATCH)) {
            Step::Full
        } else {
            Step::Drained
        })
    }
}

/// Answers how many of each sort went. Tombstones stay as long as a notification can: an operator may redrive a dead letter
/// that late.
async fn remove(tx: &Tx, read: Timestamp, unread: Timestamp, ended: Timestamp) -> Result<[u64; 4], DbErr> {
    Ok([
        notification::remove_read(tx, read, BATCH).await?,
        remove_unread(tx, unread).await?,
        tombstone::prune(tx, unread, BATCH).await?,
        delivery::forget(tx, ended, BATCH).await?,
    ])
}

/// Answers how many were found, of which a user may have read some at the last moment.
async fn remove_unread(tx: &Tx, before: Timestamp) -> Result<u64, DbErr> {
    let stale = notification::stale_unread(tx, before, BATCH).await?;
    if stale.is_empty() {
        return Ok(0);
    }
    let users: Vec<UserId> = stale.iter().map(|(user, _)| *user).collect();
    inbox::lock(tx, users).await?;
    let removed = notification::remove_unread(tx, &stale).await?;
    let changes: Vec<(UserId, i64)> = removed.iter().map(|one| (one.user, -1)).collect();
    let counts = inbox::change(tx, changes).await?;
    let mut gone: BTreeMap<UserId, Vec<NotificationId>> = BTreeMap::new();
    for one in removed {
        gone.entry(one.user).or_default().push(one.id);
    }
    for (user, mut ids) in gone {
        ids.sort_unstable();
        let unread_count = counts.get(&user).copied().unwrap_or_default();
        messaging::append(
            tx,
            &NotificationRead {
                user_id: user,
                notification_ids: ids,
                up_to: None,
                unread_count,
            },
        )?;
    }
    Ok(stale.len() as u64)
}
