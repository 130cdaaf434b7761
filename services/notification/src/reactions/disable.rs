//! Shuts an endpoint that does nothing but fail: what waits for it ends, its owner is told, and others hear of it.

use contracts::{Timestamp, notification::WebhookDisabled};
use database::Tx;
use sea_orm::DbErr;

use super::{broadcast, notify::notify};
use crate::{
    domain::{
        notification::{Kind, News},
        webhook,
    },
    store::{
        self,
        webhook::{Concerned, Model},
    },
};

/// Disables `webhook` because of `why`, a sentence without a full stop.
pub(crate) async fn disable(tx: &Tx, mut webhook: Model, why: &str, now: Timestamp) -> Result<(), DbErr> {
    webhook.enabled = false;
    webhook.disabled_reason = Some(why.to_owned());
    webhook.updated_at = now;
    webhook.version += 1;
    store::webhook::update(tx, &webhook).await?;
    store::delivery::give_up_waiting(tx, &webhook.id.to_string(), "the webhook is disabled", now).await?;
    let event = WebhookDisabled {
        webhook_id: webhook.id,
        user_id: webhook.user_id,
        url: webhook::shown(&webhook.url),
        reason: why.to_owned(),
        disabled_at: now,
    };
    let id = messaging::append(tx, &event)?;
    let news = News {
        subject: event.url.clone(),
        detail: why.to_owned(),
        ..News::new(
            Kind::WebhookDisabled,
            format!("webhook_disabled:{}:{}", webhook.id, webhook.version),
            now,
        )
    };
    notify(tx, &news, [webhook.user_id], now).await?;
    // Its owner's other endpoints.
    let concerned = Concerned::Users(vec![webhook.user_id]);
    broadcast::broadcast(tx, &event, id, &concerned, now, now).await
}
