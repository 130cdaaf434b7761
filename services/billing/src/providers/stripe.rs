//! Stripe's Payment Intents (docs.stripe.com/api/payment_intents), as far as a charge needs them.
//!
//! The payment's id is the `Idempotency-Key`, so Stripe takes the money once however often it is asked; a repeated request
//! has the same parameters, or Stripe would refuse it. Stripe forgets keys after a day and repeats an error of its own for as
//! long, so from the second try on a payment is first searched for by its id in the metadata.
//!
//! A webhook is only a hint to look: what counts is what Stripe answers then. So webhooks may come twice, late or never.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::PaymentProvider;
use crate::{
    domain::payment::{Charge, Outcome, Report, Unknown},
    settings,
};

/// The version of the API that the answers are read as.
const VERSION: &str = "2024-06-20";
/// An answer is a few kilobytes.
const MOST_BYTES: usize = 1024 * 1024;

/// Charges cards.
pub struct Stripe {
    client: reqwest::Client,
    url: String,
    key: SecretString,
}

#[derive(Debug, Deserialize)]
struct Intent {
    id: String,
    status: String,
    client_secret: Option<String>,
    last_payment_error: Option<Failure>,
}

#[derive(Debug, Deserialize)]
struct Failure {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Refused {
    error: Failure,
}

#[derive(Debug, Deserialize)]
struct Named {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Found {
    data: Vec<Intent>,
}

/// What Stripe said instead of what was asked for.
enum Trouble {
    /// It will say so again: nothing was taken.
    Refused(Failure),
    /// It may say something else later.
    Unknown(String),
}

impl From<Trouble> for Unknown {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(failure) => Unknown(failure.text()),
            Trouble::Unknown(text) => Unknown(text),
        }
    }
}

impl Failure {
    fn text(&self) -> String {
        let text = self
            .message
            .as_deref()
            .or(self.code.as_deref())
            .unwrap_or("no reason was given");
        // Shown to the payer and stored: somebody else's text is shortened and kept in one line.
        text.chars().filter(|letter| !letter.is_control()).take(300).collect()
    }
}

impl Stripe {
    /// As the settings say.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(settings: &settings::Stripe) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout.min(Duration::from_secs(10)))
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            client,
            url: settings.url.clone(),
            key: settings.secret_key.clone(),
        })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(self.key.expose_secret())
            .header("Stripe-Version", VERSION)
    }

    async fn ask<T: for<'de> Deserialize<'de>>(&self, request: RequestBuilder) -> Result<T, Trouble> {
        // The error's own text could show the URL, which holds nothing secret; the key is in a header.
        let unknown = |error: reqwest::Error| Trouble::Unknown(messaging::worker::chain(&error));
        let mut answer = request.send().await.map_err(unknown)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unknown)? {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err(Trouble::Unknown("Stripe's answer is too long".to_owned()));
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|error| Trouble::Unknown(format!("Stripe's answer cannot be read: {error}")));
        }
        let failure = serde_json::from_slice::<Refused>(&body)
            .ok()
            .map(|refused| refused.error);
        match (status, failure) {
            (StatusCode::BAD_REQUEST | StatusCode::PAYMENT_REQUIRED | StatusCode::NOT_FOUND, Some(failure))
                if failure.kind.as_deref() != Some("idempotency_error") =>
            {
                Err(Trouble::Refused(failure))
            }
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => {
                tracing::error!(%status, "Stripe refuses the API key: no payment can be made");
                Err(Trouble::Unknown("Stripe refuses the API key".to_owned()))
            }
            (status, failure) => {
                let text = failure.map_or_else(String::new, |failure| failure.text());
                Err(Trouble::Unknown(format!("Stripe answered {}: {text}", status.as_u16())))
            }
        }
    }

    /// Stripe's name for the payer; made when there is none yet.
    async fn customer(&self, charge: &Charge) -> Result<String, Trouble> {
        if let Some(customer) = &charge.customer {
            return Ok(customer.clone());
        }
        let user = charge.user.to_string();
        let request = self
            .request(Method::POST, "/v1/customers")
            .header("Idempotency-Key", format!("customer-{user}"))
            .form(&[("metadata[user]", &user)]);
        Ok(self.ask::<Named>(request).await?.id)
    }

    async fn create(&self, charge: &Charge, customer: &str, method: &str) -> Result<Intent, Trouble> {
        let (amount, currency) = (charge.amount.to_string(), charge.currency.code().to_lowercase());
        let (payment, invoice) = (charge.payment.to_string(), charge.invoice.to_string());
        let mut form = vec![
            ("amount", amount.as_str()),
            ("currency", &currency),
            ("customer", customer),
            ("payment_method", method),
            ("payment_method_types[]", "card"),
            ("confirm", "true"),
            ("description", &charge.number),
            ("metadata[payment]", &payment),
            ("metadata[invoice]", &invoice),
        ];
        // Who has just ordered can confirm, and the card is kept for renewals; at a renewal nobody is there.
        form.push(match charge.order {
            Some(_) => ("setup_future_usage", "off_session"),
            None => ("off_session", "true"),
        });
        let request = self
            .request(Method::POST, "/v1/payment_intents")
            .header("Idempotency-Key", &payment)
            .form(&form);
        self.ask(request).await
    }

    async fn find(&self, charge: &Charge) -> Result<Option<Intent>, Trouble> {
        let query = format!("metadata['payment']:'{}'", charge.payment);
        let request = self
            .request(Method::GET, "/v1/payment_intents/search")
            .query(&[("query", query.as_str()), ("limit", "1")]);
        Ok(self.ask::<Found>(request).await?.data.into_iter().next())
    }
}

