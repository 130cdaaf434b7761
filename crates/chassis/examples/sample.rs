//! A whole service, as small as it can be: what the stories in `tests/` run, and a place to begin reading.

use std::{process::ExitCode, time::Duration};

use chassis::{
    Api, Assembly, Boot, Problem, Service, Settings, Source,
    http::{answer::Created, json::Json},
    worker::{Pace, Step, StepError, Worker},
};
use database::MigrationTrait;
use identity::Bearer;
use poem::Body;
use poem_openapi::{
    ApiResponse, Object, OpenApi, Tags,
    param::{Path, Query},
    payload::Binary,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// The service.
pub(crate) struct Sample;

/// What it can be set to.
pub(crate) struct SampleSettings {
    sabotage: String,
}

impl Settings for SampleSettings {
    const DEFAULTS: &'static str = "[sample]\nsabotage = \"\"\nmost = 5\npassword = \"\"";

    fn parse(source: &mut Source<'_>) -> Option<Self> {
        let sabotage = source.take("sample.sabotage");
        let most: Option<u32> = source.take("sample.most");
        source.require(
            most.is_none_or(|most| most <= 10),
            "sample.most must be at most 10, or the answers get long",
        );
        // Only read: a secret must not show up anywhere.
        let password = source.secret("sample.password");
        password?;
        Some(Self { sabotage: sabotage? })
    }
}

#[async_trait::async_trait]
impl Service for Sample {
    const NAME: &'static str = "sample";
    type Settings = SampleSettings;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Vec::new()
    }

    fn document() -> serde_json::Value {
        Api::document::<NoteApi>("Sample")
    }

    async fn assemble(boot: &mut Boot<SampleSettings>) -> anyhow::Result<Assembly> {
        let worker: Box<dyn Worker> = Box::new(Saboteur(boot.settings.sabotage == "worker"));
        Ok(Assembly {
            api: Api::new(
                "Sample",
                NoteApi {
                    stop: boot.stop.clone(),
                },
            ),
            reactions: messaging::Reactions::new(),
            workers: vec![(worker, Pace::every(Duration::from_millis(50)))],
        })
    }
}

/// Does nothing, or panics.
struct Saboteur(bool);

#[async_trait::async_trait]
impl Worker for Saboteur {
    fn name(&self) -> &'static str {
        "saboteur"
    }

    async fn step(&mut self) -> Result<Step, StepError> {
        assert!(!self.0, "sabotage, as it was asked for");
        Ok(Step::Drained)
    }
}

#[derive(Tags)]
enum Tag {
    /// Notes.
    Notes,
}

/// A note.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub(crate) struct Note {
    /// What it says.
    title: String,
    /// How often.
    #[serde(default)]
    #[oai(default)]
    count: u32,
}

impl poem_openapi::types::Example for Note {
    fn example() -> Self {
        Self {
            title: "Fix the valve".to_owned(),
            count: 1,
        }
    }
}

/// An answer that comes in pieces.
#[derive(ApiResponse)]
enum Pieces {
    /// The pieces.
    #[oai(status = 200)]
    Come(Binary<Body>),
}

struct NoteApi {
    stop: CancellationToken,
}

/// Something inside that clients must not see.
#[derive(Debug, thiserror::Error)]
#[error("table notes_v7 at db.internal is gone")]
struct Inner;

#[derive(Debug, thiserror::Error)]
#[error("reading notes")]
struct Outer(#[source] Inner);

#[OpenApi]
impl NoteApi {
    /// Take a note.
    #[oai(
        path = "/v1/auth/verify",
        method = "post",
        operation_id = "takeNote",
        tag = "Tag::Notes"
    )]
    async fn take(&self, body: Json<Note>) -> Result<Created<Note>, Problem> {
        Ok(Created {
            location: "/v1/notes/1".to_owned(),
            version: Some(1),
            body: body.0,
        })
    }

    /// List the caller's notes.
    #[oai(path = "/v1/tasks/:id", method = "get", operation_id = "getNote", tag = "Tag::Notes")]
    async fn get(
        &self,
        Bearer(_caller): Bearer,
        id: Path<String>,
        limit: Query<Option<u64>>,
    ) -> Result<Json<Note>, Problem> {
        match id.0.as_str() {
            "large" => Ok(Json(Note {
                title: "x".repeat(100_000),
                count: 1,
            })),
            "mine" => Ok(Json(Note {
                title: "small".to_owned(),
                count: u32::try_from(limit.0.unwrap_or(0)).unwrap_or(0),
            })),
            _ => Err(Problem::not_found("note-not-found", "no such note")),
        }
    }

    /// Fail in the way that is asked for.
    #[oai(path = "/v1/auth/reset", method = "post", operation_id = "fail", tag = "Tag::Notes")]
    async fn fail(&self, how: Query<String>) -> Result<Json<Note>, Problem> {
        match how.0.as_str() {
            "panic" => panic!("the handler's own panic text"),
            "slow" => std::future::pending().await,
            _ => Err(Problem::internal(Outer(Inner))),
        }
    }

    /// Answer in `count` pieces, one every 20 ms, of `size` bytes at least.
    #[oai(
        path = "/.well-known/openid-configuration",
        method = "get",
        operation_id = "pieces",
        tag = "Tag::Notes"
    )]
    async fn pieces(&self, count: Query<u32>, size: Query<Option<u32>>) -> Result<Pieces, Problem> {
        let size = size.0.and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        let pieces = futures_util::stream::unfold(0, move |sent| async move {
            if sent == count.0 {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            let piece = format!("piece {sent}");
            Some((Ok::<_, std::io::Error>(format!("{piece:<size$}\n")), sent + 1))
        });
        Ok(Pieces::Come(Binary(Body::from_bytes_stream(pieces))))
    }

    /// Say hello, and goodbye when the process stops.
    #[oai(
        path = "/v1/auth/refresh",
        method = "post",
        operation_id = "stream",
        tag = "Tag::Notes"
    )]
    async fn stream(&self) -> Result<Pieces, Problem> {
        let stop = self.stop.clone();
        let words = futures_util::stream::unfold(0, move |said| {
            let stop = stop.clone();
            async move {
                match said {
                    0 => Some((Ok::<_, std::io::Error>("hello\n"), 1)),
                    1 => {
                        stop.cancelled().await;
                        Some((Ok("goodbye\n"), 2))
                    }
                    _ => None,
                }
            }
        });
        Ok(Pieces::Come(Binary(Body::from_bytes_stream(words))))
    }
}

fn main() -> ExitCode {
    chassis::run::<Sample>()
}
