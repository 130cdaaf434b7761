//! The caller's preferences, by type of notification.

use chassis::{
    Problem,
    http::{answer::Tagged, json::Json, precondition},
};
use database::Db;
use identity::Bearer;
use poem_openapi::{Enum, Object, OpenApi, param::Header};
use serde::{Deserialize, Serialize};

use super::Tag;
use crate::{
    domain::{
        self,
        notification::Kind,
        preference::{PreferenceError, Preferences},
    },
    store,
};

/// Operations on preferences.
pub struct PreferenceApi {
    /// The service's database.
    pub db: Db,
}

/// A type of notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum NotificationType {
    /// Somebody else made the user an assignee of a task.
    TaskAssigned,
    /// A comment mentions the user.
    Mentioned,
    /// Somebody else added the user to a project.
    ProjectInvited,
    /// Somebody commented on a task that the user made or works on.
    TaskCommented,
    /// A task of the user comes due.
    TaskDueSoon,
    /// The user's password was changed.
    PasswordChanged,
    /// Somebody signed in as the user with a client not seen before.
    NewSession,
    /// A project of the user reached a round number of finished tasks.
    MilestoneReached,
    /// The report of the user's week is ready.
    ReportGenerated,
    /// An order of a plan was carried out.
    OrderCompleted,
    /// An order of a plan will not be carried out.
    OrderFailed,
    /// There is an invoice.
    InvoiceIssued,
    /// A payment failed.
    PaymentFailed,
    /// The subscription is not paid in time.
    SubscriptionPastDue,
    /// The subscription went back to the free plan.
    SubscriptionDowngraded,
    /// A limit of the plan comes near or is reached.
    UsageThresholdReached,
    /// A webhook failed for so long that it was disabled.
    WebhookDisabled,
    /// Mails to the user come back, so no more are sent.
    EmailSuppressed,
}

impl From<NotificationType> for Kind {
    fn from(name: NotificationType) -> Self {
        match name {
            NotificationType::TaskAssigned => Kind::TaskAssigned,
            NotificationType::Mentioned => Kind::Mentioned,
            NotificationType::ProjectInvited => Kind::ProjectInvited,
            NotificationType::TaskCommented => Kind::TaskCommented,
            NotificationType::TaskDueSoon => Kind::TaskDueSoon,
            NotificationType::PasswordChanged => Kind::PasswordChanged,
            NotificationType::NewSession => Kind::NewSession,
            NotificationType::MilestoneReached => Kind::MilestoneReached,
            NotificationType::ReportGenerated => Kind::ReportGenerated,
            NotificationType::OrderCompleted => Kind::OrderCompleted,
            NotificationType::OrderFailed => Kind::OrderFailed,
            NotificationType::InvoiceIssued => Kind::InvoiceIssued,
            NotificationType::PaymentFailed => Kind::PaymentFailed,
            NotificationType::SubscriptionPastDue => Kind::SubscriptionPastDue,
            NotificationType::SubscriptionDowngraded => Kind::SubscriptionDowngraded,
            NotificationType::UsageThresholdReached => Kind::UsageThresholdReached,
            NotificationType::WebhookDisabled => Kind::WebhookDisabled,
            NotificationType::EmailSuppressed => Kind::EmailSuppressed,
        }
    }
}

impl From<Kind> for NotificationType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::TaskAssigned => NotificationType::TaskAssigned,
            Kind::Mentioned => NotificationType::Mentioned,
            Kind::ProjectInvited => NotificationType::ProjectInvited,
            Kind::TaskCommented => NotificationType::TaskCommented,
            Kind::TaskDueSoon => NotificationType::TaskDueSoon,
            Kind::PasswordChanged => NotificationType::PasswordChanged,
            Kind::NewSession => NotificationType::NewSession,
            Kind::MilestoneReached => NotificationType::MilestoneReached,
            Kind::ReportGenerated => NotificationType::ReportGenerated,
            Kind::OrderCompleted => NotificationType::OrderCompleted,
            Kind::OrderFailed => NotificationType::OrderFailed,
            Kind::InvoiceIssued => NotificationType::InvoiceIssued,
            Kind::PaymentFailed => NotificationType::PaymentFailed,
            Kind::SubscriptionPastDue => NotificationType::SubscriptionPastDue,
            Kind::SubscriptionDowngraded => NotificationType::SubscriptionDowngraded,
            Kind::UsageThresholdReached => NotificationType::UsageThresholdReached,
            Kind::WebhookDisabled => NotificationType::WebhookDisabled,
            Kind::EmailSuppressed => NotificationType::EmailSuppressed,
        }
    }
}

/// Where the user wants one type of notification.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct NotificationPreference {
    /// Which type.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: NotificationType,
    /// Whether it is put into the inbox.
    pub in_app: bool,
}

/// What the user wants to hear of.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct NotificationPreferences {
    /// Answers name every type. In a change, a type that is not named goes back to its default: on.
    #[oai(validator(max_items = 18))]
    pub preferences: Vec<NotificationPreference>,
}

impl poem_openapi::types::Example for NotificationPreferences {
    fn example() -> Self {
        let muted = [Kind::TaskCommented];
        Self::from(&Preferences::without(&muted))
    }
}

impl From<&Preferences> for NotificationPreferences {
    fn from(preferences: &Preferences) -> Self {
        let one = |one: &domain::preference::Preference| NotificationPreference {
            kind: one.kind.into(),
            in_app: one.in_app,
        };
        Self {
            preferences: preferences.all().iter().map(one).collect(),
        }
    }
}

#[OpenApi]
impl PreferenceApi {
    /// Read what the caller wants to hear of.
    #[oai(
        path = "/v1/notification-preferences",
        method = "get",
        operation_id = "getNotificationPreferences",
        tag = "Tag::Preferences"
    )]
    async fn get_notification_preferences(
        &self,
        Bearer(caller): Bearer,
    ) -> Result<Tagged<NotificationPreferences>, Problem> {
        let (preferences, version) = store::preference::find(self.db.read(), caller.user)
            .await
            .map_err(PreferenceError::from)?;
        Ok(Tagged {
            body: (&preferences).into(),
            version,
        })
    }

    /// Replace what the caller wants to hear of.
    ///
    /// It holds for what happens from now on.
    #[oai(
        path = "/v1/notification-preferences",
        method = "put",
        operation_id = "replaceNotificationPreferences",
        tag = "Tag::Preferences"
    )]
    async fn replace_notification_preferences(
        &self,
        Bearer(caller): Bearer,
        /// `ETag` of the preferences that were changed.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Json<NotificationPreferences>,
    ) -> Result<Tagged<NotificationPreferences>, Problem> {
        let expected = precondition::if_match(if_match.0.as_deref())?;
        let given: Vec<domain::preference::Preference> = body
            .0
            .preferences
            .iter()
            .map(|one| domain::preference::Preference {
                kind: one.kind.into(),
                in_app: one.in_app,
            })
            .collect();
        let preferences = Preferences::new(&given).map_err(Problem::invalid)?;
        let version = self
            .db
            .write(async |tx| {
                let version = store::preference::take(tx, caller.user).await?;
                expected.check(version).map_err(PreferenceError::Stale)?;
                store::preference::replace(tx, caller.user, &preferences).await?;
                Ok::<_, PreferenceError>(version + 1)
            })
            .await?;
        Ok(Tagged {
            body: (&preferences).into(),
            version,
        })
    }
}

impl From<PreferenceError> for Problem {
    fn from(error: PreferenceError) -> Self {
        match error {
            PreferenceError::Stale(problem) => problem,
            PreferenceError::Store(_) => Problem::internal(error),
        }
    }
}
