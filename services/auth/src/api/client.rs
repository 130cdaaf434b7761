//! Who is at the other end.

use std::net::{IpAddr, Ipv4Addr};

use chassis::http::client::ClientAddress;
use poem::{Request, http::header};

use crate::domain::client::Client;

/// The client of a request.
pub(super) fn of(request: &Request) -> Client {
    let agent = request
        .headers()
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok());
    // The chassis sets it for every request.
    let address = request
        .data::<ClientAddress>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.0);
    Client::new(agent, address)
}
