//! Resolves names and drops the addresses that may not be dialled.
//!
//! The check sits between resolution and dialling, so a name that changes its answer
//! (DNS rebinding) is judged by the answer that is dialled.

use std::{fmt, io, net::IpAddr, sync::Arc};

use futures::{FutureExt, future::BoxFuture};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::{error::BoxError, reach::Reach};

/// Every address of the name lies where we may not go.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the host resolves to no address that may be dialled")]
pub(crate) struct ForbiddenAddress;

type Answer = BoxFuture<'static, io::Result<Vec<IpAddr>>>;

/// Where names are looked up: the system, or what a test puts in its place.
#[derive(Clone)]
pub struct Lookup(Arc<dyn Fn(&str) -> Answer + Send + Sync>);

impl Lookup {
    /// Looks names up by `find`.
    pub fn new(find: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self(Arc::new(find))
    }

    /// As this machine is configured.
    pub fn system() -> Self {
        Self::new(|name| {
            let name = name.to_owned();
            async move {
                let found = tokio::net::lookup_host((name, 0)).await?;
                Ok(found.map(|address| address.ip()).collect())
            }
            .boxed()
        })
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookup(..)")
    }
}

/// A resolver that lets through what may be dialled.
#[derive(Clone, Debug)]
pub(crate) struct GuardedResolver {
    pub(crate) reach: Reach,
    pub(crate) lookup: Lookup,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (answer, reach) = ((self.lookup.0)(name.as_str()), self.reach.clone());
        Box::pin(async move {
            let mut found = answer.await?;
            found.retain(|address| reach.permits(*address));
            if found.is_empty() {
                return Err(BoxError::from(ForbiddenAddress));
            }
            // Port 0 stands for "the port of the URL".
            let addresses: Addrs =
                Box::new(found.into_iter().map(|address| (address, 0).into()));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 126.
    #[tokio::test]
    async fn keeps_what_a_server_may_send_us_to() {
        let found = ["10.0.0.1", "93.184.216.34", "127.0.0.1", "fe80::1"];
        let found: Vec<IpAddr> = found.iter().map(|text| text.parse().unwrap()).collect();
        let cases = [
            ("remote source", Reach::Public, vec!["93.184.216.34:0"]),
            (
                "local source",
                Reach::PublicAndLoopback,
                vec!["93.184.216.34:0", "127.0.0.1:0"],
            ),
        ];
        for (name, reach, expected) in cases {
            let found = found.clone();
            let lookup =
                Lookup::new(move |_| futures::future::ready(Ok(found.clone())).boxed());
            let resolver = GuardedResolver { reach, lookup };
            let kept = resolver.resolve("h.example".parse().unwrap()).await.unwrap();
            let kept: Vec<String> = kept.map(|address| address.to_string()).collect();
            assert_eq!(kept, expected, "case: {name}");
        }
    }
}
