//! What tests start: a service in its own database, people who call it, events that reach it, a clock to set.
//!
//! Nothing runs by itself. Requests go through the whole HTTP stack in process; events through the inbox, as the consumer
//! brings them; workers do a step when the test says so. So a test waits for nothing and reads as a story:
//!
//! ```ignore
//! let app = TestService::<Project>::start().await;
//! let ada = app.user();
//! ada.post("/v1/projects", json!({"name": "Apollo"})).await.expect(201);
//! assert_eq!(app.published().await[0].event_type, "com.cloudtaskhub.project.created.v1");
//! ```

mod actor;
mod authorisation;
mod keys;
mod neighbour;
pub mod openapi;
mod place;
mod published;
mod service;
pub mod settings;
mod wait;

pub use actor::{Actor, Answer, Call};
pub use messaging::inbox::Outcome;
pub use published::Published;
pub use service::TestService;
pub use wait::eventually;
