//! A payment: one attempt to collect what an invoice asks for.
//!
//! ```text
//! pending → charging → waiting → succeeded
//!              └──────────┴────→ failed | cancelled
//! ```
//!
//! `charging`: the provider is being asked, and may have taken the money although nobody has heard its answer yet. After a
//! crash the provider is asked again with the same key, the payment's id. `waiting`: the provider has it, and somebody else
//! has to act: the payer, or a bank. A payment that was declined is over; the next attempt is a payment of its own.

use std::time::Duration;

use contracts::{
    Timestamp,
    id::{InvoiceId, OrderId, PaymentId, UserId},
};

use super::money::Currency;

/// How far a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not begun; its time may not have come.
    Pending,
    /// The provider is being asked.
    Charging,
    /// Somebody else has to act.
    Waiting,
    /// The money is there.
    Succeeded,
    /// Declined.
    Failed,
    /// Called off.
    Cancelled,
}

impl State {
    /// The name in answers and the database.
    pub const fn name(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Charging => "charging",
            State::Waiting => "waiting",
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
        }
    }

    /// Whether it can still succeed.
    pub const fn is_open(self) -> bool {
        matches!(self, State::Pending | State::Charging | State::Waiting)
    }
}

impl std::str::FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        use State::{Cancelled, Charging, Failed, Pending, Succeeded, Waiting};
        [Pending, Charging, Waiting, Succeeded, Failed, Cancelled]
            .into_iter()
            .find(|state| state.name() == text)
            .ok_or_else(|| format!("unknown state of a payment: {text}"))
    }
}

/// What a provider is asked to collect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Which payment; the key by which the provider knows a repeated request.
    pub payment: PaymentId,
    /// Of which invoice.
    pub invoice: InvoiceId,
    /// Its number, for the payer's statement.
    pub number: String,
    /// Because of which order; a renewal has none, and nobody is there to confirm it.
    pub order: Option<OrderId>,
    /// Who pays.
    pub user: UserId,
    /// The provider's own name for them, when it gave one.
    pub customer: Option<String>,
    /// What they pay with.
    pub method: Option<String>,
    /// In what.
    pub currency: Currency,
    /// How much, in minor units.
    pub amount: i64,
    /// Which attempt for the invoice, from 1.
    pub attempt: i64,
    /// How many times the provider was asked for this one, with the present time.
    pub tries: i64,
}

/// What a provider says about a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The money is there.
    Succeeded {
        /// The provider's name for it.
        reference: String,
    },
    /// It will not come.
    Declined {
        /// Why, as the payer may read it.
        reason: String,
    },
    /// The payer has to do something.
    ActionRequired {
        /// The provider's name for it.
        reference: String,
        /// What the payer's page needs for that.
        action: String,
    },
    /// It takes its time.
    Processing {
        /// The provider's name for it.
        reference: String,
    },
    /// A bank transfer is expected until the invoice is due.
    AwaitingTransfer,
    /// It was called off before anything was taken.
    Cancelled,
}

/// What a provider answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What became of the payment.
    pub outcome: Outcome,
    /// The provider's name for the payer, when it gave a new one.
    pub customer: Option<String>,
}

impl From<Outcome> for Report {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            customer: None,
        }
    }
}

/// Nobody knows what became of a charge: it is asked for again, with the same key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the outcome is not known: {0}")]
pub struct Unknown(pub String);

/// How payments are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How long an attempt may take before another replica takes over.
    pub lease: Duration,
    /// After the first failed charge of a renewal: when it is tried again.
    pub dunning: Vec<Duration>,
    /// How long a payer has to confirm.
    pub action: Duration,
}

impl Policy {
    /// How often a payment is looked at that waits for somebody else; a webhook usually comes first.
    pub const LOOK: Duration = Duration::from_secs(60);

    /// When a charge is asked for again whose outcome is not known, after so many tries: 2 s, doubling, up to 10 minutes.
    pub fn ask_again(tries: i64) -> Duration {
        let doublings = u32::try_from(tries.clamp(1, 10) - 1).unwrap_or(0);
        Duration::from_secs(2_u64 << doublings).min(Duration::from_secs(600))
    }

    /// When attempt number `attempt` of a renewal, which failed, is followed by the next; `None`: it is given up.
    pub fn next_attempt(&self, attempt: i64, first_failure: Timestamp) -> Option<Timestamp> {
        let place = usize::try_from(attempt.checked_sub(1)?).ok()?;
        self.dunning.get(place).map(|pause| first_failure + *pause)
    }
}

/// Why a payment method cannot be set.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// There is no such account yet, or it is closed.
    #[error("this account has no subscription yet; it gets one within moments of its registration")]
    NoAccount,
    /// The database failed.
    #[error("reading or storing the payment")]
    Store(#[from] sea_orm::DbErr),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_is_tried_by_its_schedule_and_then_given_up() {
        let day = |many: u64| Duration::from_secs(many * 24 * 3600);
        let policy = Policy {
            lease: day(1),
            dunning: vec![day(1), day(3)],
            action: day(1),
        };
        let first = Timestamp::from_micros(0);
        assert_eq!(policy.next_attempt(1, first), Some(first + day(1)));
        assert_eq!(policy.next_attempt(2, first), Some(first + day(3)));
        assert_eq!(policy.next_attempt(3, first), None);
        assert_eq!(policy.next_attempt(0, first), None);
    }

    #[test]
    fn a_provider_that_does_not_answer_is_asked_less_and_less_often() {
        let pauses: Vec<u64> = [1, 2, 3, 9, 10, i64::MAX]
            .iter()
            .map(|tries| Policy::ask_again(*tries).as_secs())
            .collect();
        assert_eq!(pauses, [2, 4, 8, 512, 600, 600]);
    }
}
