//! Which addresses may be dialled on whose word.

use std::net::IpAddr;

use crate::{address::AddressClass, cidr::Cidr};

/// What may be dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Public addresses, and those that the operator lists.
    Listed(Vec<Cidr>),
    /// Of what the operator lists, this machine alone: what is said there in clear text
    /// does not leave it.
    LoopbackOf(Vec<Cidr>),
    /// Public addresses: a server sends us there.
    Public,
    /// The same and this machine: so does a server that runs on it.
    PublicAndLoopback,
}

impl Reach {
    /// Whether `address` may be dialled. Judged by what is reached in the end.
    pub(crate) fn permits(&self, address: IpAddr) -> bool {
        let class = AddressClass::of(address);
        let is_listed =
            |ranges: &[Cidr]| ranges.iter().any(|range| range.contains(address));
        match self {
            Self::Listed(ranges) => class == AddressClass::Public || is_listed(ranges),
            Self::LoopbackOf(ranges) => {
                class == AddressClass::Loopback && is_listed(ranges)
            }
            Self::Public => class == AddressClass::Public,
            Self::PublicAndLoopback => match class {
                AddressClass::Loopback | AddressClass::Public => true,
                AddressClass::LinkLocal
                | AddressClass::Private
                | AddressClass::Reserved => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attacks: 33, 34.
    #[test]
    fn a_destination_reaches_public_addresses_and_listed_ones_alone() {
        let none = || Reach::Listed(Vec::new());
        let listed = || Reach::Listed(vec!["10.20.0.0/16".parse().unwrap()]);
        let cases = [
            ("public", none(), "93.184.216.34", true),
            ("public through NAT64", none(), "64:ff9b::93.184.216.34", true),
            ("loopback", none(), "127.0.0.1", false),
            ("loopback of IPv6", none(), "::1", false),
            ("unspecified, which is loopback to Linux", none(), "0.0.0.0", false),
            ("metadata", none(), "169.254.169.254", false),
            ("metadata, mapped", none(), "::ffff:169.254.169.254", false),
            ("metadata through NAT64", none(), "64:ff9b::a9fe:a9fe", false),
            ("metadata through a local NAT64", none(), "64:ff9b:1::a9fe:a9fe", false),
            ("the same, in another place", none(), "64:ff9b:1:a9fe:a9:fe00::", false),
            (
                "a public one in the last bits",
                none(),
                "64:ff9b:1:a9fe:a9:fe00:5db8:d822",
                false,
            ),
            ("metadata by 6to4", none(), "2002:a9fe:a9fe::1", false),
            ("metadata, compatible", none(), "::169.254.169.254", false),
            ("metadata of IPv6", none(), "fd00:ec2::254", false),
            ("carrier-grade NAT", none(), "100.64.0.1", false),
            ("link-local", none(), "fe80::1", false),
            ("teredo", none(), "2001:0:1::1", false),
            ("private", none(), "10.20.0.1", false),
            ("private and listed", listed(), "10.20.0.1", true),
            ("listed, mapped", listed(), "::ffff:10.20.0.1", true),
            ("private beside the list", listed(), "10.21.0.1", false),
            ("metadata beside the list", listed(), "169.254.169.254", false),
            ("public beside the list", listed(), "93.184.216.34", true),
        ];
        for (name, reach, address, expected) in cases {
            let found = reach.permits(address.parse().unwrap());
            assert_eq!(found, expected, "case: {name}");
        }
    }

    #[test]
    fn clear_text_reaches_listed_addresses_of_this_machine_alone() {
        let ranges = ["127.0.0.0/8", "10.0.0.0/8"].map(|range| range.parse().unwrap());
        let reach = Reach::LoopbackOf(ranges.to_vec());
        let cases = [
            ("listed loopback", "127.0.0.9", true),
            ("the same, mapped", "::ffff:127.0.0.9", true),
            ("loopback that is not listed", "::1", false),
            ("listed, elsewhere", "10.0.0.1", false),
            ("public", "93.184.216.34", false),
        ];
        for (name, address, expected) in cases {
            let found = reach.permits(address.parse().unwrap());
            assert_eq!(found, expected, "case: {name}");
        }
    }
}
