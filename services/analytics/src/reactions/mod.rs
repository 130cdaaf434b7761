//! What this service does when it hears an event: every one of them is written down and folded into the projections, a
//! batch at a time.

mod log;

use std::time::Duration;

use chassis::Clock;
use messaging::Reactions;

/// How much later figures may be, so that a busy hub folds some hundred events at once.
const GATHERING: Duration = Duration::from_millis(200);

/// All reactions.
pub fn all(clock: &Clock) -> Reactions {
    Reactions::new()
        .observing(log::Log { clock: clock.clone() })
        .gathering(GATHERING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_name_this_service_as_a_consumer_of_exactly_what_it_reacts_to() {
        let reactions = all(&Clock::system());
        let differences = contracts::consumers::differences("analytics", |event_type| reactions.handles(event_type));
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }
}
