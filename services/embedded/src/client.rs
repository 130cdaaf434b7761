//! How a program finds a hub on its own machine by the names of its hosts.

use std::{net::SocketAddr, time::Duration};

use reqwest::{Client, ClientBuilder, Url};

use crate::hub::HOSTS;

/// How long a hub may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Begins an HTTP client for the hub whose gateway is at `base`.
///
/// Names under `.localhost` are the loopback address (RFC 6761, 6.3), which not every resolver knows: the client does.
pub(crate) fn client(base: &Url) -> ClientBuilder {
    let client = Client::builder().timeout(PATIENCE).no_proxy();
    let local = base.host_str().is_some_and(|host| host.ends_with(".localhost"));
    let (true, Some(port)) = (local, base.port_or_known_default()) else {
        return client;
    };
    HOSTS.iter().fold(client, |client, service| {
        client.resolve(
            &format!("{service}.localhost"),
            SocketAddr::from(([127, 0, 0, 1], port)),
        )
    })
}
