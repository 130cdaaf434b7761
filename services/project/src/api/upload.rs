//! A file as the body of a request: plain, or as the one part of a multipart form. It is read piece by piece.

use std::pin::Pin;

use bytes::Bytes;
use chassis::{Problem, http::unreadable_body};
use futures_util::{Stream, StreamExt};
use poem::{
    Request, RequestBody,
    http::{StatusCode, header},
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry},
};
use serde_json::json;

use crate::domain::import::Format;

type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, std::io::Error>> + Send>>;

/// The file. Nothing of it is read before [`Upload::next`].
pub struct Upload {
    source: Source,
    mime: mime::Mime,
}

enum Source {
    Plain(Pieces),
    Form {
        form: multer::Multipart<'static>,
        part: Option<Box<multer::Field<'static>>>,
    },
}

/// What the sender says that the file is.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// CSV; `None` for JSON, whose format shows inside.
    pub format: Option<Format>,
    /// The `charset` of its type.
    pub charset: Option<String>,
}

impl Upload {
    /// Looks at what the sender says of the file; a form is read up to its file.
    ///
    /// # Errors
    /// When the form has no file, or something else before it.
    pub async fn open(&mut self) -> Result<Said, Problem> {
        if let Source::Form { form, part } = &mut self.source {
            let first = form.next_field().await.map_err(broken)?;
            let first = first.ok_or_else(|| Problem::malformed("the form is empty; send one part named file"))?;
            if first.name() != Some("file") {
                return Err(extra(first.name()));
            }
            let by_name = first.file_name().and_then(|name| name.rsplit_once('.'));
            let csv = by_name.is_some_and(|(_, end)| end.eq_ignore_ascii_case("csv"));
            match first.content_type().cloned() {
                Some(mime) if mime != mime::APPLICATION_OCTET_STREAM => self.mime = mime,
                _ if csv => self.mime = mime::TEXT_CSV,
                _ => self.mime = mime::APPLICATION_OCTET_STREAM,
            }
            *part = Some(Box::new(first));
        }
        let csv = self.mime.essence_str() == mime::TEXT_CSV.essence_str();
        Ok(Said {
            format: csv.then_some(Format::Csv),
            charset: self.mime.get_param(mime::CHARSET).map(|charset| charset.to_string()),
        })
    }

    /// The next piece of the file; `None` at its end.
    ///
    /// # Errors
    /// When it is over the limit, breaks off, or a form has more than the file.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        match &mut self.source {
            Source::Plain(pieces) => pieces.next().await.transpose().map_err(|error| unreadable_body(&error)),
            Source::Form { form, part } => {
                let Some(file) = part else { return Ok(None) };
                if let Some(piece) = file.chunk().await.map_err(broken)? {
                    return Ok(Some(piece));
                }
                *part = None;
                match form.next_field().await.map_err(broken)? {
                    None => Ok(None),
                    Some(more) => Err(extra(more.name())),
                }
            }
        }
    }
}

fn extra(name: Option<&str>) -> Problem {
    let name: String = name.unwrap_or_default().chars().take(40).collect();
    Problem::malformed(format!(
        "the form has a part named {name:?}; send one part named file, and everything else as parameters of the address"
    ))
}

fn broken(error: multer::Error) -> Problem {
    match error {
        multer::Error::StreamReadFailed(error) => match error.downcast::<std::io::Error>() {
            Ok(error) => unreadable_body(&error),
            Err(error) => Problem::malformed(format!("the form cannot be read: {error}")),
        },
        error => Problem::malformed(format!("the form cannot be read: {error}")),
    }
}

impl<'a> ApiExtractor<'a> for Upload {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(_: &mut Registry) {}

    fn request_meta() -> Option<MetaRequest> {
        let media = |content_type, schema: MetaSchema| MetaMediaType {
            content_type,
            schema: MetaSchemaRef::Inline(Box::new(schema)),
        };
        let file = MetaSchema {
            format: Some("binary"),
            ..MetaSchema::new("string")
        };
        let form = MetaSchema {
            properties: vec![("file", MetaSchemaRef::Inline(Box::new(file)))],
            required: vec!["file"],
            ..MetaSchema::new("object")
        };
        let text = MetaSchema {
            example: Some(json!("title,status,labels\r\nFix the valve,todo,bug; hardware\r\n")),
            ..MetaSchema::new("string")
        };
        let issues = MetaSchema {
            example: Some(
                json!([{ "number": 7, "title": "Fix the valve", "state": "OPEN", "labels": [{ "name": "bug" }] }]),
            ),
            ..MetaSchema::ANY
        };
        Some(MetaRequest {
            description: Some("The file, as the body or as the part `file` of a form."),
            content: vec![
                media("text/csv", text),
                media("application/json", issues),
                media("multipart/form-data", form),
            ],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        let mime = request.content_type().and_then(|text| text.parse::<mime::Mime>().ok());
        let known = ["text/csv", "application/json", "multipart/form-data"];
        let Some(mime) = mime.filter(|mime| known.contains(&mime.essence_str())) else {
            let detail = "send the file as Content-Type: text/csv, application/json or multipart/form-data";
            let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail);
            return Err(problem.into());
        };
        let pieces: Pieces = Box::pin(body.take()?.into_bytes_stream());
        let source = if mime.essence_str() == "multipart/form-data" {
            let whole = request.header(header::CONTENT_TYPE).unwrap_or_default();
            let boundary = multer::parse_boundary(whole).map_err(|error| poem::Error::from(broken(error)))?;
            Source::Form {
                form: multer::Multipart::new(pieces, boundary),
                part: None,
            }
        } else {
            Source::Plain(pieces)
        };
        Ok(Self { source, mime })
    }
}
