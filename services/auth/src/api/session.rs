//! Signing in and out over HTTP.

use std::sync::Arc;

use chassis::{
    Problem,
    http::{
        answer::NoContent,
        json::Json,
        page::{self, Page},
    },
};
use contracts::id::SessionId;
use identity::Bearer;
use poem::Request;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    types::Example,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{Tag, client};
use crate::{
    domain::{
        client::Client,
        email, secret,
        session::{self, EndReason, Presented, SessionError},
        throttle,
        user::User,
    },
    keyring::Grant,
    state::State,
    store::{self, session::Which},
};

/// Who signs in.
#[derive(Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct Login {
    /// The address of the account.
    pub email: String,
    /// Its password.
    pub password: String,
}

impl Example for Login {
    fn example() -> Self {
        Self {
            email: "ada@example.com".to_owned(),
            password: "correct horse battery staple".to_owned(),
        }
    }
}

/// A session goes on.
#[derive(Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct Refresh {
    /// The newest refresh token of the session.
    pub refresh_token: String,
}

impl Example for Refresh {
    fn example() -> Self {
        Self {
            refresh_token: "cth_rt_example".to_owned(),
        }
    }
}

/// What a client needs to call the hub.
#[derive(Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Tokens {
    /// Send it as `Authorization: Bearer …`.
    pub access_token: String,
    /// Exchange it for new tokens before the access token ends. It is good once.
    pub refresh_token: String,
    /// `Bearer`
    pub token_type: String,
    /// How long the access token lasts, in seconds.
    pub expires_in: i64,
}

impl Example for Tokens {
    fn example() -> Self {
        Self {
            access_token: "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSJ9.e30.c2ln".to_owned(),
            refresh_token: "cth_rt_example".to_owned(),
            token_type: "Bearer".to_owned(),
            expires_in: 600,
        }
    }
}

/// A sign-in on one client.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// What the client is.
    pub client: String,
    /// Whether it is the one that asks.
    pub current: bool,
    /// When it began.
    pub started_at: String,
    /// When it was refreshed last.
    pub last_used_at: String,
    /// When it ends unless it is refreshed.
    pub expires_at: String,
}

impl Example for Session {
    fn example() -> Self {
        Self {
            id: "ses_01k9xqt0vte0mbgkz9hm4rvw3e".to_owned(),
            client: "Firefox on Linux".to_owned(),
            current: true,
            started_at: "2026-11-13T09:30:00Z".to_owned(),
            last_used_at: "2026-11-13T10:30:00Z".to_owned(),
            expires_at: "2026-12-13T10:30:00Z".to_owned(),
        }
    }
}

/// Operations on sessions.
pub struct SessionApi {
    /// What they need.
    pub state: Arc<State>,
}

