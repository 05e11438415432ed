//! IP networks in CIDR notation (RFC 4632).

use core::fmt;
use core::net::IpAddr;

/// An IP network. IPv4 and IPv6 never match each other; an IPv4-mapped IPv6 address counts as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// Reads `10.0.0.0/8` or a single address. Bits outside the prefix are ignored.
    pub(crate) fn parse(text: &str) -> Option<Cidr> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let max_prefix = if address.is_ipv4() { 32 } else { 128 };
        let prefix: u8 = match prefix {
            None => max_prefix,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
        };
        if prefix > max_prefix {
            return None;
        }
        // Addresses are unmapped before they are compared, so the network must be unmapped too.
        let unmapped = match address {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().zip(prefix.checked_sub(96)),
            IpAddr::V4(_) => None,
        };
        Some(match unmapped {
            Some((v4, prefix)) => Cidr { address: IpAddr::V4(v4), prefix },
            None => Cidr { address, prefix },
        })
    }

    /// Whether the address is in the network.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let (network, address, width) = match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                (u128::from(a.to_bits()), u128::from(b.to_bits()), 32)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128_u32),
            _ => return false,
        };
        let ignored = width.saturating_sub(u32::from(self.prefix));
        let differing = network ^ address;
        differing.checked_shr(ignored).unwrap_or(0) == 0
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Reads an address in the forms that hosts use: with or without a port or zone, and IPv4-mapped
/// IPv6.
pub(crate) fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None if text.bytes().filter(|b| *b == b':').count() == 1 => text.split_once(':')?.0,
        None => text,
    };
    let bare = bare.split_once('%').map_or(bare, |(address, _)| address);
    let address: IpAddr = bare.parse().ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(network: &str, address: &str) -> bool {
        Cidr::parse(network).unwrap().contains(parse_address(address).unwrap())
    }

    #[test]
    fn network_contains_its_addresses_only() {
        assert!(inside("10.0.0.0/8", "10.255.0.1"));
        assert!(!inside("10.0.0.0/8", "11.0.0.1"));
        assert!(inside("0.0.0.0/0", "203.0.113.9"));
        assert!(!inside("0.0.0.0/0", "2001:db8::1"));
        assert!(inside("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!inside("2001:db8::/33", "2001:db8:ffff::1"));
        assert!(inside("::/0", "2001:db8::1"));
        assert!(inside("192.0.2.7", "192.0.2.7"));
        assert!(inside("10.1.2.3/8", "10.9.9.9"));
        assert!(inside("::ffff:10.0.0.0/104", "10.9.9.9"));
        assert!(!inside("::ffff:10.0.0.0/104", "11.0.0.1"));
    }

    #[test]
    fn address_is_read_in_every_form() {
        for text in ["192.0.2.7", "192.0.2.7:8080", "::ffff:192.0.2.7", "[::ffff:192.0.2.7]:443"] {
            assert_eq!(parse_address(text), "192.0.2.7".parse().ok(), "{text}");
        }
        for text in ["2001:db8::1", "[2001:db8::1]:443", "[2001:db8::1]", "2001:db8::1%eth0"] {
            assert_eq!(parse_address(text), "2001:db8::1".parse().ok(), "{text}");
        }
        for text in ["", "localhost", "1.2.3", "1.2.3.4.5", "[1.2.3.4", "/tmp/socket"] {
            assert_eq!(parse_address(text), None, "{text}");
        }
    }

    #[test]
    fn malformed_network_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10/8", "::/129", "a/8"] {
            assert_eq!(Cidr::parse(text), None, "{text}");
        }
    }
}
