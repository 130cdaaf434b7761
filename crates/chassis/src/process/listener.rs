//! The public listener: one address, one or several hosts behind it.

use std::net::SocketAddr;

use poem::{Endpoint, Request, Response, endpoint::BoxEndpoint, http::header};
use tokio::net::TcpListener;

use crate::http::problem::Problem;

/// Takes `address` for this process.
///
/// # Errors
/// One line that says what to do.
pub(super) async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow::anyhow!(
                "{address} is occupied by another process; stop that one, or choose another port ({setting})"
            )
        }
        _ => anyhow::anyhow!("cannot listen on {address} ({setting}): {error}"),
    })
}

/// Finds the service by the first part of the host: `auth.localhost:8080` is `auth`.
pub(super) struct Hosts {
    services: Vec<(&'static str, BoxEndpoint<'static, Response>)>,
    /// Answers hosts that name no service.
    front: Option<usize>,
}

impl Hosts {
    /// A single service answers every host.
    pub(super) fn new(services: Vec<(&'static str, BoxEndpoint<'static, Response>)>, front: Option<&str>) -> Self {
        let front = match services.len() {
            1 => Some(0),
            _ => front.and_then(|front| services.iter().position(|(name, _)| *name == front)),
        };
        Self { services, front }
    }

    fn of(&self, request: &Request) -> Option<&BoxEndpoint<'static, Response>> {
        let host = || request.headers().get(header::HOST)?.to_str().ok();
        let named = if self.services.len() > 1 {
            // A request in absolute form has the host in its URI, and that one counts (RFC 9112, section 3.2.2).
            let label = request
                .uri()
                .host()
                .or_else(host)
                .and_then(|host| host.split(['.', ':']).next());
            label.and_then(|label| self.services.iter().find(|(name, _)| label.eq_ignore_ascii_case(name)))
        } else {
            None
        };
        named
            .or_else(|| self.services.get(self.front?))
            .map(|(_, endpoint)| endpoint)
    }
}

impl Endpoint for Hosts {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        match self.of(&request) {
            Some(service) => service.call(request).await,
            None => {
                let names: Vec<&str> = self.services.iter().map(|(name, _)| *name).collect();
                let detail = format!("no service has this host; there are {}", names.join(", "));
                Ok(Problem::not_found("no-such-host", detail).render(None))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use poem::{EndpointExt, endpoint::make_sync};

    use super::*;

    fn hosts(names: &[&'static str], front: Option<&str>) -> Hosts {
        let service = |name: &&'static str| {
            let name = *name;
            (name, make_sync(move |_| name).map_to_response().boxed())
        };
        Hosts::new(names.iter().map(service).collect(), front)
    }

    async fn answer(hosts: &Hosts, host: &str) -> (u16, String) {
        let response = hosts
            .get_response(Request::builder().header("host", host).finish())
            .await;
        (
            response.status().as_u16(),
            response.into_body().into_string().await.unwrap(),
        )
    }

    #[tokio::test]
    async fn the_first_part_of_the_host_names_the_service() {
        let hosts = hosts(&["gateway", "auth"], Some("gateway"));
        for (host, name) in [
            ("auth.localhost:8080", "auth"),
            ("AUTH.localhost", "auth"),
            ("auth", "auth"),
            ("gateway.localhost", "gateway"),
            ("localhost:8080", "gateway"),
            ("127.0.0.1:8080", "gateway"),
            ("", "gateway"),
        ] {
            assert_eq!(answer(&hosts, host).await, (200, name.to_owned()), "{host}");
        }
    }

    #[tokio::test]
    async fn without_a_front_an_unknown_host_is_told_which_there_are() {
        let (status, text) = answer(&hosts(&["gateway", "auth"], None), "mail.localhost").await;
        assert_eq!(status, 404);
        assert!(text.contains("gateway, auth"), "{text}");
    }

    #[tokio::test]
    async fn a_single_service_answers_every_host() {
        assert_eq!(
            answer(&hosts(&["auth"], None), "10.0.0.7:8080").await,
            (200, "auth".to_owned())
        );
    }
}
