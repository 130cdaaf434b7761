//! The personal-data export: what every service holds about the caller, in one answer.
//!
//! Each service is asked for its part at the same time, and the answer begins when all of them have begun to answer: an
//! export with a hole in it would look complete, so a service that does not answer fails the whole. The parts are passed on
//! as they come. One that breaks off breaks the answer off, which no client takes for its end.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use chassis::{
    Clock, Problem,
    http::{Deadline, json::Json},
};
use contracts::id::UserId;
use database::Db;
use futures_util::{Stream, StreamExt, future::try_join_all, stream};
use http_body_util::BodyDataStream;
use identity::Bearer;
use poem::{
    Body, IntoResponse, Request, Response,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, uri::PathAndQuery},
};
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::Tag;
use crate::{
    domain::route::OWN,
    edge::{
        body::Streamed,
        upstream::{Call, Outgoing, Upstreams},
    },
    settings::UPSTREAMS,
    store::{membership, order, stream_event},
};

/// The part of the time that is kept for telling what failed.
const KEPT_BACK: Duration = Duration::from_millis(100);

type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, std::io::Error>> + Send>>;

/// What the gateway itself holds about a user.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "GatewayPersonalData")]
pub(super) struct PersonalData {
    /// Projects whose events the user's streams carry.
    project_ids: Vec<String>,
    /// Events for the user alone that can still be resumed.
    stream_events: Vec<Value>,
    /// Orders that were accepted here lately; billing has all of them.
    order_ids: Vec<String>,
}

/// Everything about the caller, as a file.
pub(super) struct Export(Body);

impl IntoResponse for Export {
    fn into_response(self) -> Response {
        Response::builder()
            .content_type("application/json")
            .header(
                header::CONTENT_DISPOSITION,
                "attachment; filename=\"personal-data.json\"",
            )
            .body(self.0)
    }
}

impl ApiResponse for Export {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "An object with a field for each service.",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: "application/json",
                    schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new("object"))),
                }],
                headers: vec![],
            }],
        }
    }

    fn register(_: &mut Registry) {}
}

/// The export.
pub struct PersonalDataApi {
    /// The gateway's own database.
    pub db: Db,
    /// The services.
    pub upstreams: Upstreams,
    /// The time.
    pub clock: Clock,
}

#[OpenApi]
impl PersonalDataApi {
    /// Export everything that the hub holds about the caller: an object with a field for each service.
    ///
    /// It is complete or it fails: when a service does not work at the moment the answer is 503 and names it.
    #[oai(
        path = "/v1/me/export",
        method = "get",
        operation_id = "exportPersonalData",
        tag = "Tag::Overview"
    )]
    async fn export(&self, request: &Request, Bearer(caller): Bearer) -> Result<Export, Problem> {
        let parts = UPSTREAMS.iter().map(|service| self.part(request, service));
        let parts = try_join_all(parts).await?;
        let own = self.own(caller.user).await?;
        // The object stays open for the parts.
        let (user, now) = (json!(caller.user), json!(self.clock.now()));
        let begin = format!("{{\"user_id\":{user},\"exported_at\":{now},\n\"{OWN}\":{}", json!(own));
        let mut pieces: Pieces = text(begin);
        for (service, part) in parts {
            let part = BodyDataStream::new(part);
            pieces = Box::pin(pieces.chain(text(format!(",\n\"{service}\":"))).chain(part));
        }
        Ok(Export(Body::from_bytes_stream(pieces.chain(text("}\n".to_owned())))))
    }

    /// Read everything that the gateway holds about the caller: projects of the live stream, and events kept for it.
    #[oai(
        path = "/v1/personal-data/gateway",
        method = "get",
        operation_id = "getGatewayPersonalData",
        tag = "Tag::Overview"
    )]
    async fn personal_data(&self, Bearer(caller): Bearer) -> Result<Json<PersonalData>, Problem> {
        Ok(Json(self.own(caller.user).await?))
    }
}

fn text(text: String) -> Pieces {
    Box::pin(stream::iter([Ok(Bytes::from(text))]))
}

impl PersonalDataApi {
    async fn own(&self, user: UserId) -> Result<PersonalData, Problem> {
        let projects = membership::projects(self.db.read(), user)
            .await
            .map_err(Problem::internal)?;
        let events = stream_event::of_user(self.db.read(), user)
            .await
            .map_err(Problem::internal)?;
        let orders = order::of_user(self.db.read(), user, false)
            .await
            .map_err(Problem::internal)?;
        Ok(PersonalData {
            order_ids: orders.iter().map(|order| order.id.to_string()).collect(),
            project_ids: projects.iter().map(ToString::to_string).collect(),
            stream_events: events
                .iter()
                .map(|payload| serde_json::from_str(payload).unwrap_or(Value::Null))
                .collect(),
        })
    }

    /// The beginning of a service's answer.
    async fn part(&self, request: &Request, service: &'static str) -> Result<(&'static str, Streamed), Problem> {
        let missing = |reason: &dyn std::fmt::Display| {
            tracing::warn!(service, reason = %reason, "a part of a personal-data export is missing");
            let detail = format!("{service} does not answer for its part of the export at the moment; try again later");
            Problem::unavailable("export-incomplete", detail, Duration::from_secs(5))
        };
        let upstream = self
            .upstreams
            .of(service)
            .ok_or_else(|| missing(&"there is no such service"))?;
        let mut headers = HeaderMap::new();
        if let Some(value) = request.headers().get(header::AUTHORIZATION) {
            headers.insert(header::AUTHORIZATION, value.clone());
        }
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let left = request
            .data::<Deadline>()
            .map_or(Duration::from_secs(5), Deadline::left)
            .saturating_sub(KEPT_BACK);
        let path: PathAndQuery = format!("/v1/personal-data/{service}")
            .parse()
            .map_err(|error| missing(&error))?;
        let call = Call {
            method: Method::GET,
            path,
            headers,
            body: Outgoing::Empty,
            time: left,
        };
        let response = upstream
            .send(call)
            .await
            .map_err(|error| missing(&chassis::worker::chain(&error)))?;
        match response.status() {
            StatusCode::OK => Ok((service, response.into_body())),
            status => Err(missing(&status)),
        }
    }
}
