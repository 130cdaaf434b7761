//! Nobody pays: the payment method chooses what becomes of a charge.
//!
//! The answer depends on nothing but the charge, so a repeated one gets the same, as with a real provider's idempotency keys.

use async_trait::async_trait;

use super::PaymentProvider;
use crate::domain::payment::{Charge, Outcome, Report, Unknown};

/// Pays at once; also what happens without any method.
const PAYS: &str = "sandbox_pays";
/// Is declined.
const DECLINED: &str = "sandbox_declined";
/// Has to be confirmed, and is by the next look.
const CONFIRMED: &str = "sandbox_confirmed";
/// Has to be confirmed, and never is.
const UNCONFIRMED: &str = "sandbox_unconfirmed";
/// Nobody knows.
const UNREACHABLE: &str = "sandbox_unreachable";

const METHODS: [&str; 5] = [PAYS, DECLINED, CONFIRMED, UNCONFIRMED, UNREACHABLE];

/// Answers as the payment method says.
#[derive(Debug, Clone, Copy)]
pub struct Sandbox;

#[async_trait]
impl PaymentProvider for Sandbox {
    async fn charge(&self, charge: &Charge) -> Result<Report, Unknown> {
        let method = charge.method.as_deref().unwrap_or(PAYS);
        let reference = format!("{method}:{}", charge.payment);
        let outcome = match method {
            DECLINED => Outcome::Declined {
                reason: "the card was declined".to_owned(),
            },
            CONFIRMED | UNCONFIRMED => Outcome::ActionRequired {
                action: reference.clone(),
                reference,
            },
            UNREACHABLE => return Err(Unknown("the sandbox was told not to answer".to_owned())),
            _ => Outcome::Succeeded { reference },
        };
        Ok(outcome.into())
    }

    async fn look(&self, reference: &str) -> Result<Report, Unknown> {
        let reference = reference.to_owned();
        let outcome = if reference.starts_with(UNCONFIRMED) {
            Outcome::ActionRequired {
                action: reference.clone(),
                reference,
            }
        } else {
            Outcome::Succeeded { reference }
        };
        Ok(outcome.into())
    }

    async fn cancel(&self, _: &str) -> Result<Report, Unknown> {
        Ok(Outcome::Cancelled.into())
    }

    fn check_method(&self, token: &str) -> Result<(), String> {
        if METHODS.contains(&token) {
            Ok(())
        } else {
            Err(format!("must be one of {}", METHODS.join(", ")))
        }
    }
}