#[OpenApi]
impl SessionApi {
    /// Sign in. After a few failures the next attempt has to wait (429), longer each time.
    #[oai(
        path = "/v1/auth/login",
        method = "post",
        operation_id = "login",
        tag = "Tag::Sessions"
    )]
    async fn login(&self, request: &Request, body: Json<Login>) -> Result<Json<Tokens>, Problem> {
        let client = client::of(request);
        let signed_in = self.sign_in(body.0, &client).await;
        self.state.metrics.sign_in(outcome(&signed_in));
        Ok(Json(signed_in?))
    }

    /// Exchange a refresh token for new tokens. It is good once; the newest one counts.
    ///
    /// A client that did not get the answer may send the same token again within 10 seconds and gets fresh tokens. Used
    /// later than that, the token ends the session: somebody else has a copy of it.
    #[oai(
        path = "/v1/auth/refresh",
        method = "post",
        operation_id = "refresh",
        tag = "Tag::Sessions"
    )]
    async fn refresh(&self, body: Json<Refresh>) -> Result<Json<Tokens>, Problem> {
        let refreshed = self.go_on(&body.0.refresh_token).await;
        self.state.metrics.refresh(outcome(&refreshed));
        Ok(Json(refreshed?))
    }

    /// Sign out: the session ends, everywhere within a second.
    #[oai(
        path = "/v1/auth/logout",
        method = "post",
        operation_id = "logout",
        tag = "Tag::Sessions"
    )]
    async fn logout(&self, Bearer(caller): Bearer) -> Result<NoContent, Problem> {
        let now = self.state.clock.now();
        self.state
            .db
            .write(async |tx| {
                store::caller::user(tx, &caller, now).await?;
                if let Some(session) = caller.session {
                    store::session::end(tx, caller.user, Which::One(session), EndReason::Logout, now).await?;
                }
                Ok::<_, SessionError>(())
            })
            .await?;
        Ok(NoContent)
    }

    /// List one's sessions, the newest first.
    #[oai(
        path = "/v1/sessions",
        method = "get",
        operation_id = "listSessions",
        tag = "Tag::Sessions"
    )]
    async fn list_sessions(
        &self,
        Bearer(caller): Bearer,
        /// Items of the page at most, 1 to 200; 50 by default.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Page<Session>>, Problem> {
        let limit = page::limit(limit.0)?;
        let list = format!("sessions {}", caller.user);
        let before: Option<SessionId> = page::position(&list, cursor.0.as_deref())?;
        let (db, now) = (self.state.db.read(), self.state.clock.now());
        store::caller::user(db, &caller, now).await?;
        let found = store::session::of_user(db, caller.user, before, limit + 1, now)
            .await
            .map_err(Problem::internal)?;
        let item = |session: session::Session| Session {
            id: session.id.to_string(),
            client: session.client,
            current: caller.session == Some(session.id),
            started_at: session.started_at.to_string(),
            last_used_at: session.rotated_at.to_string(),
            expires_at: session.expires_at.to_string(),
        };
        Ok(Json(page::page(found, limit, &list, |session| session.id, item)))
    }

    /// End one of one's sessions, everywhere within a second.
    #[oai(
        path = "/v1/sessions/:id",
        method = "delete",
        operation_id = "deleteSession",
        tag = "Tag::Sessions"
    )]
    async fn delete_session(&self, Bearer(caller): Bearer, id: Path<String>) -> Result<NoContent, Problem> {
        let id: SessionId = id.0.parse().map_err(|_| SessionError::NotFound)?;
        let now = self.state.clock.now();
        self.state
            .db
            .write(async |tx| {
                // Before the session ends that the caller may be using.
                let known = store::caller::user(tx, &caller, now).await;
                if store::session::end(tx, caller.user, Which::One(id), EndReason::Revoked, now).await? == 0 {
                    return Err(SessionError::NotFound);
                }
                known?;
                Ok::<_, SessionError>(())
            })
            .await?;
        Ok(NoContent)
    }
}

impl SessionApi {
    async fn sign_in(&self, login: Login, client: &Client) -> Result<Tokens, SessionError> {
        let State {
            db,
            clock,
            settings,
            hasher,
            ..
        } = &*self.state;
        let (email_key, password) = (email::key(&login.email), SecretString::from(login.password));
        let (account, network) = self.take_attempt(&email_key, client).await?;
        let user = store::user::by_email(db.read(), &email_key).await?;
        let checked = match hasher.check(&password, user.as_ref().map(|user| &user.password)).await {
            Ok(checked) => checked,
            // Nobody looked at the password: that is no failure of the user's.
            Err(error) => {
                self.give_back(&account, &network).await?;
                return Err(error.into());
            }
        };
        let user = user.filter(|_| checked.matches).ok_or(SessionError::WrongCredentials)?;
        let rehashed = if checked.outdated {
            Some(hasher.rehash(&password).await?)
        } else {
            None
        };
        let refresh = secret::generate(secret::REFRESH)?;
        let now = clock.now();
        let (user, session) = db
            .write(async |tx| {
                let seen = user.password;
                let mut user = store::user::for_change(tx, user.id)
                    .await?
                    .ok_or(SessionError::WrongCredentials)?;
                // Changed while we were hashing: what was right is not right any more.
                if user.password != seen {
                    return Err(SessionError::WrongCredentials);
                }
                store::throttle::clear(tx, &account).await?;
                store::throttle::give_back(tx, &settings.network, &network).await?;
                if user.disabled {
                    return Ok((user, None));
                }
                if let Some(hash) = rehashed {
                    user.password = hash;
                    store::user::update(tx, &user).await?;
                }
                let unseen = store::client::remember(tx, user.id, client, now).await?;
                let (session, started) = session::Session::start(user.id, client, unseen, &settings.session, now);
                store::session::insert(tx, &session).await?;
                store::session::add_refresh(tx, &session, &secret::digest(refresh.expose_secret())).await?;
                messaging::append(tx, &started)?;
                Ok((user, Some(session)))
            })
            .await?;
        self.tokens(&user, &session.ok_or(SessionError::Disabled)?, &refresh)
    }

