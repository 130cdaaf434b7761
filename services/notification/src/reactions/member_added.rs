//! `member.added`: the membership is remembered; who was added by somebody else is told, also when an invitation waited for
//! their account.

use async_trait::async_trait;
use chassis::Clock;
use contracts::project::MemberAdded;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use super::notify::notify;
use crate::{
    domain::notification::{Kind, News, one_line},
    store::membership,
};

pub(super) struct MemberAddedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for MemberAddedReaction {
    type Event = MemberAdded;

    async fn react(&self, tx: &Tx, received: &Received<MemberAdded>) -> Result<(), ReactionError> {
        let event = &received.event;
        membership::learn(tx, event.project_id, event.user_id, &event.role, event.version).await?;
        let news = News {
            actor: Some(event.actor_id),
            project: Some(event.project_id),
            subject: one_line(&event.project_name),
            detail: one_line(&event.role),
            ..News::new(
                Kind::ProjectInvited,
                format!("invited:{}:{}", event.project_id, event.version),
                received.envelope.time,
            )
        };
        Ok(notify(tx, &news, [event.user_id], self.clock.now()).await?)
    }
}
