//! The keeper at work: a cluster whose endpoints answer checks as they are told to, on a paused clock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant as Clock, sleep, timeout};

use super::*;
use crate::cluster::LiveCluster;
use crate::config::{Check, CheckKind, Health, HttpCheck};
use crate::model::{
    Address, AdminState, CircuitState, ClusterName, Endpoint, EndpointId, EndpointName, EndpointSpec, Events, Fault,
    HealthState, ImportError, Observations, PanicRule, Peers, PluginName, SeatHolder, StatusSet, Verdict, Weight,
};

const INTERVAL: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_millis(500);
/// Long enough for a check's hint and the round that follows it.
const SHORTLY: Duration = Duration::from_millis(20);

/// How an endpoint answers its checks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answers {
    Well,
    Badly,
    Never,
    WithAPanic,
}

/// Answers checks as told, by host name; well when told nothing.
#[derive(Default)]
struct Origins {
    answers: Mutex<BTreeMap<String, Answers>>,
    asked: Mutex<BTreeMap<String, usize>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Origins {
    fn answer(&self, host: &str, answers: Answers) {
        self.answers.lock().unwrap().insert(host.to_owned(), answers);
    }

    fn asked(&self, host: &str) -> usize {
        self.asked.lock().unwrap().get(host).copied().unwrap_or(0)
    }
}

/// TCP checks and HTTP checks have different origins to ask, so that a test can tell them apart.
struct Asker(Arc<Origins>);

impl Checker for Asker {
    fn check<'a>(&'a self, at: &'a Address) -> Checking<'a> {
        Box::pin(async move {
            *self.0.asked.lock().unwrap().entry(at.host().to_owned()).or_default() += 1;
            self.0.most_under_way.fetch_max(self.0.under_way.fetch_add(1, SeqCst) + 1, SeqCst);
            let _under_way = UnderWay(&self.0.under_way);
            let answers = self.0.answers.lock().unwrap().get(at.host()).copied().unwrap_or(Answers::Well);
            match answers {
                Answers::Well => Ok(()),
                Answers::Badly => Err(CheckError::Connect("refused".into())),
                Answers::Never => std::future::pending().await,
                Answers::WithAPanic => panic!("a checker with a mistake"),
            }
        })
    }
}

#[derive(Default)]
struct Circuits {
    open: Mutex<Vec<EndpointId>>,
    ticks: AtomicUsize,
    changed: Notify,
}

impl Breakers for Circuits {
    fn state(&self, endpoint: EndpointId) -> CircuitState {
        let open = self.open.lock().unwrap().contains(&endpoint);
        if open { CircuitState::Open } else { CircuitState::Closed }
    }
    fn tick(&self, _: std::time::Instant) {
        self.ticks.fetch_add(1, SeqCst);
    }
    fn changed(&self) -> &Notify {
        &self.changed
    }
}

/// Judges by a function; only the window is looked at.
struct Judge<F>(F);

impl<F: FnMut(&Observations) -> HealthState + Send> Policy for Judge<F> {
    fn judge(&mut self, _: &Endpoint, window: &Observations, _: &Arc<Peers>, _: &Verdict) -> Result<Verdict, Fault> {
        Ok(Verdict { state: (self.0)(window), reason: "as judged".into(), ..Verdict::default() })
    }
    fn export_state(&mut self) -> Result<Vec<u8>, Fault> {
        Ok(Vec::new())
    }
    fn import_state(&mut self, _: &str, _: &[u8]) -> Result<(), ImportError> {
        Ok(())
    }
}

/// Out after two failed checks in a row, and back after one that is good.
fn two_strikes(window: &Observations) -> HealthState {
    if window.consecutive_probes_failed >= 2 { HealthState::Failed } else { HealthState::Healthy }
}

struct World {
    live: Arc<LiveCluster>,
    panel: Arc<Panel>,
    circuits: Arc<Circuits>,
    /// Asked by TCP checks and by HTTP checks.
    origins: [Arc<Origins>; 2],
    keeper: Option<Keeper>,
}

impl World {
    fn new(health: &Health) -> Self {
        let name = ClusterName::new("web").unwrap();
        let live = Arc::new(LiveCluster::new(name.clone(), Events::nowhere()));
        let panel = Arc::new(Panel::new(name, tokio::sync::mpsc::unbounded_channel().0, Events::nowhere()));
        let circuits = Arc::new(Circuits::default());
        let origins: [Arc<Origins>; 2] = Default::default();
        let watched = Watched { live: Arc::clone(&live), panel: Arc::clone(&panel), breakers: circuits.clone() };
        let askers = origins.clone();
        let make = move |kind: &CheckKind| -> Arc<dyn Checker> {
            Arc::new(Asker(Arc::clone(&askers[usize::from(*kind != CheckKind::Tcp)])))
        };
        let keeper = Some(Keeper::start_with(Box::new(make), watched, health));
        Self { live, panel, circuits, origins, keeper }
    }

