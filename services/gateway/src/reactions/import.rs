//! How an import gets on goes to who asked for it.

use contracts::project::ImportProgressed;
use messaging::Reactions;

use super::{Announce, Announced};
use crate::domain::audience::Audience;

pub(super) fn add(reactions: Reactions) -> Reactions {
    reactions.on(Announce::<ImportProgressed>::new())
}

impl Announced for ImportProgressed {
    fn audience(&self) -> Audience {
        Audience::user(self.user_id)
    }
}
