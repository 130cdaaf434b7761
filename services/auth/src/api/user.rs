//! Accounts over HTTP: registering, one's own profile, and administration.

use std::sync::Arc;

use chassis::{
    FieldError, Problem,
    http::{
        answer::{Created, Tagged},
        json::Json,
        page::{self, Page},
        precondition,
    },
};
use contracts::id::UserId;
use identity::Bearer;
use poem::Request;
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Header, Path, Query},
    types::{Example, MaybeUndefined},
};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{Tag, client};
use crate::{
    domain::{
        client::Client,
        handle::Handle,
        mail::Purpose,
        password::PasswordHash,
        session::EndReason,
        user::{self, ProfileChange, Registration, UserError},
    },
    state::State,
    store::{self, session::Which},
};

/// Tries at a handle that nobody takes in the same moment.
const HANDLE_TRIES: u32 = 5;

/// An account to be opened.
#[derive(Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
pub struct Register {
    /// Where mail reaches the user; unique without regard to case.
    #[oai(validator(max_length = 254))]
    pub email: String,
    /// 8 to 128 characters, none of those that are guessed first.
    #[oai(validator(min_length = 8, max_length = 128))]
    pub password: String,
    /// Name to show, 1 to 100 characters.
    #[oai(validator(min_length = 1, max_length = 100))]
    pub display_name: String,
}

impl Example for Register {
    fn example() -> Self {
        Self {
            email: "ada@example.com".to_owned(),
            password: "correct horse battery staple".to_owned(),
            display_name: "Ada Lovelace".to_owned(),
        }
    }
}

/// What shall be different; what is left out stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields, default)]
#[oai(deny_unknown_fields, example)]
pub struct UpdateMe {
    /// Name to show, 1 to 100 characters.
    #[oai(validator(min_length = 1, max_length = 100))]
    pub display_name: MaybeUndefined<String>,
    /// Unique name for mentions: 2 to 32 letters, digits, `-` or `_`.
    #[oai(validator(min_length = 2, max_length = 32))]
    pub handle: MaybeUndefined<String>,
}

impl Example for UpdateMe {
    fn example() -> Self {
        Self {
            display_name: MaybeUndefined::Value("Ada King".to_owned()),
            handle: MaybeUndefined::Value("countess".to_owned()),
        }
    }
}

/// What an admin changes; what is left out stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields, default)]
#[oai(deny_unknown_fields, example)]
pub struct UpdateUser {
    /// Global role.
    pub role: MaybeUndefined<Role>,
    /// `true` shuts the account: all its sessions and tokens end. `false` opens it again.
    pub disabled: MaybeUndefined<bool>,
}

impl Example for UpdateUser {
    fn example() -> Self {
        Self {
            role: MaybeUndefined::Value(Role::Support),
            disabled: MaybeUndefined::Undefined,
        }
    }
}

/// A global role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum Role {
    /// Everybody.
    User,
    /// May look at accounts, change none.
    Support,
    /// May do everything.
    Admin,
}

impl From<identity::Role> for Role {
    fn from(role: identity::Role) -> Self {
        match role {
            identity::Role::User => Role::User,
            identity::Role::Support => Role::Support,
            identity::Role::Admin => Role::Admin,
        }
    }
}

impl From<Role> for identity::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::User => identity::Role::User,
            Role::Support => identity::Role::Support,
            Role::Admin => identity::Role::Admin,
        }
    }
}

/// A user.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[oai(example)]
pub struct User {
    /// Their id.
    pub id: String,
    /// Where mail reaches them.
    pub email: String,
    /// Unique name for mentions, without `@`.
    pub handle: String,
    /// Name to show.
    pub display_name: String,
    /// Whether they showed that the address is theirs.
    pub email_verified: bool,
    /// Global role.
    pub role: Role,
    /// What the account has: `free` until something is bought.
    pub plan: String,
    /// Whether an admin has shut the account.
    pub disabled: bool,
    /// When they registered.
    pub created_at: String,
    /// When the account changed last.
    pub updated_at: String,
    /// Rises with each change; the `ETag` is made of it.
    pub version: i64,
}

impl Example for User {
    fn example() -> Self {
        Self {
            id: "usr_01k9xqt0vte0mbgkz9hm4rvw3e".to_owned(),
            email: "ada@example.com".to_owned(),
            handle: "ada".to_owned(),
            display_name: "Ada Lovelace".to_owned(),
            email_verified: false,
            role: Role::User,
            plan: "free".to_owned(),
            disabled: false,
            created_at: "2026-11-13T09:30:00Z".to_owned(),
            updated_at: "2026-11-13T09:30:00Z".to_owned(),
            version: 1,
        }
    }
}

