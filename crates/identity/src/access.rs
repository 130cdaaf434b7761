//! The one table that says who may call what.
//!
//! [`crate::Bearer`] looks up the operation that is being called and refuses what the table does not allow, before the
//! handler runs. An operation that is not in the table is refused to everybody, and a test of every service walks its
//! OpenAPI document against the table. What depends on a project (membership, role in it) is checked by the handler's
//! transaction, with [`ProjectRole`].

use serde::{Deserialize, Serialize};

/// A global role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everybody.
    User,
    /// May look at accounts, change none.
    Support,
    /// May do everything.
    Admin,
}

impl Role {
    /// The name in tokens, events and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Support => "support",
            Role::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "user" => Ok(Role::User),
            "support" => Ok(Role::Support),
            "admin" => Ok(Role::Admin),
            _ => Err("expected user, support or admin".to_owned()),
        }
    }
}

/// A role in a project; each may do all that the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProjectRole {
    /// Reads everything in the project.
    Viewer,
    /// Works on tasks and comments.
    Member,
    /// Manages members, labels and the project's settings.
    Admin,
    /// Archives and deletes the project and makes other owners.
    Owner,
}

impl ProjectRole {
    /// The name in events and answers.
    pub const fn name(self) -> &'static str {
        match self {
            ProjectRole::Viewer => "viewer",
            ProjectRole::Member => "member",
            ProjectRole::Admin => "admin",
            ProjectRole::Owner => "owner",
        }
    }
}

impl std::str::FromStr for ProjectRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "viewer" => Ok(ProjectRole::Viewer),
            "member" => Ok(ProjectRole::Member),
            "admin" => Ok(ProjectRole::Admin),
            "owner" => Ok(ProjectRole::Owner),
            _ => Err("expected viewer, member, admin or owner".to_owned()),
        }
    }
}

/// What a personal access token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// `profile:read`
    #[serde(rename = "profile:read")]
    ProfileRead,
    /// `profile:write`
    #[serde(rename = "profile:write")]
    ProfileWrite,
    /// `projects:read`: projects, members, activity.
    #[serde(rename = "projects:read")]
    ProjectsRead,
    /// `projects:write`
    #[serde(rename = "projects:write")]
    ProjectsWrite,
    /// `tasks:read`: tasks, comments, search.
    #[serde(rename = "tasks:read")]
    TasksRead,
    /// `tasks:write`
    #[serde(rename = "tasks:write")]
    TasksWrite,
    /// `notifications:read`
    #[serde(rename = "notifications:read")]
    NotificationsRead,
    /// `notifications:write`
    #[serde(rename = "notifications:write")]
    NotificationsWrite,
    /// `billing:read`: subscription, orders, invoices, usage.
    #[serde(rename = "billing:read")]
    BillingRead,
    /// `billing:write`
    #[serde(rename = "billing:write")]
    BillingWrite,
    /// `analytics:read`: a project's figures and one's own.
    #[serde(rename = "analytics:read")]
    AnalyticsRead,
    /// `admin`: the admin operations, for tokens of admins.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 12] = [
        Scope::ProfileRead,
        Scope::ProfileWrite,
        Scope::ProjectsRead,
        Scope::ProjectsWrite,
        Scope::TasksRead,
        Scope::TasksWrite,
        Scope::NotificationsRead,
        Scope::NotificationsWrite,
        Scope::BillingRead,
        Scope::BillingWrite,
        Scope::AnalyticsRead,
        Scope::Admin,
    ];

    /// The name in tokens, events and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Scope::ProfileRead => "profile:read",
            Scope::ProfileWrite => "profile:write",
            Scope::ProjectsRead => "projects:read",
            Scope::ProjectsWrite => "projects:write",
            Scope::TasksRead => "tasks:read",
            Scope::TasksWrite => "tasks:write",
            Scope::NotificationsRead => "notifications:read",
            Scope::NotificationsWrite => "notifications:write",
            Scope::BillingRead => "billing:read",
            Scope::BillingWrite => "billing:write",
            Scope::AnalyticsRead => "analytics:read",
            Scope::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Scope::ALL
            .into_iter()
            .find(|scope| scope.name() == text)
            .ok_or_else(|| {
                let names: Vec<&str> = Scope::ALL.iter().map(|scope| scope.name()).collect();
                format!("expected one of {}", names.join(", "))
            })
    }
}

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without a token.
    Public,
    /// Another service, with the secret that the two share.
    Service,
    /// Any user; a personal access token needs the scope.
    User(Scope),
    /// Any user signed in by password: no personal access token, whatever its scopes.
    Session,
    /// A user with at least this global role; a personal access token needs [`Scope::Admin`].
    Role(Role),
}

