//! The operations here are named as in the real table, because that is what guards them.

use std::sync::Arc;

use contracts::id::TokenId;
use identity::{Bearer, Claims, Role, Scope, ServiceBearer, ServiceSecret};
use poem::{Endpoint, EndpointExt, Request, Response, Route, http::StatusCode, middleware::AddData};
use poem_openapi::{OpenApi, OpenApiService, param::Path, payload::PlainText};

use crate::issuer::{Key, Published, claims};

struct Operations;

#[OpenApi]
impl Operations {
    #[oai(path = "/v1/tasks/:task", method = "get")]
    async fn read(&self, Bearer(caller): Bearer, task: Path<String>) -> PlainText<String> {
        PlainText(format!("{} reads {}", caller.user, task.0))
    }

    #[oai(path = "/v1/tokens", method = "post")]
    async fn session_only(&self, _caller: Bearer) -> PlainText<&'static str> {
        PlainText("made")
    }

    #[oai(path = "/v1/users", method = "get")]
    async fn staff_only(&self, Bearer(caller): Bearer) -> PlainText<&'static str> {
        PlainText(caller.role.name())
    }

    #[oai(path = "/v1/auth/introspect", method = "post")]
    async fn services_only(&self, _service: ServiceBearer) -> PlainText<&'static str> {
        PlainText("active")
    }

    #[oai(path = "/v1/not-in-the-table", method = "get")]
    async fn forgotten(&self, _caller: Bearer) -> PlainText<&'static str> {
        PlainText("open")
    }
}

struct Api {
    key: Key,
    endpoint: poem::endpoint::BoxEndpoint<'static, Response>,
}

impl Api {
    fn new() -> Self {
        let key = Key::new("key_1");
        let verifier = Arc::new(Published::of(&[&key]).verifier());
        let operations = Route::new().nest("/", OpenApiService::new(Operations, "test", "1"));
        let endpoint = operations
            .with(AddData::new(verifier))
            .with(AddData::new(ServiceSecret(vec![
                "between-services".into(),
                "the next one".into(),
            ])))
            .map_to_response()
            .boxed();
        Self { key, endpoint }
    }

    async fn call(&self, method: &str, path: &str, authorization: Option<&str>) -> (StatusCode, String) {
        let mut request = Request::builder().method(method.parse().unwrap()).uri_str(path);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let response = self.endpoint.get_response(request.finish()).await;
        (response.status(), response.into_body().into_string().await.unwrap())
    }

    async fn as_user(&self, method: &str, path: &str, change: impl FnOnce(&mut Claims)) -> (StatusCode, String) {
        let mut claims = claims();
        change(&mut claims);
        self.call(method, path, Some(&format!("Bearer {}", self.key.sign(&claims))))
            .await
    }
}

#[tokio::test]
async fn a_signed_in_user_is_the_handlers_argument() {
    let api = Api::new();
    let (status, text) = api.as_user("GET", "/v1/tasks/tsk_1", |_| ()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.starts_with("usr_") && text.ends_with(" reads tsk_1"), "{text}");
}

#[tokio::test]
async fn without_a_token_or_with_a_wrong_one_nobody_passes() {
    let api = Api::new();
    for authorization in [
        None,
        Some(""),
        Some("Bearer"),
        Some("Bearer "),
        Some("Basic YTpi"),
        Some("Bearer x.y.z"),
        Some("Bearer cth_pat_x"),
    ] {
        for path in ["/v1/tasks/tsk_1", "/v1/users", "/v1/not-in-the-table"] {
            assert_eq!(
                api.call("GET", path, authorization).await.0,
                StatusCode::UNAUTHORIZED,
                "{authorization:?} {path}"
            );
        }
    }
}

#[tokio::test]
async fn a_token_with_scopes_may_only_what_they_say() {
    let api = Api::new();
    let scoped = |scopes: &'static [Scope]| {
        move |claims: &mut Claims| {
            (claims.sid, claims.pat, claims.scopes) = (None, Some(TokenId::new()), Some(scopes.to_vec()));
        }
    };
    assert_eq!(
        api.as_user("GET", "/v1/tasks/tsk_1", scoped(&[Scope::TasksRead]))
            .await
            .0,
        StatusCode::OK
    );
    let (status, text) = api
        .as_user("GET", "/v1/tasks/tsk_1", scoped(&[Scope::TasksWrite]))
        .await;
    assert_eq!(
        (status, text.as_str()),
        (
            StatusCode::FORBIDDEN,
            "the token lacks the scope that this operation needs"
        )
    );
    assert_eq!(
        api.as_user("POST", "/v1/tokens", scoped(&Scope::ALL)).await.0,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn an_operation_for_a_role_is_closed_to_lower_ones() {
    let api = Api::new();
    assert_eq!(
        api.as_user("GET", "/v1/users", |claims| claims.role = Role::User)
            .await
            .0,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        api.as_user("GET", "/v1/users", |claims| claims.role = Role::Support)
            .await
            .1,
        "support"
    );
    assert_eq!(
        api.as_user("GET", "/v1/users", |claims| claims.role = Role::Admin)
            .await
            .1,
        "admin"
    );
}

#[tokio::test]
async fn an_operation_that_is_not_in_the_table_is_closed_to_everybody() {
    let api = Api::new();
    assert_eq!(
        api.as_user("GET", "/v1/not-in-the-table", |claims| claims.role = Role::Admin)
            .await
            .0,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn an_operation_for_services_takes_the_shared_secret_and_nothing_else() {
    let api = Api::new();
    let path = "/v1/auth/introspect";
    assert_eq!(
        api.call("POST", path, Some("Bearer between-services")).await.0,
        StatusCode::OK
    );
    for wrong in [
        None,
        Some("Bearer between-service"),
        Some("Bearer between-services2"),
        Some("Bearer "),
        Some("between-services"),
    ] {
        assert_eq!(
            api.call("POST", path, wrong).await.0,
            StatusCode::UNAUTHORIZED,
            "{wrong:?}"
        );
    }
    assert_eq!(
        api.as_user("POST", path, |claims| claims.role = Role::Admin).await.0,
        StatusCode::UNAUTHORIZED
    );
}
