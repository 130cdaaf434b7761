//! How a refused creation is told: 402 with what is used, what is allowed, and where to get more.

use chassis::Problem;
use poem::http::StatusCode;

use crate::domain::quota::{Exceeded, QuotaError};

/// Where the plans are.
const PLANS: &str = "/v1/plans";

impl From<QuotaError> for Problem {
    fn from(error: QuotaError) -> Self {
        match error {
            QuotaError::Exceeded(exceeded) => exceeded.into(),
            QuotaError::Store(_) => Problem::internal(error),
        }
    }
}

impl From<Exceeded> for Problem {
    fn from(exceeded: Exceeded) -> Self {
        let detail = format!("{exceeded}; GET {PLANS} lists them and POST /v1/orders orders one");
        Problem::new(StatusCode::PAYMENT_REQUIRED, "quota-exceeded", detail)
            .with_member("meter", exceeded.meter.name())
            .with_member("used", exceeded.used)
            .with_member("limit", exceeded.limit)
            .with_member("plan", exceeded.plan)
            .with_member("upgrade", PLANS)
    }
}
