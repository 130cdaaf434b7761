//! One click ends mails (RFC 8058), without signing in: the link is the proof.
//!
//! Mail programs and scanners open links on their own, so opening one only shows a page with a button; the click is a POST.

use std::sync::Arc;

use chassis::Problem;
use database::Db;
use poem_openapi::{OpenApi, param::Path, payload::Html};

use super::Tag;
use crate::{
    domain::{notification::Kind, preference::PreferenceError, schedule::Digest},
    secrets::Secrets,
    store::preference,
};

/// Operations of links in mails.
pub struct UnsubscribeApi {
    /// The service's database.
    pub db: Db,
    /// Opens the links.
    pub secrets: Arc<Secrets>,
}

#[OpenApi]
impl UnsubscribeApi {
    /// Show a page that asks whether mails shall end. Changes nothing.
    #[oai(
        path = "/v1/unsubscribe/:token",
        method = "get",
        operation_id = "showUnsubscribe",
        tag = "Tag::Preferences"
    )]
    async fn show_unsubscribe(&self, token: Path<String>) -> Result<Html<String>, Problem> {
        let (_, kind) = self.secrets.unsubscribed(&token.0).ok_or(PreferenceError::Link)?;
        let which = which(kind.as_deref());
        Ok(page(&format!(
            "<p>Shall we stop sending you {which}?</p><form method=\"post\"><button type=\"submit\">Stop</button></form>"
        )))
    }

    /// End mails of the kind that the link is for. What is put into the inbox stays as it is.
    #[oai(
        path = "/v1/unsubscribe/:token",
        method = "post",
        operation_id = "unsubscribe",
        tag = "Tag::Preferences"
    )]
    async fn unsubscribe(&self, token: Path<String>) -> Result<Html<String>, Problem> {
        let (user, kind) = self.secrets.unsubscribed(&token.0).ok_or(PreferenceError::Link)?;
        self.db
            .write(async |tx| {
                preference::take(tx, user).await?;
                let (mut preferences, _) = preference::find(tx, user).await?;
                let ended = |one: Kind| kind.as_deref().is_none_or(|kind| kind == one.name());
                for one in Kind::ALL.into_iter().filter(|one| ended(*one)) {
                    if let Some(one) = preferences.of_mut(one) {
                        one.email = false;
                    }
                }
                for one in preferences
                    .projects
                    .iter_mut()
                    .flat_map(|project| &mut project.exceptions)
                {
                    if ended(one.kind) {
                        one.email = one.email.map(|_| false);
                    }
                }
                if kind.is_none() {
                    preferences.schedule.digest = Digest::Off;
                }
                Ok::<_, PreferenceError>(preference::replace(tx, user, &preferences).await?)
            })
            .await?;
        let which = which(kind.as_deref());
        Ok(page(&format!("<p>We will not send you {which} any more.</p>")))
    }
}

/// In words; a kind is one of our own names.
fn which(kind: Option<&str>) -> String {
    match kind.and_then(Kind::named) {
        Some(kind) => format!("mails of the type “{}”", kind.name().replace('_', " ")),
        None => "any mails".to_owned(),
    }
}

fn page(content: &str) -> Html<String> {
    Html(format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>CloudTaskHub</title></head><body>{content}</body></html>"
    ))
}
