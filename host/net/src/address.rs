//! Which IP addresses a server may send us to.
//!
//! Pure classification. A URL that a server supplied must not lead into the operator's own
//! network: cloud metadata, private ranges, link-local. Addresses that embed an IPv4 address
//! (mapped, well-known NAT64, 6to4) are judged by what they embed. Where an address of the
//! local-use NAT64 prefix has its IPv4 one is the local network's choice (RFC 6052 section 2.2
//! has six places), so all of it is somebody's own network.
//!
//! Source: IANA IPv4 and IPv6 Special-Purpose Address Registries; RFC 6052; RFC 6890; RFC 8215.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressClass {
    /// Link-local, where cloud metadata services live (`169.254.0.0/16`, `fe80::/10`).
    LinkLocal,
    /// This machine (`127.0.0.0/8`, `::1`).
    Loopback,
    /// Someone's own network (RFC 1918, `100.64.0.0/10`, `fc00::/7`).
    Private,
    /// Reachable from anywhere.
    Public,
    /// No place to dial: unspecified, multicast, broadcast, documentation, reserved.
    Reserved,
}

impl AddressClass {
    /// Classes `address`.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => class_v4(address),
            IpAddr::V6(address) => class_v6(address),
        }
    }
}

/// The address that is reached in the end: the IPv4 one that `address` embeds, else itself.
pub(crate) fn dialled(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => embedded_v4(v6).map_or(address, IpAddr::V4),
    }
}

/// Whether `address` embeds an IPv4 one.
pub(crate) fn embedding(address: IpAddr) -> bool {
    dialled(address) != address
}

fn class_v4(address: Ipv4Addr) -> AddressClass {
    match address.octets() {
        [127, ..] => AddressClass::Loopback,
        [169, 254, ..] => AddressClass::LinkLocal,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => {
            AddressClass::Private
        }
        // This network, protocol assignments, documentation, benchmarks, multicast, future
        // use; 192.88.99.0/24 is the deprecated 6to4 relay. 168.63.129.16 answers only
        // inside one vendor's cloud, as its metadata service.
        [0 | 224..=255, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [168, 63, 129, 16] => AddressClass::Reserved,
        _ => AddressClass::Public,
    }
}

fn class_v6(address: Ipv6Addr) -> AddressClass {
    if let Some(embedded) = embedded_v4(address) {
        return class_v4(embedded);
    }
    if address.is_loopback() {
        return AddressClass::Loopback;
    }
    match address.segments() {
        [0xfe80..=0xfebf, ..] => AddressClass::LinkLocal,
        // Unique local, and site-local, which is deprecated and still routed by some; local-use
        // NAT64, 64:ff9b:1::/48, which leads to IPv4 addresses that only the network knows.
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] | [0x0064, 0xff9b, 1, ..] => {
            AddressClass::Private
        }
        // Documentation, Teredo (embeds an obscured IPv4 address), ORCHID, benchmarks.
        [0x2001, 0x0db8 | 0x0000 | 0x0010..=0x002f, ..]
        | [0x2001, 0x0002, 0, ..]
        | [0x3fff, 0..=0x0fff, ..] => AddressClass::Reserved,
        // 2000::/3 is all of today's global unicast space.
        [0x2000..=0x3fff, ..] => AddressClass::Public,
        _ => AddressClass::Reserved,
    }
}

/// The IPv4 address that a translator or a dual-stack socket would really dial.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from =
        |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // Mapped, compatible, SIIT, NAT64 well-known.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x0064, 0xff9b, 0, 0, 0, 0, high, low]
        // 6to4.
        | [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 126.
    #[test]
    fn classes_addresses_by_what_is_really_dialled() {
        let cases = [
            ("public", "93.184.216.34", AddressClass::Public),
            ("loopback", "127.8.0.1", AddressClass::Loopback),
            ("metadata", "169.254.169.254", AddressClass::LinkLocal),
            ("metadata of another cloud", "168.63.129.16", AddressClass::Reserved),
            ("ten", "10.1.2.3", AddressClass::Private),
            ("172.16", "172.31.255.255", AddressClass::Private),
            ("172.32 is public", "172.32.0.1", AddressClass::Public),
            ("carrier-grade NAT", "100.100.100.200", AddressClass::Private),
            ("unspecified", "0.0.0.0", AddressClass::Reserved),
            ("multicast", "224.0.0.1", AddressClass::Reserved),
            ("broadcast", "255.255.255.255", AddressClass::Reserved),
            ("documentation", "203.0.113.9", AddressClass::Reserved),
            ("v6 public", "2606:2800:220:1::1", AddressClass::Public),
            ("v6 loopback", "::1", AddressClass::Loopback),
            ("v6 unspecified", "::", AddressClass::Reserved),
            ("v6 link-local", "fe80::1", AddressClass::LinkLocal),
            ("v6 unique local", "fd00:ec2::254", AddressClass::Private),
            ("mapped metadata", "::ffff:169.254.169.254", AddressClass::LinkLocal),
            ("mapped public", "::ffff:93.184.216.34", AddressClass::Public),
            ("compatible private", "::10.0.0.1", AddressClass::Private),
            ("NAT64 private", "64:ff9b::10.0.0.1", AddressClass::Private),
            ("NAT64 local-use", "64:ff9b:1::127.0.0.1", AddressClass::Private),
            ("NAT64 local-use, /48", "64:ff9b:1:a9fe:a9:fe00::", AddressClass::Private),
            ("NAT64 local-use, public", "64:ff9b:1::5db8:d822", AddressClass::Private),
            ("beside it", "64:ff9b:2::5db8:d822", AddressClass::Reserved),
            ("v6 benchmarks", "2001:2::1", AddressClass::Reserved),
            ("beside them", "2001:2:1::1", AddressClass::Public),
            ("6to4 of a private address", "2002:c0a8:0101::1", AddressClass::Private),
            ("teredo", "2001:0:1::1", AddressClass::Reserved),
            ("v6 documentation", "2001:db8::1", AddressClass::Reserved),
            ("v6 multicast", "ff02::1", AddressClass::Reserved),
        ];
        for (name, text, expected) in cases {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(AddressClass::of(address), expected, "case: {name}");
        }
    }
}