    fn judged_by(self, judge: impl FnMut(&Observations) -> HealthState + Send + 'static) -> Self {
        let holder = SeatHolder { plugin: PluginName::new("judge").unwrap(), revision: 1, version: "1.0.0".into() };
        self.panel.replace(vec![PolicySeat { holder, policy: Box::new(Judge(judge)), figures: Arc::default() }]);
        self
    }

    fn origin(&self) -> &Origins {
        &self.origins[0]
    }

    fn keeper(&self) -> &Keeper {
        self.keeper.as_ref().unwrap()
    }

    async fn catalog<T: AsRef<str>>(&self, names: &[T]) {
        let spec = |name: &T| EndpointSpec {
            name: EndpointName::new(name.as_ref()).unwrap(),
            address: Address::parse(&format!("{}:80", name.as_ref())).unwrap(),
            weight: Weight::ONE,
            labels: Default::default(),
        };
        self.live.update(&names.iter().map(spec).collect::<Vec<_>>(), Clock::now().into_std());
        self.keeper().look();
        sleep(SHORTLY).await;
    }

    fn command(&self, name: &str, admin: AdminState) {
        assert!(self.live.command(&EndpointName::new(name).unwrap(), admin));
    }

    fn ready(&self) -> Vec<u32> {
        self.live.roster().ready().iter().map(|member| member.id().0).collect()
    }
}

fn check() -> Check {
    Check {
        kind: CheckKind::Tcp,
        interval: INTERVAL,
        timeout: TIMEOUT,
        jitter_percent: 0,
        before_traffic: true,
        port: None,
    }
}

fn http_check() -> Check {
    let asked = HttpCheck {
        method: ::http::Method::GET,
        path: ::http::uri::PathAndQuery::from_static("/"),
        host: None,
        expect: StatusSet::default(),
        body_contains: None,
    };
    Check { kind: CheckKind::Http(asked), ..check() }
}

fn health(check: Option<Check>) -> Health {
    Health {
        check,
        policies: Vec::new(),
        window: Duration::from_secs(10),
        panic: PanicRule::default(),
        drain_timeout: Duration::from_secs(30),
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_endpoint_is_checked_at_once_and_takes_traffic_after_its_first_good_check() {
    let world = World::new(&health(Some(check())));
    world.catalog(&["a"]).await;
    assert_eq!((world.ready(), world.live.roster().panics()), (vec![0], false));
    world.origin().answer("b", Answers::Badly);
    world.catalog(&["a", "b"]).await;
    assert_eq!((world.ready(), world.origin().asked("b")), (vec![0], 1));
    world.origin().answer("b", Answers::Well);
    sleep(INTERVAL * 3 / 2 + SHORTLY).await;
    assert_eq!(world.ready(), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_cold_start_serves_although_no_check_was_good_yet() {
    let world = World::new(&health(Some(check())));
    ["a", "b"].iter().for_each(|name| world.origin().answer(name, Answers::Never));
    world.catalog(&["a", "b"]).await;
    assert_eq!((world.ready(), world.live.roster().panics()), (vec![0, 1], true));
    world.origin().answer("b", Answers::Well);
    sleep(INTERVAL * 2).await;
    assert_eq!((world.ready(), world.live.roster().panics()), (vec![1], false));
}

#[tokio::test(start_paused = true)]
async fn who_fails_its_checks_is_taken_out_and_comes_back() {
    let world = World::new(&health(Some(check()))).judged_by(two_strikes);
    world.catalog(&["a", "b"]).await;
    world.origin().answer("a", Answers::Never);
    sleep(INTERVAL * 3 + TIMEOUT).await;
    assert_eq!(world.ready(), [1]);
    let before = world.origin().asked("a");
    world.origin().answer("a", Answers::Well);
    sleep(INTERVAL * 2).await;
    assert!(world.origin().asked("a") > before, "its checks went on");
    assert_eq!(world.ready(), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn checks_go_on_for_the_drained_and_for_open_circuits_but_not_for_the_disabled() {
    let world = World::new(&health(Some(check())));
    world.catalog(&["drained", "open", "disabled", "left", "sound"]).await;
    world.command("drained", AdminState::Draining);
    world.command("disabled", AdminState::Disabled);
    world.circuits.open.lock().unwrap().push(EndpointId(1));
    world.circuits.changed.notify_one();
    let left = Arc::clone(world.live.roster().get(EndpointId(3)).unwrap());
    let _under_way = left.begin();
    world.catalog(&["drained", "open", "disabled", "sound"]).await;
    assert_eq!(world.ready(), [4]);
    sleep(INTERVAL * 10).await;
    assert!(["drained", "open", "sound"].iter().all(|name| world.origin().asked(name) >= 10));
    assert!(["disabled", "left"].iter().all(|name| world.origin().asked(name) == 1));
    world.command("disabled", AdminState::Enabled);
    world.keeper().look();
    sleep(SHORTLY).await;
    assert_eq!(world.origin().asked("disabled"), 2, "at once");
}

#[tokio::test(start_paused = true)]
async fn only_so_many_checks_are_under_way_at_a_time() {
    let world = World::new(&health(Some(check())));
    let names: Vec<_> = (0..200).map(|number| format!("e{number}")).collect();
    names.iter().for_each(|name| world.origin().answer(name, Answers::Never));
    world.catalog(&names).await;
    sleep(INTERVAL * 10).await;
    assert_eq!(world.origin().most_under_way.load(SeqCst), 64);
    assert!(names.iter().all(|name| world.origin().asked(name) >= 4), "and everyone has its turn");
}

#[tokio::test(start_paused = true)]
async fn without_policies_everybody_is_healthy() {
    let world = World::new(&health(Some(check())));
    world.catalog(&["a", "b"]).await;
    world.origin().answer("a", Answers::Badly);
    sleep(INTERVAL * 5).await;
    assert_eq!(world.ready(), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn checks_that_are_turned_on_later_throw_nobody_out() {
    let world = World::new(&health(None));
    world.catalog(&["a", "b"]).await;
    world.origin().answer("a", Answers::Never);
    world.keeper().configure(&health(Some(check())));
    sleep(INTERVAL * 5).await;
    assert!(world.origin().asked("a") >= 4);
    assert_eq!(world.ready(), [0, 1], "no policy says otherwise");
}

#[tokio::test(start_paused = true)]
async fn when_checks_are_turned_off_nobody_stays_out_for_them() {
    let world = World::new(&health(Some(check()))).judged_by(two_strikes);
    world.catalog(&["sound", "failed"]).await;
    world.origin().answer("failed", Answers::Badly);
    world.origin().answer("new", Answers::Badly);
    sleep(INTERVAL * 3).await;
    world.catalog(&["sound", "failed", "new"]).await;
    assert_eq!(world.ready(), [0]);
    world.keeper().configure(&health(None));
    sleep(SHORTLY).await;
    assert_eq!(world.ready(), [0, 1, 2]);
    let asked = world.origin().asked("failed");
    sleep(INTERVAL * 5).await;
    assert_eq!(world.origin().asked("failed"), asked);
}

#[tokio::test(start_paused = true)]
async fn another_question_begins_anew_and_a_late_answer_to_the_last_one_is_nothing() {
    let world = World::new(&health(Some(check()))).judged_by(two_strikes);
    world.catalog(&["a", "b"]).await;
    world.origin().answer("a", Answers::Badly);
    sleep(INTERVAL * 3).await;
    assert_eq!(world.ready(), [1]);
    world.keeper().configure(&health(Some(http_check())));
    sleep(SHORTLY).await;
    assert_eq!((world.ready(), world.origins[1].asked("a")), (vec![0, 1], 1));
    let asked = world.origin().asked("a");
    let slower = Check { interval: INTERVAL * 4, ..http_check() };
    world.keeper().configure(&health(Some(slower)));
    sleep(INTERVAL * 20).await;
    assert_eq!(world.origin().asked("a"), asked);
    assert!((5..=8).contains(&world.origins[1].asked("a")), "{}", world.origins[1].asked("a"));
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_counts_as_failed_and_the_next_one_is_made() {
    let world = World::new(&health(Some(check()))).judged_by(two_strikes);
    world.catalog(&["a", "b"]).await;
    world.origin().answer("a", Answers::WithAPanic);
    sleep(INTERVAL * 4).await;
    assert_eq!(world.ready(), [1]);
    world.origin().answer("a", Answers::Well);
    sleep(INTERVAL * 2).await;
    assert_eq!(world.ready(), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_round_that_panics_costs_itself_only() {
    let mut calls = 0;
    let world = World::new(&health(None)).judged_by(move |_| {
        calls += 1;
        assert!(calls > 3, "a policy with a mistake");
        HealthState::Degraded
    });
    world.catalog(&["a"]).await;
    sleep(Duration::from_secs(1)).await;
    let roster = world.live.roster();
    assert_eq!(roster.members()[0].standing().verdict.state, HealthState::Degraded);
}

#[tokio::test]
async fn a_policy_that_takes_long_holds_up_nothing_else() {
    let often = Check { interval: Duration::from_millis(5), ..check() };
    let (release, held) = mpsc::channel::<()>();
    let (tell, judging) = mpsc::channel();
    let world = World::new(&health(Some(often))).judged_by(move |_| {
        let _ = tell.send(());
        let _ = held.recv();
        HealthState::Degraded
    });
    world.catalog(&["a"]).await;
    judging.recv().unwrap();
    let before = world.origin().asked("a");
    let ten_more = async {
        while world.origin().asked("a") < before + 10 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), ten_more).await.unwrap();
    assert!(world.circuits.ticks.load(SeqCst) > 0);
    drop(release);
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_changes_is_felt_before_the_next_period() {
    let world = World::new(&health(None));
    world.catalog(&["a", "b"]).await;
    world.circuits.open.lock().unwrap().push(EndpointId(0));
    world.circuits.changed.notify_one();
    sleep(Duration::from_millis(6)).await;
    assert_eq!(world.ready(), [1]);
}

#[tokio::test(start_paused = true)]
async fn who_left_and_has_finished_is_let_go() {
    let world = World::new(&health(Some(check())));
    world.catalog(&["a", "b"]).await;
    let under_way = world.live.roster().members()[0].begin();
    world.catalog(&["b"]).await;
    sleep(Duration::from_secs(29)).await;
    assert_eq!((world.live.roster().members().len(), world.keeper().readings().len()), (2, 2));
    drop(under_way);
    sleep(Duration::from_millis(250)).await;
    assert_eq!((world.live.roster().members().len(), world.keeper().readings().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_came_of_the_checks_can_be_read() {
    // One check of each, and no second one.
    let world = World::new(&health(Some(Check { interval: INTERVAL * 10, ..check() })));
    world.origin().answer("b", Answers::Never);
    world.catalog(&["a", "b"]).await;
    sleep(TIMEOUT).await;
    let readings = world.keeper().readings();
    let counts: Vec<_> =
        readings.iter().map(|reading| (reading.endpoint.as_str(), reading.ok, reading.failed)).collect();
    assert_eq!(counts, [("a", 1, 0), ("b", 0, 1)]);
    let last = readings[1].last.as_ref().unwrap();
    assert_eq!(last.result.as_ref().unwrap_err().to_string(), "no answer within 500 ms");
    assert_eq!((readings[1].times[7], readings[1].time_us / 1000), (1, 500));
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_is_dropped_stops_and_closes_what_is_under_way() {
    let mut world = World::new(&health(Some(check())));
    world.origin().answer("b", Answers::Never);
    world.catalog(&["a", "b"]).await;
    assert_eq!(world.origin().under_way.load(SeqCst), 1);
    world.keeper = None;
    sleep(INTERVAL * 5).await;
    assert_eq!((world.origin().under_way.load(SeqCst), world.origin().asked("a")), (0, 1));
}
