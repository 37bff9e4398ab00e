//! When endpoints are judged, and what else is done meanwhile.

use super::*;

#[tokio::test(start_paused = true)]
async fn checks_that_change_nothing_make_no_rounds() {
    let judged = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&judged);
    let world = World::new(&health(Some(check()))).judged_by(move |window| {
        counter.fetch_add(1, SeqCst);
        two_strikes(window)
    });
    let names: Vec<_> = (0..100).map(|number| format!("e{number}")).collect();
    world.catalog(&names).await;
    sleep(INTERVAL * 5).await;
    let before = judged.load(SeqCst);
    sleep(INTERVAL * 10).await;
    let rounds = (judged.load(SeqCst) - before) / names.len();
    assert!((90..=101).contains(&rounds), "{rounds} rounds in ten seconds");
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
    assert_eq!(*world.circuits.of.lock().unwrap(), [EndpointId(1)], "its circuit is gone as well");
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
