//! Which addresses outbound requests may reach: public ones, and those that the configuration allows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// The configured exceptions.
#[derive(Debug, Clone, Default)]
pub struct AllowedAddresses(Vec<IpNet>);

impl AllowedAddresses {
    /// Public addresses, and those in `ranges`.
    pub fn new(ranges: Vec<IpNet>) -> Self {
        Self(ranges)
    }

    /// Says whether a request may go there. IPv4 addresses inside of IPv6 ones are looked at as what they are.
    pub fn allows(&self, address: IpAddr) -> bool {
        let inner = embedded(address);
        self.0.iter().any(|range| range.contains(&inner) || range.contains(&address)) || is_public(inner)
    }
}

/// Whom what comes from an address counts for: the address, or the /64 of IPv6, which is what one customer has. A reverse proxy brings
/// everybody's from one private address, which has no limit of its own: `None`.
pub(crate) fn limited(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    if !AllowedAddresses::default().allows(address) {
        return None;
    }
    Some(match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    })
}

/// The IPv4 address that an IPv6 address leads to (mapped, compatible, NAT64, 6to4), or the address itself.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let octets = v6.octets();
    let v4 = |at: usize| IpAddr::V4(Ipv4Addr::new(octets[at], octets[at + 1], octets[at + 2], octets[at + 3]));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => v4(12),
        [0x2002, ..] => v4(2),
        _ => address,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// RFC 6890 and its successors.
fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    !(v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_broadcast()
        || v4.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19)))
}

/// RFC 4291: only 2000::/3 is given out to anybody. Of that, protocol assignments (Teredo, which leads to IPv4, and benchmarks
/// among them) and documentation are not.
fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [first, second, ..] = v6.segments();
    let is_global = (0x2000..0x4000).contains(&first);
    let is_assigned = first == 0x2001 && second < 0x0200;
    let is_documentation = (first == 0x2001 && second == 0x0db8) || (first & 0xfff0) == 0x3ff0;
    is_global && !is_assigned && !is_documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_refused_in_every_disguise() {
        let none = AllowedAddresses::default();
        for refused in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "3fff::1",
            "64:ff9b:1::1",
            "100::1",
        ] {
            assert!(!none.allows(refused.parse().unwrap()), "{refused}");
        }
        for allowed in ["1.1.1.1", "2606:4700::1111", "64:ff9b::1.1.1.1", "2002:101:101::1", "::ffff:1.1.1.1"] {
            assert!(none.allows(allowed.parse().unwrap()), "{allowed}");
        }
        let loopback = AllowedAddresses::new(vec!["127.0.0.0/8".parse().unwrap()]);
        assert!(loopback.allows("127.1.2.3".parse().unwrap()) && loopback.allows("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!loopback.allows("10.0.0.1".parse().unwrap()));
    }
}
