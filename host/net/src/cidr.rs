//! Ranges of addresses as operators write them: `10.20.0.0/16`, `fd12:3456::/32`.
//!
//! Source: RFC 4632 section 3.1; RFC 4291 section 2.3.

use std::{fmt, net::IpAddr, str::FromStr};

use crate::address::{dialled, embedding};

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    base: IpAddr,
    len: u8,
}

/// Why text is no range that may be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CidrError {
    /// An IPv6 range of addresses that only stand for IPv4 ones.
    #[error("a range of addresses that stand for IPv4 ones: write the IPv4 range")]
    Embedding,
    /// Bits beyond the length are set.
    #[error("not where a range begins: write `{0}`")]
    HostBits(Cidr),
    /// Not of the form.
    #[error("not a range (want an address and a length, as in `10.20.0.0/16`)")]
    Syntax,
    /// It would open next to everything.
    #[error("too wide: name the network that is meant (IPv4 from /8, IPv6 from /7)")]
    Wide,
}

impl Cidr {
    /// Whether `address` lies in it. An address that embeds an IPv4 one is looked for by
    /// that one, because that is what is reached in the end.
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(dialled(address), self.len) == Some(self.base)
            && dialled(address).is_ipv4() == self.base.is_ipv4()
    }
}

/// `address` with all bits but the first `len` cleared; `None` when it has not so many.
fn masked(address: IpAddr, len: u8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => {
            let gone = 32_u32.checked_sub(len.into())?;
            let mask = u32::MAX.checked_shl(gone).unwrap_or(0);
            Some(IpAddr::V4((u32::from(address) & mask).into()))
        }
        IpAddr::V6(address) => {
            let gone = 128_u32.checked_sub(len.into())?;
            let mask = u128::MAX.checked_shl(gone).unwrap_or(0);
            Some(IpAddr::V6((u128::from(address) & mask).into()))
        }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, len) = text.split_once('/').ok_or(CidrError::Syntax)?;
        let address: IpAddr = address.parse().map_err(|_| CidrError::Syntax)?;
        let is_number = len.bytes().all(|byte| byte.is_ascii_digit());
        let len: u8 = len.parse().map_err(|_| CidrError::Syntax)?;
        let base = masked(address, len).filter(|_| is_number).ok_or(CidrError::Syntax)?;
        // The widest networks that somebody has to himself: 10.0.0.0/8 and fc00::/7.
        let narrowest = if base.is_ipv4() { 8 } else { 7 };
        if len < narrowest {
            return Err(CidrError::Wide);
        }
        let range = Self { base, len };
        if base != address {
            return Err(CidrError::HostBits(range));
        }
        if embedding(base) {
            return Err(CidrError::Embedding);
        }
        Ok(range)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ranges_and_says_what_is_wrong_with_others() {
        let host_bits = |text: &str| Err(CidrError::HostBits(text.parse().unwrap()));
        let cases: [(&str, &str, Result<&str, CidrError>); 14] = [
            ("a network", "10.20.0.0/16", Ok("10.20.0.0/16")),
            ("one address", "127.0.0.1/32", Ok("127.0.0.1/32")),
            ("IPv6", "fd12:3456::/32", Ok("fd12:3456::/32")),
            ("unique local", "fc00::/7", Ok("fc00::/7")),
            ("no length", "10.20.0.0", Err(CidrError::Syntax)),
            ("a name", "localhost/8", Err(CidrError::Syntax)),
            ("a sign", "10.0.0.0/+8", Err(CidrError::Syntax)),
            ("too long", "10.0.0.0/33", Err(CidrError::Syntax)),
            ("octal", "010.0.0.0/8", Err(CidrError::Syntax)),
            ("everything", "0.0.0.0/0", Err(CidrError::Wide)),
            ("half of everything", "::/1", Err(CidrError::Wide)),
            ("bits beyond", "10.20.1.0/16", host_bits("10.20.0.0/16")),
            ("NAT64", "64:ff9b::/96", Err(CidrError::Embedding)),
            ("mapped", "::ffff:10.0.0.0/104", Err(CidrError::Embedding)),
        ];
        for (name, text, expected) in cases {
            let found = text.parse::<Cidr>().map(|range| range.to_string());
            assert_eq!(found, expected.map(str::to_owned), "case: {name}");
        }
    }

    #[test]
    fn an_address_is_looked_for_by_what_is_really_dialled() {
        let cases = [
            ("inside", "10.20.0.0/16", "10.20.255.1", true),
            ("beside", "10.20.0.0/16", "10.21.0.0", false),
            ("mapped", "10.20.0.0/16", "::ffff:10.20.0.1", true),
            ("through NAT64", "10.20.0.0/16", "64:ff9b::10.20.0.1", true),
            ("6to4", "10.20.0.0/16", "2002:0a14:0001::9", true),
            ("through a local NAT64", "10.20.0.0/16", "64:ff9b:1::10.20.0.1", false),
            ("a local NAT64 itself", "64:ff9b:1::/48", "64:ff9b:1::10.20.0.1", true),
            ("a local NAT64 in part", "64:ff9b:1::/96", "64:ff9b:1::10.20.0.1", true),
            ("IPv6 inside", "fd12::/16", "fd12::9", true),
            ("IPv6 beside", "fd12::/16", "fd13::9", false),
            ("the other family", "fd12::/16", "10.20.0.1", false),
            ("loopback of IPv6", "::1/128", "::1", true),
        ];
        for (name, range, address, expected) in cases {
            let range: Cidr = range.parse().unwrap();
            let found = range.contains(address.parse().unwrap());
            assert_eq!(found, expected, "case: {name}");
        }
    }
}
