//! What the neighbouring release says reaches this one's reactions.

use std::path::{Path, PathBuf};

use chassis::Service;
use contracts::{Envelope, EventId, consumers};
use messaging::inbox::Outcome;
use serde_json::Value;

use crate::service::TestService;

impl<S: Service> TestService<S> {
    /// Brings every event that the service reacts to, as the AsyncAPI document shows it: none may become a dead letter.
    ///
    /// The document is that of the release whose folder `NEXT_RELEASE` names (`scripts/n-1`), else this one's.
    ///
    /// # Panics
    /// With every event that was not handled, and when there was none.
    pub async fn check_events(&self) {
        let (mut wrong, mut handled) = (Vec::new(), 0);
        for (event_type, headers, value) in examples() {
            if !consumers::of(&event_type).contains(&S::NAME) {
                continue;
            }
            let text = |name: &str| headers[name].as_str().unwrap_or_default().to_owned();
            let envelope = Envelope {
                id: EventId::new(),
                source: text("ce_source"),
                event_type: event_type.clone(),
                time: self.clock.now(),
                subject: text("ce_subject"),
                causation_id: None,
                traceparent: None,
                tracestate: None,
            };
            let outcome = self.deliver_as(&envelope, value.to_string()).await;
            if outcome == Outcome::Applied {
                handled += 1;
                continue;
            }
            let letters = self.dead_letters().await;
            let why = letters.last().map(|letter| letter.error.clone()).unwrap_or_default();
            wrong.push(format!("{event_type}: {outcome:?} {why}"));
        }
        assert!(wrong.is_empty(), "events:\n{}", wrong.join("\n"));
        assert!(handled > 0, "{} heard nothing", S::NAME);
    }
}

/// Type, headers and value of one event of each type.
fn examples() -> Vec<(String, Value, Value)> {
    let root = match std::env::var_os("NEXT_RELEASE").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."),
    };
    let path = root.join("docs/asyncapi.yaml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let document: Value = serde_saphyr::from_str(&text).expect("the AsyncAPI document");
    let messages = document["components"]["messages"].as_object().expect("messages");
    let example = |message: &Value| {
        let example = &message["examples"][0];
        let name = message["name"].as_str().expect("a name").to_owned();
        (name, example["headers"].clone(), example["payload"].clone())
    };
    messages.values().map(example).collect()
}
