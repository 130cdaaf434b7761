//! What this service does when it hears an event: event in, transaction, nothing else.

mod member_added;
mod member_removed;
mod order_requested;
mod project_created;
mod project_deleted;
mod task_created;
mod task_deleted;
mod user_deleted;
mod user_registered;
mod user_updated;

use std::{sync::Arc, time::Duration};

use messaging::Reactions;

use crate::state::State;

/// Usage is counted in larger batches; an order waits no longer than anybody would notice.
const GATHERING: Duration = Duration::from_millis(50);

/// All reactions.
pub fn all(state: &Arc<State>) -> Reactions {
    let clock = || state.clock.clone();
    let state = || Arc::clone(state);
    Reactions::new()
        .on(order_requested::OrderRequestedReaction { state: state() })
        .on(user_registered::UserRegisteredReaction { state: state() })
        .on(user_updated::UserUpdatedReaction)
        .on(user_deleted::UserDeletedReaction { state: state() })
        .on(project_created::ProjectCreatedReaction { clock: clock() })
        .on(project_deleted::ProjectDeletedReaction { clock: clock() })
        .on(member_added::MemberAddedReaction { clock: clock() })
        .on(member_removed::MemberRemovedReaction { clock: clock() })
        .on(task_created::TaskCreatedReaction { clock: clock() })
        .on(task_deleted::TaskDeletedReaction { clock: clock() })
        .gathering(GATHERING)
}
