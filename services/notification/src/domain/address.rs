//! Which addresses a target that a user names may be at: those of the public Internet.
//!
//! Whatever leads back to us is refused: our own machine, our networks, a cloud's metadata service. For IPv6 that means
//! everything but global unicast, and of that not the parts that carry an IPv4 address of somebody's choice (6to4, Teredo);
//! IPv4-mapped and NAT64 addresses are outside of it anyway. The registries are IANA's special-purpose address registries
//! (RFC 6890).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a target may be there.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = matches!(
        address.octets(),
        [0 | 10 | 127 | 224..=255, ..] // this network, private, loopback, multicast and reserved
            | [100, 64..=127, ..] // carrier-grade NAT
            | [169, 254, ..] // link-local
            | [172, 16..=31, ..] // private
            | [192, 0, 0 | 2, _] // protocol assignments, documentation
            | [192, 88, 99, _] // 6to4 relays
            | [192, 168, ..] // private
            | [198, 18 | 19, ..] // benchmarks
            | [198, 51, 100, _] // documentation
            | [203, 0, 113, _] // documentation
    );
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let special = matches!(
        address.segments(),
        [0x2001, 0..=0x1ff, ..] // protocol assignments, Teredo among them
            | [0x2001, 0xdb8, ..] // documentation
            | [0x2002, ..] // 6to4
            | [0x3fff, 0..=0xfff, ..] // documentation
    );
    // Global unicast.
    (0x2000..=0x3fff).contains(&address.segments()[0]) && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_back_to_us_is_not_public_however_it_is_written() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "203.0.113.7",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_on_the_internet_is_public() {
        for text in [
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "2001:4860:4860::8888",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
