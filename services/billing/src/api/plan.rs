//! The catalogue over HTTP.

use std::sync::Arc;

use chassis::http::json::Json;
use contracts::billing::PlanLimits;
use poem_openapi::{Object, OpenApi, types::Example};
use serde::{Deserialize, Serialize};

use super::Tag;
use crate::{domain::catalogue, state::State};

/// What a plan allows; null is no limit.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct Limits {
    /// Projects that the account has made and not deleted.
    pub projects: Option<u64>,
    /// People in those projects, each counted once.
    pub members: Option<u64>,
    /// Tasks in those projects.
    pub tasks: Option<u64>,
    /// API requests a minute of one user.
    pub requests_per_minute: Option<u64>,
}

impl From<PlanLimits> for Limits {
    fn from(limits: PlanLimits) -> Self {
        Self {
            projects: limits.projects,
            members: limits.members,
            tasks: limits.tasks,
            requests_per_minute: limits.requests_per_minute,
        }
    }
}

/// What a seat costs.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct Price {
    /// For how long: `month` or `year`.
    pub interval: String,
    /// ISO 4217.
    pub currency: String,
    /// For one seat, in minor units (cents), without tax.
    pub amount_minor: i64,
}

/// A plan.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct Plan {
    /// Its name in orders.
    pub name: String,
    /// Its name to show.
    pub title: String,
    /// Whether it can be ordered by who does not have it.
    pub orderable: bool,
    /// Days that an account's first subscription is free of charge.
    pub trial_days: u32,
    /// What it allows.
    pub limits: Limits,
    /// What a seat costs; empty for the free plan.
    pub prices: Vec<Price>,
}

/// The catalogue.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Plans {
    /// Rises with every change.
    pub version: i64,
    /// The currency of an order that names none.
    pub currency: String,
    /// The plans.
    pub plans: Vec<Plan>,
}

impl Example for Plans {
    fn example() -> Self {
        Self {
            version: 1,
            currency: "EUR".to_owned(),
            plans: vec![Plan {
                name: "team".to_owned(),
                title: "Team".to_owned(),
                orderable: true,
                trial_days: 0,
                limits: Limits {
                    projects: Some(100),
                    members: Some(200),
                    tasks: Some(100_000),
                    requests_per_minute: Some(3000),
                },
                prices: vec![Price {
                    interval: "month".to_owned(),
                    currency: "EUR".to_owned(),
                    amount_minor: 900,
                }],
            }],
        }
    }
}

impl From<&catalogue::Plan> for Plan {
    fn from(plan: &catalogue::Plan) -> Self {
        let price = |price: &catalogue::Price| Price {
            interval: price.interval.name().to_owned(),
            currency: price.currency.code().to_owned(),
            amount_minor: price.amount_minor,
        };
        Self {
            name: plan.name.clone(),
            title: plan.title.clone(),
            orderable: plan.orderable,
            trial_days: plan.trial_days,
            limits: plan.limits.into(),
            prices: plan.prices.iter().map(price).collect(),
        }
    }
}

/// Operations on the catalogue.
pub struct PlanApi {
    /// What they need.
    pub state: Arc<State>,
}

#[OpenApi]
impl PlanApi {
    /// List the plans, what they allow and cost.
    #[oai(path = "/v1/plans", method = "get", operation_id = "listPlans", tag = "Tag::Plans")]
    async fn list_plans(&self) -> Json<Plans> {
        let catalogue = &self.state.settings.catalogue;
        Json(Plans {
            version: catalogue.version,
            currency: catalogue.currency.code().to_owned(),
            plans: catalogue.plans.iter().map(Plan::from).collect(),
        })
    }
}
