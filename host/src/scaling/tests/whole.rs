//! The scaler as a whole, under a clock that is stopped and moved.

use std::time::{Duration, Instant};

use super::super::desired::DesiredError;
use super::super::error::ScaleError;
use super::super::scaler::Ask;
use super::super::status::NodeState;
use super::world::{State, after, scene, settings};

const SHORT: Duration = Duration::from_millis(500);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn it_makes_the_nodes_and_says_who_serves() {
    let scene = scene(3, State::default(), None);
    assert!(scene.scaler.nodes().borrow().is_none(), "nothing is known yet");
    after(SHORT).await;
    assert_eq!(scene.serving(), ["web-1", "web-2", "web-3"]);
    assert!(scene.states().iter().all(|(_, state)| *state == NodeState::Running));
}

#[tokio::test(start_paused = true)]
async fn nodes_of_an_earlier_scaler_are_taken_over_and_extra_ones_go() {
    let mut before = State::default();
    ["web-1", "web-2", "web-7"].iter().for_each(|name| before.run(name));
    let scene = scene(2, before, None);
    let mut nodes = scene.scaler.nodes();
    nodes.changed().await.unwrap();
    assert_eq!(scene.serving(), ["web-1", "web-2"], "the first thing that it says is whole");
    after(SHORT).await;
    assert_eq!(scene.running(), ["web-1", "web-2"]);
    assert_eq!(scene.world.state.lock().unwrap().stops, ["web-7"]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_node_is_back_after_the_delay() {
    let scene = scene(3, State::default(), None);
    after(SHORT).await;
    scene.kill("web-2");
    after(SHORT).await;
    assert_eq!(scene.serving(), ["web-1", "web-3"]);
    assert_eq!(scene.states()[1].1, NodeState::Failed);
    after(2 * SECOND).await;
    assert_eq!(scene.serving(), ["web-1", "web-2", "web-3"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_makes_way_keeps_its_nodes_until_the_cluster_has_others() {
    let scene = scene(2, State::default(), None);
    after(SHORT).await;
    scene.catalog();
    let is_closed = || scene.world.state.lock().unwrap().is_closed;
    let (world, live) = (&scene.world, &scene.live);
    let others = async {
        world.state.lock().unwrap().nodes.insert("web-2".to_owned(), false);
        world.changed.notify_one();
        after(20 * SECOND).await;
        assert!(!is_closed());
        assert_eq!(world.state.lock().unwrap().nodes.get("web-2"), Some(&false), "nothing is started any more");
        live.update(&[], Instant::now());
        after(SECOND).await;
        assert!(!is_closed(), "they finish what they have");
        live.reap(Instant::now());
        after(SECOND).await;
        assert!(is_closed());
    };
    tokio::join!(scene.scaler.retire(), others);
}

#[tokio::test(start_paused = true)]
async fn one_of_a_cluster_that_is_gone_waits_for_what_is_under_way_and_no_longer() {
    let scene = scene(2, State::default(), None);
    after(SHORT).await;
    scene.catalog();
    let is_closed = || scene.world.state.lock().unwrap().is_closed;
    let request = scene.live.roster().members()[0].begin();
    let over = async {
        after(20 * SECOND).await;
        assert!(!is_closed());
        drop(request);
        after(SECOND).await;
        assert!(is_closed(), "the cluster still has its members");
    };
    tokio::join!(scene.scaler.finish(), over);
}

#[tokio::test(start_paused = true)]
async fn it_does_not_wait_for_others_for_ever() {
    let scene = scene(2, State::default(), None);
    after(SHORT).await;
    scene.catalog();
    scene.scaler.retire().await;
    assert!(scene.world.state.lock().unwrap().is_closed);
}

#[tokio::test(start_paused = true)]
async fn an_unsound_node_is_replaced_unless_it_recovers() {
    let scene = scene(3, State::default(), None);
    after(SHORT).await;
    scene.world.state.lock().unwrap().sick.insert("web-1".to_owned());
    after(11 * SECOND).await;
    assert_eq!(scene.states()[0].1, NodeState::Unhealthy);
    scene.world.state.lock().unwrap().sick.clear();
    after(20 * SECOND).await;
    assert_eq!(scene.world.state.lock().unwrap().stops, [""; 0]);

    scene.world.state.lock().unwrap().sick.insert("web-1".to_owned());
    after(12 * SECOND + SHORT).await;
    assert_eq!(scene.world.state.lock().unwrap().stops, ["web-1"]);
    scene.world.state.lock().unwrap().sick.clear();
    after(SECOND).await;
    assert_eq!(scene.states()[0].1, NodeState::Running);
    assert!(scene.told.lock().unwrap().contains(&"web-1: Node(Replaced)".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_check_that_nobody_passes_leaves_the_cluster_with_nodes() {
    let mut sick = State::default();
    sick.sick.extend((1..=3).map(|number| format!("web-{number}")));
    let scene = scene(3, sick, None);
    after(3 * SECOND).await;
    assert_eq!(scene.serving().len(), 3, "better nodes that may serve than none");
    for _ in 0..300 {
        after(SECOND).await;
        assert!(scene.serving().len() >= 2, "{:?}", scene.states());
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_never_comes_up_keeps_up_nobody() {
    let mut broken = State::default();
    broken.broken.insert("web-1".to_owned());
    let scene = scene(2, broken, None);
    after(10 * SECOND).await;
    assert_eq!(scene.serving(), ["web-2"]);
    let status = scene.scaler.status();
    assert_eq!(status.nodes[0].trouble.as_deref(), Some("cannot be started: it is broken"));
    assert_eq!(status.nodes[0].state, NodeState::Failed);
    scene.world.state.lock().unwrap().broken.clear();
    after(60 * SECOND).await;
    assert_eq!(scene.serving(), ["web-1", "web-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_goes_has_no_traffic_and_is_stopped_when_it_has_finished() {
    let scene = scene(2, State::default(), None);
    scene.live.configure(crate::cluster::Rules { drain_timeout: 30 * SECOND, ..Default::default() });
    after(SHORT).await;
    scene.catalog();
    let status = scene.scaler.scale(Ask::Remove).await.unwrap();
    assert_eq!((status.desired.len(), status.nodes[1].state), (1, NodeState::Draining));
    assert_eq!(scene.serving(), ["web-1"]);
    scene.catalog();
    after(5 * SECOND).await;
    assert_eq!(scene.running(), ["web-1", "web-2"], "it still has something");
    scene.live.reap(Instant::now());
    after(SHORT).await;
    assert_eq!(scene.running(), ["web-1"]);
    // A member that never goes does not keep its node for ever.
    after(30 * SECOND).await;
    scene.scaler.scale(Ask::Add).await.unwrap();
    after(SECOND).await;
    scene.catalog();
    scene.scaler.remove(1, Vec::new()).await.unwrap();
    after(40 * SECOND).await;
    assert_eq!(scene.running(), ["web-1"]);
}

#[tokio::test(start_paused = true)]
async fn the_cooldown_is_begun_by_changes_of_the_count_alone() {
    let scene = scene(3, State::default(), None);
    after(SHORT).await;
    assert!(matches!(scene.scaler.scale(Ask::Count(0)).await, Err(ScaleError::Desired(DesiredError::TooFew { .. }))));
    assert_eq!(scene.scaler.scale(Ask::Count(3)).await.unwrap().cooldown_left, None);
    scene.scaler.add(1, vec!["S5".to_owned()]).await.unwrap();
    assert_eq!(scene.scaler.scale(Ask::Add).await.unwrap().cooldown_left, Some(30 * SECOND));
    after(10 * SECOND).await;
    match scene.scaler.scale(Ask::Add).await {
        Err(ScaleError::Cooldown { left }) => assert_eq!(left, 20 * SECOND),
        other => panic!("{other:?}"),
    }
    scene.scaler.scale(Ask::Count(5)).await.unwrap();
    scene.scaler.remove(1, vec!["S5".to_owned()]).await.unwrap();
    after(20 * SECOND).await;
    assert_eq!(scene.scaler.scale(Ask::Count(7)).await.unwrap().desired.len(), 7);
    after(SHORT).await;
    assert_eq!(scene.serving().len(), 7);
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_for_outlives_the_scaler_until_the_file_is_edited() {
    let folder = tempfile::tempdir().unwrap();
    let file = || Some(folder.path().join("web.json"));
    let names =
        |scene: &super::world::Scene| scene.scaler.status().desired.iter().map(ToString::to_string).collect::<Vec<_>>();
    let first = scene(2, State::default(), file());
    first.scaler.add(2, vec!["S5".to_owned()]).await.unwrap();
    first.scaler.stop().await;
    assert!(first.world.state.lock().unwrap().is_closed);
    assert!(matches!(first.scaler.scale(Ask::Add).await, Err(ScaleError::Gone)));

    let again = scene(2, State::default(), file());
    assert_eq!(names(&again), ["web-1", "web-2", "S5", "web-3"]);
    again.scaler.configure(settings(3)).await;
    after(SHORT).await;
    assert_eq!(names(&again), ["web-1", "web-2", "S5"]);
    again.scaler.stop().await;

    assert_eq!(names(&scene(1, State::default(), file())), ["web-1"]);
    assert_eq!(names(&scene(3, State::default(), file())), ["web-1", "web-2", "web-3"]);
    std::fs::write(folder.path().join("web.json"), "{").unwrap();
    let broken = scene(2, State::default(), file());
    assert_eq!(names(&broken), ["web-1", "web-2"]);
    assert!(broken.scaler.status().trouble.unwrap().contains("is broken"));
}

#[tokio::test(start_paused = true)]
async fn what_the_nodes_run_on_may_go_away_and_come_back() {
    let scene = scene(3, State::default(), None);
    after(SHORT).await;
    scene.world.state.lock().unwrap().is_away = true;
    ["web-1", "web-2", "web-3"].iter().for_each(|name| scene.kill(name));
    after(90 * SECOND).await;
    assert_eq!(scene.scaler.status().trouble.as_deref(), Some("cannot be reached: it is away"));
    scene.world.state.lock().unwrap().is_away = false;
    after(4 * SECOND).await;
    assert_eq!(scene.serving(), ["web-1", "web-2", "web-3"]);
    assert_eq!(scene.scaler.status().trouble, None);
    assert!(!scene.told.lock().unwrap().iter().any(|told| told.contains("StartFailed")));
}
