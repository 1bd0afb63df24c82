//! Where this server connects to on a tenant's word: which IP addresses it may, and how a URL is shown to people.
//!
//! A tenant names URLs. Without rules this server would fetch for them what only it can reach: itself, its network, the
//! metadata of its cloud.

#[cfg(test)]
mod tests;

// Addresses only: the same module of `std` has sockets.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

/// A network as CIDR writes it, such as `10.0.0.0/8`: all addresses that begin with the first `prefix` bits of `base`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u32,
}

/// What is no network, or has bits set behind its prefix.
#[derive(Debug, PartialEq, Eq)]
pub struct NoNetwork;

impl Network {
    const fn v4(base: [u8; 4], prefix: u32) -> Network {
        let [a, b, c, d] = base;
        Network { base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    /// `base`: the first four groups.
    const fn v6(base: [u16; 4], prefix: u32) -> Network {
        let [a, b, c, d] = base;
        Network { base: IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)), prefix }
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let (base, width) = bits(self.base);
        let (bits, same_width) = bits(address);
        // Without a prefix there is nothing to differ in.
        width == same_width && (base ^ bits).checked_shr(width - self.prefix).unwrap_or(0) == 0
    }
}

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Network, NoNetwork> {
        let (base, prefix) = text.split_once('/').ok_or(NoNetwork)?;
        let base: IpAddr = base.parse().map_err(|_| NoNetwork)?;
        let prefix: u32 = prefix.parse().map_err(|_| NoNetwork)?;
        let (bits, width) = bits(base);
        let behind = 1u128.checked_shl(width.checked_sub(prefix).ok_or(NoNetwork)?).map_or(u128::MAX, |bit| bit - 1);
        if bits & behind == 0 { Ok(Network { base, prefix }) } else { Err(NoNetwork) }
    }
}

/// An address as a number, and how many bits it has.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (address.to_bits().into(), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

/// What is not public, by the IANA's registries of special addresses; the first that fits names the kind.
const SPECIAL: [(Network, &str); 27] = [
    (Network::v4([0, 0, 0, 0], 8), "an unspecified"),
    (Network::v4([10, 0, 0, 0], 8), "a private"),
    (Network::v4([100, 64, 0, 0], 10), "a carrier's private"),
    (Network::v4([127, 0, 0, 0], 8), "a loopback"),
    (Network::v4([169, 254, 0, 0], 16), "a link-local"),
    (Network::v4([172, 16, 0, 0], 12), "a private"),
    (Network::v4([192, 0, 0, 0], 24), "a reserved"),
    (Network::v4([192, 0, 2, 0], 24), "a documentation"),
    (Network::v4([192, 88, 99, 0], 24), "a reserved"),
    (Network::v4([192, 168, 0, 0], 16), "a private"),
    (Network::v4([198, 18, 0, 0], 15), "a benchmarking"),
    (Network::v4([198, 51, 100, 0], 24), "a documentation"),
    (Network::v4([203, 0, 113, 0], 24), "a documentation"),
    (Network::v4([224, 0, 0, 0], 4), "a multicast"),
    (Network::v4([240, 0, 0, 0], 4), "a reserved"),
    (Network { base: IpAddr::V6(Ipv6Addr::UNSPECIFIED), prefix: 128 }, "an unspecified"),
    (Network { base: IpAddr::V6(Ipv6Addr::LOCALHOST), prefix: 128 }, "a loopback"),
    (Network::v6([0xfc00, 0, 0, 0], 7), "a private"),
    (Network::v6([0xfe80, 0, 0, 0], 10), "a link-local"),
    (Network::v6([0xfec0, 0, 0, 0], 10), "a private"),
    (Network::v6([0xff00, 0, 0, 0], 8), "a multicast"),
    (Network::v6([0x2001, 2, 0, 0], 48), "a benchmarking"),
    (Network::v6([0x2001, 0, 0, 0], 23), "a reserved"),
    (Network::v6([0x2001, 0xdb8, 0, 0], 32), "a documentation"),
    (Network::v6([0x2002, 0, 0, 0], 16), "a reserved"),
    (Network::v6([0x3fff, 0, 0, 0], 20), "a documentation"),
    (Network::v6([0x3ffe, 0, 0, 0], 16), "a reserved"),
];

/// All public IPv6 addresses there are so far.
const GLOBAL_UNICAST: Network = Network::v6([0x2000, 0, 0, 0], 3);

/// Why nothing is fetched from an address: the kind that it is of, with its article. `None` if something may be: the
/// address is public, or in a network that the operator allows. An IPv6 address that leads to an IPv4 one (mapped,
/// NAT64, 6to4) is judged as that one.
pub fn refusal(address: IpAddr, allowed: &[Network]) -> Option<&'static str> {
    let target = match address {
        IpAddr::V6(v6) => embedded(v6).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    };
    if allowed.iter().any(|network| network.contains(address) || network.contains(target)) {
        return None;
    }
    let special = SPECIAL.iter().find(|(network, _)| network.contains(target)).map(|(_, kind)| *kind);
    special.or((target.is_ipv6() && !GLOBAL_UNICAST.contains(target)).then_some("a reserved"))
}

/// The IPv4 address that an IPv6 one leads to. Not of the obsolete "compatible" form (`::10.0.0.1`), which leads
/// nowhere and is reserved.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] => Some(of(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(of(high, low)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

/// A URL as logs and notes may show it: without user, password, query and fragment, where secrets are.
pub fn shown(url: &str) -> String {
    let url = &url[..url.find(['?', '#']).unwrap_or(url.len())];
    let Some((scheme, rest)) = url.split_once("://") else { return String::from("an address without a scheme") };
    // Clients take a backslash for a slash.
    let authority = &rest[..rest.find(['/', '\\']).unwrap_or(rest.len())];
    let host = authority.rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[host..])
}
