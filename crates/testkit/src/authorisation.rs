//! The walk over every operation: who may not, does not.

use chassis::Service;
use contracts::id::{TokenId, UserId};
use identity::{Access, Claims, Role, Scope, access};

use crate::{
    actor::{Actor, Answer},
    openapi::{self, Operation},
    service::TestService,
};

impl<S: Service> TestService<S> {
    /// Calls every operation of the document as everybody who may not: without a token, with a made-up, an expired and a
    /// foreign one (401), with too low a role, a personal access token without the scope or where only a session will do
    /// (403), and for ids that do not exist (404).
    ///
    /// # Panics
    /// With every operation that answers otherwise.
    pub async fn check_authorisation(&self) {
        let mut wrong = self.not_refused().await;
        for operation in openapi::operations(self.document()) {
            let access = access::of(&operation.method, operation.path);
            let Some(access) = access.filter(|access| !matches!(access, Access::Public | Access::Service)) else {
                continue;
            };
            if !operation.path.contains('{') {
                continue;
            }
            let privileged = self.user_with(|claims| privileged(claims, access));
            let paths = [
                unknown(&operation),
                filled(&operation, |_| "nonsense".to_owned()),
                filled(&operation, |_| "%FF%00".to_owned()),
            ];
            for path in paths {
                let answer = self.call(&operation, &privileged, &path).await;
                expect(&mut wrong, &operation, "for an unknown id", 404, "any", &answer);
            }
        }
        assert!(wrong.is_empty(), "authorisation:\n{}", wrong.join("\n"));
    }

    /// The part of [`TestService::check_authorisation`] that asks for no object: for a service that stands before others,
    /// and refuses in their place.
    ///
    /// # Panics
    /// With every operation that answers otherwise.
    pub async fn check_refusals(&self) {
        let wrong = self.not_refused().await;
        assert!(wrong.is_empty(), "authorisation:\n{}", wrong.join("\n"));
    }

    async fn not_refused(&self) -> Vec<String> {
        let document = self.document();
        openapi::check(document);
        let mut wrong = Vec::new();
        for operation in openapi::operations(document) {
            let Some(access) = access::of(&operation.method, operation.path) else {
                continue;
            };
            for (who, actor) in self.strangers(access) {
                let answer = self.call(&operation, &actor, &unknown(&operation)).await;
                expect(&mut wrong, &operation, who, 401, "any", &answer);
            }
            for (who, actor) in self.unprivileged(access) {
                let answer = self.call(&operation, &actor, &unknown(&operation)).await;
                expect(&mut wrong, &operation, who, 403, "forbidden", &answer);
            }
        }
        wrong
    }

