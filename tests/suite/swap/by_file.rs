//! The drop-in folder: how files are copied, renamed and removed, and what serves meanwhile.

use std::io::Write;
use std::time::Duration;

use serde_json::Value;

use crate::world::{Setup, World, embedded, eventually, holds, salted};

/// A version of round robin.
fn version(salt: &str) -> Vec<u8> {
    salted(&embedded("round-robin"), salt)
}

fn hash(plugin: &Value) -> &Value {
    &plugin["versions"][0]["hash"]
}

async fn serving(world: &World) -> Value {
    world.plugin("round-robin").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_overrides_the_embedded_plugin_until_it_is_removed() {
    let world = Setup::new().start().await;
    assert_eq!(world.nodes(1).await, "1");
    let embedded = serving(&world).await;
    assert_eq!(embedded["versions"][0]["origin"], "embedded");

    // The name of the file as cargo leaves it.
    let file = world.swap_in("round_robin", &version("over the embedded")).await;
    assert_eq!(file["versions"][0]["origin"], world.plugin_file("round_robin").display().to_string());
    assert_eq!(world.nodes(1).await, "2");

    std::fs::remove_file(world.plugin_file("round_robin")).expect("the file");
    let back = |plugin: &Value| hash(plugin) == hash(&embedded);
    let plugin = world.plugin_when("round-robin", "the embedded plugin serves again", back).await;
    assert_eq!((&plugin["versions"][0]["origin"], &plugin["note"]), (&"embedded".into(), &Value::Null));
    assert_eq!(world.nodes(3).await, "312");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_there_at_start_serves_from_the_first_request_on() {
    let world = Setup::new().plugin("round_robin", version("from the start")).start().await;
    let plugin = serving(&world).await;
    assert_eq!(plugin["versions"][0]["origin"], world.plugin_file("round_robin").display().to_string());
    assert_eq!(world.nodes(3).await, "123");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_file_without_an_embedded_plugin_leaves_its_last_version_with_a_note() {
    let world = Setup::new().plugin("mine", version("mine")).strategy("mine").start().await;
    assert_eq!(world.nodes(2).await, "12");
    std::fs::remove_file(world.plugin_file("mine")).expect("the file");
    let plugin = world.plugin_when("mine", "a note", |plugin| plugin["note"].is_string()).await;
    let note = plugin["note"].as_str().expect("a note");
    assert!(note.contains("removed") && note.contains("last version serves on"), "{note}");
    assert_eq!(world.nodes(2).await, "31");

    // The note goes when the file comes back.
    world.drop_in("mine", &version("mine"));
    world.plugin_when("mine", "no note", |plugin| plugin["note"].is_null()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_copy_is_never_taken_by_halves() {
    let world = Setup::new().start().await;
    assert_eq!(world.nodes(1).await, "1");
    let before = hash(&serving(&world).await).clone();
    let bytes = version("copied slowly");
    let mut file = std::fs::File::create(world.plugin_file("round_robin")).expect("a file");
    let mut pauses = [20u64, 40, 60, 250, 20, 150].into_iter().cycle();
    for piece in bytes.chunks(bytes.len() / 8 + 1) {
        file.write_all(piece).expect("a piece");
        file.sync_data().expect("a piece on the disk");
        // Also when a pause is so long that the file looks whole: a half may be refused then, but it never serves.
        let pause = Duration::from_millis(pauses.next().expect("it cycles"));
        holds("the version before serves", pause, || async {
            let plugin = serving(&world).await;
            world.get("/").await.node();
            *hash(&plugin) == before || plugin["versions"][0]["size_bytes"] == bytes.len()
        })
        .await;
    }
    drop(file);
    let whole = |plugin: &Value| plugin["versions"][0]["size_bytes"] == bytes.len() && plugin["refused"].is_null();
    let plugin = world.plugin_when("round-robin", "the whole file serves", whole).await;
    assert_eq!(plugin["versions"][1]["hash"], before, "nothing served in between");
    assert_eq!(world.metrics().await.endpoint_failures(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_written_aside_and_renamed_is_taken() {
    let world = Setup::new().start().await;
    for salt in ["renamed once", "renamed twice"] {
        let before = hash(&serving(&world).await).clone();
        let aside = world.path("plugins").join("round_robin.wasm.part");
        std::fs::write(&aside, version(salt)).expect("a file");
        std::fs::rename(&aside, world.plugin_file("round_robin")).expect("a rename");
        world.plugin_when("round-robin", "the renamed file serves", |plugin| *hash(plugin) != before).await;
    }
    let names = world.api("/api/plugins").await;
    let names = names["plugins"].as_array().expect("plugins").iter().map(|plugin| plugin["name"].as_str());
    assert!(names.flatten().all(|name| !name.contains("part")), "only `.wasm` files are plugins");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn touching_a_file_changes_nothing() {
    let world = Setup::new().start().await;
    let first = world.swap_in("round_robin", &version("touched")).await["versions"].clone();
    world.drop_in("round_robin", &version("touched"));
    let revision = first[0]["revision"].clone();
    holds("the same revision serves", Duration::from_millis(500), || async {
        serving(&world).await["versions"][0]["revision"] == revision
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_folder_may_come_after_the_start_and_go_again() {
    let world = Setup::new().start().await;
    let folder = world.path("plugins");
    std::fs::remove_dir(&folder).expect("the empty folder");
    holds("it serves without the folder", Duration::from_millis(200), || async { world.get("/").await.status == 200 })
        .await;
    std::fs::create_dir(&folder).expect("the folder");
    world.swap_in("round_robin", &version("in the new folder")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_worker_serves_the_new_version() {
    let world = Setup::new().workers(3).start().await;
    // One connection each: which worker it meets is the kernel's choice, and with twenty all are met.
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(world.connect().await);
    }
    for client in &mut clients {
        client.get("/").await.node();
    }
    let plugin = world.swap_in("round_robin", &version("for all")).await;
    let old = plugin["versions"][1]["revision"].to_string();
    let picks = |metrics: &crate::world::Metrics| metrics.sum("leverframe_plugin_picks", &[("revision", &old)]);
    let before = picks(&world.metrics().await);
    assert_eq!(before, 20);
    for client in &mut clients {
        client.get("/").await.node();
    }
    let metrics = world.metrics().await;
    assert_eq!((picks(&metrics), metrics.plugin("round-robin", "picks")), (20, 40));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watching_costs_next_to_nothing() {
    let process = Setup::new().spawn(&[]).await;
    assert_eq!(process.get("/").await.status, 200);
    // User and system time, fields 14 and 15 of proc(5), in hundredths of a second.
    let processor_time = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).expect("the process");
        let fields = stat.rsplit(')').next().expect("the fields after the name").split_whitespace().skip(11).take(2);
        fields.map(|field| field.parse::<u64>().expect("a number")).sum::<u64>()
    };
    let before = std::cell::Cell::new(processor_time());
    // What starting cost may still be going on; a second that costs nothing will come unless something spins.
    eventually("a quiet half second", || async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = processor_time();
        (now - before.replace(now) <= 5).then_some(())
    })
    .await;
}