    /// Counts the attempt before its password is looked at; answers the counters of account and network.
    async fn take_attempt(&self, email_key: &str, client: &Client) -> Result<(String, String), SessionError> {
        let State {
            db, clock, settings, ..
        } = &*self.state;
        let now = clock.now();
        db.write(async |tx| {
            let since = now - settings.known_network;
            let own = store::client::knows_network(tx, email_key, client, since).await?;
            let account = if own {
                throttle::account_from(email_key, client)
            } else {
                throttle::account(email_key)
            };
            let network = throttle::network(client);
            store::throttle::take(tx, &settings.account, &account, now).await?;
            store::throttle::take(tx, &settings.network, &network, now).await?;
            Ok((account, network))
        })
        .await
    }

    async fn give_back(&self, account: &str, network: &str) -> Result<(), SessionError> {
        let State { db, settings, .. } = &*self.state;
        db.write(async |tx| {
            store::throttle::give_back(tx, &settings.account, account).await?;
            store::throttle::give_back(tx, &settings.network, network).await?;
            Ok(())
        })
        .await
    }

    async fn go_on(&self, token: &str) -> Result<Tokens, SessionError> {
        let State {
            db, clock, settings, ..
        } = &*self.state;
        let (digest, fresh) = (secret::digest(token), secret::generate(secret::REFRESH)?);
        let now = clock.now();
        let refreshed = db
            .write(async |tx| {
                let found = store::session::by_refresh(tx, &digest).await?;
                let (mut session, refresh) = found.ok_or(SessionError::InvalidRefresh)?;
                match session.present(refresh, &settings.session, now) {
                    Presented::Rotate => {
                        store::session::use_refresh(tx, &digest, now).await?;
                        session.rotate(&settings.session, now);
                    }
                    Presented::Retry => session.retries += 1,
                    Presented::Reused => {
                        store::session::end(tx, session.user, Which::One(session.id), EndReason::RefreshReuse, now)
                            .await?;
                        return Ok(None);
                    }
                    Presented::Ended => return Err(SessionError::InvalidRefresh),
                    Presented::TooOften => return Err(SessionError::TooOften),
                }
                let user = store::user::find(tx, session.user).await?.filter(|user| !user.disabled);
                let user = user.ok_or(SessionError::InvalidRefresh)?;
                store::session::update(tx, &session).await?;
                store::session::add_refresh(tx, &session, &secret::digest(fresh.expose_secret())).await?;
                Ok(Some((user, session)))
            })
            .await?;
        let (user, session) = refreshed.ok_or(SessionError::Reused)?;
        self.tokens(&user, &session, &fresh)
    }

    fn tokens(&self, user: &User, session: &session::Session, refresh: &SecretString) -> Result<Tokens, SessionError> {
        let access = self.state.keyring.mint(&Grant {
            user: user.id,
            session: Some(session.id),
            token: None,
            role: user.role,
            plan: user.plan.clone(),
            scopes: None,
            until: session.expires_at,
        })?;
        Ok(Tokens {
            access_token: access.reveal(),
            refresh_token: refresh.expose_secret().to_owned(),
            token_type: "Bearer".to_owned(),
            expires_in: access.expires_in,
        })
    }
}

fn outcome(done: &Result<Tokens, SessionError>) -> &'static str {
    match done {
        Ok(_) => "done",
        Err(SessionError::WrongCredentials) => "wrong_credentials",
        Err(SessionError::Disabled) => "disabled",
        Err(SessionError::Throttled(_) | SessionError::TooOften) => "throttled",
        Err(SessionError::InvalidRefresh) => "invalid",
        Err(SessionError::Reused) => "reused",
        Err(SessionError::Hash(_)) => "overloaded",
        Err(SessionError::NotFound | SessionError::Caller(_)) => "refused",
        Err(SessionError::Random(_) | SessionError::Mint(_) | SessionError::Store(_)) => "failed",
    }
}

opaque!(Login Refresh Tokens);
