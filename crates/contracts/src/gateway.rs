//! What gateway publishes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Timestamp, event::events, id::UserId};

/// A client went on calling over its limit; published at most once a minute for each client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientThrottled {
    /// Whose limit: `user:usr_…` or `address:` and a hash of the address.
    pub client: String,
    /// The user, when signed in.
    pub user_id: Option<UserId>,
    /// The name of the limit that was passed.
    pub policy: String,
    /// When.
    pub throttled_at: Timestamp,
}

events! { Gateway:
    ClientThrottled = "client.throttled.v1" by client;
}