impl From<user::User> for User {
    fn from(user: user::User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.as_str().to_owned(),
            handle: user.handle.as_str().to_owned(),
            display_name: user.display_name,
            email_verified: user.email_verified,
            role: user.role.into(),
            plan: user.plan,
            disabled: user.disabled,
            created_at: user.created_at.to_string(),
            updated_at: user.updated_at.to_string(),
            version: user.version,
        }
    }
}

fn tagged(user: user::User) -> Tagged<User> {
    Tagged {
        version: user.version,
        body: user.into(),
    }
}

/// Operations on accounts.
pub struct UserApi {
    /// What they need.
    pub state: Arc<State>,
}

#[OpenApi]
impl UserApi {
    /// Open an account. A mail asks to confirm the address; signing in does not wait for it.
    #[oai(
        path = "/v1/auth/register",
        method = "post",
        operation_id = "register",
        tag = "Tag::Accounts"
    )]
    async fn register(&self, request: &Request, body: Json<Register>) -> Result<Created<User>, Problem> {
        let Register {
            email,
            password,
            display_name,
        } = body.0;
        let registration = Registration::parse(&email, &password, &display_name).map_err(Problem::invalid)?;
        let hash = self.state.hasher.hash(registration.password.clone()).await?;
        let client = client::of(request);
        let mut tries = 1;
        let user = loop {
            match self.open_account(&registration, &hash, &client).await {
                // Somebody took the handle, or the address, in the same moment: look again.
                Err(UserError::Store(error)) if database::is_unique_violation(&error) && tries < HANDLE_TRIES => {
                    tries += 1
                }
                done => break done?,
            }
        };
        self.state.mail_bell.notify_one();
        Ok(Created {
            location: format!("/v1/users/{}", user.id),
            version: Some(user.version),
            body: user.into(),
        })
    }

    /// Read one's own account.
    #[oai(path = "/v1/me", method = "get", operation_id = "getMe", tag = "Tag::Profile")]
    async fn get_me(&self, Bearer(caller): Bearer) -> Result<Tagged<User>, Problem> {
        Ok(tagged(
            store::caller::user(self.state.db.read(), &caller, self.state.clock.now()).await?,
        ))
    }

    /// Change one's own name or handle.
    #[oai(path = "/v1/me", method = "patch", operation_id = "updateMe", tag = "Tag::Profile")]
    async fn update_me(
        &self,
        Bearer(caller): Bearer,
        /// The `ETag` of the version that was changed, or `*`.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Json<UpdateMe>,
    ) -> Result<Tagged<User>, Problem> {
        let expected = precondition::if_match(if_match.0.as_deref())?;
        let change = body.0.parse().map_err(Problem::invalid)?;
        let now = self.state.clock.now();
        let changed = self
            .state
            .db
            .write(async |tx| {
                let mut user = store::caller::for_change(tx, &caller, now).await?;
                expected.check(user.version)?;
                if let Some(updated) = user.change_profile(change, now) {
                    store::user::update(tx, &user).await?;
                    messaging::append(tx, &updated)?;
                }
                Ok::<_, UserError>(user)
            })
            .await;
        match changed {
            Err(UserError::Store(error)) if database::is_unique_violation(&error) => Err(UserError::HandleTaken.into()),
            done => Ok(tagged(done?)),
        }
    }

    /// List accounts, in the order they were opened. For support and admins.
    #[oai(path = "/v1/users", method = "get", operation_id = "listUsers", tag = "Tag::Users")]
    async fn list_users(
        &self,
        Bearer(caller): Bearer,
        /// Part of an address, handle or name.
        #[oai(validator(max_length = 254))]
        query: Query<Option<String>>,
        /// Items of the page at most, 1 to 200; 50 by default.
        limit: Query<Option<u64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Page<User>>, Problem> {
        let limit = page::limit(limit.0)?;
        let query = query.0.as_deref().map(str::trim).filter(|text| !text.is_empty());
        if query.is_some_and(|text| text.chars().count() > 254 || text.contains('\0')) {
            return Err(Problem::invalid(vec![FieldError::parameter(
                "query",
                "must be a text of at most 254 characters",
            )]));
        }
        let list = format!("users {}", query.unwrap_or_default());
        let after: Option<UserId> = page::position(&list, cursor.0.as_deref())?;
        store::caller::user(self.state.db.read(), &caller, self.state.clock.now()).await?;
        let found = store::user::search(self.state.db.read(), query, after, limit + 1)
            .await
            .map_err(Problem::internal)?;
        Ok(Json(page::page(found, limit, &list, |user| user.id, User::from)))
    }

    /// Read an account. For support and admins.
    #[oai(path = "/v1/users/:id", method = "get", operation_id = "getUser", tag = "Tag::Users")]
    async fn get_user(&self, Bearer(caller): Bearer, id: Path<String>) -> Result<Tagged<User>, Problem> {
        let id: UserId = id.0.parse().map_err(|_| UserError::NotFound)?;
        let user = store::user::find(self.state.db.read(), id)
            .await
            .map_err(UserError::from)?
            .ok_or(UserError::NotFound)?;
        store::caller::user(self.state.db.read(), &caller, self.state.clock.now()).await?;
        Ok(tagged(user))
    }

    /// Give an account another role, shut it or open it again. For admins.
    #[oai(
        path = "/v1/users/:id",
        method = "patch",
        operation_id = "updateUser",
        tag = "Tag::Users"
    )]
    async fn update_user(
        &self,
        Bearer(caller): Bearer,
        id: Path<String>,
        /// The `ETag` of the version that was changed, or `*`.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Json<UpdateUser>,
    ) -> Result<Tagged<User>, Problem> {
        let expected = precondition::if_match(if_match.0.as_deref())?;
        let id: UserId = id.0.parse().map_err(|_| UserError::NotFound)?;
        let (role, disabled) = body.0.parse().map_err(Problem::invalid)?;
        let now = self.state.clock.now();
        let user = self
            .state
            .db
            .write(async |tx| {
                // Admins first and the user after them, in every such request, so that two never wait for each other.
                let others = store::user::other_admins(tx, id).await?;
                let mut user = store::user::for_change(tx, id).await?.ok_or(UserError::NotFound)?;
                if store::erasure::is_erased(tx, id).await? {
                    return Err(UserError::NotFound);
                }
                let caller = store::caller::user(tx, &caller, now).await?;
                if !caller.administers() {
                    return Err(UserError::Caller(user::CallerError::Gone));
                }
                expected.check(user.version)?;
                let administered = user.administers();
                if let Some(updated) = role.and_then(|role| user.set_role(role, now)) {
                    messaging::append(tx, &updated)?;
                }
                match disabled {
                    Some(true) => {
                        if let Some(event) = user.disable(now) {
                            messaging::append(tx, &event)?;
                            store::session::end(tx, id, Which::All, EndReason::UserDisabled, now).await?;
                            store::token::revoke(tx, id, None).await?;
                        }
                    }
                    Some(false) => {
                        if let Some(event) = user.enable(now) {
                            messaging::append(tx, &event)?;
                        }
                    }
                    None => {}
                }
                if administered && !user.administers() && others == 0 {
                    return Err(UserError::LastAdmin);
                }
                store::user::update(tx, &user).await?;
                Ok::<_, UserError>(user)
            })
            .await?;
        Ok(tagged(user))
    }
}

