//! Containers as endpoints, held against a Docker Engine of the test's own: what is seen of them, and how soon.

use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use leverframe::config::{ContainerLabel, DockerEngine, DockerSource as Settings, SourceSpec};
use leverframe::discovery::{Seen, Sight, SourceError, source_of};
use leverframe::model::{EndpointSpec, Reported};
use tokio::task::JoinHandle;

use super::conformance::{Stage, conforms};
use crate::world::{BUSYBOX, Engine, NETWORK, eventually};

/// What the program promises from what the Engine tells to what it sees.
const BAR: Duration = Duration::from_millis(100);
/// Serves nothing, ends a second after it was told to, and does not mind being hung up.
const WAITS: &str = "trap 'sleep 1; exit 0' TERM; trap '' HUP; while :; do sleep 0.1; done";
/// Ends at once when it is told to.
const OBEYS: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";

#[tokio::test]
async fn it_conforms_to_what_every_source_keeps_to() {
    conforms(Containers { engine: Engine::with_busybox().await, running: 0 }).await;
}

#[tokio::test]
async fn a_container_is_an_endpoint_with_what_its_labels_say() {
    let engine = Engine::with_busybox().await;
    let labels = ["leverframe.port=7000", "leverframe.weight=3", "leverframe.zone=eu-1"];
    run(&engine, "db-1", &labels.map(|label| ["--label", label]).concat(), OBEYS).await;
    engine.docker(&["run", "--detach", "--network", NETWORK, BUSYBOX, "sh", "-c", OBEYS]).await;
    let watch = Watch::new(settings(&engine, None));
    let seen = watch.sees("the one with the label", |seen| one_in(seen, Reported::Up)).await;
    let endpoint = &seen.endpoints[0];
    let address = address(&engine, "db-1").await;
    assert_eq!((endpoint.name.as_str(), endpoint.address.to_string()), ("db-1", format!("{address}:7000")));
    assert_eq!((endpoint.weight.get(), endpoint.labels["zone"].as_str()), (3, "eu-1"));
    assert_eq!(seen.skipped, []);

    engine.docker(&["pause", "db-1"]).await;
    watch.sees("that it is paused", |seen| one_in(seen, Reported::Down)).await;
    engine.docker(&["unpause", "db-1"]).await;
    watch.sees("that it goes on", |seen| one_in(seen, Reported::Up)).await;
    engine.docker(&["rename", "db-1", "db-2"]).await;
    watch.sees("its new name", |seen| seen.endpoints.iter().any(|it| it.name.as_str() == "db-2")).await;
    engine.docker(&["network", "disconnect", NETWORK, "db-2"]).await;
    let seen = watch.sees("that it is in no network", |seen| seen.endpoints.is_empty()).await;
    assert_eq!(seen.skipped[0].why, "it is in no network");
    engine.docker(&["network", "connect", NETWORK, "db-2"]).await;
    watch.sees("that it is in one again", |seen| one_in(seen, Reported::Up)).await;
}

#[tokio::test]
async fn one_that_its_own_check_finds_unhealthy_is_down() {
    let engine = Engine::with_busybox().await;
    let watch = Watch::new(settings(&engine, Some(80)));
    let check = ["--health-cmd", "[ ! -e /ill ]", "--health-interval", "100ms", "--health-retries", "1"];
    run(&engine, "db-1", &check, OBEYS).await;
    watch.sees("it up while it is being checked", |seen| one_in(seen, Reported::Up)).await;
    engine.docker(&["exec", "db-1", "sh", "-c", "echo > /ill"]).await;
    watch.sees("that it is unhealthy", |seen| one_in(seen, Reported::Down)).await;
    engine.docker(&["exec", "db-1", "sh", "-c", "exec busybox rm /ill"]).await;
    watch.sees("that it is healthy again", |seen| one_in(seen, Reported::Up)).await;
}

#[tokio::test]
async fn one_that_is_told_to_stop_is_stopping_at_once_and_then_gone() {
    let engine = Engine::with_busybox().await;
    run(&engine, "db-1", &[], WAITS).await;
    let watch = Watch::new(settings(&engine, Some(80)));
    watch.sees("it", |seen| one_in(seen, Reported::Up)).await;
    engine.docker(&["kill", "--signal", "HUP", "db-1"]).await;
    engine.docker(&["restart", "db-1"]).await;
    watch.sees("it up again", |seen| one_in(seen, Reported::Up)).await;
    engine.docker(&["stop", "db-1"]).await;
    watch.sees("that it is gone", |seen| seen.endpoints.is_empty()).await;

    let states = watch.states("db-1");
    let restart = [Some(Reported::Up), Some(Reported::Stopping), None, Some(Reported::Up)];
    assert_eq!(states, [&restart[..], &[Some(Reported::Stopping), None]].concat());
    for (event, state) in [("kill", Some(Reported::Stopping)), ("die", None), ("start", Some(Reported::Up))] {
        watch.is_prompt(&engine, event, state).await;
    }
}

