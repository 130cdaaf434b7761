//! Closing one's account for good, and seeing that it is erased everywhere.

use std::sync::Arc;

use chassis::{
    FieldError, Problem,
    http::{answer::Accepted, json::Json},
};
use contracts::auth::UserDeleted;
use identity::Bearer;
use poem::http::StatusCode;
use poem_openapi::{Object, OpenApi, param::Path, types::Example};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::Tag;
use crate::{
    domain::{
        erasure::{self, ErasureError},
        password::NewPassword,
        secret,
        session::{EndReason, SessionError},
        throttle,
        user::UserError,
    },
    state::State,
    store::{self, session::Which},
};

/// That it is really meant.
#[derive(Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct CloseAccount {
    /// The password of the account.
    pub password: String,
}

impl Example for CloseAccount {
    fn example() -> Self {
        Self {
            password: "correct horse battery staple".to_owned(),
        }
    }
}

/// How far the erasure of an account is.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Erasure {
    /// Its id, by which it can be read without an account; answered when the account is closed, and kept nowhere else.
    pub id: String,
    /// `running` or `completed`.
    pub status: String,
    /// Whose account it was.
    pub user_id: String,
    /// When the account was closed.
    pub requested_at: String,
    /// When the last service was done; null until then.
    pub completed_at: Option<String>,
    /// Each service that held something about the person.
    pub services: Vec<ErasurePart>,
}

/// What one service has to erase.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct ErasurePart {
    /// Which service.
    pub service: String,
    /// When it was done; null until then.
    pub erased_at: Option<String>,
}

impl Example for Erasure {
    fn example() -> Self {
        Self {
            id: "cth_er_example".to_owned(),
            status: "running".to_owned(),
            user_id: "usr_01k9xqt0vte0mbgkz9hm4rvw3e".to_owned(),
            requested_at: "2026-11-13T09:30:00Z".to_owned(),
            completed_at: None,
            services: vec![ErasurePart {
                service: "project".to_owned(),
                erased_at: Some("2026-11-13T09:30:01Z".to_owned()),
            }],
        }
    }
}

impl Erasure {
    fn of(id: String, erasure: erasure::Erasure) -> Self {
        let completed = erasure.completed_at.is_some();
        Self {
            id,
            status: if completed { "completed" } else { "running" }.to_owned(),
            user_id: erasure.user.to_string(),
            requested_at: erasure.requested_at.to_string(),
            completed_at: erasure.completed_at.map(|at| at.to_string()),
            services: erasure
                .services
                .into_iter()
                .map(|(service, at)| ErasurePart {
                    service,
                    erased_at: at.map(|at| at.to_string()),
                })
                .collect(),
        }
    }
}

impl From<ErasureError> for Problem {
    fn from(error: ErasureError) -> Self {
        match error {
            ErasureError::NotFound => Problem::not_found("erasure-not-found", error.to_string()),
            ErasureError::WrongPassword => {
                let text = error.to_string();
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong-password", text.clone())
                    .with_errors(vec![FieldError::new("/password", text)])
            }
            ErasureError::User(error) => error.into(),
            ErasureError::Session(error) => error.into(),
            ErasureError::Hash(error) => error.into(),
            ErasureError::Random(_) | ErasureError::Store(_) => Problem::internal(error),
        }
    }
}

/// Operations on erasures.
pub struct ErasureApi {
    /// What they need.
    pub state: Arc<State>,
}

#[OpenApi]
impl ErasureApi {
    /// Close one's account for good. There is no way back.
    ///
    /// All sessions and tokens end at once, and name, address and credentials are erased. Every other service then erases
    /// what it holds about the person: a project that nobody else is in is deleted, one without another owner goes to the
    /// admin who has been in it the longest, or else to the member of the highest role who has. Comments and tasks stay as
    /// those of a deleted user. The answer's id shows, without an account, how far that is.
    #[oai(
        path = "/v1/me",
        method = "delete",
        operation_id = "closeAccount",
        tag = "Tag::Profile"
    )]
    async fn close_account(
        &self,
        Bearer(caller): Bearer,
        body: Json<CloseAccount>,
    ) -> Result<Accepted<Erasure>, Problem> {
        let State {
            db,
            clock,
            settings,
            hasher,
            ..
        } = &*self.state;
        let password = SecretString::from(body.0.password);
        let user = store::caller::user(db.read(), &caller, clock.now()).await?;
        let counter = throttle::signed_in(&user.email.key());
        db.write(async |tx| {
            store::throttle::take(tx, &settings.account, &counter, clock.now()).await?;
            Ok::<_, SessionError>(())
        })
        .await?;
        if !hasher.check(&password, Some(&user.password)).await?.matches {
            return Err(ErasureError::WrongPassword.into());
        }
        let id = secret::generate(secret::ERASURE).map_err(ErasureError::from)?;
        // Nobody knows the new password, and nothing tells it from that of an account in use.
        let nobodys = secret::generate("").map_err(ErasureError::from)?;
        let nobodys = NewPassword::parse(nobodys.expose_secret(), &[]);
        let nobodys = nobodys.map_err(|wrong| Problem::internal(sea_orm::DbErr::Custom(wrong)))?;
        let hash = hasher.hash(nobodys).await?;
        let (now, digest) = (clock.now(), secret::digest(id.expose_secret()));
        let erasure = db
            .write(async |tx| {
                let others = store::user::other_admins(tx, caller.user).await?;
                let seen = user.password;
                let mut user = store::caller::for_change(tx, &caller, now)
                    .await
                    .map_err(UserError::from)?;
                if user.password != seen {
                    return Err(ErasureError::WrongPassword);
                }
                if user.administers() && others == 0 {
                    return Err(UserError::LastAdmin.into());
                }
                store::session::end(tx, user.id, Which::All, EndReason::AccountDeleted, now).await?;
                store::token::revoke(tx, user.id, None).await?;
                store::erasure::forget(tx, &user).await?;
                let deleted: UserDeleted = user.erase(hash, now);
                store::user::update(tx, &user).await?;
                store::erasure::begin(tx, user.id, &digest, now).await?;
                messaging::append(tx, &deleted)?;
                store::erasure::find(tx, &digest).await?.ok_or(ErasureError::NotFound)
            })
            .await?;
        let id = id.expose_secret().to_owned();
        Ok(Accepted {
            location: format!("/v1/erasures/{id}"),
            body: Erasure::of(id, erasure),
        })
    }

    /// Read how far the erasure of an account is. Anybody who has its id may.
    #[oai(
        path = "/v1/erasures/:id",
        method = "get",
        operation_id = "getErasure",
        tag = "Tag::Accounts"
    )]
    async fn get_erasure(&self, id: Path<String>) -> Result<Json<Erasure>, Problem> {
        let found = store::erasure::find(self.state.db.read(), &secret::digest(&id.0))
            .await
            .map_err(ErasureError::from)?;
        Ok(Json(Erasure::of(id.0, found.ok_or(ErasureError::NotFound)?)))
    }
}

impl std::fmt::Debug for CloseAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CloseAccount").finish_non_exhaustive()
    }
}
