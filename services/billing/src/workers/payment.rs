//! Carries payments out, one a step: claim, ask the provider, record.
//!
//! Between asking and recording the process may die. The payment then stays in `charging` until its lease is over, and the
//! provider is asked again with the same key, so money is taken once.

use std::sync::Arc;

use async_trait::async_trait;
use contracts::Timestamp;
use messaging::worker::{Step, StepError, Worker};
use sea_orm::DbErr;

use crate::{
    domain::payment::{Charge, Outcome, Report, State as Payment, Unknown},
    flow,
    settings::Provider,
    state::State,
    store::{self, payment::Model},
};

/// Carries payments out.
pub struct Cashier {
    /// What it needs.
    pub state: Arc<State>,
}

#[async_trait]
impl Worker for Cashier {
    fn name(&self) -> &'static str {
        "payments"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        let state = &self.state;
        let now = state.clock.now();
        // A read first: looking for work four times a second must not take the writer's turn.
        if !store::payment::is_due(state.db.read(), now).await? {
            return Ok(Step::Drained);
        }
        let policy = &state.settings.payment;
        let claimed = state
            .db
            .write(async |tx| store::payment::claim(tx, policy, now).await)
            .await?;
        let Some(payment) = claimed else {
            return Ok(Step::Drained);
        };
        let answer = self.ask(&payment, now).await?;
        if let Some(provider) = Provider::named(&payment.provider) {
            state.metrics.payment(provider.name(), &answer);
        }
        if let Err(unknown) = &answer {
            tracing::warn!(payment = %payment.id, tries = payment.tries, error = %unknown, "a payment is not settled");
        }
        let (id, now) = (payment.id, state.clock.now());
        state
            .db
            .write(async |tx| flow::payment::record(state, tx, id, answer.clone(), now).await)
            .await?;
        Ok(Step::Full)
    }
}

impl Cashier {
    async fn ask(&self, payment: &Model, now: Timestamp) -> Result<Result<Report, Unknown>, StepError> {
        let Some(provider) = self.state.providers.named(&payment.provider) else {
            let text = format!(
                "{} is not set up; set it up again to settle this payment",
                payment.provider
            );
            return Ok(Err(Unknown(text)));
        };
        let waiting = payment.read_state()? == Payment::Waiting;
        if let (true, Some(reference)) = (waiting, &payment.reference) {
            let late = payment.deadline.is_some_and(|deadline| deadline <= now);
            return Ok(if late || payment.cancel_requested {
                provider.cancel(reference).await
            } else {
                provider.look(reference).await
            });
        }
        if payment.cancel_requested && payment.tries == 1 {
            // Nobody was asked yet.
            return Ok(Ok(Outcome::Cancelled.into()));
        }
        let charge = self.charge(payment).await?;
        Ok(provider.charge(&charge).await)
    }

    async fn charge(&self, payment: &Model) -> Result<Charge, DbErr> {
        let db = self.state.db.read();
        let missing = |what: &str| DbErr::RecordNotFound(format!("{what} of payment {}", payment.id));
        let invoice = store::invoice::find(db, payment.invoice_id)
            .await?
            .ok_or_else(|| missing("the invoice"))?;
        let account = store::account::find(db, payment.user_id)
            .await?
            .ok_or_else(|| missing("the account"))?;
        Ok(Charge {
            payment: payment.id,
            invoice: invoice.id,
            number: invoice.number,
            order: payment.order_id,
            user: payment.user_id,
            customer: account.customer,
            method: payment.method.clone(),
            currency: payment.currency.parse().map_err(DbErr::Type)?,
            amount: payment.amount_minor,
            attempt: payment.attempt,
            tries: payment.tries,
        })
    }
}
