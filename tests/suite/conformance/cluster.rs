//! The cluster that strategies choose from: real members with real figures, changed as discovery changes them. Its clock
//! stands still, so that two forms of a strategy that look one after the other see the same figures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use leverframe::cluster::{InFlight, LiveCluster};
use leverframe::model::{
    Address, ClusterName, EndpointId, EndpointName, EndpointSpec, Events, Labels, Outcome, RequestHead, Weight,
};
use leverframe::routing::Candidates;

/// Endpoints join this far in the future. Until then their averages do not decay, which is the standing clock.
const AN_HOUR: Duration = Duration::from_secs(3600);

/// A cluster, and the requests that are under way in it.
pub(crate) struct TestCluster {
    pub(crate) live: Arc<LiveCluster>,
    candidates: Arc<Candidates>,
    in_flight: Vec<InFlight>,
    joining: Instant,
}

impl TestCluster {
    /// A cluster of endpoints with these names and weights. Ids are given out from 0.
    pub(crate) fn of(members: &[(&str, u16)]) -> Self {
        let live = Arc::new(LiveCluster::new(ClusterName::new("tested").expect("it is a name"), Events::nowhere()));
        let joining = Instant::now() + AN_HOUR;
        let mut cluster = Self { live, candidates: Arc::default(), in_flight: Vec::new(), joining };
        cluster.change(members);
        cluster
    }

    /// Replaces the endpoints; who keeps its name keeps its id and figures.
    pub(crate) fn change(&mut self, members: &[(&str, u16)]) {
        let specs: Vec<_> = members.iter().map(|(name, weight)| spec(name, *weight)).collect();
        self.live.update(&specs, self.joining);
        self.candidates = Arc::new(Candidates::of(&self.live.roster()));
    }

    pub(crate) fn candidates(&self) -> &Arc<Candidates> {
        &self.candidates
    }

    pub(crate) fn ids(&self) -> Vec<EndpointId> {
        self.candidates.members().iter().map(|member| member.id()).collect()
    }

    /// Sends a request to an endpoint, where it stays.
    pub(crate) fn send(&mut self, id: EndpointId) {
        self.in_flight.extend(self.candidates.get(id).map(|member| member.begin()));
    }

    /// The oldest requests end, until so many are left.
    pub(crate) fn finish_down_to(&mut self, left: usize) {
        let ended = self.in_flight.len().saturating_sub(left);
        self.in_flight.drain(..ended);
    }

    /// An endpoint answered after this time.
    pub(crate) fn answered(&self, id: EndpointId, latency: Duration, status: StatusCode) -> Outcome {
        let outcome = Outcome { endpoint: id, latency, result: Ok(status) };
        if let Some(member) = self.candidates.get(id) {
            member.observe(&outcome, Some(status.is_server_error()), self.joining);
        }
        outcome
    }
}

fn spec(name: &str, weight: u16) -> EndpointSpec {
    EndpointSpec {
        weight: Weight::new(weight).expect("a weight is at least 1"),
        labels: Labels::from([("zone".to_owned(), "tested".to_owned())]),
        ..EndpointSpec::new(
            EndpointName::new(name).expect("it is a name"),
            Address::parse(&format!("{name}.example:80")).expect("it is an address"),
        )
    }
}

/// A request with these headers from a client with the last byte of its address.
pub(crate) fn request(target: &str, headers: &[(&str, &str)], client: u8) -> Arc<RequestHead> {
    let header = |(name, value): &(&str, &str)| {
        let name = HeaderName::try_from(*name).expect("it is a header's name");
        (name, HeaderValue::try_from(*value).expect("it is a header's value"))
    };
    Arc::new(RequestHead {
        method: Method::GET,
        uri: Uri::try_from(target).expect("it is a target"),
        headers: headers.iter().map(header).collect::<HeaderMap>(),
        host: Some("tested.example".to_owned()),
        client: [192, 0, 2, client].into(),
        statement: None,
    })
}
