//! The keeper at work: a cluster whose endpoints answer checks as they are told to, on a paused clock.

mod checking;
mod judging;

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
    HealthState, ImportError, Observations, PanicRule, Peers, PluginName, SeatHolder, StatusSet, Verdict,
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
    of: Mutex<Vec<EndpointId>>,
    open: Mutex<Vec<EndpointId>>,
    ticks: AtomicUsize,
    changed: Notify,
}

impl Breakers for Circuits {
    fn state(&self, endpoint: EndpointId) -> CircuitState {
        let open = self.open.lock().unwrap().contains(&endpoint);
        if open { CircuitState::Open } else { CircuitState::Closed }
    }
    fn follow(&self, live: &LiveCluster) {
        *self.of.lock().unwrap() = live.roster().members().iter().map(|member| member.id()).collect();
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
        let spec = |name: &T| {
            EndpointSpec::new(
                EndpointName::new(name.as_ref()).unwrap(),
                Address::parse(&format!("{}:80", name.as_ref())).unwrap(),
            )
        };
        self.live.update(&names.iter().map(spec).collect::<Vec<_>>(), Clock::now().into_std());
        self.keeper().look();
        sleep(SHORTLY).await;
    }

    fn command(&self, name: &str, admin: AdminState) {
        let id = self.live.roster().named(&EndpointName::new(name).unwrap()).unwrap().id();
        assert!(self.live.command(id, admin));
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
