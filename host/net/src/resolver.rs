//! Resolves names and drops the addresses that a server may not send us to.
//!
//! The check sits between resolution and dialling, so a name that changes its answer
//! (DNS rebinding) is judged by the answer that is dialled.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::{address::AddressClass, error::BoxError, gate::allowed};

/// Every address of the name lies where servers may not send us.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the host resolves to no address that a server may send us to")]
pub(crate) struct ForbiddenAddress;

/// A resolver that lets through public addresses, and loopback ones when told so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GuardedResolver {
    pub(crate) loopback_allowed: bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let loopback_allowed = self.loopback_allowed;
        Box::pin(async move {
            // Port 0 stands for "the port of the URL".
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let kept = keep(found, loopback_allowed);
            if kept.is_empty() {
                return Err(BoxError::from(ForbiddenAddress));
            }
            let addresses: Addrs = Box::new(kept.into_iter());
            Ok(addresses)
        })
    }
}

fn keep(
    found: impl Iterator<Item = SocketAddr>,
    loopback_allowed: bool,
) -> Vec<SocketAddr> {
    found
        .filter(|address| allowed(AddressClass::of(address.ip()), loopback_allowed))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 126.
    #[test]
    fn keeps_what_a_server_may_send_us_to() {
        let found = ["10.0.0.1:0", "93.184.216.34:0", "127.0.0.1:0", "[fe80::1]:0"];
        let cases = [
            ("remote source", false, vec!["93.184.216.34:0"]),
            ("local source", true, vec!["93.184.216.34:0", "127.0.0.1:0"]),
        ];
        for (name, loopback_allowed, expected) in cases {
            let kept =
                keep(found.iter().map(|text| text.parse().unwrap()), loopback_allowed);
            let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
            assert_eq!(kept, expected, "case: {name}");
        }
    }
}
