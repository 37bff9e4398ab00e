//! What every source of endpoints keeps to, whatever it asks: each is followed through the directory, as in earnest, on top
//! of the real server that it asks.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use leverframe::config::SourceSpec;
use leverframe::discovery::{Directory, SourceKey, Wanted, Wish, source_of};
use leverframe::model::{Address, ClusterName, EndpointName, EndpointSpec};

use crate::world::eventually;

/// A server that a source asks, with endpoints that come and go.
pub(super) trait Stage {
    /// What is followed.
    fn spec(&self) -> SourceSpec;
    /// Has exactly so many endpoints from here on, each at an address of its own. Those that stay are the same.
    fn hold(&mut self, endpoints: usize) -> impl Future<Output = ()>;
    /// The server is away.
    fn leave(&mut self) -> impl Future<Output = ()>;
    /// It is back, with what it had.
    fn come_back(&mut self) -> impl Future<Output = ()>;
}

/// Holds a source against all that is asked of one.
pub(super) async fn conforms(mut stage: impl Stage) {
    stage.hold(3).await;
    let follower = Follower::new(stage.spec()).await;
    follower.finds("the endpoints that were there before", 3).await;
    let three = follower.addresses();
    stage.hold(5).await;
    follower.finds("those that joined", 5).await;
    assert!(follower.addresses().is_superset(&three), "who stays is the same");
    stage.hold(2).await;
    follower.finds("that some left", 2).await;
    stage.hold(0).await;
    follower.finds("that none is left, which is a fact like others", 0).await;
    stage.hold(4).await;
    follower.finds("those that joined after that", 4).await;

    let before = follower.addresses();
    stage.leave().await;
    follower.is_lost(true).await;
    assert_eq!(follower.addresses(), before, "the last good set holds while sight is lost");
    follower.again().await;
    assert_eq!(follower.addresses(), before, "also where the configuration is put to work anew");
    stage.come_back().await;
    follower.is_lost(false).await;
    stage.hold(6).await;
    follower.finds("what changed after it was back", 6).await;
}

/// A directory that follows one source for one cluster, beside an endpoint of the file.
struct Follower {
    directory: Directory,
    spec: SourceSpec,
}

impl Follower {
    async fn new(spec: SourceSpec) -> Self {
        let follower = Self { directory: Directory::new(), spec };
        follower.again().await;
        follower
    }

    /// Puts the same configuration to work.
    async fn again(&self) {
        let wish = Wish { key: SourceKey::Spec(self.spec.clone()), source: source_of(&self.spec) };
        let wanted = Wanted { cluster: cluster(), fixed: vec![fixed()], sources: vec![wish] };
        let prepared = self.directory.prepare(vec![wanted]).await;
        self.directory.commit(prepared);
    }

    /// Waits until it has found so many.
    async fn finds(&self, what: &str, endpoints: usize) {
        let look = || std::future::ready((self.addresses().len() == endpoints).then_some(()));
        eventually(&format!("it finds {what}: {endpoints}, not {:?}", self.addresses()), look).await;
    }

    async fn is_lost(&self, lost: bool) {
        let look = || {
            let sightings = self.directory.sightings();
            let [(_, sighting)] = sightings[&cluster()].as_slice() else { panic!("one source") };
            std::future::ready((sighting.lost.is_some() == lost).then_some(()))
        };
        eventually(&format!("sight is lost: {lost}"), look).await;
    }

    /// What was found. The endpoint of the file is always there, and no address twice.
    fn addresses(&self) -> BTreeSet<String> {
        let catalog = Arc::clone(&self.directory.catalog().borrow());
        let endpoints = catalog.endpoints(&cluster()).expect("the cluster");
        let mut addresses: BTreeSet<_> = endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect();
        assert_eq!(addresses.len(), endpoints.len(), "{endpoints:?}");
        assert!(addresses.remove(&fixed().address.to_string()), "{endpoints:?}");
        addresses
    }
}

fn cluster() -> ClusterName {
    ClusterName::new("web").expect("a name")
}

fn fixed() -> EndpointSpec {
    EndpointSpec::new(EndpointName::new("fixed").expect("a name"), Address::parse("192.0.2.1:80").expect("an address"))
}
