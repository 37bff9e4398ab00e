//! More connections than there are descriptors: the admin API and the clients that are being served do not notice.

use std::time::Duration;

use http::StatusCode;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::world::{Client, Setup, eventually, fetch};

/// Descriptors of the process: few, so that a test can use them up.
const FILES: u32 = 256;
/// Many more than those.
const FLOOD: usize = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_connections_takes_nothing_from_admin_and_upstream() {
    let process = Setup::new().origins(2).workers(2).files(FILES).spawn(&[]).await;
    let decided = process.logged("what the limit bears", |line| line["clients"].is_number()).await;
    assert_eq!((&decided["files"], &decided["clients"]), (&FILES.into(), &96.into()), "{decided}");
    let mut client = Client::connect(process.address()).await;
    let mut flood = Vec::new();
    for nth in 0..FLOOD {
        // Those that are turned away have been accepted, too: nobody is refused by the kernel.
        let mut stream = TcpStream::connect(process.address()).await.expect("it is accepted");
        if nth % 2 == 0 {
            // One that was turned away meanwhile cannot be written to, which is as well.
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: ").await;
        }
        flood.push(stream);
    }
    for _ in 0..10 {
        let health = tokio::time::timeout(Duration::from_secs(2), fetch(process.admin(), "/health"));
        assert_eq!(health.await.expect("at once").status, StatusCode::OK);
        // Over both endpoints: connections to them are still to be had.
        assert_eq!(client.get("/").await.status, StatusCode::OK);
    }
    let turned_away = process.metrics().await.sum("leverframe_refused_requests", &[("reason", "too-many-connections")]);
    assert!(turned_away >= (FLOOD - 96) as u64, "{turned_away}");
    drop(flood);
    let look = || async { (process.get("/").await.status == StatusCode::OK).then_some(()) };
    eventually("there is room again", look).await;
}
