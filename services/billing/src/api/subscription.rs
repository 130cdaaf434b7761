//! The caller's subscription over HTTP. It is changed by ordering; here it is looked at, ended and kept.

use std::sync::Arc;

use chassis::{
    Problem,
    http::{answer::Tagged, precondition},
};
use identity::{Bearer, Caller};
use poem_openapi::{Object, OpenApi, param::Header, types::Example};
use serde::{Deserialize, Serialize};

use super::{Tag, plan::Limits};
use crate::{
    domain::subscription::{self, Change, Status, SubscriptionError},
    flow,
    state::State,
    store,
};

/// What the caller has to their credit.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct Credit {
    /// ISO 4217.
    pub currency: String,
    /// In minor units; the next invoice uses it.
    pub amount_minor: i64,
}

/// A subscription.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// The plan in force.
    pub plan: String,
    /// `trialing`, `active`, `past_due` or `cancelled`.
    pub status: String,
    /// How many seats.
    pub seats: u32,
    /// How long is paid for at a time: `month` or `year`.
    pub interval: String,
    /// ISO 4217.
    pub currency: String,
    /// What a seat costs an interval, in minor units, without tax.
    pub seat_price_minor: i64,
    /// What it allows.
    pub limits: Limits,
    /// When the present period began.
    pub period_start: String,
    /// When it ends; null without a price.
    pub period_end: Option<String>,
    /// Whether the subscription ends with it.
    pub cancel_at_period_end: bool,
    /// What the account has to its credit; usually nothing.
    pub credit: Vec<Credit>,
    /// Rises with each change; the `ETag` is made of it.
    pub version: i64,
}

impl Example for Subscription {
    fn example() -> Self {
        Self {
            id: "sub_01k9xr2c4te6f8v0a2b4c6d8eg".to_owned(),
            plan: "team".to_owned(),
            status: "active".to_owned(),
            seats: 3,
            interval: "month".to_owned(),
            currency: "EUR".to_owned(),
            seat_price_minor: 900,
            limits: Limits {
                projects: Some(100),
                members: Some(200),
                tasks: Some(100_000),
                requests_per_minute: Some(3000),
            },
            period_start: "2026-11-13T09:30:00Z".to_owned(),
            period_end: Some("2026-12-13T09:30:00Z".to_owned()),
            cancel_at_period_end: false,
            credit: Vec::new(),
            version: 2,
        }
    }
}

impl Subscription {
    /// As it is answered.
    pub(super) fn new(subscription: &subscription::Subscription, credits: Vec<(String, i64)>) -> Self {
        let credit = |(currency, amount_minor)| Credit { currency, amount_minor };
        Self {
            id: subscription.id.to_string(),
            plan: subscription.plan.clone(),
            status: subscription.status.name().to_owned(),
            seats: subscription.seats,
            interval: subscription.interval.name().to_owned(),
            currency: subscription.currency.code().to_owned(),
            seat_price_minor: subscription.seat_price,
            limits: subscription.limits.into(),
            period_start: subscription.period_start.to_string(),
            period_end: subscription.period_end.map(|time| time.to_string()),
            cancel_at_period_end: subscription.cancel_at_period_end,
            credit: credits.into_iter().map(credit).collect(),
            version: subscription.version,
        }
    }
}

impl From<SubscriptionError> for Problem {
    fn from(error: SubscriptionError) -> Self {
        match error {
            SubscriptionError::NotFound => Problem::not_found("subscription-not-found", error.to_string()),
            SubscriptionError::NothingToCancel => Problem::conflict("nothing-to-cancel", error.to_string()),
            SubscriptionError::NothingToReactivate => Problem::conflict("nothing-to-reactivate", error.to_string()),
            SubscriptionError::Stale(problem) => problem,
            SubscriptionError::Store(_) => Problem::internal(error),
        }
    }
}

/// Operations on the subscription.
pub struct SubscriptionApi {
    /// What they need.
    pub state: Arc<State>,
}

#[OpenApi]
impl SubscriptionApi {
    /// Show the caller's subscription.
    #[oai(
        path = "/v1/subscription",
        method = "get",
        operation_id = "getSubscription",
        tag = "Tag::Subscription"
    )]
    async fn get_subscription(&self, Bearer(caller): Bearer) -> Result<Tagged<Subscription>, Problem> {
        let db = self.state.db.read();
        let found = store::subscription::find(db, caller.user)
            .await
            .map_err(SubscriptionError::from)?;
        let found = found.ok_or(SubscriptionError::NotFound)?;
        let credits = store::account::credits(db, caller.user)
            .await
            .map_err(SubscriptionError::from)?;
        Ok(Tagged {
            version: found.version,
            body: Subscription::new(&found, credits),
        })
    }

    /// End the subscription with the period that is paid. Doing it twice does no more.
    #[oai(
        path = "/v1/subscription/cancel",
        method = "post",
        operation_id = "cancelSubscription",
        tag = "Tag::Subscription"
    )]
    async fn cancel_subscription(
        &self,
        Bearer(caller): Bearer,
        /// `ETag` of the subscription; without it, whatever it is now.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
    ) -> Result<Tagged<Subscription>, Problem> {
        self.change(&caller, if_match.0.as_deref(), |subscription| {
            if subscription.is_free() {
                return Err(SubscriptionError::NothingToCancel);
            }
            let already = std::mem::replace(&mut subscription.cancel_at_period_end, true);
            Ok((!already).then_some(Change::CancelScheduled))
        })
        .await
    }

    /// Keep a subscription that is about to end. Doing it twice does no more.
    #[oai(
        path = "/v1/subscription/reactivate",
        method = "post",
        operation_id = "reactivateSubscription",
        tag = "Tag::Subscription"
    )]
    async fn reactivate_subscription(
        &self,
        Bearer(caller): Bearer,
        /// `ETag` of the subscription; without it, whatever it is now.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
    ) -> Result<Tagged<Subscription>, Problem> {
        self.change(&caller, if_match.0.as_deref(), |subscription| {
            if subscription.is_free() {
                return Err(SubscriptionError::NothingToReactivate);
            }
            let scheduled = std::mem::replace(&mut subscription.cancel_at_period_end, false);
            Ok(scheduled.then_some(Change::Reactivated))
        })
        .await
    }
}

impl SubscriptionApi {
    async fn change(
        &self,
        caller: &Caller,
        if_match: Option<&str>,
        change: impl Fn(&mut subscription::Subscription) -> Result<Option<Change>, SubscriptionError> + Send + Sync,
    ) -> Result<Tagged<Subscription>, Problem> {
        let expected = if_match
            .map(|header| precondition::if_match(Some(header)))
            .transpose()?;
        let (state, now) = (&self.state, self.state.clock.now());
        let body = state
            .db
            .write(async |tx| {
                let (_, mut subscription) = flow::account::take(state, tx, caller.user, now).await?;
                if let Some(expected) = &expected {
                    expected.check(subscription.version).map_err(SubscriptionError::Stale)?;
                }
                if subscription.status == Status::Cancelled {
                    return Err(SubscriptionError::NotFound);
                }
                if let Some(change) = change(&mut subscription)? {
                    flow::subscription::publish(state, tx, &mut subscription, change, now).await?;
                }
                let credits = store::account::credits(tx, caller.user).await?;
                Ok::<_, SubscriptionError>(Subscription::new(&subscription, credits))
            })
            .await?;
        Ok(Tagged {
            version: body.version,
            body,
        })
    }
}
