//! What the caller pays with, and what Stripe tells us.

use std::{sync::Arc, time::Duration};

use chassis::{
    FieldError, Problem,
    http::{answer::NoContent, json::Json},
};
use identity::Bearer;
use poem::{Request, RequestBody, http::StatusCode};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions, Object, OpenApi,
    param::Header,
    registry::{MetaMediaType, MetaRequest, Registry},
    types::{Example, Type},
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::Tag;
use crate::{
    domain::payment::{PaymentError, Unknown},
    flow,
    providers::webhook::{self, SignatureError},
    settings::Provider,
    state::State,
    store,
};

/// The largest webhook that is read; Stripe's have some kilobytes.
const MOST_BYTES: usize = 256 * 1024;

/// What the caller pays with.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct SetPaymentMethod {
    /// The provider's name for it. With Stripe, the id that Stripe gave the client's page (`pm_…`); in the sandbox, what shall
    /// become of charges: `sandbox_pays`, `sandbox_declined`, `sandbox_confirmed`, `sandbox_unconfirmed`,
    /// `sandbox_unreachable`.
    #[oai(validator(min_length = 1, max_length = 100))]
    pub token: String,
}

impl Example for SetPaymentMethod {
    fn example() -> Self {
        Self {
            token: "sandbox_pays".to_owned(),
        }
    }
}

/// What the caller pays with.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct PaymentMethod {
    /// Who charges: `stripe`, `manual` or `sandbox`.
    pub provider: String,
    /// The provider's name for it; null for none.
    pub token: Option<String>,
}

impl Example for PaymentMethod {
    fn example() -> Self {
        Self {
            provider: "sandbox".to_owned(),
            token: Some("sandbox_pays".to_owned()),
        }
    }
}

/// An event of Stripe's, as far as it is read: <https://docs.stripe.com/api/events/object>.
#[derive(Debug, Clone, Deserialize, Object)]
#[oai(example)]
pub struct StripeEvent {
    /// Its id.
    pub id: String,
    /// What happened: `payment_intent.succeeded`, …
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// What it happened to.
    pub data: StripeEventData,
}

/// What an event of Stripe's is about.
#[derive(Debug, Clone, Deserialize, Object)]
pub struct StripeEventData {
    /// The thing.
    pub object: StripeObject,
}

/// A thing of Stripe's.
#[derive(Debug, Clone, Deserialize, Object)]
pub struct StripeObject {
    /// Its id: `pi_…`
    pub id: String,
}

impl Example for StripeEvent {
    fn example() -> Self {
        Self {
            id: "evt_example".to_owned(),
            kind: "payment_intent.succeeded".to_owned(),
            data: StripeEventData {
                object: StripeObject {
                    id: "pi_example".to_owned(),
                },
            },
        }
    }
}

/// The body as it was signed, byte by byte.
pub struct SignedBody(Vec<u8>);

impl<'a> ApiExtractor<'a> for SignedBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        StripeEvent::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: "application/json",
                schema: StripeEvent::schema_ref(),
            }],
            required: true,
        })
    }

    async fn from_request(
        _: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        let bytes = body.take()?.into_bytes_limit(MOST_BYTES).await?;
        Ok(Self(bytes.into()))
    }
}

impl From<PaymentError> for Problem {
    fn from(error: PaymentError) -> Self {
        match error {
            PaymentError::NoAccount => Problem::not_found("subscription-not-found", error.to_string()),
            PaymentError::Store(_) => Problem::internal(error),
        }
    }
}

impl From<SignatureError> for Problem {
    fn from(error: SignatureError) -> Self {
        match error {
            SignatureError::Malformed | SignatureError::Stale | SignatureError::Mismatch => {
                Problem::new(StatusCode::BAD_REQUEST, "signature-invalid", error.to_string())
            }
        }
    }
}

/// Operations on payments.
pub struct PaymentApi {
    /// What they need.
    pub state: Arc<State>,
}

