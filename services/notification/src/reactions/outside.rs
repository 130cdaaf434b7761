//! News leaves the house: what somebody wants by mail or in Slack becomes a delivery, due when they want to hear of it.
//!
//! Quiet hours hold deliveries back, a digest collects them; what concerns the safety of an account waits for nothing. One
//! occasion makes one message in a channel, as it makes one notification in the inbox.

use contracts::{Timestamp, id::UserId};
use database::Tx;
use sea_orm::DbErr;
use serde_json::json;

use crate::{
    domain::{
        delivery::Channel,
        notification::{News, Text, text},
        preference::Preference,
        slack,
    },
    outbound::EMAIL_TARGET,
    store::{
        audience::Audience,
        contact::{self, Contact},
        delivery::{self, Model},
        digest,
    },
};

/// Writes down what is to be sent to those of `audience` who want to be told outside of the inbox.
pub(super) async fn tell(tx: &Tx, news: &News, audience: &Audience, now: Timestamp) -> Result<(), DbErr> {
    let wanting: Vec<UserId> = audience
        .listeners
        .iter()
        .filter(|(_, wants)| wants.email || wants.slack)
        .map(|(user, _)| *user)
        .collect();
    let words = text(
        Some(news.kind),
        &news.subject,
        &news.detail,
        audience.actor_name.as_deref(),
    );
    let mut deliveries = Vec::new();
    for contact in contact::of(tx, &wanting).await? {
        let Some((_, wants)) = audience.listeners.iter().find(|(user, _)| *user == contact.user) else {
            continue;
        };
        deliveries.extend(planned(tx, news, &words, &contact, *wants, now).await?);
    }
    delivery::insert(tx, deliveries).await
}

async fn planned(
    tx: &Tx,
    news: &News,
    words: &Text,
    contact: &Contact,
    wants: Preference,
    now: Timestamp,
) -> Result<Vec<Model>, DbErr> {
    let (urgent, user) = (news.kind.is_urgent(), contact.user);
    let due_at = match urgent {
        true => now,
        false => contact.schedule.awake(now),
    };
    let about = |delivery: Model| Model {
        project_id: news.project,
        task_id: news.task,
        comment_id: news.comment,
        due_at: Some(due_at),
        ..delivery
    };
    let mut deliveries = Vec::new();
    if wants.email && contact.email {
        let collected = contact.schedule.collected(now).filter(|_| !urgent);
        match collected {
            Some(due_at) => digest::insert(tx, entry(news, words, user, due_at, now)).await?,
            None => {
                let payload = json!({ "title": words.title, "body": words.body }).to_string();
                let (target, message) = (EMAIL_TARGET.to_owned(), format!("{user}:{}", news.cause));
                let kind = news.kind.name();
                deliveries.push(about(Model::new(
                    Channel::Email,
                    user,
                    target,
                    message,
                    kind,
                    payload,
                    now,
                )));
            }
        }
    }
    if wants.slack && contact.slack {
        let payload = slack::message(&words.title, &words.body);
        let kind = news.kind.name();
        let (target, message) = (user.to_string(), news.cause.clone());
        deliveries.push(about(Model::new(
            Channel::Slack,
            user,
            target,
            message,
            kind,
            payload,
            now,
        )));
    }
    Ok(deliveries)
}

fn entry(news: &News, words: &Text, user: UserId, due_at: Timestamp, now: Timestamp) -> digest::Model {
    digest::Model {
        user_id: user,
        cause: news.cause.clone(),
        title: words.title.clone(),
        body: words.body.clone(),
        project_id: news.project,
        task_id: news.task,
        comment_id: news.comment,
        due_at,
        created_at: now,
    }
}
