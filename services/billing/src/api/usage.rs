//! What the caller uses, over HTTP.

use std::sync::Arc;

use chassis::{Problem, http::json::Json};
use identity::Bearer;
use poem_openapi::{Object, OpenApi, types::Example};
use serde::{Deserialize, Serialize};

use super::Tag;
use crate::{
    domain::{catalogue::FREE, subscription::SubscriptionError, usage::Meter},
    state::State,
    store,
};

/// One meter.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct MeterReading {
    /// `projects`, `members` or `tasks`.
    pub meter: String,
    /// What is used.
    pub used: u64,
    /// What the plan allows; null for no limit.
    pub limit: Option<u64>,
    /// The threshold that is reached, in percent: 80 or 100; null for none.
    pub threshold: Option<u32>,
}

/// The seats of a plan that is paid by the seat.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct SeatReading {
    /// Seats that are paid for.
    pub paid: u32,
    /// People who need one: everybody in the account's projects, counted once.
    pub needed: u64,
    /// How many people have none. Nobody is shut out for it; order the plan with so many seats more.
    pub missing: u64,
}

/// What the caller uses of what their plan allows.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Usage {
    /// The plan in force.
    pub plan: String,
    /// Every meter. They follow what happens within moments.
    pub meters: Vec<MeterReading>,
    /// Its seats; null for a plan without a price.
    pub seats: Option<SeatReading>,
}

impl Example for Usage {
    fn example() -> Self {
        Self {
            plan: "team".to_owned(),
            meters: vec![MeterReading {
                meter: "projects".to_owned(),
                used: 80,
                limit: Some(100),
                threshold: Some(80),
            }],
            seats: Some(SeatReading {
                paid: 3,
                needed: 4,
                missing: 1,
            }),
        }
    }
}

/// Operations on usage.
pub struct UsageApi {
    /// What they need.
    pub state: Arc<State>,
}

#[OpenApi]
impl UsageApi {
    /// Show what the caller uses of what their plan allows.
    #[oai(path = "/v1/usage", method = "get", operation_id = "getUsage", tag = "Tag::Usage")]
    async fn get_usage(&self, Bearer(caller): Bearer) -> Result<Json<Usage>, Problem> {
        Ok(Json(of(&self.state, caller.user).await?))
    }
}

/// What `user` uses.
pub(super) async fn of(state: &State, user: contracts::id::UserId) -> Result<Usage, SubscriptionError> {
    let db = state.db.read();
    let subscription = store::subscription::find(db, user).await?;
    let (mut meters, mut people) = (Vec::new(), 0);
    for meter in Meter::ALL {
        let reading = store::usage::read(db, user, meter).await?;
        if meter == Meter::Members {
            people = reading.used;
        }
        meters.push(MeterReading {
            meter: meter.name().to_owned(),
            used: reading.used,
            limit: match &subscription {
                Some(subscription) => meter.allowed(&subscription.limits),
                None => meter.allowed(&state.settings.catalogue.free.limits),
            },
            threshold: Some(reading.threshold).filter(|percent| *percent > 0),
        });
    }
    let paid = subscription.as_ref().filter(|subscription| subscription.plan != FREE);
    let seats = paid.map(|subscription| SeatReading {
        paid: subscription.seats,
        needed: people,
        missing: people.saturating_sub(subscription.seats.into()),
    });
    Ok(Usage {
        plan: subscription.map_or_else(|| FREE.to_owned(), |subscription| subscription.plan),
        meters,
        seats,
    })
}
