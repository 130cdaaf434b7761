//! The successful answers, the same in every service: [`super::json::Json`] (200), [`Tagged`] (200 with `ETag`),
//! [`Created`] (201), [`Accepted`] (202), [`NoContent`] (204).

use poem::{
    IntoResponse, Response,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse,
    payload::Payload,
    registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};
use serde::Serialize;

use super::{json::Json, precondition};

/// 200 with `ETag`: the thing as it is now.
pub struct Tagged<T> {
    /// The body.
    pub body: T,
    /// Version of the thing.
    pub version: i64,
}

/// 201 with `Location`, and `ETag` where the thing has a version.
pub struct Created<T> {
    /// The body.
    pub body: T,
    /// Path of the new thing: `/v1/tasks/tsk_…`.
    pub location: String,
    /// Version of the new thing.
    pub version: Option<i64>,
}

/// 202 with `Location`: it will be done, and how far it is can be read there.
pub struct Accepted<T> {
    /// The body.
    pub body: T,
    /// Path of what was accepted: `/v1/imports/imp_…`.
    pub location: String,
}

/// 204.
pub struct NoContent;

impl<T: Serialize + Send> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.body).into_response();
        set(&mut response, header::ETAG, &precondition::etag(self.version));
        response
    }
}

impl<T: Serialize + Send> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.body).into_response();
        response.set_status(StatusCode::CREATED);
        set(&mut response, header::LOCATION, &self.location);
        if let Some(version) = self.version {
            set(&mut response, header::ETAG, &precondition::etag(version));
        }
        response
    }
}

impl<T: Serialize + Send> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.body).into_response();
        response.set_status(StatusCode::ACCEPTED);
        set(&mut response, header::LOCATION, &self.location);
        response
    }
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn described<T: Type>(status: u16, description: &'static str, headers: &[(&str, &str)]) -> MetaResponses {
    let headers = headers.iter().map(|(name, description)| MetaHeader {
        name: (*name).to_owned(),
        description: Some((*description).to_owned()),
        required: false,
        deprecated: false,
        schema: String::schema_ref(),
    });
    MetaResponses {
        responses: vec![MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content: vec![MetaMediaType {
                content_type: Json::<T>::CONTENT_TYPE,
                schema: T::schema_ref(),
            }],
            headers: headers.collect(),
        }],
    }
}

const ETAG: (&str, &str) = ("ETag", "Send it as If-Match when you change the thing.");

impl<T: Type + Serialize> ApiResponse for Tagged<T> {
    fn meta() -> MetaResponses {
        described::<T>(200, "Done.", &[ETAG])
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type + Serialize> ApiResponse for Created<T> {
    fn meta() -> MetaResponses {
        described::<T>(201, "Created.", &[("Location", "Path of what was created."), ETAG])
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type + Serialize> ApiResponse for Accepted<T> {
    fn meta() -> MetaResponses {
        described::<T>(202, "Accepted.", &[("Location", "Path of what was accepted.")])
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl ApiResponse for NoContent {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Done; there is nothing to tell.",
                status: Some(204),
                status_range: None,
                content: vec![],
                headers: vec![],
            }],
        }
    }

    fn register(_: &mut Registry) {}
}
