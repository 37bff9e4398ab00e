//! `leverframe top`, in a real terminal, over a Leverframe with traffic.

mod pane;

use std::time::Duration;

use crate::programs::leverframe;
use crate::world::{Process, Setup, eventually, fetch};

pub(crate) use pane::Pane;

const CLUSTER: &str = r#"health.check = { path = "/health", interval = "200ms" }"#;

/// A Leverframe that is asked for something all the time, until the guard is dropped.
async fn busy() -> (Process, tokio::task::JoinHandle<()>) {
    let process = Setup::new().cluster_lines(CLUSTER).spawn(&[]).await;
    process.ready(3).await;
    let address = process.address();
    let traffic = tokio::spawn(async move {
        loop {
            fetch(address, "/").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    (process, traffic)
}

/// The requests in a second that the head of the screen tells; nothing before there are any.
fn rate(screen: &str) -> Option<f64> {
    let (rate, _) = screen.lines().nth(1)?.split_once(" req/s")?;
    rate.parse().ok().filter(|rate| *rate > 0.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_shows_what_goes_on_and_does_what_the_keys_say() {
    let (process, traffic) = busy().await;
    let pane = Pane::start(&["top", "--address", &process.admin().to_string()], (80, 24));
    pane.shows("the endpoints, and that they are well", |screen| {
        let rows = (1..=3).map(|nth| screen.lines().find(|line| line.contains(&format!("node-{nth} "))));
        rows.map(|row| row.filter(|row| row.contains("HEALTHY"))).collect::<Option<Vec<_>>>().map(drop)
    })
    .await;
    let screen = pane.screen();
    assert!(screen.contains("config CURRENT") && screen.contains("up ") && screen.contains("p99 "), "{screen}");
    assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
    // It lives: what it tells changes.
    let first = pane.shows("traffic", rate).await;
    pane.shows("other figures", |screen| rate(screen).filter(|now| *now != first)).await;
    pane.shows("the throughput", |screen| screen.contains('█').then_some(())).await;

    // An endpoint is drained, once that is confirmed.
    pane.press(&["Down", "d"]);
    pane.shows("the question", |screen| screen.contains("y/n: drain node-2 of web?").then_some(())).await;
    pane.press(&["y"]);
    let state = async || process.api("/api/clusters").await["clusters"][0]["endpoints"][1]["state"].clone();
    eventually("it drains", || async { (state().await == "DRAINING").then_some(()) }).await;
    pane.shows("its state", |screen| screen.contains("DRAINING").then_some(())).await;
    pane.press(&["u", "y"]);
    eventually("it is back", || async { (state().await == "HEALTHY").then_some(()) }).await;

    // Other pages, another size.
    for (key, word) in
        [("1", "STRATEGY"), ("3", "round-robin"), ("4", "POSITION"), ("5", "an operator asked"), ("?", "Keys")]
    {
        pane.press(&[key]);
        pane.shows(word, |screen| screen.contains(word).then_some(())).await;
    }
    pane.press(&["x", "2"]);
    pane.resize(120, 40);
    pane.shows("more columns", |screen| screen.lines().any(|line| line.chars().count() > 80).then_some(())).await;
    pane.resize(40, 10);
    pane.shows("fewer of them", |screen| screen.contains("Leverframe").then_some(())).await;

    pane.resize(80, 24);
    traffic.abort();
    pane.press(&["q"]);
    let screen = pane.ended().await;
    assert!(screen.contains("the program has ended: 0"), "{screen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_finds_its_leverframe_again_and_leaves_the_terminal_at_a_signal() {
    let (process, traffic) = busy().await;
    let admin = process.admin();
    let pane = Pane::start(&["top", "--address", &format!("http://{admin}"), "--interval", "2"], (80, 24));
    pane.shows("traffic", rate).await;
    traffic.abort();
    drop(process);
    pane.shows("the loss", |screen| screen.contains("LOST").then_some(())).await;
    assert!(pane.screen().contains("node-1"), "what was known stays");
    let free = "127.0.0.1:0".parse().expect("an address");
    let _again = Setup::new().cluster_lines(CLUSTER).at(free, admin).spawn(&[]).await;
    pane.shows("that it is back", |screen| (!screen.contains("LOST") && screen.contains("up ")).then_some(())).await;
    pane.signal("INT");
    let screen = pane.ended().await;
    assert!(screen.contains("the program has ended: 0"), "{screen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_a_terminal_or_an_address_it_says_so() {
    let output = leverframe().arg("top").output().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.contains("there is none")), (Some(1), true), "{said}");
    let pane = Pane::start(&["top", "--address", "nowhere"], (80, 24));
    let screen = pane.ended().await;
    assert!(screen.contains("is no address") && screen.contains("the program has ended: 1"), "{screen}");
    // One that is not there is looked for.
    let pane = Pane::start(&["top", "--address", "127.0.0.1:9"], (80, 24));
    pane.shows("why", |screen| screen.contains("cannot be reached").then_some(())).await;
    pane.press(&["C-c"]);
    pane.ended().await;
}