/// One operation of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// `GET`
    pub method: &'static str,
    /// As in the OpenAPI document: `/v1/tasks/{id}`.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
}

const fn op(method: &'static str, path: &'static str, access: Access) -> Operation {
    Operation { method, path, access }
}

use Access::{Public, Session, User};
use Scope::{
    AnalyticsRead, BillingRead, BillingWrite, NotificationsRead, NotificationsWrite, ProfileRead, ProfileWrite,
    ProjectsRead, ProjectsWrite, TasksRead, TasksWrite,
};

/// Every operation of every service.
pub const OPERATIONS: &[Operation] = &[
    // auth
    op("POST", "/v1/auth/register", Public),
    op("POST", "/v1/auth/login", Public),
    op("POST", "/v1/auth/refresh", Public),
    op("POST", "/v1/auth/logout", Session),
    op("POST", "/v1/auth/verify", Public),
    op("POST", "/v1/auth/verify/resend", Session),
    op("POST", "/v1/auth/forgot", Public),
    op("POST", "/v1/auth/reset", Public),
    op("POST", "/v1/auth/introspect", Access::Service),
    op("GET", "/.well-known/jwks.json", Public),
    op("GET", "/.well-known/openid-configuration", Public),
    op("GET", "/v1/me", User(ProfileRead)),
    op("PATCH", "/v1/me", User(ProfileWrite)),
    op("DELETE", "/v1/me", Session),
    op("GET", "/v1/erasures/{id}", Public),
    op("GET", "/v1/personal-data/auth", Session),
    op("POST", "/v1/me/password", Session),
    op("GET", "/v1/sessions", Session),
    op("DELETE", "/v1/sessions/{id}", Session),
    op("POST", "/v1/tokens", Session),
    op("GET", "/v1/tokens", Session),
    op("DELETE", "/v1/tokens/{id}", Session),
    op("GET", "/v1/users", Access::Role(Role::Support)),
    op("GET", "/v1/users/{id}", Access::Role(Role::Support)),
    op("PATCH", "/v1/users/{id}", Access::Role(Role::Admin)),
    // project
    op("POST", "/v1/projects", User(ProjectsWrite)),
    op("GET", "/v1/projects", User(ProjectsRead)),
    op("GET", "/v1/projects/{id}", User(ProjectsRead)),
    op("PATCH", "/v1/projects/{id}", User(ProjectsWrite)),
    op("DELETE", "/v1/projects/{id}", User(ProjectsWrite)),
    op("POST", "/v1/projects/{id}/members", User(ProjectsWrite)),
    op("GET", "/v1/projects/{id}/members", User(ProjectsRead)),
    op("PATCH", "/v1/projects/{id}/members/{user_id}", User(ProjectsWrite)),
    op("DELETE", "/v1/projects/{id}/members/{user_id}", User(ProjectsWrite)),
    op("GET", "/v1/projects/{id}/invitations", User(ProjectsRead)),
    op(
        "DELETE",
        "/v1/projects/{id}/invitations/{invitation_id}",
        User(ProjectsWrite),
    ),
    op("GET", "/v1/projects/{id}/activity", User(ProjectsRead)),
    op("POST", "/v1/projects/{id}/labels", User(TasksWrite)),
    op("GET", "/v1/projects/{id}/labels", User(TasksRead)),
    op("PATCH", "/v1/projects/{id}/labels/{label_id}", User(TasksWrite)),
    op("DELETE", "/v1/projects/{id}/labels/{label_id}", User(TasksWrite)),
    op("POST", "/v1/projects/{id}/tasks", User(TasksWrite)),
    op("GET", "/v1/projects/{id}/tasks", User(TasksRead)),
    op("POST", "/v1/projects/{id}/tasks/bulk", User(TasksWrite)),
    op("GET", "/v1/tasks/{id}", User(TasksRead)),
    op("PATCH", "/v1/tasks/{id}", User(TasksWrite)),
    op("DELETE", "/v1/tasks/{id}", User(TasksWrite)),
    op("POST", "/v1/tasks/{id}/move", User(TasksWrite)),
    op("POST", "/v1/tasks/{id}/comments", User(TasksWrite)),
    op("GET", "/v1/tasks/{id}/comments", User(TasksRead)),
    op("PATCH", "/v1/comments/{id}", User(TasksWrite)),
    op("DELETE", "/v1/comments/{id}", User(TasksWrite)),
    op("GET", "/v1/search", User(TasksRead)),
    op("GET", "/v1/me/tasks", User(TasksRead)),
    op("POST", "/v1/projects/import", User(ProjectsWrite)),
    op("POST", "/v1/projects/{id}/import", User(TasksWrite)),
    op("GET", "/v1/projects/{id}/export", User(TasksRead)),
    op("GET", "/v1/imports", User(ProjectsRead)),
    op("GET", "/v1/imports/{id}", User(ProjectsRead)),
    op("GET", "/v1/imports/{id}/report", User(ProjectsRead)),
    op("GET", "/v1/personal-data/project", Session),
    // notification
    op("GET", "/v1/notifications", User(NotificationsRead)),
    op("POST", "/v1/notifications/read", User(NotificationsWrite)),
    op("GET", "/v1/notifications/unread-count", User(NotificationsRead)),
    op("GET", "/v1/notification-preferences", User(NotificationsRead)),
    op("PUT", "/v1/notification-preferences", User(NotificationsWrite)),
    op("POST", "/v1/webhooks", Session),
    op("GET", "/v1/webhooks", Session),
    op("GET", "/v1/webhooks/{id}", Session),
    op("PATCH", "/v1/webhooks/{id}", Session),
    op("DELETE", "/v1/webhooks/{id}", Session),
    op("POST", "/v1/webhooks/{id}/rotate-secret", Session),
    op("POST", "/v1/webhooks/{id}/test", Session),
    op("GET", "/v1/webhooks/{id}/deliveries", Session),
    op("POST", "/v1/webhooks/{id}/replay", Session),
    op("GET", "/v1/deliveries", Session),
    op("GET", "/v1/deliveries/{id}", Session),
    op("POST", "/v1/deliveries/{id}/resend", Session),
    op("PUT", "/v1/slack", Session),
    op("GET", "/v1/slack", Session),
    op("DELETE", "/v1/slack", Session),
    op("PUT", "/v1/projects/{id}/slack", Session),
    op("GET", "/v1/projects/{id}/slack", Session),
    op("DELETE", "/v1/projects/{id}/slack", Session),
    op("GET", "/v1/unsubscribe/{token}", Public),
    op("POST", "/v1/unsubscribe/{token}", Public),
    op("GET", "/v1/personal-data/notification", Session),
    // billing
    op("GET", "/v1/plans", Public),
    op("GET", "/v1/orders", User(BillingRead)),
    op("GET", "/v1/orders/{id}", User(BillingRead)),
    op("GET", "/v1/subscription", User(BillingRead)),
    op("POST", "/v1/subscription/cancel", User(BillingWrite)),
    op("POST", "/v1/subscription/reactivate", User(BillingWrite)),
    op("GET", "/v1/billing-profile", User(BillingRead)),
    op("PUT", "/v1/billing-profile", User(BillingWrite)),
    op("GET", "/v1/payment-method", User(BillingRead)),
    op("PUT", "/v1/payment-method", User(BillingWrite)),
    op("GET", "/v1/invoices", User(BillingRead)),
    op("GET", "/v1/invoices/{id}", User(BillingRead)),
    op("GET", "/v1/invoices/{id}/html", User(BillingRead)),
    op("GET", "/v1/invoices/{id}/pdf", User(BillingRead)),
    op("POST", "/v1/invoices/{id}/payments", Access::Role(Role::Admin)),
    op("POST", "/v1/invoices/{id}/credit-notes", Access::Role(Role::Admin)),
    op("GET", "/v1/credit-notes", User(BillingRead)),
    op("GET", "/v1/usage", User(BillingRead)),
    op("GET", "/v1/personal-data/billing", Session),
    op("POST", "/v1/payment-webhooks/stripe", Public),
    // analytics
    op("GET", "/v1/analytics/projects/{id}/throughput", User(AnalyticsRead)),
    op(
        "GET",
        "/v1/analytics/projects/{id}/cumulative-flow",
        User(AnalyticsRead),
    ),
    op("GET", "/v1/analytics/projects/{id}/cycle-time", User(AnalyticsRead)),
    op("GET", "/v1/analytics/projects/{id}/burndown", User(AnalyticsRead)),
    op("GET", "/v1/analytics/projects/{id}/overdue", User(AnalyticsRead)),
    op(
        "GET",
        "/v1/analytics/projects/{id}/work-in-progress",
        User(AnalyticsRead),
    ),
    op("GET", "/v1/analytics/me", User(AnalyticsRead)),
    op("GET", "/v1/analytics/business", Access::Role(Role::Admin)),
    op("GET", "/v1/events", Access::Role(Role::Admin)),
    op("GET", "/v1/events/{id}/trace", Access::Role(Role::Admin)),
    op("GET", "/v1/personal-data/analytics", Session),
    // gateway
    op("POST", "/v1/orders", User(BillingWrite)),
    op("GET", "/v1/stream", User(NotificationsRead)),
    op("GET", "/v1/home", User(ProfileRead)),
    op("GET", "/v1/me/export", Session),
    op("GET", "/v1/personal-data/gateway", Session),
];

