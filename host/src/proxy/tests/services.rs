//! Requests that a service answers in place of an endpoint: driven by hand, as origins are elsewhere.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Response, StatusCode};
use tokio::sync::{mpsc, oneshot};

use super::harness::{GET, Peer, Proxy, Settings, header, problem, step};
use crate::config::{BodyRate, HostMatch, PathMatch, Route, RouteMatch, RouteTarget};
use crate::model::{RequestHead, SqlName};
use crate::proxy::{Reason, Refusal, Service, ServiceBody, ServiceRequest};

/// A service that hands each call to the test.
#[derive(Debug)]
struct Desk(mpsc::UnboundedSender<Call>);

/// A call, to be answered.
struct Call {
    request: ServiceRequest,
    reply: oneshot::Sender<Response<ServiceBody>>,
}

impl Service for Desk {
    fn admit(&self, _: &RequestHead) -> Result<u64, Refusal> {
        Ok(100)
    }

    fn call(&self, request: ServiceRequest) -> BoxFuture<'static, Response<ServiceBody>> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Call { request, reply }).unwrap();
        Box::pin(async move { answer.await.unwrap() })
    }
}

impl Call {
    fn body(&self) -> &str {
        std::str::from_utf8(&self.request.body).unwrap()
    }

    fn answer(self, status: StatusCode, body: ServiceBody) {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        assert!(self.reply.send(response).is_ok(), "nobody waits for the answer");
    }

    fn whole(self, text: &str) {
        self.answer(StatusCode::OK, ServiceBody::Whole(Bytes::from(text.to_owned())));
    }

    fn coming(self) -> mpsc::Sender<Option<Bytes>> {
        let (pieces, coming) = mpsc::channel(1);
        self.answer(StatusCode::OK, ServiceBody::Coming(coming));
        pieces
    }
}

struct Scene {
    proxy: Proxy,
    calls: mpsc::UnboundedReceiver<Call>,
}

impl Scene {
    async fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let (desk, calls) = mpsc::unbounded_channel();
        let proxy = Proxy::with(&[], |settings| {
            let path = PathMatch::Exact("/query".to_owned());
            let matches = RouteMatch { host: HostMatch::Any, path, headers: Vec::new() };
            settings.listener.routes.push(Route { matches, target: RouteTarget::Sql(people()) });
            settings.services.insert(people(), Arc::new(Desk(desk)));
            change(settings);
        });
        Self { proxy: proxy.await, calls }
    }

    async fn call(&mut self) -> Call {
        step("a call", self.calls.recv()).await.unwrap()
    }
}

fn people() -> SqlName {
    SqlName::new("people").unwrap()
}

