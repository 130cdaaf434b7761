//! What the relay owes to the broker inside this process, which forgets.
//!
//! - It drops a partition's oldest messages beyond 5 MiB, read or not: so at most [`WINDOW`] bytes of one outbox are on
//!   it that some group has not handled.
//! - It is empty at each start: so for each group the relay writes down up to which row the group has handled everything
//!   (a checkpoint), and the first step makes the later rows unsent again. A group that was never seen before gets all
//!   rows that are kept. What a group handled after the checkpoint comes twice, and its inbox drops it.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use contracts::Topic;
use database::Db;
use sea_orm::{ConnectionTrait, DbErr, Statement};
use tokio::{sync::watch, time::Instant};

use super::Place;
use crate::broker::Positions;

/// Bytes that may be on the broker unhandled; leaves it room for headers and framing.
const WINDOW: usize = 3 * 1024 * 1024;
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);

/// A row that the broker has acknowledged.
pub(super) struct Published {
    pub(super) seq: i64,
    topic: String,
    partition: i32,
    offset: i64,
    bytes: usize,
}

impl Published {
    pub(super) fn new(seq: i64, topic: String, bytes: usize, place: Place) -> Self {
        Self {
            seq,
            topic,
            partition: place.partition,
            offset: place.offset,
            bytes,
        }
    }
}

pub(super) struct Window {
    /// Acknowledged, in the order they were sent, from the first one that some group has not handled.
    outstanding: VecDeque<Published>,
    bytes: usize,
    moved: watch::Receiver<()>,
    recovered: bool,
    checkpointed: BTreeMap<(String, String), i64>,
    next_checkpoint: Instant,
}

impl Window {
    pub(super) fn new(moved: watch::Receiver<()>) -> Self {
        Self {
            outstanding: VecDeque::new(),
            bytes: 0,
            moved,
            recovered: false,
            checkpointed: BTreeMap::new(),
            next_checkpoint: Instant::now(),
        }
    }

    /// Bytes that may be sent now.
    pub(super) fn room(&self) -> usize {
        WINDOW.saturating_sub(self.bytes)
    }

    /// Remembers rows that were acknowledged.
    pub(super) fn sent(&mut self, rows: Vec<Published>) {
        self.bytes += rows.iter().map(|row| row.bytes).sum::<usize>();
        self.outstanding.extend(rows);
    }

    /// Ends when there may be room again; never while there is.
    pub(super) async fn freed(&self) {
        if self.room() > 0 {
            return std::future::pending().await;
        }
        super::changed(&self.moved).await
    }

    /// Forgets what all groups have handled, and writes a checkpoint from time to time.
    pub(super) async fn advance(&mut self, db: &Db, positions: &Positions) -> Result<(), DbErr> {
        self.moved.mark_unchanged();
        while let Some(first) = self.outstanding.front()
            && positions.all_handled(&first.topic, first.partition, first.offset)
        {
            self.bytes -= first.bytes;
            self.outstanding.pop_front();
        }
        if Instant::now() >= self.next_checkpoint {
            self.checkpoint(db, positions).await
        } else {
            Ok(())
        }
    }

    /// Once: makes the rows unsent that some group may not have handled when the last process ended.
    pub(super) async fn recover(&mut self, db: &Db, positions: &Positions) -> Result<(), DbErr> {
        if self.recovered {
            return Ok(());
        }
        let query = Statement::from_string(db.backend(), "SELECT consumer, topic, seq FROM outbox_checkpoint");
        let rows = db.read().query_all_raw(query).await?;
        let known = rows
            .iter()
            .map(|row| {
                Ok((
                    (row.try_get("", "consumer")?, row.try_get("", "topic")?),
                    row.try_get("", "seq")?,
                ))
            })
            .collect::<Result<BTreeMap<(String, String), i64>, DbErr>>()?;
        for topic in Topic::ALL.map(Topic::name) {
            let groups = positions.groups(topic);
            let handled = |group: &String| known.get(&(group.clone(), topic.to_owned())).copied().unwrap_or(0);
            let Some(after) = groups.iter().map(handled).min() else {
                continue;
            };
            let reset = Statement::from_sql_and_values(
                db.backend(),
                "UPDATE outbox SET sent_at = NULL WHERE seq > $1 AND topic = $2 AND sent_at IS NOT NULL",
                [after.into(), topic.into()],
            );
            let again = db.write(async |tx| tx.execute_raw(reset).await).await?.rows_affected();
            if again > 0 {
                tracing::info!(
                    topic,
                    events = again,
                    "published again, as the broker in this process forgot them"
                );
            }
        }
        self.checkpointed = known;
        self.recovered = true;
        Ok(())
    }

    /// Writes down how far each group is known to have come.
    pub(super) async fn checkpoint(&mut self, db: &Db, positions: &Positions) -> Result<(), DbErr> {
        self.next_checkpoint = Instant::now() + CHECKPOINT_EVERY;
        // Everything before the first unsent row was sent. SQLite commits rows in the order of `seq`, so none comes in
        // below later.
        let query = Statement::from_string(
            db.backend(),
            "SELECT COALESCE((SELECT MIN(seq) - 1 FROM outbox WHERE sent_at IS NULL), (SELECT MAX(seq) FROM outbox)) AS seq",
        );
        let sent: Option<i64> = match db.read().query_one_raw(query).await? {
            Some(row) => row.try_get("", "seq")?,
            None => None,
        };
        let Some(sent) = sent else { return Ok(()) };
        let mut changed = Vec::new();
        for topic in Topic::ALL.map(Topic::name) {
            for group in positions.groups(topic) {
                // The smallest, not the first: rows that the operator republished come late.
                let unhandled = self.outstanding.iter().filter(|row| {
                    row.topic == topic && !positions.has_handled(&group, topic, row.partition, row.offset)
                });
                let handled = unhandled
                    .map(|row| row.seq - 1)
                    .min()
                    .map_or(sent, |before| sent.min(before));
                let place = (group, topic.to_owned());
                if self.checkpointed.get(&place) != Some(&handled) {
                    changed.push((place, handled));
                }
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        db.write(async |tx| {
            for ((group, topic), seq) in &changed {
                let upsert = Statement::from_sql_and_values(
                    tx.get_database_backend(),
                    "INSERT INTO outbox_checkpoint (consumer, topic, seq) VALUES ($1, $2, $3) \
                     ON CONFLICT (consumer, topic) DO UPDATE SET seq = excluded.seq",
                    [group.clone().into(), topic.clone().into(), (*seq).into()],
                );
                tx.execute_raw(upsert).await?;
            }
            Ok::<_, DbErr>(())
        })
        .await?;
        self.checkpointed.extend(changed);
        Ok(())
    }
}
