//! What auth holds about the caller, for the personal-data export.

use std::sync::Arc;

use chassis::{Problem, http::json::Json};
use identity::Bearer;
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};

use super::{Tag, user::User};
use crate::{state::State, store};

/// Sessions and tokens that are listed at most; nobody has more that are open.
const MOST: u64 = 1000;

/// Everything that auth holds about a user, secrets excepted.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(rename = "AuthPersonalData")]
pub struct PersonalData {
    /// The account.
    pub account: User,
    /// Open sessions.
    pub sessions: Vec<SessionData>,
    /// Personal access tokens.
    pub tokens: Vec<TokenData>,
    /// What the account was seen with.
    pub clients: Vec<ClientData>,
}

/// A session.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct SessionData {
    /// Its id.
    pub id: String,
    /// What the client is called.
    pub client: String,
    /// When it began.
    pub started_at: String,
    /// When it ends unless it is refreshed.
    pub expires_at: String,
}

/// A personal access token.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct TokenData {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: String,
    /// When it ends.
    pub expires_at: String,
    /// When it was used last.
    pub last_used_at: Option<String>,
}

/// A client or network that the account was used with; of a network only a digest is kept.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct ClientData {
    /// `name` or `network`.
    pub kind: String,
    /// The client's name, or the digest of a network.
    pub value: String,
    /// When it was seen last.
    pub last_seen_at: String,
}

/// The export's part of auth.
pub struct PersonalDataApi {
    /// What it needs.
    pub state: Arc<State>,
}

#[OpenApi]
impl PersonalDataApi {
    /// Read everything that auth holds about the caller: the account, sessions, tokens, known clients.
    #[oai(
        path = "/v1/personal-data/auth",
        method = "get",
        operation_id = "getAuthPersonalData",
        tag = "Tag::Profile"
    )]
    async fn personal_data(&self, Bearer(caller): Bearer) -> Result<Json<PersonalData>, Problem> {
        let (db, now) = (self.state.db.read(), self.state.clock.now());
        let user = store::caller::user(db, &caller, now).await?;
        let sessions = store::session::of_user(db, user.id, None, MOST, now)
            .await
            .map_err(Problem::internal)?;
        let tokens = store::token::of_user(db, user.id, None, MOST)
            .await
            .map_err(Problem::internal)?;
        let clients = store::client::of_user(db, user.id).await.map_err(Problem::internal)?;
        Ok(Json(PersonalData {
            account: user.into(),
            sessions: sessions
                .into_iter()
                .map(|session| SessionData {
                    id: session.id.to_string(),
                    client: session.client,
                    started_at: session.started_at.to_string(),
                    expires_at: session.expires_at.to_string(),
                })
                .collect(),
            tokens: tokens
                .into_iter()
                .map(|token| TokenData {
                    id: token.id.to_string(),
                    name: token.name,
                    scopes: token.scopes.iter().map(|scope| scope.name().to_owned()).collect(),
                    created_at: token.created_at.to_string(),
                    expires_at: token.expires_at.to_string(),
                    last_used_at: token.last_used_at.map(|at| at.to_string()),
                })
                .collect(),
            clients: clients
                .into_iter()
                .map(|(kind, value, seen)| ClientData {
                    kind,
                    value,
                    last_seen_at: seen.to_string(),
                })
                .collect(),
        }))
    }
}
