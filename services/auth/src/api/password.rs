//! Changing and resetting passwords over HTTP.

use std::sync::Arc;

use chassis::{
    FieldError, Problem,
    http::{answer::NoContent, json::Json},
};
use identity::Bearer;
use poem::{Request, http::StatusCode};
use poem_openapi::{Object, OpenApi, types::Example};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{Tag, client};
use crate::{
    domain::{
        email::Email,
        mail::{CodeError, Purpose},
        password::NewPassword,
        secret,
        session::{EndReason, SessionError},
        throttle,
    },
    state::State,
    store::{self, session::Which},
};

/// Another password.
#[derive(Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct ChangePassword {
    /// The password until now.
    pub current_password: String,
    /// 8 to 128 characters, none of those that are guessed first.
    #[oai(validator(min_length = 8, max_length = 128))]
    pub new_password: String,
}

impl Example for ChangePassword {
    fn example() -> Self {
        Self {
            current_password: "correct horse battery staple".to_owned(),
            new_password: "seven quiet lighthouses".to_owned(),
        }
    }
}

/// Who forgot their password.
#[derive(Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct Forgot {
    /// The address of the account.
    #[oai(validator(max_length = 254))]
    pub email: String,
}

impl Example for Forgot {
    fn example() -> Self {
        Self {
            email: "ada@example.com".to_owned(),
        }
    }
}

/// A new password instead of a forgotten one.
#[derive(Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct Reset {
    /// The code from the mail.
    pub token: String,
    /// 8 to 128 characters, none of those that are guessed first.
    #[oai(validator(min_length = 8, max_length = 128))]
    pub new_password: String,
}

impl Example for Reset {
    fn example() -> Self {
        Self {
            token: "cth_pr_example".to_owned(),
            new_password: "seven quiet lighthouses".to_owned(),
        }
    }
}

/// Operations on passwords.
pub struct PasswordApi {
    /// What they need.
    pub state: Arc<State>,
}

#[OpenApi]
impl PasswordApi {
    /// Change one's password. All other sessions end.
    #[oai(
        path = "/v1/me/password",
        method = "post",
        operation_id = "changePassword",
        tag = "Tag::Profile"
    )]
    async fn change_password(&self, Bearer(caller): Bearer, body: Json<ChangePassword>) -> Result<NoContent, Problem> {
        let State {
            db,
            clock,
            settings,
            hasher,
            ..
        } = &*self.state;
        let (current, new) = (SecretString::from(body.0.current_password), body.0.new_password);
        let user = store::caller::user(db.read(), &caller, clock.now()).await?;
        let new = parse_new(&new, &user.known()).map_err(Problem::invalid)?;
        let counter = throttle::signed_in(&user.email.key());
        db.write(async |tx| {
            store::throttle::take(tx, &settings.account, &counter, clock.now()).await?;
            Ok::<_, SessionError>(())
        })
        .await?;
        if !hasher.check(&current, Some(&user.password)).await?.matches {
            return Err(wrong_password());
        }
        let hash = hasher.hash(new).await?;
        let now = clock.now();
        let changed = db
            .write(async |tx| {
                let seen = user.password;
                let mut user = store::caller::for_change(tx, &caller, now).await?;
                if user.password != seen {
                    return Ok(false);
                }
                let changed = user.set_password(hash, false, now);
                store::user::update(tx, &user).await?;
                messaging::append(tx, &changed)?;
                let others = caller.session.map_or(Which::All, Which::AllBut);
                store::session::end(tx, user.id, others, EndReason::PasswordChanged, now).await?;
                store::code::void(tx, user.id, Purpose::Reset).await?;
                store::throttle::clear(tx, &counter).await?;
                Ok::<_, SessionError>(true)
            })
            .await?;
        if changed { Ok(NoContent) } else { Err(wrong_password()) }
    }

    /// Ask for a mail with which to set a new password. The answer is the same whether or not there is an account.
    #[oai(
        path = "/v1/auth/forgot",
        method = "post",
        operation_id = "forgotPassword",
        tag = "Tag::Accounts"
    )]
    async fn forgot_password(&self, request: &Request, body: Json<Forgot>) -> Result<NoContent, Problem> {
        let State {
            db, clock, settings, ..
        } = &*self.state;
        let email = Email::parse(&body.0.email);
        let email = email.map_err(|wrong| Problem::invalid(vec![FieldError::new("/email", wrong)]))?;
        let counter = throttle::mails(&client::of(request));
        let now = clock.now();
        // Whose address it is, if anybody's, is looked up when the mail is sent: until then it is the same work.
        db.write(async |tx| {
            store::throttle::take(tx, &settings.network, &counter, now).await?;
            store::mail::request(tx, Purpose::Reset, None, email.key(), now).await?;
            Ok::<_, SessionError>(())
        })
        .await?;
        self.state.mail_bell.notify_one();
        Ok(NoContent)
    }

    /// Set a new password with the code from a mail. All sessions end and all personal access tokens are void.
    #[oai(
        path = "/v1/auth/reset",
        method = "post",
        operation_id = "resetPassword",
        tag = "Tag::Accounts"
    )]
    async fn reset_password(&self, request: &Request, body: Json<Reset>) -> Result<NoContent, Problem> {
        let State { db, clock, hasher, .. } = &*self.state;
        let (digest, client) = (secret::digest(&body.0.token), client::of(request));
        let code = store::code::find(db.read(), Purpose::Reset, &digest, clock.now())
            .await
            .map_err(CodeError::from)?;
        let code = code.ok_or(CodeError::Invalid)?;
        let user = store::user::find(db.read(), code.user_id)
            .await
            .map_err(CodeError::from)?
            .ok_or(CodeError::Invalid)?;
        let new = parse_new(&body.0.new_password, &user.known()).map_err(CodeError::Unacceptable)?;
        let hash = hasher.hash(new).await?;
        let now = clock.now();
        db.write(async |tx| {
            let taken = store::code::take(tx, Purpose::Reset, &digest, now).await?;
            let (id, email_key) = taken.ok_or(CodeError::Invalid)?;
            let user = store::user::for_change(tx, id).await?;
            let mut user = user
                .filter(|user| !user.disabled && user.email.key() == email_key)
                .ok_or(CodeError::Invalid)?;
            // Whoever reads the mailbox has shown that the address is theirs.
            if let Some(updated) = user.verify_email(now) {
                messaging::append(tx, &updated)?;
            }
            let changed = user.set_password(hash, true, now);
            store::user::update(tx, &user).await?;
            messaging::append(tx, &changed)?;
            store::session::end(tx, id, Which::All, EndReason::PasswordChanged, now).await?;
            store::token::revoke(tx, id, None).await?;
            store::code::void(tx, id, Purpose::Reset).await?;
            store::throttle::clear(tx, &throttle::account(&email_key)).await?;
            store::client::remember_network(tx, id, &client, now).await?;
            Ok::<_, CodeError>(())
        })
        .await?;
        Ok(NoContent)
    }
}

fn parse_new(text: &str, about: &[&str]) -> Result<NewPassword, Vec<FieldError>> {
    NewPassword::parse(text, about).map_err(|wrong| vec![FieldError::new("/new_password", wrong)])
}

fn wrong_password() -> Problem {
    let detail = "the current password is another one";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong-password", detail)
        .with_errors(vec![FieldError::new("/current_password", detail)])
}

opaque!(ChangePassword Forgot Reset);
