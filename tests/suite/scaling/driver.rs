//! What every driver of nodes promises, as one function for all of them. It knows a driver by its trait alone, and what it
//! makes by whether something listens at its address.

use std::time::Duration;

use leverframe::model::{Address, EndpointName};
use leverframe::scaling::{Driver, Node};

/// How long anything may take: far above a slow start and a graceful end.
const LIMIT: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// A kind of driver, and what a test has to know of it.
pub(crate) trait Subject {
    /// What it makes.
    type Driver: Driver;

    /// A driver; each is to see the nodes of those before it where `adopts` says so.
    fn driver(&self) -> Self::Driver;

    /// Whether nodes outlive their driver, and another one knows them.
    fn adopts(&self) -> bool;

    /// Ends a node from outside, as a crash does.
    fn crash(&self, driver: &Self::Driver, node: &Node) -> impl Future<Output = ()> + Send;
}

/// Holds a kind of driver to what every driver promises. It must have no nodes before; it has none afterwards.
pub(crate) async fn conforms(subject: &impl Subject) {
    let driver = subject.driver();
    assert_eq!(driver.list().await, Ok(Vec::new()), "it has no nodes before");
    starts_and_lists(&driver).await;
    starting_twice_changes_nothing(&driver).await;
    a_crash_shows_and_makes_room(subject, &driver).await;
    stopping_is_idempotent(&driver).await;
    what_outlives_it_is_adopted(subject, driver).await;
    assert_eq!(subject.driver().list().await, Ok(Vec::new()), "nothing is left");
}

async fn starts_and_lists(driver: &impl Driver) {
    let (a, b) = (name("suite-a"), name("suite-b"));
    let (first, second) = tokio::join!(start(driver, &a), start(driver, &b));
    assert!(first.is_running && second.is_running);
    assert_ne!(address(&first), address(&second), "each has an address of its own");
    listens(address(&first), true).await;
    listens(address(&second), true).await;
    assert_eq!(listed(driver).await, [first, second]);
}

async fn starting_twice_changes_nothing(driver: &impl Driver) {
    let before = listed(driver).await;
    let again = start(driver, &name("suite-a")).await;
    assert_eq!(
        (Some(&again), listed(driver).await),
        (before.first(), before.clone()),
        "one that runs is left as it is"
    );
}

async fn a_crash_shows_and_makes_room<S: Subject>(subject: &S, driver: &S::Driver) {
    let node = find(driver, &name("suite-b")).await.expect("it was started");
    let hint = driver.changed().notified();
    subject.crash(driver, &node).await;
    tokio::time::timeout(LIMIT, hint).await.expect("there is a hint");
    wait(async || find(driver, &node.name).await.is_none_or(|node| !node.is_running)).await;
    assert!(find(driver, &name("suite-a")).await.is_some_and(|node| node.is_running), "the other one goes on");
    let again = start(driver, &node.name).await;
    listens(address(&again), true).await;
    assert_eq!(listed(driver).await.len(), 2, "nothing of the dead one is left");
}

async fn stopping_is_idempotent(driver: &impl Driver) {
    let node = find(driver, &name("suite-b")).await.expect("it was started");
    for _ in 0..2 {
        assert_eq!(within(driver.stop(&node.name)).await, Ok(()));
        assert_eq!(find(driver, &node.name).await, None, "it is gone when the stop returns");
    }
    listens(address(&node), false).await;
    assert_eq!(within(driver.stop(&name("suite-nobody"))).await, Ok(()), "who is not there is gone");
}

async fn what_outlives_it_is_adopted<S: Subject>(subject: &S, driver: S::Driver) {
    let node = find(&driver, &name("suite-a")).await.expect("it was started");
    within(driver.close()).await;
    drop(driver);
    listens(address(&node), subject.adopts()).await;
    if subject.adopts() {
        let next = subject.driver();
        assert_eq!(listed(&next).await, std::slice::from_ref(&node));
        assert_eq!(start(&next, &node.name).await, node, "it is not made once more");
        assert_eq!(within(next.stop(&node.name)).await, Ok(()));
        listens(address(&node), false).await;
    }
}

fn name(text: &str) -> EndpointName {
    EndpointName::new(text).expect("a name")
}

fn address(node: &Node) -> &Address {
    node.address.as_ref().expect("a node that runs has an address")
}

async fn start(driver: &impl Driver, name: &EndpointName) -> Node {
    within(driver.start(name)).await.expect("it starts")
}

async fn listed(driver: &impl Driver) -> Vec<Node> {
    let mut nodes = within(driver.list()).await.expect("it lists");
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    nodes
}

async fn find(driver: &impl Driver, name: &EndpointName) -> Option<Node> {
    listed(driver).await.into_iter().find(|node| node.name == *name)
}

async fn listens(address: &Address, wanted: bool) {
    let target = (address.host(), address.port());
    // At the address of a container that is gone, nobody says no.
    let connects = async || {
        let connecting = tokio::time::timeout(Duration::from_secs(1), tokio::net::TcpStream::connect(target));
        connecting.await.is_ok_and(|connected| connected.is_ok())
    };
    wait(async || connects().await == wanted).await;
}

async fn wait(mut is_so: impl AsyncFnMut() -> bool) {
    let so = async {
        while !is_so().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    within(so).await;
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("it ends in time")
}
