//! A notification: why there is one, what it says, and what it means to read some.

use chassis::FieldError;
use contracts::{
    Timestamp,
    id::{CommentId, NotificationId, ProjectId, TaskId, UserId},
};

/// Why somebody is notified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Somebody else made them an assignee of a task.
    TaskAssigned,
    /// A comment mentions them.
    Mentioned,
    /// Somebody else added them to a project.
    ProjectInvited,
    /// Somebody commented on a task that they made or work on.
    TaskCommented,
    /// A task of theirs comes due.
    TaskDueSoon,
    /// Their password was changed.
    PasswordChanged,
    /// Somebody signed in as them with a client that was never seen before.
    NewSession,
    /// A project of theirs reached a round number of finished tasks.
    MilestoneReached,
    /// The report of their week is ready.
    ReportGenerated,
    /// Their order of a plan was carried out.
    OrderCompleted,
    /// Their order of a plan will not be carried out.
    OrderFailed,
    /// They got an invoice.
    InvoiceIssued,
    /// They could not be charged.
    PaymentFailed,
    /// Their subscription is not paid in time.
    SubscriptionPastDue,
    /// Their subscription went back to the free plan.
    SubscriptionDowngraded,
    /// They come to a limit of their plan.
    UsageThresholdReached,
    /// A webhook of theirs failed for so long that it was disabled.
    WebhookDisabled,
    /// Mails to their address come back, so no more are sent.
    EmailSuppressed,
}

impl Kind {
    /// Every kind, in the order in which clients see them.
    pub const ALL: [Kind; 18] = [
        Kind::TaskAssigned,
        Kind::Mentioned,
        Kind::ProjectInvited,
        Kind::TaskCommented,
        Kind::TaskDueSoon,
        Kind::PasswordChanged,
        Kind::NewSession,
        Kind::MilestoneReached,
        Kind::ReportGenerated,
        Kind::OrderCompleted,
        Kind::OrderFailed,
        Kind::InvoiceIssued,
        Kind::PaymentFailed,
        Kind::SubscriptionPastDue,
        Kind::SubscriptionDowngraded,
        Kind::UsageThresholdReached,
        Kind::WebhookDisabled,
        Kind::EmailSuppressed,
    ];

    /// The name in answers, events and the database.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::TaskAssigned => "task_assigned",
            Kind::Mentioned => "mentioned",
            Kind::ProjectInvited => "project_invited",
            Kind::TaskCommented => "task_commented",
            Kind::TaskDueSoon => "task_due_soon",
            Kind::PasswordChanged => "password_changed",
            Kind::NewSession => "new_session",
            Kind::MilestoneReached => "milestone_reached",
            Kind::ReportGenerated => "report_generated",
            Kind::OrderCompleted => "order_completed",
            Kind::OrderFailed => "order_failed",
            Kind::InvoiceIssued => "invoice_issued",
            Kind::PaymentFailed => "payment_failed",
            Kind::SubscriptionPastDue => "subscription_past_due",
            Kind::SubscriptionDowngraded => "subscription_downgraded",
            Kind::UsageThresholdReached => "usage_threshold_reached",
            Kind::WebhookDisabled => "webhook_disabled",
            Kind::EmailSuppressed => "email_suppressed",
        }
    }

    /// Whether it is mailed until the user says otherwise: what asks for something, not what merely happens.
    pub const fn is_mailed_by_default(self) -> bool {
        !matches!(
            self,
            Kind::TaskCommented | Kind::MilestoneReached | Kind::EmailSuppressed
        )
    }

    /// Whether it concerns the safety of an account: then it waits neither for the end of quiet hours nor for a digest.
    pub const fn is_urgent(self) -> bool {
        matches!(self, Kind::PasswordChanged | Kind::NewSession)
    }

    /// The kind of this name. `None` for a name that only a newer release knows.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Something happened that somebody may want to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Why they may want to.
    pub kind: Kind,
    /// Names the occasion: nobody is told twice of one, even when two different events report it.
    pub cause: String,
    /// When it happened, by the publisher's clock.
    pub happened_at: Timestamp,
    /// Who did it. They are not told. Absent where the user shall hear also of what they did themselves.
    pub actor: Option<UserId>,
    /// The project it is about.
    pub project: Option<ProjectId>,
    /// The task it is about.
    pub task: Option<TaskId>,
    /// The comment it is about.
    pub comment: Option<CommentId>,
    /// What the title names: a task, a project, a client.
    pub subject: String,
    /// What the body is made from; its meaning depends on the kind, see [`text`].
    pub detail: String,
}

