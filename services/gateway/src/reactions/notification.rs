//! Changes of a user's inbox go to that user.

use contracts::notification::{NotificationCreated, NotificationRead};
use messaging::Reactions;

use super::{Announce, Announced};
use crate::domain::audience::Audience;

pub(super) fn add(reactions: Reactions) -> Reactions {
    reactions
        .on(Announce::<NotificationCreated>::new())
        .on(Announce::<NotificationRead>::new())
}

impl Announced for NotificationCreated {
    fn audience(&self) -> Audience {
        Audience::user(self.user_id)
    }
}

impl Announced for NotificationRead {
    fn audience(&self) -> Audience {
        Audience::user(self.user_id)
    }
}
