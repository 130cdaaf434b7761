//! Confirming an e-mail address over HTTP.

use std::sync::Arc;

use chassis::{
    Problem,
    http::{answer::NoContent, json::Json},
};
use identity::Bearer;
use poem_openapi::{Object, OpenApi, types::Example};
use serde::{Deserialize, Serialize};

use super::Tag;
use crate::{
    domain::{
        mail::{CodeError, Purpose},
        secret,
    },
    state::State,
    store,
};

/// The code from a mail.
#[derive(Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct Verify {
    /// The code.
    pub token: String,
}

impl Example for Verify {
    fn example() -> Self {
        Self {
            token: "cth_ev_example".to_owned(),
        }
    }
}

opaque!(Verify);

/// Operations on addresses.
pub struct MailApi {
    /// What they need.
    pub state: Arc<State>,
}

#[OpenApi]
impl MailApi {
    /// Confirm an e-mail address with the code from the mail.
    #[oai(
        path = "/v1/auth/verify",
        method = "post",
        operation_id = "verifyEmail",
        tag = "Tag::Accounts"
    )]
    async fn verify_email(&self, body: Json<Verify>) -> Result<NoContent, Problem> {
        let (digest, now) = (secret::digest(&body.0.token), self.state.clock.now());
        self.state
            .db
            .write(async |tx| {
                let taken = store::code::take(tx, Purpose::Verify, &digest, now).await?;
                let (id, email_key) = taken.ok_or(CodeError::Invalid)?;
                let user = store::user::for_change(tx, id).await?;
                let mut user = user
                    .filter(|user| !user.disabled && user.email.key() == email_key)
                    .ok_or(CodeError::Invalid)?;
                if let Some(updated) = user.verify_email(now) {
                    store::user::update(tx, &user).await?;
                    messaging::append(tx, &updated)?;
                }
                store::code::void(tx, id, Purpose::Verify).await?;
                Ok::<_, CodeError>(())
            })
            .await?;
        Ok(NoContent)
    }

    /// Ask for the mail that confirms one's address again. Nothing is sent when it is confirmed already.
    #[oai(
        path = "/v1/auth/verify/resend",
        method = "post",
        operation_id = "resendVerification",
        tag = "Tag::Accounts"
    )]
    async fn resend_verification(&self, Bearer(caller): Bearer) -> Result<NoContent, Problem> {
        let now = self.state.clock.now();
        self.state
            .db
            .write(async |tx| {
                let user = store::caller::user(tx, &caller, now).await?;
                if !user.email_verified {
                    store::mail::request(tx, Purpose::Verify, Some(user.id), user.email.key(), now).await?;
                }
                Ok::<_, CodeError>(())
            })
            .await?;
        self.state.mail_bell.notify_one();
        Ok(NoContent)
    }
}