impl News {
    /// News of this kind, about nothing yet.
    pub fn new(kind: Kind, cause: String, happened_at: Timestamp) -> Self {
        Self {
            kind,
            cause,
            happened_at,
            actor: None,
            project: None,
            task: None,
            comment: None,
            subject: String::new(),
            detail: String::new(),
        }
    }

    /// Those of `recipients` who are told as far as the news itself says: each once, in a stable order, never the actor.
    pub fn addressees(&self, recipients: impl IntoIterator<Item = UserId>) -> Vec<UserId> {
        let once: std::collections::BTreeSet<UserId> = recipients
            .into_iter()
            .filter(|user| Some(*user) != self.actor)
            .collect();
        once.into_iter().collect()
    }
}

/// Characters of a subject or detail at most; what is longer was not made by our own services' rules.
const LONGEST: usize = 300;

/// `text` in one line of bounded length, so that nothing in an event can break a client's list.
pub fn one_line(text: &str) -> String {
    let line: String = text
        .split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The words of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// One line.
    pub title: String,
    /// Some more; may be empty.
    pub body: String,
}

/// Puts a notification in words when it is shown: a name that came later than the notification, or was changed, is right.
///
/// `kind` is `None` for a kind that only a newer release knows (this one runs after a rollback).
pub fn text(kind: Option<Kind>, subject: &str, detail: &str, actor: Option<&str>) -> Text {
    const NOT_YOU: &str = "If this was not you, set a new password and end the sessions that you do not know.";
    let actor = actor.filter(|name| !name.is_empty()).unwrap_or("Someone");
    let (title, body) = match kind {
        Some(Kind::TaskAssigned) => (format!("{actor} assigned “{subject}” to you"), String::new()),
        Some(Kind::Mentioned) => (format!("{actor} mentioned you on “{subject}”"), detail.to_owned()),
        Some(Kind::ProjectInvited) => (
            format!("{actor} added you to “{subject}”"),
            format!("Your role is {detail}."),
        ),
        Some(Kind::TaskCommented) => (format!("{actor} commented on “{subject}”"), detail.to_owned()),
        Some(Kind::TaskDueSoon) => (format!("“{subject}” is due soon"), format!("It is due at {detail}.")),
        Some(Kind::PasswordChanged) if detail == "reset" => (
            "Your password was reset".to_owned(),
            format!("A link from an e-mail to your address was used. {NOT_YOU}"),
        ),
        Some(Kind::PasswordChanged) => ("Your password was changed".to_owned(), NOT_YOU.to_owned()),
        Some(Kind::NewSession) => (format!("New sign-in with {subject}"), NOT_YOU.to_owned()),
        Some(Kind::MilestoneReached) => (format!("“{subject}” reached {detail} finished tasks"), String::new()),
        Some(Kind::ReportGenerated) => (format!("Your week: {subject} tasks finished"), detail.to_owned()),
        Some(Kind::OrderCompleted) => (
            format!("Your order of the plan “{subject}” is complete"),
            detail.to_owned(),
        ),
        Some(Kind::OrderFailed) => (
            format!("Your order of the plan “{subject}” was not carried out"),
            detail.to_owned(),
        ),
        Some(Kind::InvoiceIssued) => (format!("Invoice {subject}"), detail.to_owned()),
        Some(Kind::PaymentFailed) => ("A payment failed".to_owned(), detail.to_owned()),
        Some(Kind::SubscriptionPastDue) => (
            format!("Your subscription to “{subject}” is past due"),
            "Pay the open invoice to keep the plan.".to_owned(),
        ),
        Some(Kind::SubscriptionDowngraded) => (
            format!("Your plan is “{subject}” now"),
            "The subscription was not paid. Nothing was deleted.".to_owned(),
        ),
        Some(Kind::UsageThresholdReached) => (format!("You use {subject} of your plan"), detail.to_owned()),
        Some(Kind::WebhookDisabled) => (
            format!("Your webhook to {subject} was disabled"),
            format!("{detail}. Mend the endpoint, enable the webhook again, and replay what it missed."),
        ),
        Some(Kind::EmailSuppressed) => (
            format!("Mails to {subject} come back"),
            format!("{detail}. No more mails are sent there until your address changes."),
        ),
        None => (subject.to_owned(), detail.to_owned()),
    };
    Text { title, body }
}