    /// Calls every operation that takes an id as somebody with an account who has nothing to do with the objects that
    /// `owned` names: 404, as if they did not exist. Pairs of the document's path and a real one,
    /// `("/v1/projects/{id}", "/v1/projects/prj_…")`; operations below such a path are called below the real one.
    ///
    /// # Panics
    /// With every operation that answers otherwise, or that no pair covers.
    pub async fn check_foreign(&self, owned: &[(&str, &str)]) {
        let mut wrong = Vec::new();
        let stranger = self.user();
        for operation in openapi::operations(self.document()) {
            let access = access::of(&operation.method, operation.path);
            if !operation.path.contains('{') || !matches!(access, Some(Access::User(_) | Access::Session)) {
                continue;
            }
            let under = |template: &str| {
                operation
                    .path
                    .strip_prefix(template)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            let Some((template, real)) = owned
                .iter()
                .filter(|(template, _)| under(template))
                .max_by_key(|(template, _)| template.len())
            else {
                wrong.push(format!(
                    "{} {}: no owned object is given for it",
                    operation.method, operation.path
                ));
                continue;
            };
            let rest = unknown(&operation);
            let depth = template.split('/').count();
            let path: Vec<&str> = real.split('/').chain(rest.split('/').skip(depth)).collect();
            let answer = self.call(&operation, &stranger, &path.join("/")).await;
            expect(
                &mut wrong,
                &operation,
                "for somebody else's object",
                404,
                "any",
                &answer,
            );
        }
        assert!(wrong.is_empty(), "authorisation:\n{}", wrong.join("\n"));
    }

    async fn call(&self, operation: &Operation<'_>, actor: &Actor, path: &str) -> Answer {
        let call = actor.request(&operation.method, path).header("if-match", "*");
        match operation.example(self.document()) {
            Some(example) => call.json(&example).send().await,
            None => call.send().await,
        }
    }

    /// Those who are nobody to us.
    fn strangers(&self, access: Access) -> Vec<(&'static str, Actor)> {
        let id = UserId::new();
        match access {
            Access::Public => vec![],
            Access::Service => vec![
                ("without the secret", self.anonymous()),
                ("with a user's token", self.user()),
            ],
            _ => vec![
                ("without a token", self.anonymous()),
                (
                    "with a made-up token",
                    self.user_with_token(id, "eyJhbGciOiJub25lIn0.e30."),
                ),
                (
                    "with a personal access token",
                    self.user_with_token(id, "cth_pat_0123456789abcdefghijklmnopqrstuv"),
                ),
                (
                    "with an expired token",
                    self.user_with(|claims| (claims.iat, claims.exp) = (1_000_000_000, 1_000_000_600)),
                ),
                (
                    "with a token for another audience",
                    self.user_with(|claims| claims.aud = "elsewhere".to_owned()),
                ),
                (
                    "with a token of another issuer",
                    self.user_with(|claims| claims.iss = "http://elsewhere".to_owned()),
                ),
            ],
        }
    }

    /// Those whom we know, but who may not.
    fn unprivileged(&self, access: Access) -> Vec<(&'static str, Actor)> {
        let token = |scopes: Vec<Scope>, role| {
            self.user_with(|claims| {
                (claims.sid, claims.pat) = (None, Some(TokenId::new()));
                (claims.scopes, claims.role) = (Some(scopes), role);
            })
        };
        let but = |missing: Scope| Scope::ALL.into_iter().filter(|scope| *scope != missing).collect();
        match access {
            Access::Public | Access::Service => vec![],
            Access::User(scope) => vec![("with a token without the scope", token(but(scope), Role::User))],
            Access::Session => vec![("with a token of every scope", token(Scope::ALL.to_vec(), Role::Admin))],
            Access::Role(least) => {
                let lower = [Role::User, Role::Support].into_iter().filter(|role| *role < least);
                let mut all: Vec<_> = lower
                    .map(|role| ("with too low a role", self.user_with(|claims| claims.role = role)))
                    .collect();
                all.push((
                    "with a token without the scope admin",
                    token(but(Scope::Admin), Role::Admin),
                ));
                all
            }
        }
    }
}

fn privileged(claims: &mut Claims, access: Access) {
    if let Access::Role(role) = access {
        claims.role = role;
    }
}

fn expect(wrong: &mut Vec<String>, operation: &Operation<'_>, who: &str, status: u16, kind: &str, answer: &Answer) {
    let fits = answer.status == status
        && answer.header("content-type") == Some("application/problem+json")
        && (kind == "any" || answer.problem() == kind)
        && (status != 401
            || answer
                .header("www-authenticate")
                .is_some_and(|challenge| challenge.starts_with("Bearer")));
    if !fits {
        let text: String = answer.text().chars().take(300).collect();
        wrong.push(format!(
            "{} {} {who}: {status} expected, answered {}: {text}",
            operation.method, operation.path, answer.status
        ));
    }
}

/// The operation's path with ids of the right kind that nothing has.
fn unknown(operation: &Operation<'_>) -> String {
    filled(operation, |kind| format!("{kind}_01h455vb4pex5vsknk084sn02q"))
}

fn filled(operation: &Operation<'_>, id: impl Fn(&str) -> String) -> String {
    let mut before = "";
    let mut parts = Vec::new();
    for part in operation.path.split('/') {
        parts.push(if part.starts_with('{') {
            id(prefix(before))
        } else {
            part.to_owned()
        });
        before = part;
    }
    parts.join("/")
}

/// The prefix of the ids below a collection.
fn prefix(collection: &str) -> &'static str {
    match collection {
        "projects" => "prj",
        "tasks" => "tsk",
        "comments" => "cmt",
        "labels" => "lbl",
        "invitations" => "inv",
        "sessions" => "ses",
        "tokens" => "pat",
        "notifications" => "ntf",
        "webhooks" => "whk",
        "deliveries" => "dlv",
        "orders" => "ord",
        "invoices" => "ivc",
        "events" => "evt",
        _ => "usr",
    }
}
