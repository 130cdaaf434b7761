//! `milestone.reached`: the members of the project are told.

use async_trait::async_trait;
use chassis::Clock;
use contracts::analytics::MilestoneReached;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use super::notify::notify;
use crate::domain::notification::{Kind, News, one_line};

pub(super) struct MilestoneReachedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for MilestoneReachedReaction {
    type Event = MilestoneReached;

    async fn react(&self, tx: &Tx, received: &Received<MilestoneReached>) -> Result<(), ReactionError> {
        let event = &received.event;
        let news = News {
            project: Some(event.project_id),
            subject: one_line(&event.project_name),
            detail: event.value.to_string(),
            ..News::new(
                Kind::MilestoneReached,
                format!("milestone:{}:{}:{}", event.project_id, event.measure, event.value),
                received.envelope.time,
            )
        };
        Ok(notify(tx, &news, event.member_ids.iter().copied(), self.clock.now()).await?)
    }
}
