//! The end of the program: what is under way is finished, and nothing new is taken.

use http::StatusCode;
use tokio::net::TcpStream;

use crate::world::{Setup, eventually, fetch};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_finishes_what_is_under_way() {
    for signal in ["TERM", "INT"] {
        let mut process = Setup::new().origins(1).workers(2).spawn(&[]).await;
        let address = process.address();
        let slow = tokio::spawn(async move { fetch(address, "/process?ms=700").await });
        let look = || async {
            let clusters = process.api("/api/clusters").await;
            (clusters["clusters"][0]["endpoints"][0]["in_flight"] == 1).then_some(())
        };
        eventually("the request is at the endpoint", look).await;
        process.signal(signal);
        let closed = || async { TcpStream::connect(address).await.is_err().then_some(()) };
        eventually("nobody listens any more", closed).await;
        assert!(!slow.is_finished(), "the listener closed first");
        let reply = slow.await.expect("an answer");
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        assert!(process.ended().await.success());
    }
}
