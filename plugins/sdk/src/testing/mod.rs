//! Native doubles of what the host gives to a plugin, so that a plugin is tested with plain `cargo test`.
//!
//! Nothing here is random or takes time by itself: the same test gives the same answers. Not for use in a component.
//!
//! ```
//! use leverframe_sdk::testing::{FakeHost, candidates, idle};
//! use leverframe_sdk::{Load, RoutingHost, host::{Cluster, Runtime}};
//!
//! let mut host = FakeHost::new(&candidates(&[("a", 1), ("b", 1)]));
//! host.set_load(2, Load { in_flight: 7, ..idle() });
//! assert_eq!(host.cluster().loads()[1].in_flight, 7);
//! host.advance_us(1_000);
//! assert_eq!(host.runtime().now_us(), 1_000);
//! ```

mod host;
mod policy;
mod request;
mod state;
mod trial;
mod window;

pub use host::FakeHost;
pub use policy::PolicyTrial;
pub use request::FakeRequest;
pub use trial::Trial;
pub use window::{any_window, unseen};

use crate::{Endpoint, EndpointId, Load};

/// An endpoint without labels, at an address made of its id.
#[must_use]
pub fn endpoint(id: EndpointId, name: &str, weight: u32) -> Endpoint {
    Endpoint { id, name: name.to_owned(), address: format!("192.0.2.1:{}", 8000 + id), weight, labels: Vec::new() }
}

/// Endpoints of these names and weights, with the ids 1, 2, 3, ...
#[must_use]
pub fn candidates(names_and_weights: &[(&str, u32)]) -> Vec<Endpoint> {
    (1..).zip(names_and_weights).map(|(id, (name, weight))| endpoint(id, name, *weight)).collect()
}

/// The figures of an endpoint that is sound and has not seen a request.
#[must_use]
pub const fn idle() -> Load {
    Load { in_flight: 0, latency_ewma_us: 0, error_ratio: 0.0, health_score: 1.0, requests: 0 }
}