#[tokio::test]
async fn many_that_come_and_go_at_once_are_all_seen_at_once() {
    let engine = Engine::with_busybox().await;
    let watch = Watch::new(settings(&engine, Some(80)));
    watch.sees("nothing", |seen| seen.endpoints.is_empty()).await;
    let names: Vec<String> = (1..=20).map(|number| format!("db-{number}")).collect();
    join_all(names.iter().map(|name| run(&engine, name, &[], OBEYS))).await;
    watch.sees("all twenty", |seen| seen.endpoints.len() == 20).await;
    let stop: Vec<&str> = ["stop"].into_iter().chain(names.iter().map(String::as_str)).collect();
    engine.docker(&stop).await;
    watch.sees("that all are gone", |seen| seen.endpoints.is_empty()).await;
    for (event, state) in [("start", Some(Reported::Up)), ("kill", Some(Reported::Stopping)), ("die", None)] {
        assert!(watch.is_prompt(&engine, event, state).await >= 20, "an event of each");
    }
}

#[tokio::test]
async fn what_cannot_be_an_endpoint_says_why() {
    let engine = Engine::with_busybox().await;
    run(&engine, "no-port", &[], OBEYS).await;
    run(&engine, "bad-port", &["--label", "leverframe.port=99999"], OBEYS).await;
    run(&engine, "two-ports", &["--expose", "80", "--expose", "81"], OBEYS).await;
    run(&engine, "bad-weight", &["--expose", "80", "--label", "leverframe.weight=0"], OBEYS).await;
    let on_host = ["run", "--detach", "--name", "on-host", "--network", "host", "--label", "app=db-backend"];
    engine.docker(&[&on_host[..], &[BUSYBOX, "sh", "-c", OBEYS]].concat()).await;
    let watch = Watch::new(settings(&engine, None));
    let seen = watch.sees("five that are not quite right", |seen| seen.skipped.len() == 5).await;
    let why = |name: &str| seen.skipped.iter().find(|it| it.what == name).map(|it| it.why.clone()).unwrap_or_default();
    assert!(why("no-port").starts_with("it exposes no port"));
    assert!(why("bad-port").ends_with("is no port from 1 to 65535: `99999`"));
    assert!(why("two-ports").starts_with("it exposes 2 ports"));
    assert!(why("bad-weight").ends_with("`0`; it has 1"));
    assert!(why("on-host").contains("shares that of its host"));
    let names: Vec<&str> = seen.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
    assert_eq!(names, ["bad-weight"], "an unusable weight costs no capacity");
}

#[tokio::test]
async fn it_says_when_the_engine_goes_away_and_finds_everything_when_it_is_back() {
    let mut engine = Engine::with_busybox().await;
    run(&engine, "db-1", &[], OBEYS).await;
    let mut watch = Watch::new(settings(&engine, Some(80)));
    watch.sees("it", |seen| one_in(seen, Reported::Up)).await;
    engine.stop().await;
    let lost = (&mut watch.following).await.expect("it does not panic");
    assert!(matches!(lost, SourceError::Unreachable(_)), "{lost}");
    let refused = Watch::new(settings(&engine, Some(80))).ended().await;
    assert!(matches!(refused, SourceError::Unreachable(_)), "{refused}");
    engine.resume().await;
    let again = Watch::new(settings(&engine, Some(80)));
    again.sees("it again", |seen| one_in(seen, Reported::Up)).await;
    println!("away: {lost}; {refused}");
}

/// Following a source, with all that it told.
struct Watch {
    told: Arc<Mutex<Vec<(SystemTime, Seen)>>>,
    following: JoinHandle<SourceError>,
}

impl Watch {
    fn new(settings: Settings) -> Self {
        let told = Arc::new(Mutex::new(Vec::new()));
        let teller = Arc::clone(&told);
        let sight = Sight::to(move |seen| {
            teller.lock().unwrap_or_else(PoisonError::into_inner).push((SystemTime::now(), seen));
        });
        let source = source_of(&SourceSpec::Docker(settings));
        let following = tokio::spawn(async move { source.follow(&sight).await });
        Self { told, following }
    }

