//! The gateway's own operations.

mod home;
mod order;
mod personal_data;
mod stream;

use poem_openapi::Tags;

pub use home::HomeApi;
pub use order::OrderApi;
pub use personal_data::PersonalDataApi;
pub use stream::StreamApi;

/// Groups in the document.
#[derive(Tags)]
pub(crate) enum Tag {
    /// What concerns the caller: at a glance, and live.
    Overview,
    /// Ordering a plan, and what became of it.
    Orders,
}
