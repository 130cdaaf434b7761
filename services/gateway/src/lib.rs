//! The edge of the hub: one API in front of all services.
//!
//! Requests go to the service whose OpenAPI document has their path ([`edge::proxy`]), after rate limits, introspection and
//! the table of permissions. The gateway's own operations are the overview, the live stream and the orders, which it accepts
//! also while billing is down.

pub mod api;
pub mod domain;
pub mod edge;
pub mod reactions;
pub mod settings;
pub mod store;

use std::{sync::Arc, time::Duration};

use chassis::{
    Api, Assembly, Boot, Service,
    worker::{Pace, Worker},
};
use database::MigrationTrait;

use crate::{
    api::{HomeApi, OrderApi, PersonalDataApi, StreamApi},
    domain::route::{OWN, Table},
    edge::{
        docs,
        feed::Parts,
        hub::Hub,
        introspection::Introspector,
        limit::Limits,
        meters::Meters,
        order_pruner::OrderPruner,
        proxy::Edge,
        routes,
        tail::{Pruner, Tail},
        throttle,
        upstream::Upstreams,
    },
    settings::GatewaySettings,
};

const TITLE: &str = "CloudTaskHub";

/// The service.
pub struct Gateway;

#[async_trait::async_trait]
impl Service for Gateway {
    const NAME: &'static str = OWN;
    type Settings = GatewaySettings;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        store::migrations()
    }

    fn document() -> serde_json::Value {
        let own = Api::document::<(HomeApi, OrderApi, StreamApi, PersonalDataApi)>(TITLE);
        // A test reads them; what is compiled in cannot change afterwards.
        docs::merge(own, &routes::documents().unwrap_or_default())
    }

    async fn assemble(boot: &mut Boot<GatewaySettings>) -> anyhow::Result<Assembly> {
        let settings = boot.settings.clone();
        let meters = Meters::register(&mut boot.metrics);
        let upstreams = Upstreams::new(&settings, &meters);
        let auth = upstreams
            .of("auth")
            .ok_or_else(|| anyhow::anyhow!("gateway.upstreams.auth is missing"))?;
        let secret = settings.introspection.secret.clone();
        let rates = settings.limits.plan_rates.then(|| boot.db.clone());
        let introspector = Introspector::new(
            Arc::clone(auth),
            rates,
            settings.introspection,
            boot.clock.clone(),
            &meters,
        );
        let billing = upstreams
            .of("billing")
            .ok_or_else(|| anyhow::anyhow!("gateway.upstreams.billing is missing"))?;

        let hub = Hub::new(settings.stream.clone(), Arc::clone(&meters));
        let tail = Tail::begin(boot.db.clone(), Arc::clone(&hub), Arc::clone(&introspector)).await?;
        let stream = &settings.stream;
        let pruner = Pruner::new(
            boot.db.clone(),
            boot.clock.clone(),
            stream.retention,
            stream.retention_events,
        );
        let order_pruner = OrderPruner {
            db: boot.db.clone(),
            clock: boot.clock.clone(),
            retention: settings.order_retention,
        };
        let (throttled, announcer) = throttle::throttled(boot.db.clone(), secret);
        let workers: Vec<(Box<dyn Worker>, Pace)> = vec![
            (Box::new(tail), Pace::every(stream.poll)),
            (Box::new(pruner), Pace::every(Duration::from_secs(60))),
            (Box::new(announcer), Pace::every(Duration::from_secs(1))),
            (Box::new(order_pruner), Pace::every(Duration::from_secs(3600))),
        ];

        let parts = Parts {
            db: boot.db.clone(),
            hub,
            clock: boot.clock.clone(),
            stop: boot.stop.clone(),
            heartbeat: stream.heartbeat,
            meters: Arc::clone(&meters),
        };
        let home = HomeApi {
            upstreams: upstreams.clone(),
            settings: settings.home,
            clock: boot.clock.clone(),
        };
        let orders = OrderApi {
            db: boot.db.clone(),
            clock: boot.clock.clone(),
            billing: Arc::clone(billing),
            timeout: settings.order_timeout,
        };
        let personal_data = PersonalDataApi {
            db: boot.db.clone(),
            upstreams: upstreams.clone(),
            clock: boot.clock.clone(),
        };
        let own = Api::new(TITLE, (home, orders, StreamApi(Arc::new(parts)), personal_data));
        let documents = routes::documents()?;
        let routed = documents.iter().map(|(service, document)| (*service, document));
        let table = Table::build(std::iter::once((OWN, &own.document)).chain(routed))?;
        let document = docs::merge(own.document.clone(), &documents);
        let clock = boot.clock.clone();
        let api = own.map(|own| Edge {
            routes: table,
            upstreams,
            introspector,
            limits: Limits::new(&settings.limits),
            throttled,
            own,
            trusted: settings.trusted_proxies,
            clock,
            meters,
        });
        Ok(Assembly {
            api: Api {
                endpoint: api.endpoint,
                document,
            },
            reactions: reactions::reactions(),
            workers,
        })
    }
}
