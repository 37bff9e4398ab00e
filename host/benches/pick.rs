//! What a pick costs, native and as a component: `cargo bench --bench pick`. Criterion shows the spread; the table after it
//! shows the fastest round, which leaves out what else the machine did, against the bars that the design sets.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench speaks to whoever runs it, and one that cannot go on stops"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use leverframe::model::{Attempt, PluginName, RequestHead, SeatHolder};
use leverframe::plugin::{
    Artifact, CustomMetrics, InstanceSetup, LogLines, PluginEngine, Shared, SharedState, StrategyInstance,
};
use leverframe::routing::{Decision, Seat, SeatFigures, Selector, Strategy};
use tokio::sync::mpsc;

#[path = "../../tests/suite/conformance/cluster.rs"]
#[allow(dead_code, reason = "the suite's; a bench needs less of it")]
mod cluster;
#[path = "../../tests/suite/world/components.rs"]
#[allow(dead_code, reason = "the suite's; a bench needs less of it")]
mod components;
#[path = "../../tests/suite/conformance/native.rs"]
mod native;
#[path = "../../tests/suite/conformance/subjects.rs"]
#[allow(dead_code, reason = "the suite's; a bench needs less of it")]
mod subjects;

use cluster::TestCluster;
use subjects::{Form, Subject, limits, subject, subjects};

/// Five endpoints, as a service has them more often than hundreds.
const MEMBERS: [(&str, u16); 5] = [("a", 5), ("b", 1), ("c", 1), ("d", 2), ("e", 1)];

/// What round robin may cost.
const ROUND_ROBIN_BAR: Duration = Duration::from_nanos(400);
/// What a guest that reads the path and one header may cost.
const READING_BAR: Duration = Duration::from_micros(1);

/// Picks that are timed together, and how often: the fastest round is what the code costs.
const PICKS_IN_ROUND: u32 = 5_000;
const ROUNDS: u32 = 60;

fn main() {
    let cases = cases();
    let mut criterion = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .configure_from_args();
    for case in &cases {
        criterion.bench_function(&case.name, |bencher| {
            let mut pick = (case.start)();
            bencher.iter(&mut pick);
        });
    }
    criterion.final_summary();
    // `cargo bench` says so; a test run of the benches only looks whether they work.
    if std::env::args().any(|argument| argument == "--bench") {
        table(&cases);
    }
}

/// The fastest round of each case beside its bar.
fn table(cases: &[Case]) {
    let width = cases.iter().map(|case| case.name.len()).max().unwrap_or(0);
    println!("\n{:width$} {:>6} {:>6}", "nanoseconds for each pick, in the fastest round", "took", "bar");
    for case in cases {
        let took = fastest(case);
        let verdict = |bar: Duration| if took <= bar { "met" } else { "MISSED" };
        let bar = case.bar.map(|bar| format!("{:>6} {}", bar.as_nanos(), verdict(bar))).unwrap_or_default();
        println!("{:width$} {:>6} {bar}", case.name, took.as_nanos());
    }
}

/// One thing that is measured.
struct Case {
    name: String,
    bar: Option<Duration>,
    start: Box<dyn Fn() -> Box<dyn FnMut()>>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for subject in subjects() {
        for form in Form::BOTH {
            let bar = (subject.name.as_str() == "round-robin" && form == Form::Wasm).then_some(ROUND_ROBIN_BAR);
            let name = format!("{form:?} {subject}").to_lowercase();
            let subject = subject.clone();
            cases.push(Case { name, bar, start: Box::new(move || directly(subject.start(form))) });
        }
    }
    for form in Form::BOTH {
        let bar = (form == Form::Wasm).then_some(ROUND_ROBIN_BAR);
        let name = format!("{form:?} round-robin through the selector").to_lowercase();
        cases.push(Case { name, bar, start: Box::new(move || selected(&subject("round-robin", "{}"), form)) });
    }
    let name = "wasm guest that reads the path and one header".to_owned();
    let reader = Reader::compiled();
    cases.push(Case { name, bar: Some(READING_BAR), start: Box::new(move || directly(reader.start())) });
    cases
}

/// The guest under `tests/guests` that reads the path and one header, as an operator's plugin may well do.
struct Reader {
    engine: PluginEngine,
    artifact: Artifact,
}

impl Reader {
    fn compiled() -> Self {
        let engine = PluginEngine::new(None).expect("the kernel lends an engine what it needs");
        let artifact = Artifact::compile(&engine, &components::guest("reader"), &limits());
        Self { engine, artifact: artifact.expect("the guest compiles") }
    }

    fn start(&self) -> Box<dyn Strategy> {
        let limits = limits();
        let plugin = PluginName::new("reader").expect("it is a name");
        let state = SharedState::new(limits.state_bytes);
        let shared = Arc::new(Shared { plugin, state, metrics: CustomMetrics::default(), lines: LogLines::default() });
        let setup = InstanceSetup {
            engine: &self.engine,
            artifact: &self.artifact,
            shared: &shared,
            limits: &limits,
            cluster: None,
        };
        Box::new(StrategyInstance::configured(setup, "{}").expect("it needs no configuration"))
    }
}

/// Picks as the selector asks for them.
fn directly(mut strategy: Box<dyn Strategy>) -> Box<dyn FnMut()> {
    let cluster = TestCluster::of(&MEMBERS);
    strategy.candidates_changed(cluster.candidates()).expect("it takes the candidates");
    let request = usual_request();
    Box::new(move || {
        let choice = strategy.pick(&request, Attempt::default());
        black_box(choice.expect("it decides"));
    })
}

/// Picks as the proxy asks for them.
fn selected(subject: &Subject, form: Form) -> Box<dyn FnMut()> {
    let cluster = TestCluster::of(&MEMBERS);
    let (tell, mut lost) = mpsc::unbounded_channel();
    let mut selector = Selector::new(0, Arc::clone(&cluster.live), tell);
    selector.replace(seat(subject.start(form)));
    let request = usual_request();
    Box::new(move || {
        let decision = selector.pick(&request, Attempt::default());
        assert!(matches!(black_box(decision), Decision::Endpoint(..)) && lost.try_recv().is_err());
    })
}

fn seat(strategy: Box<dyn Strategy>) -> Seat {
    let plugin = PluginName::new("measured").expect("it is a name");
    let holder = SeatHolder { plugin, revision: 1, version: "1.0.0".to_owned() };
    Seat { holder, strategy, figures: Arc::new(SeatFigures::default()) }
}

/// A request as a browser sends it.
fn usual_request() -> Arc<RequestHead> {
    let headers = [
        ("host", "tested.example"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "en"),
        ("accept-encoding", "gzip, deflate, br"),
        ("cookie", "theme=dark; leverframe=85944171f73967e8; consent=1"),
        ("x-user", "4711"),
    ];
    cluster::request("/shop/items/42?user=4711&page=2", &headers, 77)
}

/// The fastest of many rounds.
fn fastest(case: &Case) -> Duration {
    let mut pick = (case.start)();
    let round = || {
        let start = Instant::now();
        (0..PICKS_IN_ROUND).for_each(|_| pick());
        start.elapsed() / PICKS_IN_ROUND
    };
    std::iter::repeat_with(round).take(ROUNDS as usize).min().unwrap_or_default()
}
