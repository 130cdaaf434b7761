//! The API as it is documented, who may use it, and what is listened to.

use std::sync::Arc;

use billing::{
    Billing, documents::Documents, metrics::Metrics, providers::Providers, settings::BillingSettings, state::State,
};
use chassis::{Service, Settings, Source};
use figment::{
    Figment,
    providers::{Format, Toml},
};

use crate::world::{App, customer, hub, invoices, place};

#[tokio::test]
async fn every_operation_refuses_whom_the_access_table_does_not_allow() {
    App::start().await.check_authorisation().await;
}

#[tokio::test]
async fn every_event_that_is_published_is_handled() {
    App::start().await.check_events().await;
}

#[tokio::test]
async fn nothing_of_somebody_elses_can_be_reached() {
    let app = hub().await;
    let ada = customer(&app).await;
    let order = place(&app, &ada, "team", 1, "month").await;
    let order = format!("/v1/orders/{}", order["id"].as_str().unwrap());
    let invoice = format!("/v1/invoices/{}", invoices(&ada).await[0]["id"].as_str().unwrap());
    let owned = [("/v1/orders/{id}", &*order), ("/v1/invoices/{id}", &*invoice)];
    app.check_foreign(&owned).await;
}

#[test]
fn the_committed_openapi_document_is_the_one_of_the_code() {
    let document = Billing::document();
    testkit::openapi::check(&document);
    testkit::openapi::check_committed(Billing::NAME, &document);
}

#[tokio::test]
async fn the_contracts_name_this_service_as_a_consumer_of_exactly_what_it_reacts_to() {
    let app = hub().await;
    let state = state(&app);
    let reactions = billing::reactions::all(&Arc::new(state));
    let differences = contracts::consumers::differences("billing", |event_type| reactions.handles(event_type));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// What the service is put together from, with its defaults.
pub(crate) fn state(app: &App) -> State {
    let figment = Figment::from(Toml::string(BillingSettings::DEFAULTS));
    let settings = BillingSettings::parse(&mut Source::new(&figment)).unwrap();
    State {
        db: app.db.clone(),
        clock: app.clock.clone(),
        providers: Providers::new(&settings).unwrap(),
        documents: Documents::new(None).unwrap(),
        metrics: Metrics::default(),
        settings,
    }
}
