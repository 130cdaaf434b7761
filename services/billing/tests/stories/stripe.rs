//! Stripe, played by a local server that speaks its documented protocol: form bodies, idempotency keys with their parameters,
//! Payment Intents with their statuses, errors by type, search by metadata.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use contracts::billing::{OrderCompleted, PaymentFailed, PaymentSucceeded};
use rstest::rstest;
use serde_json::{Value, json};
use testkit::Actor;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::world::{
    App, changes, customer, hub_with, invoices, order, pass_until, pay_with, shown, subscription, time,
};

const SECRET: &str = "whsec of the tests"; // pragma: allowlist secret

/// What Stripe knows.
#[derive(Default)]
struct Ledger {
    /// Payment Intents by id.
    intents: HashMap<String, Value>,
    /// Answers by idempotency key, with the parameters they were given for.
    keys: HashMap<String, (String, u16, Value)>,
    /// Requests that no real Stripe would take.
    wrong: Vec<String>,
    /// How many times money was taken, by payment.
    taken: HashMap<String, u32>,
}

#[derive(Clone, Default)]
struct Stripe {
    ledger: Arc<Mutex<Ledger>>,
    /// Takes the money and then does not answer in time.
    silent: Arc<AtomicBool>,
    /// Answers this instead, before anything is done.
    trouble: Arc<Mutex<Option<u16>>>,
}

impl Respond for Stripe {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut ledger = self.ledger.lock().unwrap();
        let header = |name: &str| {
            request
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        if header("authorization") != "Bearer sk_test_of_the_tests" || header("stripe-version").is_empty() {
            return ResponseTemplate::new(401).set_body_json(json!({ "error": { "type": "invalid_request_error" } }));
        }
        if let Some(status) = *self.trouble.lock().unwrap() {
            return ResponseTemplate::new(status).set_body_json(json!({ "error": { "type": "api_error" } }));
        }
        let (method, path) = (request.method.as_str(), request.url.path());
        let (status, answer) = match (method, path) {
            ("POST", _) => {
                let (key, body) = (
                    header("idempotency-key").to_owned(),
                    String::from_utf8(request.body.clone()).unwrap(),
                );
                if key.is_empty() || (!body.is_empty() && header("content-type") != "application/x-www-form-urlencoded")
                {
                    ledger.wrong.push(format!("{path}: no key, or no form"));
                }
                match ledger.keys.get(&key) {
                    Some((before, status, answer)) if *before == body => (*status, answer.clone()),
                    Some(_) => (
                        400,
                        json!({ "error": { "type": "idempotency_error", "message": "other parameters" } }),
                    ),
                    None => {
                        let (status, answer) = post(&mut ledger, path, &form(&body));
                        ledger.keys.insert(key, (body, status, answer.clone()));
                        (status, answer)
                    }
                }
            }
            ("GET", "/v1/payment_intents/search") => {
                let query = request
                    .url
                    .query_pairs()
                    .find(|(name, _)| name == "query")
                    .unwrap()
                    .1
                    .into_owned();
                let payment = query.trim_start_matches("metadata['payment']:'").trim_end_matches('\'');
                let found = ledger
                    .intents
                    .values()
                    .filter(|intent| intent["metadata"]["payment"] == payment);
                (
                    200,
                    json!({ "object": "search_result", "data": found.collect::<Vec<_>>() }),
                )
            }
            ("GET", _) => match ledger.intents.get(path.rsplit('/').next().unwrap()) {
                Some(intent) => (200, intent.clone()),
                None => (
                    404,
                    json!({ "error": { "type": "invalid_request_error", "code": "resource_missing" } }),
                ),
            },
            _ => (405, json!({})),
        };
        let template = ResponseTemplate::new(status).set_body_json(answer);
        if method == "POST" && path == "/v1/payment_intents" && self.silent.load(Ordering::SeqCst) {
            return template.set_delay(Duration::from_secs(30));
        }
        template
    }
}