#[OpenApi]
impl PaymentApi {
    /// Show what the caller pays with.
    #[oai(
        path = "/v1/payment-method",
        method = "get",
        operation_id = "getPaymentMethod",
        tag = "Tag::Payments"
    )]
    async fn get_payment_method(&self, Bearer(caller): Bearer) -> Result<Json<PaymentMethod>, Problem> {
        let account = store::account::find(self.state.db.read(), caller.user)
            .await
            .map_err(PaymentError::from)?;
        Ok(Json(self.method(account.and_then(|account| account.method))))
    }

    /// Set what the caller pays with. An unpaid renewal is tried again with it at once.
    #[oai(
        path = "/v1/payment-method",
        method = "put",
        operation_id = "setPaymentMethod",
        tag = "Tag::Payments"
    )]
    async fn set_payment_method(
        &self,
        Bearer(caller): Bearer,
        body: Json<SetPaymentMethod>,
    ) -> Result<Json<PaymentMethod>, Problem> {
        let (state, now, token) = (&self.state, self.state.clock.now(), body.0.token);
        state
            .providers
            .current()
            .check_method(&token)
            .map_err(|detail| Problem::invalid(vec![FieldError::new("/token", detail)]))?;
        state
            .db
            .write(async |tx| {
                let (account, _) = flow::account::take(state, tx, caller.user, now).await?;
                if account.closed_at.is_some() {
                    return Err(PaymentError::NoAccount);
                }
                store::account::set_method(tx, caller.user, Some(&token)).await?;
                store::payment::hurry(tx, caller.user, now).await?;
                Ok::<_, PaymentError>(())
            })
            .await?;
        Ok(Json(self.method(Some(token))))
    }

    /// Hear from Stripe that something became of a payment. For Stripe, which signs what it sends.
    #[oai(
        path = "/v1/payment-webhooks/stripe",
        method = "post",
        operation_id = "receiveStripeEvent",
        tag = "Tag::Payments"
    )]
    async fn receive_stripe_event(
        &self,
        /// As Stripe makes it: `t=1700000000,v1=…`
        #[oai(name = "Stripe-Signature")]
        signature: Header<Option<String>>,
        body: SignedBody,
    ) -> Result<NoContent, Problem> {
        let (state, now) = (&self.state, self.state.clock.now());
        let secret = state
            .settings
            .stripe
            .as_ref()
            .and_then(|stripe| stripe.webhook_secret.as_ref());
        let secret = secret.ok_or_else(|| {
            let detail = "this hub takes no webhooks of Stripe's; set billing.stripe.webhook_secret";
            Problem::not_found("webhook-not-set-up", detail)
        })?;
        webhook::verify(signature.0.as_deref(), &body.0, secret.expose_secret(), now)?;
        // Signed, so it is Stripe's; an event that is not about a payment of ours is none of our business.
        let event: StripeEvent = match serde_json::from_slice(&body.0) {
            Ok(event) => event,
            Err(error) => return Err(Problem::malformed(format!("this is no event of Stripe's: {error}"))),
        };
        if event.kind.starts_with("payment_intent.") {
            self.look(&event.data.object.id).await?;
            tracing::info!(event = %event.id, kind = %event.kind, "a webhook of Stripe's");
        }
        Ok(NoContent)
    }
}

impl PaymentApi {
    /// Something may have become of the payment that Stripe knows by `reference`.
    async fn look(&self, reference: &str) -> Result<(), Problem> {
        const STRIPE: &str = Provider::Stripe.name();
        let (state, now) = (&self.state, self.state.clock.now());
        // What PostgreSQL cannot store is no reference of ours.
        let plain = reference.bytes().all(|byte| byte.is_ascii_graphic());
        let found = match plain {
            true => store::payment::referred_to(state.db.read(), STRIPE, reference).await,
            false => Ok(None),
        };
        let Some(payment) = found.map_err(PaymentError::from)? else {
            return Ok(());
        };
        let over = !payment.read_state().map_err(PaymentError::from)?.is_open();
        // A payer may still have confirmed what was given up here. The cashier is done with it, so it is asked for now.
        let answer = match state.providers.named(STRIPE) {
            Some(stripe) if over => Some(stripe.look(reference).await),
            _ => None,
        };
        let id = payment.id;
        let recorded = state.db.write(async |tx| match &answer {
            Some(Err(Unknown(_))) => Ok::<_, PaymentError>(false),
            Some(answer) => {
                flow::payment::record(state, tx, id, answer.clone(), now).await?;
                Ok(true)
            }
            None => {
                store::payment::look_now(tx, id, now).await?;
                Ok(true)
            }
        });
        if recorded.await? {
            return Ok(());
        }
        // Stripe sends it again for days.
        let detail = "Stripe does not say what became of the payment; send this again later";
        Err(Problem::unavailable("payment-unknown", detail, Duration::from_secs(60)))
    }

    fn method(&self, token: Option<String>) -> PaymentMethod {
        PaymentMethod {
            provider: self.state.settings.provider.name().to_owned(),
            token,
        }
    }
}
