//! Everything that this service holds about the caller, in one document.

use chassis::{Clock, Problem, http::json::Json};
use contracts::id::DeliveryId;
use database::Db;
use identity::Bearer;
use poem_openapi::{Object, OpenApi, types::Example};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};

use super::{
    Tag, delivery::Delivery, notification::Notification, preference::NotificationPreferences, slack::SlackWebhook,
    webhook_answer::Webhook,
};
use crate::{
    domain::notification::NotificationError,
    store::{self, delivery::Wanted},
};

/// Deliveries read at a time.
const BATCH: u64 = 500;

/// Operations on personal data.
pub struct PersonalDataApi {
    /// The service's database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
}

/// What is held about the caller.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct PersonalData {
    /// Their name, as auth says it.
    pub display_name: Option<String>,
    /// Their address, as auth says it.
    pub email: Option<String>,
    /// The projects that they are known to be members of, with their role.
    pub memberships: Vec<KnownMembership>,
    /// Their inbox, newest first.
    pub notifications: Vec<Notification>,
    /// What they want to hear of.
    pub preferences: NotificationPreferences,
    /// Their webhooks.
    pub webhooks: Vec<Webhook>,
    /// Their Slack webhook.
    pub slack: Option<SlackWebhook>,
    /// What was sent for them, newest first, with what it said.
    pub deliveries: Vec<Delivery>,
    /// Titles that wait for the next digest.
    pub waiting_for_digest: Vec<String>,
    /// The client of their first sign-in.
    pub first_client: Option<String>,
}

/// A membership as this service knows it.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct KnownMembership {
    /// Which project.
    pub project_id: String,
    /// The role in it.
    pub role: String,
}

impl Example for PersonalData {
    fn example() -> Self {
        Self {
            display_name: Some("Ada Lovelace".to_owned()),
            email: Some("ada@example.com".to_owned()),
            memberships: Vec::new(),
            notifications: vec![Notification::example()],
            preferences: NotificationPreferences::example(),
            webhooks: Vec::new(),
            slack: None,
            deliveries: Vec::new(),
            waiting_for_digest: Vec::new(),
            first_client: Some("Firefox on Linux".to_owned()),
        }
    }
}

#[OpenApi]
impl PersonalDataApi {
    /// Read all that notification holds about the caller.
    #[oai(
        path = "/v1/personal-data/notification",
        method = "get",
        operation_id = "getNotificationPersonalData",
        tag = "Tag::PersonalData"
    )]
    async fn get_notification_personal_data(&self, Bearer(caller): Bearer) -> Result<Json<PersonalData>, Problem> {
        let (db, user, now) = (self.db.read(), caller.user, self.clock.now());
        let failed = NotificationError::from;
        let profile = store::user::Entity::find_by_id(user).one(db).await.map_err(failed)?;
        let rows = store::notification::Entity::find()
            .filter(store::notification::Column::UserId.eq(user))
            .order_by_desc(store::notification::Column::Id);
        let rows = rows.all(db).await.map_err(failed)?;
        let actors = rows.iter().filter_map(|row| row.actor_id);
        let names = store::user::names(db, actors).await.map_err(failed)?;
        let notifications = rows.into_iter().map(|row| {
            let name = row.actor_id.and_then(|actor| names.get(&actor));
            Notification::new(row, name)
        });
        let notifications = notifications.collect();
        let memberships = store::membership::of(db, user).await.map_err(failed)?;
        let (preferences, _) = store::preference::find(db, user).await.map_err(failed)?;
        let webhooks = store::webhook::all(db, user).await.map_err(failed)?;
        let webhooks: Result<Vec<Webhook>, _> = webhooks.into_iter().map(|row| Webhook::new(row, now)).collect();
        let slack = store::slack::find(db, &user.to_string()).await.map_err(failed)?;
        let digest = store::digest::Entity::find()
            .filter(store::digest::Column::UserId.eq(user))
            .all(db)
            .await
            .map_err(failed)?;
        Ok(Json(PersonalData {
            display_name: profile.as_ref().map(|row| row.display_name.clone()),
            email: profile.map(|row| row.email),
            memberships: memberships
                .into_iter()
                .map(|(project, role)| KnownMembership {
                    project_id: project.to_string(),
                    role,
                })
                .collect(),
            notifications,
            preferences: (&preferences).into(),
            webhooks: webhooks?,
            slack: slack.map(SlackWebhook::from),
            deliveries: self.deliveries(user).await.map_err(failed)?,
            waiting_for_digest: digest.into_iter().map(|entry| entry.title).collect(),
            first_client: store::session::first_client(db, user).await.map_err(failed)?,
        }))
    }
}

impl PersonalDataApi {
    async fn deliveries(&self, user: contracts::id::UserId) -> Result<Vec<Delivery>, sea_orm::DbErr> {
        let mut all = Vec::new();
        let mut after: Option<DeliveryId> = None;
        loop {
            let rows = store::delivery::page(self.db.read(), user, &Wanted::default(), after, BATCH).await?;
            let Some(last) = rows.last() else {
                return Ok(all);
            };
            after = Some(last.id);
            all.extend(rows.into_iter().map(|row| {
                let payload = Some(row.payload.clone());
                Delivery {
                    payload,
                    ..Delivery::new(row, Vec::new())
                }
            }));
        }
    }
}
