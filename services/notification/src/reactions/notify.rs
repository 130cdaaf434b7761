//! News becomes notifications: whoever is addressed, may hear of it and wants to gets one, with its event and its place in
//! the badge, in the transaction of the reaction.
//!
//! One occasion ([`News::cause`]) makes one notification for a user at most, kept by a unique key: neither an event that is
//! handled again long after the inbox forgot it nor two events about one occasion put the badge wrong.

use contracts::{
    Timestamp,
    id::UserId,
    notification::{NotificationCreated, NotificationRead},
};
use database::Tx;
use sea_orm::DbErr;

use super::{broadcast::broadcast, outside};
use crate::{
    domain::notification::{Kind, News},
    store::{
        audience::{self, Audience},
        inbox,
        notification::{self, Model, Removed},
        webhook::Concerned,
    },
};

/// Notifies those of `recipients` who are to be told.
pub(crate) async fn notify(
    tx: &Tx,
    news: &News,
    recipients: impl IntoIterator<Item = UserId>,
    now: Timestamp,
) -> Result<(), DbErr> {
    for addressees in news.addressees(recipients).chunks(audience::MOST) {
        let audience = audience::of(tx, news, addressees).await?;
        if !audience.listeners.is_empty() {
            tell(tx, news, &audience, now).await?;
            outside::tell(tx, news, &audience, now).await?;
        }
    }
    Ok(())
}

async fn tell(tx: &Tx, news: &News, audience: &Audience, now: Timestamp) -> Result<(), DbErr> {
    let in_app = audience.in_app();
    if in_app.is_empty() {
        return Ok(());
    }
    if let (Kind::Mentioned, Some(comment)) = (news.kind, news.comment) {
        // An edit mentions somebody who was told of the comment as such: one notification for a comment, and mention wins.
        inbox::lock(tx, in_app.iter().copied()).await?;
        withdraw(tx, notification::withdraw_commented(tx, comment, &in_app).await?).await?;
    }
    let rows = in_app.iter().map(|user| Model::new(news, *user, now)).collect();
    let stored = notification::insert(tx, rows).await?;
    let unread = inbox::change(tx, stored.iter().map(|row| (row.user_id, 1))).await?;
    for row in stored {
        let text = row.text(audience.actor_name.as_deref());
        let event = NotificationCreated {
            notification_id: row.id,
            user_id: row.user_id,
            kind: row.kind,
            title: text.title,
            body: text.body,
            actor_id: row.actor_id,
            project_id: row.project_id,
            task_id: row.task_id,
            comment_id: row.comment_id,
            created_at: row.created_at,
            unread_count: unread.get(&row.user_id).copied().unwrap_or_default(),
        };
        let id = messaging::append(tx, &event)?;
        let concerned = Concerned::Users(vec![event.user_id]);
        broadcast(tx, &event, id, &concerned, event.created_at, now).await?;
    }
    Ok(())
}

async fn withdraw(tx: &Tx, removed: Vec<Removed>) -> Result<(), DbErr> {
    let unread: Vec<Removed> = removed.into_iter().filter(|one| one.unread).collect();
    let counts = inbox::change(tx, unread.iter().map(|one| (one.user, -1))).await?;
    for one in unread {
        let event = NotificationRead {
            user_id: one.user,
            notification_ids: vec![one.id],
            up_to: None,
            unread_count: counts.get(&one.user).copied().unwrap_or_default(),
        };
        messaging::append(tx, &event)?;
    }
    Ok(())
}
