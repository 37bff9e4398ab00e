//! Who is checked when, and what follows from it.

use super::*;

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
    assert_eq!(world.origin().most_under_way.load(SeqCst), 100, "half an interval each");
    assert!(names.iter().all(|name| world.origin().asked(name) >= 9), "and everyone has its turn");
}

#[tokio::test(start_paused = true)]
async fn who_hangs_is_not_in_the_way_of_who_answers() {
    let (interval, timeout) = (Duration::from_secs(5), Duration::from_secs(2));
    let world = World::new(&health(Some(Check { interval, timeout, ..check() })));
    let names: Vec<_> = (0..400).map(|number| format!("e{number}")).chain(["good".to_owned()]).collect();
    names[..400].iter().for_each(|name| world.origin().answer(name, Answers::Never));
    world.catalog(&names).await;
    sleep(interval * 20).await;
    assert!(world.origin().asked("good") >= 19, "{}", world.origin().asked("good"));
    assert!(world.origin().most_under_way.load(SeqCst) <= 161);
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
