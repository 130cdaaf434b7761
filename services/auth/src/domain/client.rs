//! What a client is called: enough to recognise one's own sign-ins, too little to track anybody.

use std::net::IpAddr;

use super::secret;

/// Characters of a client's name at most.
pub const LONGEST: usize = 60;

/// Who signs in: the kind of client and the network it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// `Firefox on Linux`, `curl`: without versions, so that an update is no new client.
    pub name: String,
    /// The address; of an IPv6 address the /64, which is what one household or host has.
    pub network: String,
}

impl Client {
    /// From the `User-Agent` header and the address.
    pub fn new(user_agent: Option<&str>, address: IpAddr) -> Self {
        Self {
            name: name(user_agent.unwrap_or_default()),
            network: network(address),
        }
    }

    /// What is kept to know the network again, without keeping the address.
    pub fn network_digest(&self) -> String {
        secret::digest(&self.network)
    }
}

fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// Browsers by the token that tells them apart; the first that is present wins, as later ones imitate earlier ones.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("HeadlessChrome/", "Headless Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
    ("FreeBSD", "FreeBSD"),
];

fn name(user_agent: &str) -> String {
    let find = |table: &[(&str, &'static str)]| {
        table
            .iter()
            .find(|(token, _)| user_agent.contains(token))
            .map(|(_, name)| *name)
    };
    if user_agent.starts_with("Mozilla/") {
        return match (find(BROWSERS), find(SYSTEMS)) {
            (Some(browser), Some(system)) => format!("{browser} on {system}"),
            (Some(browser), None) => browser.to_owned(),
            (None, Some(system)) => format!("Browser on {system}"),
            (None, None) => "Browser".to_owned(),
        };
    }
    // `curl/8.5.0`, `python-requests/2.32`: the product without its version (RFC 9110, 10.1.5).
    let product = user_agent.split(['/', ' ', '(']).next().unwrap_or_default();
    let plain: String = product
        .chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST)
        .collect();
    if plain.is_empty() {
        "Unknown client".to_owned()
    } else {
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_named_with_its_system_and_without_its_version() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0";
        let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";
        assert_eq!(name(firefox), "Firefox on Linux");
        assert_eq!(name(firefox), name(&firefox.replace("140", "141")));
        assert_eq!(name(edge), "Edge on Windows");
        assert_eq!(name(safari), "Safari on iPhone");
    }

    #[test]
    fn a_program_is_named_by_its_product() {
        assert_eq!(name("curl/8.5.0"), "curl");
        assert_eq!(name("python-requests/2.32.3"), "python-requests");
        assert_eq!(name(""), "Unknown client");
        assert_eq!(name("\u{7}\u{8}"), "Unknown client");
        assert_eq!(name(&"x".repeat(5000)).len(), LONGEST);
    }

    #[test]
    fn a_network_is_one_ipv4_address_or_one_ipv6_household() {
        let network = |text: &str| Client::new(None, text.parse().unwrap()).network;
        assert_eq!(network("203.0.113.7"), "203.0.113.7");
        assert_eq!(network("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    }
}
