//! `user.password_changed`: its owner is told, whoever did it.

use async_trait::async_trait;
use chassis::Clock;
use contracts::auth::UserPasswordChanged;
use database::Tx;
use messaging::{Reaction, ReactionError, Received};

use super::notify::notify;
use crate::domain::notification::{Kind, News};

pub(super) struct UserPasswordChangedReaction {
    pub(super) clock: Clock,
}

#[async_trait]
impl Reaction for UserPasswordChangedReaction {
    type Event = UserPasswordChanged;

    async fn react(&self, tx: &Tx, received: &Received<UserPasswordChanged>) -> Result<(), ReactionError> {
        let event = &received.event;
        let news = News {
            detail: if event.by_reset {
                "reset".to_owned()
            } else {
                String::new()
            },
            ..News::new(
                Kind::PasswordChanged,
                format!("password:{}", event.version),
                received.envelope.time,
            )
        };
        Ok(notify(tx, &news, [event.user_id], self.clock.now()).await?)
    }
}
