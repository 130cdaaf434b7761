//! `GET /v1/stream`

use std::sync::Arc;

use chassis::{FieldError, Problem};
use futures_util::stream::BoxStream;
use identity::Bearer;
use poem::{Body, IntoResponse, Response, http::StatusCode, web::Data};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Query},
    payload::{EventStream, Payload},
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
};

use super::Tag;
use crate::{
    domain::announcement::Announcement,
    edge::{
        feed::{Feed, Parts},
        hub::{Listener, TooMany},
        introspection::Credential,
    },
};

/// The live stream.
pub struct StreamApi(pub Arc<Parts>);

/// A stream that has begun.
pub(super) struct Live(Feed);

#[OpenApi]
impl StreamApi {
    /// Follow what happens, live: changes in the caller's projects, and notifications.
    ///
    /// Server-sent events. Each carries its number as `id`, its type as `event`, and as `data` a JSON object. Send the last
    /// number that you saw as `Last-Event-ID` (or `?last_event_id=`) and you get everything since, once and in order; what
    /// happened too long ago is not there any more, and then an event `reset` tells you to read your data anew. A comment
    /// comes now and then. The stream ends with an event `closed` whose `reason` is `slow` (you did not read fast enough),
    /// `session_revoked`, `token_revoked`, `user_disabled`, `expired` (of the access token), `unavailable` or `shutdown`;
    /// after the first and the last three, come back.
    #[oai(
        path = "/v1/stream",
        method = "get",
        operation_id = "streamEvents",
        tag = "Tag::Overview"
    )]
    async fn stream(
        &self,
        #[oai(name = "Last-Event-ID")] header: Header<Option<String>>,
        /// The same as the header, for clients that cannot set one.
        #[oai(name = "last_event_id")]
        query: Query<Option<String>>,
        Bearer(caller): Bearer,
        credential: Data<&Arc<Credential>>,
    ) -> Result<Live, Problem> {
        let resumed = header.0.or(query.0).map(|text| position(&text)).transpose()?;
        let listener = Listener {
            user: caller.user,
            session: caller.session,
            token: caller.token,
        };
        let seat = self.0.hub.register(listener)?;
        Ok(Live(Feed::new(
            Arc::clone(&self.0),
            seat,
            listener,
            credential.expires,
            resumed,
        )))
    }
}

fn position(text: &str) -> Result<i64, Problem> {
    text.trim().parse().ok().filter(|number| *number >= 0).ok_or_else(|| {
        let expected = "must be the id of an event of this stream; leave it out to begin now";
        Problem::malformed(format!("Last-Event-ID {expected}"))
            .with_errors(vec![FieldError::parameter("last_event_id", expected)])
    })
}

impl From<TooMany> for Problem {
    fn from(error: TooMany) -> Self {
        match error {
            TooMany::OfUser(_) => Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-streams", error.to_string()),
            TooMany::Here => {
                Problem::unavailable("too-many-streams", error.to_string(), std::time::Duration::from_secs(5))
            }
        }
    }
}

impl IntoResponse for Live {
    fn into_response(self) -> Response {
        Response::builder()
            .content_type("text/event-stream")
            .header("cache-control", "no-store")
            // For nginx and those that do as it does.
            .header("x-accel-buffering", "no")
            .body(Body::from_bytes_stream(self.0.into_stream()))
    }
}

type Documented = EventStream<BoxStream<'static, Announcement>>;

impl ApiResponse for Live {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "The stream, until either side ends it.",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: Documented::CONTENT_TYPE,
                    schema: Documented::schema_ref(),
                }],
                headers: vec![],
            }],
        }
    }

    fn register(registry: &mut Registry) {
        <Documented as Payload>::register(registry);
    }
}
