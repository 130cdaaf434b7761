//! Headers between hops: what ends here, what is added, and what is believed of what came in.
//!
//! - Headers of one connection end with it (RFC 9110, 7.6.1), those that `Connection` names included.
//! - `Via` tells that we were here, and is how a loop is found (7.6.3).
//! - `X-Forwarded-…` and `Forwarded` (RFC 7239) are written anew from what we know. What a client sent in them is
//!   thrown away; what a trusted proxy says of scheme and host is kept. Only the verified client is passed on: a chain with
//!   hops that a service does not trust would make it take a proxy for the client.

use std::net::IpAddr;

use ipnet::IpNet;
use poem::http::{HeaderMap, HeaderName, HeaderValue, header};

/// The name we have in `Via`.
const PSEUDONYM: &str = "cloudtaskhub-gateway";
const VIA: HeaderValue = HeaderValue::from_static("1.1 cloudtaskhub-gateway");

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What belongs to one connection, whether `Connection` names it or not. `Expect` was answered here already.
static HOP_BY_HOP: [HeaderName; 12] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("alt-svc"),
];

/// What only a proxy may say.
static CLAIMS: [HeaderName; 8] = [
    FORWARDED_FOR,
    FORWARDED_PROTO,
    FORWARDED_HOST,
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-real-ip"),
];

/// Removes what belongs to the connection that `headers` came on.
pub fn end_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .filter(|name| {
            !name.is_empty() && !name.eq_ignore_ascii_case("keep-alive") && !name.eq_ignore_ascii_case("close")
        })
        .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        // The length that was sent beside a transfer coding is a lie or a mistake (RFC 9112, 6.3).
        headers.remove(header::CONTENT_LENGTH);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Adds ourselves to `Via`.
pub fn add_via(headers: &mut HeaderMap) {
    headers.append(header::VIA, VIA);
}

/// Whether the message was here before: an upstream's address leads back to us.
pub fn loops(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::VIA)
        .iter()
        .any(|value| value.to_str().is_ok_and(|text| text.contains(PSEUDONYM)))
}

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// The other end of the connection, when it has an address.
    pub peer: Option<IpAddr>,
    /// The client, behind trusted proxies.
    pub client: IpAddr,
}

/// Says where the request came from, in the place of whatever it says itself. Call it before `Host` is rewritten.
pub fn tell_source(headers: &mut HeaderMap, source: Source, trusted: &[IpNet]) {
    let believed = source
        .peer
        .is_some_and(|peer| trusted.iter().any(|network| network.contains(&peer.to_canonical())));
    let claim = |name: &HeaderName| if believed { headers.get(name).cloned() } else { None };
    let proto = match claim(&FORWARDED_PROTO) {
        Some(proto) if proto == "https" => HeaderValue::from_static("https"),
        _ => HeaderValue::from_static("http"),
    };
    let host = claim(&FORWARDED_HOST).or_else(|| headers.get(header::HOST).cloned());
    for name in &CLAIMS {
        headers.remove(name);
    }
    let node = match source.client {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    };
    let mut forwarded = format!("for={node};proto={}", proto.to_str().unwrap_or("http"));
    if let Some(host) = host {
        // Quoted: a port makes it more than a token. A host with a quote or backslash in it is none.
        if let Some(text) = host.to_str().ok().filter(|text| !text.contains(['"', '\\'])) {
            forwarded.push_str(";host=\"");
            forwarded.push_str(text);
            forwarded.push('"');
        }
        headers.insert(FORWARDED_HOST, host);
    }
    if let Ok(value) = HeaderValue::from_str(&source.client.to_string()) {
        headers.insert(FORWARDED_FOR, value);
    }
    if let Ok(value) = HeaderValue::from_str(&forwarded) {
        headers.insert(header::FORWARDED, value);
    }
    headers.insert(FORWARDED_PROTO, proto);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let lines = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        lines.for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn headers_of_one_connection_end_with_it_also_those_that_connection_names() {
        let mut headers = headers(&[
            ("connection", "keep-alive, X-Secret-Hop"),
            ("connection", "upgrade,, x-other ,"),
            ("x-secret-hop", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("trailer", "x-sum"),
            ("upgrade", "websocket"),
            ("proxy-authorization", "Basic abc"),
            ("expect", "100-continue"),
            ("accept", "*/*"),
            ("authorization", "Bearer x"),
        ]);
        end_hop(&mut headers);
        assert_eq!(names(&headers), ["accept", "authorization"]);
    }

    #[test]
    fn a_length_beside_a_transfer_coding_is_not_passed_on() {
        let mut headers = headers(&[
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("content-type", "a/b"),
        ]);
        end_hop(&mut headers);
        assert_eq!(names(&headers), ["content-type"]);
    }

    const CLIENT: Source = Source {
        peer: Some(IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9))),
        client: IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9)),
    };

    #[test]
    fn what_a_client_claims_about_itself_is_thrown_away() {
        let mut headers = headers(&[
            ("host", "gateway.localhost:8080"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-for", "5.6.7.8"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example"),
            ("x-real-ip", "1.2.3.4"),
            ("forwarded", "for=1.2.3.4;host=evil.example"),
        ]);
        tell_source(&mut headers, CLIENT, &["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(
            headers.get_all("x-forwarded-for").iter().collect::<Vec<_>>(),
            ["203.0.113.9"]
        );
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["x-forwarded-host"], "gateway.localhost:8080");
        assert_eq!(
            headers["forwarded"],
            "for=203.0.113.9;proto=http;host=\"gateway.localhost:8080\""
        );
        assert!(!headers.contains_key("x-real-ip"));
    }

    #[test]
    fn a_trusted_proxy_is_believed_about_scheme_and_host() {
        let mut headers = headers(&[
            ("host", "gateway-service:8080"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "hub.example.com"),
            // Traefik passes a client's `Forwarded` on as it is.
            ("forwarded", "for=1.2.3.4;host=evil.example"),
        ]);
        let source = Source {
            peer: Some("10.1.2.3".parse().unwrap()),
            client: "2001:db8::7".parse().unwrap(),
        };
        tell_source(&mut headers, source, &["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(headers["x-forwarded-for"], "2001:db8::7");
        assert_eq!(
            headers["forwarded"],
            "for=\"[2001:db8::7]\";proto=https;host=\"hub.example.com\""
        );
    }

    #[test]
    fn a_message_that_comes_back_is_recognised() {
        let mut headers = headers(&[("via", "1.1 proxy.example")]);
        assert!(!loops(&headers));
        add_via(&mut headers);
        assert!(loops(&headers));
    }
}
