//! Clients that speak HTTP/2 from the first byte.

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::harness::{OK, Origin, Proxy, header, step};

async fn connect(proxy: &Proxy) -> (SendRequest<Full<Bytes>>, tokio::task::JoinHandle<hyper::Result<()>>) {
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

fn request(path: &str, body: &'static str) -> Request<Full<Bytes>> {
    let request = Request::builder().method("POST").uri(format!("http://h2.example{path}"));
    request.header("cookie", "a=1").header("cookie", "b=2").body(Full::from(body)).unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    let body = step("the body", response.into_body().collect()).await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn streams_become_requests() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let (mut sender, _connection) = connect(&proxy).await;
    let mut other = sender.clone();
    let first = tokio::spawn(sender.send_request(request("/one", "hello")));
    let mut served = origin.accept().await;
    let head = served.head().await;
    assert!(head.starts_with("POST /one HTTP/1.1\r\n"), "{head}");
    for (name, value) in
        [("host", "h2.example"), ("cookie", "a=1; b=2"), ("via", "2 leverframe"), ("content-length", "5")]
    {
        assert_eq!(header(&head, name), Some(value));
    }
    assert_eq!(served.exactly(5).await, "hello");
    // A second stream does not wait for the first.
    let second = tokio::spawn(other.send_request(request("/two", "")));
    let mut at_once = origin.accept().await;
    assert!(at_once.head().await.starts_with("POST /two"));
    at_once.send(OK).await;
    let response = step("the second response", second).await.unwrap().unwrap();
    assert_eq!((response.version(), text(response).await.as_str()), (Version::HTTP_2, "ok"));
    served
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n")
        .await;
    let response = step("the first response", first).await.unwrap().unwrap();
    assert_eq!(response.headers().get("transfer-encoding"), None);
    let body = step("the body", response.into_body().collect()).await.unwrap();
    assert_eq!(body.trailers().map(|trailers| trailers["x-sum"].clone()).unwrap(), "7");
    assert_eq!(body.to_bytes(), "ok");
}

#[tokio::test]
async fn problems_reach_streams_too() {
    let proxy = Proxy::new(&[Origin::nobody().await]).await;
    let (mut sender, _connection) = connect(&proxy).await;
    let response = step("a response", sender.send_request(request("/", ""))).await.unwrap();
    assert_eq!(response.status(), 502);
    assert!(text(response).await.contains("connect-failed"));
}

#[tokio::test]
async fn a_listener_that_goes_lets_streams_finish() {
    let origin = Origin::new().await;
    let proxy = Proxy::new(&[origin.address]).await;
    let (mut sender, connection) = connect(&proxy).await;
    let answer = tokio::spawn(sender.send_request(request("/", "")));
    let mut served = origin.accept().await;
    served.head().await;
    proxy.apply(false, Vec::new()).await;
    served.send(OK).await;
    let response = step("the response", answer).await.unwrap().unwrap();
    assert_eq!(text(response).await, "ok");
    step("the end of the connection", connection).await.unwrap().unwrap();
}
