//! Answers that are no JSON: a page and a PDF.

use poem::{IntoResponse, Response, http::header};
use poem_openapi::{
    ApiResponse,
    registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry},
    types::Type,
};

/// The page runs nothing and loads nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// 200 with HTML.
pub struct Page(pub String);

/// 200 with a PDF to keep.
pub struct Pdf {
    /// The file.
    pub bytes: Vec<u8>,
    /// What to call it: letters, digits and `-`.
    pub name: String,
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(header::CONTENT_SECURITY_POLICY, POLICY)
            .header(header::CACHE_CONTROL, "private, no-cache")
            .body(self.0)
    }
}

impl IntoResponse for Pdf {
    fn into_response(self) -> Response {
        Response::builder()
            .content_type("application/pdf")
            .header(
                header::CONTENT_DISPOSITION,
                format!("attachment; filename=\"{}.pdf\"", self.name),
            )
            .header(header::CACHE_CONTROL, "private, no-cache")
            .body(self.bytes)
    }
}

fn described(description: &'static str, content_type: &'static str, schema: MetaSchemaRef) -> MetaResponses {
    MetaResponses {
        responses: vec![MetaResponse {
            description,
            status: Some(200),
            status_range: None,
            content: vec![MetaMediaType { content_type, schema }],
            headers: vec![],
        }],
    }
}

impl ApiResponse for Page {
    fn meta() -> MetaResponses {
        described("The page.", "text/html", String::schema_ref())
    }

    fn register(_: &mut Registry) {}
}

impl ApiResponse for Pdf {
    fn meta() -> MetaResponses {
        let schema = MetaSchema::new_with_format("string", "binary");
        described("The file.", "application/pdf", MetaSchemaRef::Inline(Box::new(schema)))
    }

    fn register(_: &mut Registry) {}
}