fn form(body: &str) -> HashMap<String, String> {
    let address = reqwest::Url::parse(&format!("http://stripe/?{body}")).unwrap();
    address
        .query_pairs()
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

fn post(ledger: &mut Ledger, path: &str, form: &HashMap<String, String>) -> (u16, Value) {
    let field = |name: &str| form.get(name).cloned().unwrap_or_default();
    match path {
        "/v1/customers" => (200, json!({ "id": "cus_ada", "object": "customer" })),
        "/v1/payment_intents" => {
            let id = format!("pi_{}", ledger.intents.len() + 1);
            for name in ["amount", "currency", "customer", "payment_method", "confirm"] {
                if field(name).is_empty() {
                    ledger.wrong.push(format!("{name} is missing"));
                }
            }
            if form.contains_key("off_session") == form.contains_key("setup_future_usage") {
                ledger.wrong.push("either off_session or setup_future_usage".to_owned());
            }
            let status = match field("payment_method").as_str() {
                "pm_declined" => "requires_payment_method",
                "pm_3ds" if form.contains_key("off_session") => "requires_payment_method",
                "pm_3ds" => "requires_action",
                "pm_slow" => "processing",
                "pm_gone" => {
                    let error = json!({ "type": "invalid_request_error", "code": "resource_missing", "param": "payment_method",
                        "message": "No such PaymentMethod: 'pm_gone'" });
                    return (400, json!({ "error": error }));
                }
                _ => "succeeded",
            };
            let declined =
                json!({ "type": "card_error", "code": "card_declined", "message": "Your card was declined." });
            let intent = json!({
                "id": id, "object": "payment_intent", "status": status, "client_secret": format!("{id}_secret"),
                "amount": field("amount").parse::<i64>().unwrap(), "currency": field("currency"),
                "metadata": { "payment": field("metadata[payment]") },
                "last_payment_error": if status == "requires_payment_method" { declined.clone() } else { Value::Null },
            });
            if status == "succeeded" {
                *ledger.taken.entry(field("metadata[payment]")).or_default() += 1;
            }
            ledger.intents.insert(id, intent.clone());
            if status == "requires_payment_method" {
                let mut error = declined;
                error["payment_intent"] = intent;
                return (402, json!({ "error": error }));
            }
            (200, intent)
        }
        _ => {
            let id = path
                .trim_start_matches("/v1/payment_intents/")
                .trim_end_matches("/cancel")
                .to_owned();
            let intent = ledger.intents.get_mut(&id).unwrap();
            if intent["status"] != "requires_action" {
                let error = json!({ "type": "invalid_request_error", "code": "payment_intent_unexpected_state", "payment_intent": intent });
                return (400, json!({ "error": error }));
            }
            intent["status"] = "canceled".into();
            (200, intent.clone())
        }
    }
}

impl Stripe {
    /// The payer has confirmed the payment, or the bank has: the money is taken.
    fn settle(&self, status: &str) {
        let mut ledger = self.ledger.lock().unwrap();
        let waiting = |intent: &&mut Value| intent["status"] == "requires_action" || intent["status"] == "processing";
        let intent = ledger.intents.values_mut().find(waiting).unwrap();
        intent["status"] = status.into();
    }

    fn intents(&self) -> usize {
        self.ledger.lock().unwrap().intents.len()
    }

    /// How often money was taken, by payment; and nothing was asked for that Stripe would not understand.
    fn taken(&self) -> Vec<u32> {
        let ledger = self.ledger.lock().unwrap();
        assert!(ledger.wrong.is_empty(), "{:?}", ledger.wrong);
        ledger.taken.values().copied().collect()
    }
}

async fn hub(timeout_ms: u32) -> (App, Stripe, MockServer) {
    let (server, stripe) = (MockServer::start().await, Stripe::default());
    Mock::given(any()).respond_with(stripe.clone()).mount(&server).await;
    let settings = format!(
        "[billing]\nprovider = \"stripe\"\n[billing.stripe]\nurl = \"{}\"\nsecret_key = \"sk_test_of_the_tests\"\n\
         webhook_secret = \"{SECRET}\"\ntimeout_ms = {timeout_ms}",
        server.uri()
    );
    (hub_with(&settings).await, stripe, server)
}

async fn ordered(app: &App, user: &Actor, method: &str) -> contracts::id::OrderId {
    pay_with(user, method).await;
    let order = order(app, user, "team", 1, "month");
    app.deliver(&order).await;
    app.step_workers().await;
    order.order_id
}

async fn webhook(app: &App, kind: &str, intent: &str) -> testkit::Answer {
    let body = json!({ "id": "evt_1", "type": kind, "data": { "object": { "id": intent } } }).to_string();
    let seconds = app.clock.now().as_seconds();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    send(app, &format!("t={seconds},v1={hex}"), body).await
}

async fn send(app: &App, signature: &str, body: String) -> testkit::Answer {
    let call = app.anonymous().request("POST", "/v1/payment-webhooks/stripe");
    let call = call
        .header("content-type", "application/json")
        .header("stripe-signature", signature);
    call.body(body).await
}

#[tokio::test]
async fn a_card_is_charged_once_and_the_next_period_off_session() {
    let (app, stripe, _server) = hub(20_000).await;
    let ada = customer(&app).await;
    let order = ordered(&app, &ada, "pm_card_visa").await;
    assert_eq!(shown(&ada, order).await["status"], "completed");
    pass_until(&app, time(&subscription(&ada).await["period_end"]));
    app.step_workers().await;
    assert_eq!(invoices(&ada).await[1]["status"], "paid");
    assert_eq!(stripe.taken(), [1, 1]);
    let intents = stripe.ledger.lock().unwrap().intents.clone();
    assert!(
        intents
            .values()
            .all(|intent| intent["amount"] == 1071 && intent["currency"] == "eur")
    );
}

#[rstest]
#[case("pm_declined", "Your card was declined.")]
#[case("pm_gone", "No such PaymentMethod")]
#[tokio::test]
async fn a_card_that_is_declined_or_unknown_fails_the_order_with_stripes_words(
    #[case] method: &str,
    #[case] words: &str,
) {
    let (app, stripe, _server) = hub(20_000).await;
    let ada = customer(&app).await;
    let order = ordered(&app, &ada, method).await;
    let shown = shown(&ada, order).await;
    assert_eq!(shown["reason"], "payment_declined");
    assert!(shown["detail"].as_str().unwrap().contains(words), "{shown}");
    assert!(stripe.taken().is_empty());
    assert_eq!(app.published_of::<PaymentFailed>().await.len(), 1);
}

#[tokio::test]
async fn an_order_without_a_payment_method_fails_without_a_word_to_stripe() {
    let (app, stripe, _server) = hub(20_000).await;
    let ada = customer(&app).await;
    let order = crate::world::place(&app, &ada, "team", 1, "month").await;
    assert!(order["detail"].as_str().unwrap().contains("no payment method is set"));
    assert_eq!(stripe.intents(), 0);
    let refused = ada
        .put("/v1/payment-method", json!({ "token": "4242 4242 4242 4242" }))
        .await
        .expect(422);
    assert_eq!(refused.wrong(), ["#/token"]);
}

#[rstest]
#[case(409)]
#[case(429)]
#[case(500)]
#[case(401)]
#[tokio::test]
async fn trouble_at_stripe_is_waited_out_and_the_order_completed_then(#[case] status: u16) {
    let (app, stripe, _server) = hub(20_000).await;
    let ada = customer(&app).await;
    *stripe.trouble.lock().unwrap() = Some(status);
    let order = ordered(&app, &ada, "pm_card_visa").await;
    let waiting = shown(&ada, order).await;
    assert_eq!(
        (waiting["status"].as_str(), waiting["payment"]["state"].as_str()),
        (Some("charging"), Some("charging"))
    );
    assert!(waiting["payment"]["reason"].is_string());
    *stripe.trouble.lock().unwrap() = None;
    app.step_workers().await;
    assert_eq!(
        shown(&ada, order).await["status"],
        "charging",
        "not before its pause is over"
    );
    app.clock.advance(Duration::from_secs(5));
    app.step_workers().await;
    assert_eq!(shown(&ada, order).await["status"], "completed");
    assert_eq!(stripe.taken(), [1]);
}

#[tokio::test]
async fn a_charge_whose_answer_was_lost_is_found_again_and_not_made_twice() {
    let (app, stripe, _server) = hub(300).await;
    let ada = customer(&app).await;
    stripe.silent.store(true, Ordering::SeqCst);
    let order = ordered(&app, &ada, "pm_card_visa").await;
    assert_eq!(shown(&ada, order).await["status"], "charging");
    assert_eq!(stripe.taken(), [1], "the money is gone, and nobody here knows");
    stripe.silent.store(false, Ordering::SeqCst);
    // Another card does not make the repeated request another one.
    pay_with(&ada, "pm_card_mastercard").await;
    app.clock.advance(Duration::from_secs(5));
    app.step_workers().await;
    assert_eq!(shown(&ada, order).await["status"], "completed");
    assert_eq!((stripe.taken(), stripe.intents()), (vec![1], 1));
    assert_eq!(app.published_of::<PaymentSucceeded>().await.len(), 1);
}

#[tokio::test]
async fn a_payment_that_has_to_be_confirmed_waits_for_its_payer_and_the_webhook_brings_the_news() {
    let (app, stripe, _server) = hub(20_000).await;
    let ada = customer(&app).await;
    let order = ordered(&app, &ada, "pm_3ds").await;
    let waiting = shown(&ada, order).await;
    assert_eq!(waiting["payment"]["action"], "pi_1_secret");
    stripe.settle("succeeded");
    webhook(&app, "payment_intent.succeeded", "pi_1").await.expect(204);
    // Twice, and one that is not ours: harmless.
    webhook(&app, "payment_intent.succeeded", "pi_1").await.expect(204);
    webhook(&app, "payment_intent.succeeded", "pi_99").await.expect(204);
    webhook(&app, "customer.created", "cus_1").await.expect(204);
    app.step_workers().await;
    webhook(&app, "payment_intent.succeeded", "pi_1").await.expect(204);
    app.step_workers().await;
    assert_eq!(shown(&ada, order).await["status"], "completed");
    assert_eq!(app.published_of::<OrderCompleted>().await.len(), 1);
}

#[tokio::test]
async fn a_lost_webhook_only_delays_the_news() {
    let (app, stripe, _server) = hub(20_000).await;
    let ada = customer(&app).await;
    let order = ordered(&app, &ada, "pm_slow").await;
    assert_eq!(shown(&ada, order).await["payment"]["state"], "waiting");
    stripe.settle("succeeded");
    app.clock.advance(Duration::from_secs(61));
    app.step_workers().await;
    assert_eq!(shown(&ada, order).await["status"], "completed");
}

#[tokio::test]
async fn a_webhook_that_lies_changes_nothing() {
    let (app, _stripe, _server) = hub(20_000).await;
    let ada = customer(&app).await;
    let order = ordered(&app, &ada, "pm_3ds").await;
    // Signed, but Stripe itself says otherwise when it is asked.
    webhook(&app, "payment_intent.succeeded", "pi_1").await.expect(204);
    app.step_workers().await;
    assert_eq!(shown(&ada, order).await["payment"]["state"], "waiting");
    let seconds = app.clock.now().as_seconds();
    let forged = send(&app, &format!("t={seconds},v1={}", "00".repeat(32)), "{}".to_owned()).await;
    assert_eq!(forged.expect(400).problem(), "signature-invalid");
    assert_eq!(
        send(&app, "nonsense", "{}".to_owned()).await.expect(400).problem(),
        "signature-invalid"
    );
    let huge = send(&app, "t=1,v1=00", "x".repeat(300 * 1024)).await;
    assert_eq!(huge.status, 413);
}

#[tokio::test]
async fn a_payment_that_nobody_confirms_is_called_off_in_the_end() {
    let (app, stripe, _server) = hub(20_000).await;
    let ada = customer(&app).await;
    let order = ordered(&app, &ada, "pm_3ds").await;
    app.clock.advance(Duration::from_secs(25 * 3600));
    app.step_workers().await;
    assert_eq!(shown(&ada, order).await["reason"], "payment_declined");
    assert_eq!(stripe.ledger.lock().unwrap().intents["pi_1"]["status"], "canceled");
}

#[tokio::test]
async fn a_payment_that_succeeds_while_it_is_called_off_completes_its_order() {
    let (app, stripe, _server) = hub(20_000).await;
    let ada = customer(&app).await;
    let first = ordered(&app, &ada, "pm_3ds").await;
    stripe.settle("succeeded");
    pay_with(&ada, "pm_card_visa").await;
    let second = order(&app, &ada, "team", 3, "month");
    app.deliver(&second).await;
    app.step_workers().await;
    assert_eq!(shown(&ada, first).await["status"], "completed");
    assert_eq!(shown(&ada, second.order_id).await["status"], "completed");
    assert_eq!(changes(&app).await, ["started", "activated", "seats_changed"]);
}

#[tokio::test]
async fn a_hub_without_a_webhook_secret_takes_no_webhooks() {
    let app = crate::world::hub().await;
    let refused = send(&app, "t=1,v1=00", "{}".to_owned()).await;
    assert_eq!(refused.expect(404).problem(), "webhook-not-set-up");
}

#[tokio::test]
async fn a_payment_that_cannot_be_called_off_any_more_is_waited_for() {
    let (app, stripe, _server) = hub(20_000).await;
    let ada = customer(&app).await;
    let first = ordered(&app, &ada, "pm_slow").await;
    pay_with(&ada, "pm_card_visa").await;
    let second = order(&app, &ada, "team", 3, "month");
    app.deliver(&second).await;
    app.step_workers().await;
    assert_eq!(
        shown(&ada, first).await["payment"]["state"],
        "waiting",
        "the bank has it"
    );
    assert_eq!(shown(&ada, second.order_id).await["status"], "accepted");
    stripe.settle("succeeded");
    app.clock.advance(Duration::from_secs(61));
    app.step_workers().await;
    for id in [first, second.order_id] {
        assert_eq!(shown(&ada, id).await["status"], "completed");
    }
}

#[tokio::test]
async fn a_payer_who_confirms_what_was_given_up_has_the_money_to_their_credit() {
    let (app, stripe, _server) = hub(20_000).await;
    let ada = customer(&app).await;
    let order = ordered(&app, &ada, "pm_3ds").await;
    // The bank said no, so the order failed; then the payer tried again with another card on the page that was still open.
    stripe.settle("requires_payment_method");
    webhook(&app, "payment_intent.payment_failed", "pi_1").await.expect(204);
    app.step_workers().await;
    assert_eq!(shown(&ada, order).await["reason"], "payment_declined");
    stripe.ledger.lock().unwrap().intents.get_mut("pi_1").unwrap()["status"] = "succeeded".into();
    for _ in 0..2 {
        webhook(&app, "payment_intent.succeeded", "pi_1").await.expect(204);
    }
    assert_eq!(crate::world::credit(&ada).await, 1071);
    assert_eq!(app.published_of::<PaymentSucceeded>().await.len(), 1);
}

#[tokio::test]
async fn a_webhook_about_a_given_up_payment_is_sent_again_while_stripe_does_not_answer() {
    let (app, stripe, _server) = hub(20_000).await;
    let ada = customer(&app).await;
    ordered(&app, &ada, "pm_3ds").await;
    app.clock.advance(Duration::from_secs(25 * 3600));
    app.step_workers().await;
    *stripe.trouble.lock().unwrap() = Some(500);
    let refused = webhook(&app, "payment_intent.succeeded", "pi_1").await.expect(503);
    assert_eq!(refused.problem(), "payment-unknown");
}
