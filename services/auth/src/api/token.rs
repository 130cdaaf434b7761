//! Personal access tokens over HTTP.

use std::sync::Arc;

use chassis::{
    Problem,
    http::{
        answer::{Created, NoContent},
        idempotency::Key,
        json::Json,
        page::{self, Page},
    },
};
use contracts::id::TokenId;
use identity::Bearer;
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path, Query},
    types::Example,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::Tag;
use crate::{
    domain::{
        secret,
        token::{self, TokenDraft, TokenError},
    },
    state::State,
    store,
};

/// A token to be made.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct CreateToken {
    /// What it is for, 1 to 100 characters.
    #[oai(validator(min_length = 1, max_length = 100))]
    pub name: String,
    /// What it may be used for: `profile:read`, `profile:write`, `projects:read`, `projects:write`, `tasks:read`,
    /// `tasks:write`, `notifications:read`, `notifications:write`, `billing:read`, `billing:write`, `analytics:read`, `admin`.
    #[oai(validator(min_items = 1, max_items = 12))]
    pub scopes: Vec<String>,
    /// When it ends; in 90 days when it is left out.
    #[serde(default)]
    pub expires_at: Option<String>,
}

impl Example for CreateToken {
    fn example() -> Self {
        Self {
            name: "Continuous integration".to_owned(),
            scopes: vec!["tasks:read".to_owned(), "tasks:write".to_owned()],
            expires_at: None,
        }
    }
}

/// A personal access token, without its secret.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Token {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: String,
    /// When it ends.
    pub expires_at: String,
    /// When it was used last, to the minute.
    pub last_used_at: Option<String>,
}

impl Example for Token {
    fn example() -> Self {
        Self {
            id: "pat_01k9xqt0vte0mbgkz9hm4rvw3e".to_owned(),
            name: "Continuous integration".to_owned(),
            scopes: vec!["tasks:read".to_owned(), "tasks:write".to_owned()],
            created_at: "2026-11-13T09:30:00Z".to_owned(),
            expires_at: "2027-02-11T09:30:00Z".to_owned(),
            last_used_at: None,
        }
    }
}

/// A new personal access token, with its secret.
#[derive(Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct NewToken {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: String,
    /// When it ends.
    pub expires_at: String,
    /// The secret: send it as `Authorization: Bearer …` to the gateway. It is shown this once.
    pub token: String,
}

impl Example for NewToken {
    fn example() -> Self {
        let Token {
            id,
            name,
            scopes,
            created_at,
            expires_at,
            ..
        } = Token::example();
        Self {
            id,
            name,
            scopes,
            created_at,
            expires_at,
            token: "cth_pat_example".to_owned(),
        }
    }
}

opaque!(NewToken);

impl From<token::Token> for Token {
    fn from(token: token::Token) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name,
            scopes: token.scopes.iter().map(|scope| scope.name().to_owned()).collect(),
            created_at: token.created_at.to_string(),
            expires_at: token.expires_at.to_string(),
            last_used_at: token.last_used_at.map(|at| at.to_string()),
        }
    }
}

/// Operations on personal access tokens.
pub struct TokenApi {
    /// What they need.
    pub state: Arc<State>,
}

#[OpenApi]
impl TokenApi {
    /// Make a personal access token. Its secret is in this answer and nowhere else.
    #[oai(
        path = "/v1/tokens",
        method = "post",
        operation_id = "createToken",
        tag = "Tag::Tokens"
    )]
    async fn create_token(
        &self,
        Bearer(caller): Bearer,
        /// Send the request again with the same key, and it is still done once.
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<String>>,
        body: Json<CreateToken>,
    ) -> Result<Created<NewToken>, Problem> {
        let State {
            db,
            clock,
            settings,
            seal,
            ..
        } = &*self.state;
        let key = Key::parse(key.0.as_deref(), caller.user, "POST /v1/tokens", &body.0)?;
        let now = clock.now();
        let CreateToken {
            name,
            scopes,
            expires_at,
        } = &body.0;
        let (limits, role) = (&settings.tokens, caller.role);
        let draft =
            TokenDraft::parse(name, scopes, expires_at.as_deref(), role, limits, now).map_err(Problem::invalid)?;
        let answer = db
            .write(async |tx| {
                let user = store::caller::for_change(tx, &caller, now).await?;
                // The remembered answer holds the secret, so it is sealed.
                let place = format!("idempotency_keys/{}", user.id);
                if let Some(key) = &key
                    && let Some(earlier) = key.claim::<String>(tx).await?
                {
                    return Ok(serde_json::from_slice(&seal.open(&place, &earlier)?)?);
                }
                if store::token::count(tx, user.id).await? >= limits.each {
                    return Err(TokenError::TooMany(limits.each));
                }
                let secret = secret::generate(secret::PERSONAL)?;
                let (token, created) = draft.create(user.id, now);
                store::token::insert(tx, &token, secret::digest(secret.expose_secret())).await?;
                messaging::append(tx, &created)?;
                let Token {
                    id,
                    name,
                    scopes,
                    created_at,
                    expires_at,
                    ..
                } = token.into();
                let token = secret.expose_secret().to_owned();
                let answer = NewToken {
                    id,
                    name,
                    scopes,
                    created_at,
                    expires_at,
                    token,
                };
                if let Some(key) = &key {
                    key.record(tx, &seal.seal(&place, &serde_json::to_vec(&answer)?)?)
                        .await?;
                }
                Ok::<_, TokenError>(answer)
            })
            .await?;
        Ok(Created {
            location: format!("/v1/tokens/{}", answer.id),
            version: None,
            body: answer,
        })
    }

    /// List one's personal access tokens, the newest first.
    #[oai(
        path = "/v1/tokens",
        method = "get",
        operation_id = "listTokens",
        tag = "Tag::Tokens"
    )]
    async fn list_tokens(
        &self,
        Bearer(caller): Bearer,
        /// Items of the page at most, 1 to 200; 50 by default.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Page<Token>>, Problem> {
        let limit = page::limit(limit.0)?;
        let list = format!("tokens {}", caller.user);
        let before: Option<TokenId> = page::position(&list, cursor.0.as_deref())?;
        let db = self.state.db.read();
        store::caller::user(db, &caller, self.state.clock.now()).await?;
        let found = store::token::of_user(db, caller.user, before, limit + 1)
            .await
            .map_err(Problem::internal)?;
        Ok(Json(page::page(found, limit, &list, |token| token.id, Token::from)))
    }

    /// Make a personal access token void, everywhere within a second.
    #[oai(
        path = "/v1/tokens/:id",
        method = "delete",
        operation_id = "deleteToken",
        tag = "Tag::Tokens"
    )]
    async fn delete_token(&self, Bearer(caller): Bearer, id: Path<String>) -> Result<NoContent, Problem> {
        let id: TokenId = id.0.parse().map_err(|_| TokenError::NotFound)?;
        let now = self.state.clock.now();
        self.state
            .db
            .write(async |tx| {
                if store::token::revoke(tx, caller.user, Some(id)).await? == 0 {
                    return Err(TokenError::NotFound);
                }
                store::caller::user(tx, &caller, now).await?;
                Ok::<_, TokenError>(())
            })
            .await?;
        Ok(NoContent)
    }
}
