//! What makes a process a service: configuration, telemetry, HTTP, errors, health, life and death.
//!
//! A service implements [`Service`]; [`run`] makes a process of it. Several services in one process are a [`Process`].

pub mod assembled;
pub mod cli;
pub mod clock;
pub mod http;
pub mod process;
pub mod service;
pub mod settings;
pub mod tasks;
pub mod telemetry;

/// glibc's allocator keeps what password hashing (19 MiB at a time, on many threads) once took: four times the memory in
/// use after a few sign-ins. It does the same with what SQLite and librdkafka take on their some sixty threads in the embedded
/// hub (measured during an import: 39 MB in use, 130 MB kept), so `override` makes this their allocator, too. `no_thp`:
/// otherwise half of the memory is huge pages that are hardly used.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use assembled::{Assembled, Configured, migrations};
pub use cli::{Desk, run, statement};
pub use clock::Clock;
pub use http::problem::{FieldError, Problem};
pub use messaging::worker;
pub use process::{Addresses, Process};
pub use service::{Api, Assembly, Boot, Service};
pub use settings::{Settings, Source};
pub use tasks::Tasks;