/// Who may call `method` on `path`, where parameters may be written `{id}` or `:id`. `None`: nobody.
pub fn of(method: &str, path: &str) -> Option<Access> {
    OPERATIONS
        .iter()
        .find(|op| op.method == method && same_path(op.path, path))
        .map(|op| op.access)
}

fn same_path(template: &str, path: &str) -> bool {
    let mut ours = template.split('/');
    let mut theirs = path.split('/');
    loop {
        match (ours.next(), theirs.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == b || (a.starts_with('{') && (b.starts_with(':') || b.starts_with('{'))) => {}
            _ => return false,
        }
    }
}

impl Access {
    /// Whether a user with `role`, using a token of these `scopes` (`None`: a signed-in session), may.
    pub fn allows(self, role: Role, scopes: Option<&[Scope]>) -> bool {
        let scoped = |scope| scopes.is_none_or(|scopes| scopes.contains(&scope));
        match self {
            Access::Public => true,
            Access::Service => false,
            Access::User(scope) => scoped(scope),
            Access::Session => scopes.is_none(),
            Access::Role(least) => role >= least && scoped(Scope::Admin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_operation_stands_in_the_table_twice() {
        for (n, one) in OPERATIONS.iter().enumerate() {
            let twin = OPERATIONS[..n]
                .iter()
                .find(|other| other.method == one.method && same_path(other.path, one.path));
            assert_eq!(twin, None, "{} {}", one.method, one.path);
        }
    }

    #[test]
    fn an_operation_is_found_by_its_path_as_the_document_and_as_the_router_write_it() {
        let write = Some(Access::User(Scope::ProjectsWrite));
        assert_eq!(of("PATCH", "/v1/projects/{id}/members/{user_id}"), write);
        assert_eq!(of("PATCH", "/v1/projects/:id/members/:user_id"), write);
        assert_eq!(of("PATCH", "/v1/projects/:project/members/:member"), write);
    }

    #[test]
    fn what_is_not_in_the_table_is_nobodys() {
        for (method, path) in [
            ("PUT", "/v1/projects"),
            ("get", "/v1/projects"),
            ("GET", ""),
            ("GET", "/"),
            ("GET", "/v1/projects/"),
            ("GET", "//v1/projects"),
            ("GET", "/v1/projects/prj_01h455vb4pex5vsknk084sn02q"),
            ("GET", "/v1/projects/*path"),
            ("GET", "/v1/projects/:id/members/:user_id/more"),
            ("GET", "/v1/:anything"),
        ] {
            assert_eq!(of(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn a_higher_role_may_what_a_lower_one_may_and_not_the_other_way_round() {
        let support = Access::Role(Role::Support);
        assert!(!support.allows(Role::User, None));
        assert!(support.allows(Role::Support, None));
        assert!(support.allows(Role::Admin, None));
        assert!(!Access::Role(Role::Admin).allows(Role::Support, None));
    }

    #[test]
    fn a_personal_access_token_may_what_its_scopes_say_and_nothing_else() {
        let tasks = Access::User(Scope::TasksRead);
        assert!(tasks.allows(Role::User, Some(&[Scope::ProfileRead, Scope::TasksRead])));
        assert!(!tasks.allows(Role::User, Some(&[Scope::TasksWrite])));
        assert!(
            !tasks.allows(Role::Admin, Some(&[])),
            "an admin's token without scopes may nothing"
        );
        assert!(
            !Access::Session.allows(Role::Admin, Some(&Scope::ALL)),
            "no token may act as a session"
        );
        assert!(!Access::Role(Role::Admin).allows(Role::Admin, Some(&[Scope::ProfileWrite])));
        assert!(Access::Role(Role::Admin).allows(Role::Admin, Some(&[Scope::Admin])));
        assert!(
            !Access::Role(Role::Admin).allows(Role::User, Some(&[Scope::Admin])),
            "a scope gives no role"
        );
    }

    #[test]
    fn no_user_may_call_what_is_for_services() {
        assert!(!Access::Service.allows(Role::Admin, None));
        assert!(!Access::Service.allows(Role::Admin, Some(&Scope::ALL)));
    }

    #[test]
    fn names_in_tokens_are_the_names_that_are_parsed() {
        for scope in Scope::ALL {
            assert_eq!(scope.name().parse(), Ok(scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
        }
        for role in [Role::User, Role::Support, Role::Admin] {
            assert_eq!(role.name().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
        }
        assert!("Admin".parse::<Role>().is_err() && "tasks".parse::<Scope>().is_err());
    }
}