/// Most ids that one request may name.
pub const MOST_IDS: usize = 200;

/// What shall count as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// These.
    These(Vec<NotificationId>),
    /// Everything up to this one; without it, everything.
    All(Option<NotificationId>),
}

impl Selection {
    /// Reads a request.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(ids: Option<Vec<String>>, all: Option<bool>, up_to: Option<&str>) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let all = all.unwrap_or(false);
        if ids.is_some() == all {
            wrong.push(FieldError::new(
                "",
                "name the notifications in ids, or send \"all\": true; one of the two",
            ));
        }
        if up_to.is_some() && !all {
            wrong.push(FieldError::new("/up_to", "goes with \"all\": true only"));
        }
        let up_to = up_to.and_then(|text| id(text, "/up_to", &mut wrong));
        let ids = ids.unwrap_or_default();
        if !all && ids.is_empty() && wrong.is_empty() {
            wrong.push(FieldError::new("/ids", "must name at least one notification"));
        }
        if ids.len() > MOST_IDS {
            wrong.push(FieldError::new(
                "/ids",
                format!("must name {MOST_IDS} notifications at most; send the rest in further requests"),
            ));
        }
        let mut these = Vec::with_capacity(ids.len().min(MOST_IDS));
        for (position, text) in ids.iter().take(MOST_IDS).enumerate() {
            these.extend(id(text, &format!("/ids/{position}"), &mut wrong));
        }
        these.sort_unstable();
        these.dedup();
        match (wrong.is_empty(), all) {
            (false, _) => Err(wrong),
            (true, true) => Ok(Selection::All(up_to)),
            (true, false) => Ok(Selection::These(these)),
        }
    }
}

fn id(text: &str, pointer: &str, wrong: &mut Vec<FieldError>) -> Option<NotificationId> {
    text.parse()
        .map_err(|error: contracts::id::InvalidId| wrong.push(FieldError::new(pointer, error.to_string())))
        .ok()
}

/// Why notifications cannot be listed or marked.
#[derive(Debug, thiserror::Error)]
pub enum NotificationError {
    /// The database failed.
    #[error("reading or storing notifications")]
    Store(#[from] sea_orm::DbErr),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_of_what_they_did_themselves_nor_twice() {
        let (ada, bo) = (UserId::new(), UserId::new());
        let news = News {
            actor: Some(ada),
            ..News::new(Kind::TaskAssigned, String::new(), Timestamp::now())
        };
        assert_eq!(news.addressees([bo, ada, bo]), [bo]);
    }

    #[test]
    fn an_actor_without_a_known_name_is_someone() {
        assert_eq!(
            text(Some(Kind::Mentioned), "Valve", "look", None).title,
            "Someone mentioned you on “Valve”"
        );
        assert_eq!(
            text(Some(Kind::Mentioned), "Valve", "look", Some("")).title,
            "Someone mentioned you on “Valve”"
        );
        assert_eq!(
            text(Some(Kind::Mentioned), "Valve", "look", Some("Ada")).title,
            "Ada mentioned you on “Valve”"
        );
    }

    #[test]
    fn a_text_of_many_lines_becomes_one_line_of_bounded_length() {
        assert_eq!(one_line(" a\r\n\tb\u{0}c  "), "a b c");
        assert_eq!(one_line(&"é".repeat(1000)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn a_request_that_names_nothing_or_both_is_told_what_to_send() {
        for (ids, all) in [
            (None, None),
            (None, Some(false)),
            (Some(vec![]), None),
            (Some(vec![]), Some(true)),
        ] {
            assert_eq!(
                Selection::parse(ids.clone(), all, None).map_err(|wrong| wrong.len()),
                Err(1),
                "{ids:?} {all:?}"
            );
        }
    }

    #[test]
    fn all_wrong_values_of_a_request_are_told_at_once() {
        let good = NotificationId::new();
        let wrong = Selection::parse(
            Some(vec!["x".into(), good.to_string(), "tsk_1".into()]),
            None,
            Some("y"),
        )
        .unwrap_err();
        let pointers: Vec<&str> = wrong.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["#/up_to", "#/up_to", "#/ids/0", "#/ids/2"]);
    }

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
        assert_eq!(Kind::named("birthday"), None);
    }
}
