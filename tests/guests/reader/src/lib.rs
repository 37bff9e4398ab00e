//! Reader: a routing strategy that reads the path and one header of each request and decides by both. It does what the
//! simplest useful plugin of an operator does, and is built for the bench alone.

use leverframe_sdk::hash::{fnv1a, mix};
use leverframe_sdk::host::Request;
use leverframe_sdk::{Candidates, Choice, NoConfig, RoutingHost, RoutingStrategy, draw};

/// The strategy.
#[derive(Debug)]
pub struct Reader;

impl RoutingStrategy for Reader {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn pick(&mut self, host: &impl RoutingHost, candidates: Candidates<'_>) -> Choice {
        let path = host.request().path();
        let user = host.request().header("x-user").unwrap_or_default();
        let place = mix(fnv1a(path.as_bytes()) ^ fnv1a(user.as_bytes()));
        let available = candidates.available().count() as u64;
        let chosen = candidates.available().zip(0..).find(|(_, index)| *index == draw::below(place, available));
        chosen.map(|(endpoint, _)| endpoint.id).into()
    }
}

leverframe_sdk::export!(strategy: Reader);