impl UserApi {
    async fn open_account(
        &self,
        registration: &Registration,
        hash: &PasswordHash,
        client: &Client,
    ) -> Result<user::User, UserError> {
        let now = self.state.clock.now();
        let candidates = Handle::candidates(registration.email.local_part(), || rand::rng().random());
        self.state
            .db
            .write(async |tx| {
                if store::user::email_taken(tx, &registration.email.key()).await? {
                    return Err(UserError::EmailTaken);
                }
                let handle = store::user::free_handle(tx, candidates)
                    .await?
                    .ok_or(UserError::HandleTaken)?;
                let (email, name) = (registration.email.clone(), registration.display_name.clone());
                let (user, registered) = user::User::register(email, handle, name, hash.clone(), now);
                store::user::insert(tx, &user).await?;
                // The client that registers is no stranger when it signs in.
                store::client::remember(tx, user.id, client, now).await?;
                store::mail::request(tx, Purpose::Verify, Some(user.id), user.email.key(), now).await?;
                messaging::append(tx, &registered)?;
                Ok(user)
            })
            .await
    }
}

fn not_null(fields: &[(&str, bool)]) -> Vec<FieldError> {
    let null = fields.iter().filter(|(_, null)| *null);
    null.map(|(pointer, _)| FieldError::new(pointer, "must not be null; leave it out to keep it as it is"))
        .collect()
}

impl UpdateMe {
    fn parse(self) -> Result<ProfileChange, Vec<FieldError>> {
        let wrong = not_null(&[
            ("/display_name", self.display_name.is_null()),
            ("/handle", self.handle.is_null()),
        ]);
        let (name, handle) = (self.display_name.value(), self.handle.value());
        match ProfileChange::parse(name.map(String::as_str), handle.map(String::as_str)) {
            Ok(change) if wrong.is_empty() => Ok(change),
            Ok(_) => Err(wrong),
            Err(more) => Err([wrong, more].concat()),
        }
    }
}

impl UpdateUser {
    fn parse(self) -> Result<(Option<identity::Role>, Option<bool>), Vec<FieldError>> {
        let wrong = not_null(&[("/role", self.role.is_null()), ("/disabled", self.disabled.is_null())]);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok((self.role.take().map(identity::Role::from), self.disabled.take()))
    }
}

opaque!(Register);