    /// Waits until the last that it told is as expected.
    async fn sees(&self, what: &str, is_it: impl Fn(&Seen) -> bool) -> Seen {
        let look = || async { self.told().pop().map(|(_, seen)| seen).filter(&is_it) };
        eventually(&format!("it sees {what}, not {:?}", self.told().pop()), look).await
    }

    async fn ended(mut self) -> SourceError {
        (&mut self.following).await.expect("it does not panic")
    }

    fn told(&self) -> Vec<(SystemTime, Seen)> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What became of a container, without repetition.
    fn states(&self, name: &str) -> Vec<Option<Reported>> {
        let mut states: Vec<_> = self.told().iter().map(|(_, seen)| state_in(seen, name)).collect();
        states.dedup();
        states
    }

    /// Prints and checks how long it took from each event of a kind to when that was seen of the container, by the
    /// Engine's own clock, which is that of this machine. What the Engine must be asked about first counts by its median:
    /// the longest of many depends on how busy the Engine is with just these containers. Returns how many there were.
    async fn is_prompt(&self, engine: &Engine, event: &str, state: Option<Reported>) -> usize {
        let until = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() + 1;
        let filter = format!("event={event}");
        let format = "{{.TimeNano}} {{index .Actor.Attributes \"name\"}} {{index .Actor.Attributes \"signal\"}}";
        let args = ["events", "--since", "10m", "--until", &until.to_string(), "--filter", &filter, "--format", format];
        let listed = engine.docker(&args).await;
        let told = self.told();
        let first = told.first().expect("something was told").0;
        let events = listed.lines().filter(|line| !line.ends_with(" 1")).filter_map(|line| {
            let (nanos, rest) = line.split_once(' ').expect("a time and a name");
            let at = UNIX_EPOCH + Duration::from_nanos(nanos.parse().expect("nanoseconds"));
            Some((at, rest.split(' ').next()?)).filter(|_| at > first)
        });
        let delay = |(at, name): (SystemTime, &str)| {
            let seen = told.iter().find(|(when, seen)| *when >= at && state_in(seen, name) == state);
            seen.unwrap_or_else(|| panic!("{event} of {name} was not seen")).0.duration_since(at).expect("later")
        };
        let mut delays: Vec<Duration> = events.map(delay).collect();
        delays.sort();
        let (median, longest) = (delays[delays.len() / 2], delays[delays.len() - 1]);
        println!("{event:>5} to sight: {} events, median {median:.1?}, longest {longest:.1?}", delays.len());
        // One that is late may be so because this machine does ten other things; that most are is our doing.
        assert!(median < BAR, "{event} was seen after {delays:?}");
        delays.len()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.following.abort();
    }
}

/// An Engine as the suite for all sources has it.
struct Containers {
    engine: Engine,
    running: usize,
}

impl Stage for Containers {
    fn spec(&self) -> SourceSpec {
        SourceSpec::Docker(settings(&self.engine, Some(80)))
    }

    async fn hold(&mut self, endpoints: usize) {
        for number in self.running..endpoints {
            run(&self.engine, &format!("web-{number}"), &[], OBEYS).await;
        }
        for number in endpoints..self.running {
            self.engine.docker(&["rm", "--force", &format!("web-{number}")]).await;
        }
        self.running = endpoints;
    }

    async fn leave(&mut self) {
        self.engine.stop().await;
    }

    async fn come_back(&mut self) {
        self.engine.resume().await;
    }
}

fn settings(engine: &Engine, port: Option<u16>) -> Settings {
    Settings {
        engine: DockerEngine(engine.host()),
        label: ContainerLabel { key: "app".to_owned(), value: Some("db-backend".to_owned()) },
        network: None,
        port: port.and_then(NonZeroU16::new),
        // So seldom that what is seen within a test is seen by events.
        resync: Duration::from_secs(600),
    }
}

/// Runs a container with the label that is looked for.
async fn run(engine: &Engine, name: &str, options: &[&str], script: &str) {
    let run = ["run", "--detach", "--name", name, "--network", NETWORK, "--label", "app=db-backend"];
    engine.docker(&[&run[..], options, &[BUSYBOX, "sh", "-c", script]].concat()).await;
}

async fn address(engine: &Engine, name: &str) -> String {
    engine.docker(&["inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name]).await
}

fn one_in(seen: &Seen, state: Reported) -> bool {
    matches!(seen.endpoints.as_slice(), [EndpointSpec { reported, .. }] if *reported == state)
}

fn state_in(seen: &Seen, name: &str) -> Option<Reported> {
    seen.endpoints.iter().find(|endpoint| endpoint.name.as_str() == name).map(|endpoint| endpoint.reported)
}
