//! Bank transfer: the invoice says where to, and an admin records what came in.

use async_trait::async_trait;

use super::PaymentProvider;
use crate::domain::payment::{Charge, Outcome, Report, Unknown};

/// Waits for bank transfers.
#[derive(Debug, Clone, Copy)]
pub struct Manual;

#[async_trait]
impl PaymentProvider for Manual {
    async fn charge(&self, charge: &Charge) -> Result<Report, Unknown> {
        // A later attempt comes after the invoice was due: there is nothing to wait for but the admin.
        Ok(if charge.attempt > 1 {
            declined()
        } else {
            Outcome::AwaitingTransfer.into()
        })
    }

    async fn look(&self, _: &str) -> Result<Report, Unknown> {
        Ok(Outcome::AwaitingTransfer.into())
    }

    async fn cancel(&self, _: &str) -> Result<Report, Unknown> {
        Ok(Outcome::Cancelled.into())
    }

    fn check_method(&self, _: &str) -> Result<(), String> {
        Err("invoices are paid by bank transfer here; no payment method is needed".to_owned())
    }
}

fn declined() -> Report {
    let reason = "no bank transfer has come in yet".to_owned();
    Outcome::Declined { reason }.into()
}
