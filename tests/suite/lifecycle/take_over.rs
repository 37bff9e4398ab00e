//! One process takes the ports over from another: no client is refused, none is cut off.

use super::load::{Connections, Load};
use crate::world::{Port, Process, Setup, fetch};

/// Changes of the binary, each under load: to fewer workers, and to more.
const WORKERS: [usize; 4] = [1, 3, 2, 2];

fn successor(of: &Process, workers: usize) -> Setup {
    let setup = Setup::new().workers(workers).endpoints(of.origins());
    setup.at(of.address(), of.admin()).arguments(&["--take-over"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_is_changed_under_load_and_nobody_notices() {
    let first = Setup::new().origins(2).workers(2).spawn(&[]).await;
    let (address, admin) = (first.address(), first.admin());
    let loads = [Load::start(address, 8, Connections::New), Load::start(address, 8, Connections::Kept)];
    // Kept to the end, since the first has the origins.
    let mut processes = vec![first];
    for workers in WORKERS {
        let next = successor(&processes[0], workers).spawn(&[]).await;
        for load in &loads {
            load.goes_on_for(200).await;
        }
        let before = processes.last_mut().expect("at least the first");
        before.signal("TERM");
        assert!(before.ended().await.success());
        for load in &loads {
            load.goes_on_for(200).await;
        }
        assert_eq!(fetch(admin, "/health").await.json()["workers"], workers, "the admin API is the new one's");
        processes.push(next);
    }
    for load in loads {
        let (answered, failures) = load.end().await;
        println!("{} changes: {answered} answered, {} failed", WORKERS.len(), failures.len());
        assert_eq!(failures, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_can_be_taken_back() {
    let first = Setup::new().origins(1).spawn(&[]).await;
    let load = Load::start(first.address(), 4, Connections::New);
    let mut second = successor(&first, 1).spawn(&[]).await;
    load.goes_on_for(100).await;
    second.signal("TERM");
    assert!(second.ended().await.success());
    load.goes_on_for(100).await;
    assert_eq!(load.end().await.1, Vec::<String>::new(), "the first serves on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_answers_operators_and_the_other_goes_on_when_that_is_gone() {
    let first = Setup::new().origins(1).workers(1).spawn(&[]).await;
    let mut second = successor(&first, 2).spawn(&[]).await;
    let leaves = "the next process has the admin API";
    first.logged(leaves, |line| line["message"] == leaves).await;
    for _ in 0..20 {
        assert_eq!(fetch(first.admin(), "/health").await.json()["workers"], 2);
    }
    second.signal("KILL");
    second.ended().await;
    for _ in 0..20 {
        assert_eq!(fetch(first.admin(), "/health").await.json()["workers"], 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_being_told_to_it_takes_no_port_that_is_in_use() {
    let first = Setup::new().origins(1).spawn(&[]).await;
    let again = Setup::new().endpoints(first.origins()).at(first.address(), ([127, 0, 0, 1], 0).into());
    let error = again.try_start().await.map(drop).unwrap_err().to_string();
    assert!(error.contains("another process listens there") && error.contains("--take-over"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_somebody_shares_is_in_use_all_the_same() {
    let holder = Port::free().listen();
    let address = holder.local_addr().expect("an address");
    let error = Setup::new().at(address, ([127, 0, 0, 1], 0).into()).try_start().await.map(drop).unwrap_err();
    assert!(error.to_string().contains("another process listens there"), "{error}");
}
