//! The caller's preferences: by type of notification and channel, by project, and by the clock.

use chassis::{
    FieldError, Problem,
    http::{answer::Tagged, json::Json, precondition},
};
use database::Db;
use identity::Bearer;
use poem_openapi::{Enum, Object, OpenApi, param::Header};
use serde::{Deserialize, Serialize};

use super::Tag;
use crate::{
    domain::{
        notification::Kind,
        preference::{Exception, MOST_PROJECTS, Preference, PreferenceError, Preferences, ProjectExceptions},
        schedule::Schedule,
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
    /// Whether it is mailed. In a change, without it: the default of the type. Answers name it.
    #[serde(default)]
    pub email: Option<bool>,
    /// Whether it is posted to the user's Slack. In a change, without it: yes. Answers name it.
    #[serde(default)]
    pub slack: Option<bool>,
}

/// An exception for one type in one project; a channel that is not named is as everywhere.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct ProjectPreference {
    /// Which type.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: NotificationType,
    /// Whether it is put into the inbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub in_app: Option<bool>,
    /// Whether it is mailed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub email: Option<bool>,
    /// Whether it is posted to the user's Slack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub slack: Option<bool>,
}

/// Exceptions for one project.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct ProjectPreferences {
    /// Which project.
    pub project_id: String,
    /// Types that are wanted otherwise there.
    #[oai(validator(max_items = 18))]
    pub preferences: Vec<ProjectPreference>,
}

/// From when to when nothing is mailed or posted; over midnight when `to` is earlier. What concerns the safety of the account
/// (`password_changed`, `new_session`) is sent at once.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// `HH:MM` in the user's time zone.
    #[oai(validator(max_length = 5))]
    pub from: String,
    /// `HH:MM` in the user's time zone.
    #[oai(validator(max_length = 5))]
    pub to: String,
}

/// What the user wants to hear of, where and when.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct NotificationPreferences {
    /// Answers name every type. In a change, a type that is not named goes back to its default.
    #[oai(validator(max_items = 18))]
    pub preferences: Vec<NotificationPreference>,
    /// Exceptions by project.
    #[serde(default)]
    #[oai(default, validator(max_items = 100))]
    pub projects: Vec<ProjectPreferences>,
    /// When to be left alone; null: never.
    #[serde(default)]
    pub quiet_hours: Option<QuietHours>,
    /// Time zone of quiet hours and of the morning (8:00) of a daily digest, such as `Europe/Berlin`; without it `UTC`.
    #[serde(default)]
    #[oai(validator(max_length = 100))]
    pub time_zone: Option<String>,
    /// Whether mails are collected: `off`, `hourly` or `daily`; without it `off`.
    #[serde(default)]
    pub digest: Option<String>,
}

impl poem_openapi::types::Example for NotificationPreferences {
    fn example() -> Self {
        let mut preferences = Preferences::default();
        if let Some(muted) = preferences.of_mut(Kind::TaskCommented) {
            muted.in_app = false;
        }
        Self {
            quiet_hours: Some(QuietHours {
                from: "22:00".to_owned(),
                to: "07:00".to_owned(),
            }),
            time_zone: Some("Europe/Berlin".to_owned()),
            ..Self::from(&preferences)
        }
    }
}

impl From<&Preferences> for NotificationPreferences {
    fn from(preferences: &Preferences) -> Self {
        let one = |one: &Preference| NotificationPreference {
            kind: one.kind.into(),
            in_app: one.in_app,
            email: Some(one.email),
            slack: Some(one.slack),
        };
        let exception = |one: &Exception| ProjectPreference {
            kind: one.kind.into(),
            in_app: one.in_app,
            email: one.email,
            slack: one.slack,
        };
        let project = |one: &ProjectExceptions| ProjectPreferences {
            project_id: one.project.to_string(),
            preferences: one.exceptions.iter().map(exception).collect(),
        };
        let schedule = &preferences.schedule;
        Self {
            preferences: preferences.all().iter().map(one).collect(),
            projects: preferences.projects.iter().map(project).collect(),
            quiet_hours: schedule.quiet.map(|quiet| QuietHours {
                from: quiet.from(),
                to: quiet.to(),
            }),
            time_zone: Some(schedule.zone().to_owned()),
            digest: Some(schedule.digest.name().to_owned()),
        }
    }
}

impl NotificationPreferences {
    fn parse(&self) -> Result<Preferences, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let given = self.preferences.iter().map(|one| {
            let usual = Preference::default(one.kind.into());
            Preference {
                kind: one.kind.into(),
                in_app: one.in_app,
                email: one.email.unwrap_or(usual.email),
                slack: one.slack.unwrap_or(usual.slack),
            }
        });
        let given: Vec<Preference> = given.collect();
        let exception = |one: &ProjectPreference| Exception {
            kind: one.kind.into(),
            in_app: one.in_app,
            email: one.email,
            slack: one.slack,
        };
        let mut projects = Vec::new();
        for (position, one) in self.projects.iter().enumerate().take(MOST_PROJECTS + 1) {
            match one.project_id.parse() {
                Ok(project) => projects.push(ProjectExceptions {
                    project,
                    exceptions: one.preferences.iter().map(exception).collect(),
                }),
                Err(error) => {
                    let error: contracts::id::InvalidId = error;
                    wrong.push(FieldError::new(
                        format!("/projects/{position}/project_id"),
                        error.to_string(),
                    ));
                }
            }
        }
        let quiet = self
            .quiet_hours
            .as_ref()
            .map(|quiet| (quiet.from.as_str(), quiet.to.as_str()));
        let schedule = match Schedule::parse(self.time_zone.as_deref(), quiet, self.digest.as_deref()) {
            Ok(schedule) => schedule,
            Err(mut errors) => {
                wrong.append(&mut errors);
                Schedule::default()
            }
        };
        match Preferences::new(&given, projects, schedule) {
            Ok(preferences) if wrong.is_empty() => Ok(preferences),
            Ok(_) => Err(wrong),
            Err(mut errors) => {
                errors.append(&mut wrong);
                Err(errors)
            }
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
        let preferences = body.0.parse().map_err(Problem::invalid)?;
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
            PreferenceError::Link => Problem::not_found("link-not-valid", error.to_string()),
            PreferenceError::Store(_) => Problem::internal(error),
        }
    }
}