fn post(body: &str) -> String {
    format!("POST /query HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_service_gets_the_whole_request_and_its_answer_goes_back() {
    let mut scene = Scene::new(|_| {}).await;
    let mut client = scene.proxy.client().await;
    let chunked =
        "POST /query HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nsel\r\n3\r\nect\r\n0\r\n\r\n";
    for (sent, body) in [(post("select"), "select"), (chunked.to_owned(), "select"), (post(""), "")] {
        client.send(&sent).await;
        let call = scene.call().await;
        assert_eq!((call.body(), call.request.head.uri.path()), (body, "/query"));
        call.whole("rows");
        let (head, body) = client.response().await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert_eq!((header(&head, "content-length"), body.as_str()), (Some("4"), "rows"));
    }
    // Other paths go where they went.
    assert_eq!(problem(&client.ask(GET).await).0, 503);
}

#[tokio::test]
async fn an_error_leaves_the_connection_fit_for_use() {
    let mut scene = Scene::new(|_| {}).await;
    let mut client = scene.proxy.client().await;
    for _ in 0..3 {
        client.send(&post("x")).await;
        let no = ServiceBody::Whole(Bytes::from_static(b"no"));
        scene.call().await.answer(StatusCode::UNPROCESSABLE_ENTITY, no);
        let (head, body) = client.response().await;
        assert!(head.starts_with("HTTP/1.1 422") && body == "no", "{head}");
    }
}

#[tokio::test]
async fn a_body_over_the_bound_is_refused_before_the_service_hears_of_it() {
    let mut scene = Scene::new(|_| {}).await;
    let long = "x".repeat(101);
    let chunked =
        format!("POST /query HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n65\r\n{long}\r\n0\r\n\r\n");
    for sent in [post(&long), chunked] {
        let answer = scene.proxy.client().await.ask(&sent).await;
        assert_eq!(problem(&answer), (413, "client".to_owned(), "body-too-large".to_owned()));
        assert_eq!(header(&answer.0, "connection"), Some("close"));
    }
    assert!(scene.calls.try_recv().is_err());
    // The listener's bound holds, too, where it is the narrower.
    let scene = Scene::new(|settings| settings.listener.limits.body_bytes = Some(10)).await;
    assert_eq!(problem(&scene.proxy.client().await.ask(&post("more than ten")).await).0, 413);
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_or_not_at_all_is_not_waited_for() {
    let rate = BodyRate { bytes_per_second: 1000, grace: Duration::from_millis(100) };
    let slow = Scene::new(|settings| settings.listener.limits.body_rate = Some(rate)).await;
    let idle = Scene::new(|settings| settings.listener.keep_alive_timeout = Duration::from_millis(100)).await;
    for scene in [slow, idle] {
        let mut client = scene.proxy.client().await;
        let answer = client.ask("POST /query HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nsel").await;
        assert_eq!(problem(&answer), (408, "client".to_owned(), "client-timeout".to_owned()));
    }
}

/// The body of a chunked response, up to what comes behind the last chunk or the end of the connection.
async fn rest(client: &mut Peer) -> String {
    let head = client.head().await;
    assert_eq!(header(&head, "transfer-encoding"), Some("chunked"));
    client.rest().await
}

#[tokio::test]
async fn an_answer_that_comes_in_pieces_ends_only_where_it_is_told_to() {
    let mut scene = Scene::new(|_| {}).await;
    let mut client = scene.proxy.client().await;
    client.send(&post("x")).await;
    let pieces = scene.call().await.coming();
    pieces.send(Some(Bytes::from_static(b"one"))).await.unwrap();
    client.until("3\r\none\r\n").await;
    pieces.send(Some(Bytes::from_static(b"two"))).await.unwrap();
    pieces.send(None).await.unwrap();
    assert_eq!(client.until("0\r\n\r\n").await, "3\r\ntwo\r\n0\r\n\r\n");
    // The connection goes on.
    client.send(&post("y")).await;
    scene.call().await.whole("z");
    assert_eq!(client.response().await.1, "z");
}

#[tokio::test]
async fn an_answer_that_is_broken_off_keeps_its_last_words_and_has_no_end() {
    let mut scene = Scene::new(|_| {}).await;
    for slow in [false, true] {
        let mut client = scene.proxy.client().await;
        client.send(&post("x")).await;
        let pieces = scene.call().await.coming();
        // More than the sockets hold.
        let filling = Bytes::from("x".repeat(1 << 20));
        let feeding = tokio::spawn(async move {
            for _ in 0..8 {
                pieces.send(Some(filling.clone())).await.unwrap();
            }
            pieces.send(Some(Bytes::from_static(b"last words"))).await.unwrap();
        });
        if slow {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let text = rest(&mut client).await;
        step("the end of the pieces", feeding).await.unwrap();
        assert!(text.ends_with("A\r\nlast words\r\n"), "ends with {:?}", &text[text.len().saturating_sub(40)..]);
        assert!(text.len() > 8 << 20);
    }
}

#[tokio::test]
async fn what_is_whole_and_long_goes_whole_and_is_no_hurry() {
    let mut scene = Scene::new(|settings| settings.listener.keep_alive_timeout = Duration::from_millis(300)).await;
    let mut client = scene.proxy.client().await;
    client.send(&post("x")).await;
    let call = scene.call().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    call.whole(&"x".repeat(32 << 20));
    let head = client.head().await;
    assert_eq!(header(&head, "content-length"), Some((32 << 20).to_string().as_str()));
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.exactly(4 << 20).await;
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_left_and_so_is_one_that_leaves() {
    let mut scene = Scene::new(|settings| settings.listener.keep_alive_timeout = Duration::from_millis(200)).await;
    let mut client = scene.proxy.client().await;
    client.send(&post("x")).await;
    let pieces = scene.call().await.coming();
    let filling = Bytes::from("x".repeat(1 << 20));
    // It takes nothing: the service hears of it when it has taken nothing for long enough.
    step("the client is given up", async { while pieces.send(Some(filling.clone())).await.is_ok() {} }).await;
    // It leaves while nothing comes.
    let mut client = scene.proxy.client().await;
    client.send(&post("x")).await;
    let pieces = scene.call().await.coming();
    client.head().await;
    drop(client);
    step("the service hears of it", pieces.closed()).await;
    // It leaves before there is an answer.
    let mut client = scene.proxy.client().await;
    client.send(&post("x")).await;
    let mut call = scene.call().await;
    drop(client);
    step("the service hears of it", call.reply.closed()).await;
}

#[tokio::test]
async fn a_service_may_be_silent_for_longer_than_a_client() {
    let mut scene = Scene::new(|settings| settings.listener.keep_alive_timeout = Duration::from_millis(100)).await;
    let mut client = scene.proxy.client().await;
    client.send(&post("x")).await;
    let call = scene.call().await;
    tokio::time::sleep(Duration::from_millis(250)).await;
    let pieces = call.coming();
    tokio::time::sleep(Duration::from_millis(250)).await;
    pieces.send(Some(Bytes::from_static(b"one"))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(250)).await;
    pieces.send(None).await.unwrap();
    client.head().await;
    assert_eq!(client.until("0\r\n\r\n").await, "3\r\none\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_request_under_way_finishes_on_the_service_that_it_began_with() {
    let mut scene = Scene::new(|_| {}).await;
    let mut client = scene.proxy.client().await;
    client.send(&post("old")).await;
    let old = scene.call().await;
    let (desk, mut new) = mpsc::unbounded_channel();
    scene.proxy.services.insert(people(), Arc::new(Desk(desk)));
    scene.proxy.apply(true, Vec::new()).await;
    old.whole("old");
    assert_eq!(client.response().await.1, "old");
    client.send(&post("new")).await;
    step("a call", new.recv()).await.unwrap().whole("new");
    assert_eq!(client.response().await.1, "new");
    scene.proxy.services.clear();
    scene.proxy.apply(true, Vec::new()).await;
    assert_eq!(problem(&client.ask(&post("none")).await).0, 404);
    scene
        .proxy
        .until("it is counted", |counted| {
            counted.listeners.values().any(|listener| listener.refused_for(Reason::NoRoute) == 1)
        })
        .await;
}

#[tokio::test]
async fn a_worker_that_ends_waits_for_the_answer() {
    let mut scene = Scene::new(|_| {}).await;
    let mut client = scene.proxy.client().await;
    client.send(&post("x")).await;
    let pieces = scene.call().await.coming();
    let worker = scene.proxy.workers.remove(0);
    let ending = tokio::spawn(worker.shutdown(Duration::from_secs(20)));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!ending.is_finished());
    pieces.send(Some(Bytes::from_static(b"late"))).await.unwrap();
    pieces.send(None).await.unwrap();
    client.head().await;
    assert_eq!(client.until("0\r\n\r\n").await, "4\r\nlate\r\n0\r\n\r\n");
    step("the worker's end", ending).await.unwrap();
}
