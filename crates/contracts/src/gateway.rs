//! What gateway publishes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    event::events,
    id::{OrderId, UserId},
};

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

/// The gateway accepted an order; billing carries it out.
///
/// Keyed by the account, so that one account's orders are worked through in the order they were accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderRequested {
    /// Which order.
    pub order_id: OrderId,
    /// The account that pays.
    pub user_id: UserId,
    /// The plan's name.
    pub plan: String,
    /// How many seats.
    pub seats: u32,
    /// `month` or `year`.
    pub interval: String,
    /// ISO 4217; absent for the catalogue's own.
    pub currency: Option<String>,
    /// When the gateway accepted it.
    pub requested_at: Timestamp,
}

/// The gateway holds nothing of a closed account any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GatewayErased {
    /// Whose account.
    pub user_id: UserId,
    /// When.
    pub erased_at: Timestamp,
}

events! { Gateway:
    OrderRequested = "order.requested.v1" by user_id;
    GatewayErased = "erasure.gateway_completed.v1" by user_id;
    ClientThrottled = "client.throttled.v1" by client;
}
