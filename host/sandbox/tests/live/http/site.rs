//! Destinations that lead to servers of the test.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use bulkhead_egress::http::{
    Auth, Base, Destination, DestinationConfig, DestinationLimits, Destinations, Method,
    Rules,
};
use bulkhead_model::Instant;
use bulkhead_net::{ClearText, Lookup, Place};
use bulkhead_test_servers::{Names, Server, Then};
use futures::{FutureExt as _, future::ready};

use super::ask::granted;
use crate::guest::Ground;

/// A destination in the making: `dwh`, POST and GET, below `/v1/in`, on this machine.
pub(crate) fn config(url: &str, allow: &[&str]) -> DestinationConfig {
    let allow = allow.iter().map(|range| range.parse().unwrap()).collect();
    let place =
        Place::new(url.parse().unwrap(), allow, ClearText::OnThisMachine).unwrap();
    DestinationConfig {
        name: "dwh".to_owned(),
        rules: Rules {
            base: Base::new(place.url(), "/in").unwrap(),
            methods: [Method::Get, Method::Post].into(),
            headers: ["content-type", "prefer"]
                .map(|name| name.parse().unwrap())
                .to_vec(),
        },
        place,
        limits: DestinationLimits {
            concurrency: NonZeroUsize::MIN,
            timeout: Duration::from_secs(20),
            request_bytes: 4 << 10,
            response_bytes: 1 << 10,
        },
        auth: Auth::None,
        roots: Vec::new(),
        identity: None,
        lookup: no_names(),
        now: Arc::new(|| Instant::from_unix_ms(0)),
    }
}

/// A destination that leads to `server`.
pub(crate) fn to(server: &Server) -> DestinationConfig {
    config(&format!("{}v1/", server.url()), &["127.0.0.0/8"])
}

/// Where no name is ever looked up.
pub(crate) fn no_names() -> Lookup {
    Lookup::new(|name| panic!("`{name}` was looked up"))
}

/// Every name leads to what `answers` has next, and then to its last.
pub(crate) fn names(answers: &[&[&str]]) -> (Lookup, Names) {
    let names = Names::new(answers, Then::Stay);
    let own = names.clone();
    let lookup = Lookup::new(move |name| ready(Ok(own.look_up(name))).boxed());
    (lookup, names)
}

/// A place for guests that may reach these destinations.
pub(crate) fn ground(config: DestinationConfig) -> Ground {
    let mut ground = Ground::bare("dwh").granting(granted());
    // Long names and bodies shall reach the capability, and so shall one request in a call
    // on a busy machine.
    ground.limits.return_bytes = bulkhead_model::ByteSize::mib(4);
    ground.limits.memory = bulkhead_model::ByteSize::mib(8);
    ground.limits.cpu = Duration::from_secs(2);
    let destination = Arc::new(Destination::new(config).unwrap());
    ground.resources.destinations = Destinations::from_iter([destination]);
    ground
}
