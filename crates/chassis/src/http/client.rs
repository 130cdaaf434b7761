//! Who is at the other end: the address of the client, behind trusted proxies only.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use poem::{Addr, Request, web::RemoteAddr};

/// The client's address, as request data.
///
/// `X-Forwarded-For` is read from its end for as long as the hop that wrote it is trusted: what a client puts in front is
/// never believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    pub(crate) fn of(request: &Request, trusted: &[IpNet]) -> Self {
        let remote = request.data::<RemoteAddr>().unwrap_or(request.remote_addr());
        let mut client = match &remote.0 {
            Addr::SocketAddr(address) => address.ip().to_canonical(),
            // A socket of this machine.
            _ => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        if trusted.is_empty() {
            return Self(client);
        }
        let forwarded = request.headers().get_all("x-forwarded-for").iter();
        let hops: Vec<&str> = forwarded
            .filter_map(|value| value.to_str().ok())
            .flat_map(|text| text.split(','))
            .collect();
        for hop in hops.into_iter().rev() {
            if !trusted.iter().any(|network| network.contains(&client)) {
                break;
            }
            let Some(address) = address(hop.trim()) else { break };
            client = address;
        }
        Self(client)
    }
}

/// `192.0.2.7`, `192.0.2.7:1234`, `2001:db8::7`, `[2001:db8::7]:1234`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let parsed = bare
        .parse()
        .or_else(|_| text.parse::<std::net::SocketAddr>().map(|address| address.ip()));
    parsed.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(remote: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut request = Request::builder();
        for value in forwarded {
            request = request.header("x-forwarded-for", *value);
        }
        let mut request = request.finish();
        request.set_data(RemoteAddr(Addr::SocketAddr(remote.parse().unwrap())));
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        ClientAddress::of(&request, &trusted).0.to_string()
    }

    #[test]
    fn a_client_cannot_choose_its_address() {
        assert_eq!(seen("203.0.113.9:4000", &["1.2.3.4"], &[]), "203.0.113.9");
        assert_eq!(seen("203.0.113.9:4000", &["1.2.3.4"], &["10.0.0.0/8"]), "203.0.113.9");
    }

    #[test]
    fn behind_trusted_proxies_the_last_untrusted_hop_is_the_client() {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        assert_eq!(
            seen("10.0.0.1:80", &["1.2.3.4, 203.0.113.9, 10.0.0.7"], &trusted),
            "203.0.113.9"
        );
        assert_eq!(
            seen("10.0.0.1:80", &["1.2.3.4", "203.0.113.9:555"], &trusted),
            "203.0.113.9"
        );
        assert_eq!(seen("[fd00::1]:80", &["[2001:db8::7]:99"], &trusted), "2001:db8::7");
        assert_eq!(seen("[::ffff:10.0.0.1]:80", &["203.0.113.9"], &trusted), "203.0.113.9");
    }

    #[test]
    fn a_hop_that_is_no_address_ends_the_search() {
        assert_eq!(
            seen("10.0.0.1:80", &["203.0.113.9, nonsense"], &["10.0.0.0/8"]),
            "10.0.0.1"
        );
    }
}