fn outcome(intent: Intent) -> Result<Outcome, Unknown> {
    let reference = intent.id;
    Ok(match intent.status.as_str() {
        "succeeded" => Outcome::Succeeded { reference },
        "processing" => Outcome::Processing { reference },
        "requires_action" => Outcome::ActionRequired {
            reference,
            action: intent.client_secret.unwrap_or_default(),
        },
        "requires_payment_method" => Outcome::Declined {
            reason: intent
                .last_payment_error
                .map_or_else(|| "the payment was declined".to_owned(), |failure| failure.text()),
        },
        "canceled" => Outcome::Cancelled,
        other => return Err(Unknown(format!("{reference} is {other:?}, which is not expected"))),
    })
}

#[async_trait]
impl PaymentProvider for Stripe {
    async fn charge(&self, charge: &Charge) -> Result<Report, Unknown> {
        let Some(method) = &charge.method else {
            let reason = "no payment method is set".to_owned();
            return Ok(Outcome::Declined { reason }.into());
        };
        if charge.tries > 1
            && let Some(found) = self.find(charge).await?
        {
            return Ok(outcome(found)?.into());
        }
        let customer = self.customer(charge).await?;
        let outcome = match self.create(charge, &customer, method).await {
            Ok(intent) => outcome(intent)?,
            Err(Trouble::Refused(failure)) => Outcome::Declined { reason: failure.text() },
            Err(trouble) => return Err(trouble.into()),
        };
        Ok(Report {
            outcome,
            customer: Some(customer).filter(|customer| Some(customer) != charge.customer.as_ref()),
        })
    }

    async fn look(&self, reference: &str) -> Result<Report, Unknown> {
        let request = self.request(Method::GET, &format!("/v1/payment_intents/{}", plain(reference)?));
        Ok(outcome(self.ask(request).await?)?.into())
    }

    async fn cancel(&self, reference: &str) -> Result<Report, Unknown> {
        let request = self
            .request(
                Method::POST,
                &format!("/v1/payment_intents/{}/cancel", plain(reference)?),
            )
            .header("Idempotency-Key", format!("cancel-{reference}"));
        match self.ask::<Intent>(request).await {
            Ok(intent) => Ok(outcome(intent)?.into()),
            // It went on meanwhile. How far is asked for: a repeated request gets the answer of the first.
            Err(Trouble::Refused(_)) => self.look(reference).await,
            Err(trouble) => Err(trouble.into()),
        }
    }

    fn check_method(&self, token: &str) -> Result<(), String> {
        let known = ["pm_", "card_", "src_"].iter().any(|start| token.starts_with(start));
        if known && token.len() <= 100 && plain(token).is_ok() {
            Ok(())
        } else {
            Err("must be a payment method's id that Stripe gave your page, like pm_1P5kttEzVBJFlm8c".to_owned())
        }
    }
}

/// A name that Stripe gave, as it may stand in a path.
fn plain(name: &str) -> Result<&str, Unknown> {
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        Ok(name)
    } else {
        Err(Unknown("this is no name that Stripe gives".to_owned()))
    }
}
