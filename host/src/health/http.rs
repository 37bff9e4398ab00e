//! The HTTP check: one HTTP/1.1 request on a connection of its own, which is closed after it.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use memchr::memmem;

use super::check::{CheckError, Checker, Checking};
use super::tcp::connect;
use crate::config::HttpCheck;
use crate::model::Address;

/// The most of a body that is searched. A page made for checks is far smaller, and an endless one must end.
const MAX_BODY: usize = 64 << 10;

/// So that the logs of an endpoint tell checks from traffic.
const AGENT: HeaderValue = HeaderValue::from_static("leverframe-health-check");

/// Asks for a page and looks at the answer.
pub(super) struct HttpChecker {
    check: HttpCheck,
}

impl HttpChecker {
    pub(super) fn new(check: HttpCheck) -> Self {
        Self { check }
    }

    fn request(&self, at: &Address) -> Result<Request<Empty<Bytes>>, http::Error> {
        let host = self.check.host.clone().unwrap_or_else(|| at.to_string());
        Request::builder()
            .method(self.check.method.clone())
            .uri(Uri::from(self.check.path.clone()))
            .header(HOST, host)
            .header(USER_AGENT, AGENT)
            .header(ACCEPT, "*/*")
            .header(CONNECTION, "close")
            .body(Empty::new())
    }

    async fn ask(&self, at: &Address) -> Result<(), CheckError> {
        let stream = connect(at).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let request = self.request(at).map_err(broken)?;
        // An end of the connection is seen by the exchange, which may have more to read by then.
        let connection = async {
            let _ = connection.await;
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            result = self.exchange(sender, request) => result,
            // So its end alone can never be taken for an answer.
            never = connection => match never {},
        }
    }

    async fn exchange(
        &self,
        mut sender: SendRequest<Empty<Bytes>>,
        request: Request<Empty<Bytes>>,
    ) -> Result<(), CheckError> {
        let response = sender.send_request(request).await.map_err(broken)?;
        if !self.check.expect.contains(response.status()) {
            return Err(CheckError::Status(response.status()));
        }
        match &self.check.body_contains {
            Some(wanted) => search(response.into_body(), wanted).await,
            None => Ok(()),
        }
    }
}

impl Checker for HttpChecker {
    fn check<'a>(&'a self, at: &'a Address) -> Checking<'a> {
        Box::pin(self.ask(at))
    }
}

/// Reads a body until the text is found, or enough was read.
async fn search(mut body: Incoming, wanted: &str) -> Result<(), CheckError> {
    let mut read: Vec<u8> = Vec::new();
    loop {
        // The text may have begun in what was searched before.
        let from = read.len().saturating_sub(wanted.len());
        let Some(frame) = body.frame().await.transpose().map_err(broken)? else { break };
        let Some(data) = frame.data_ref() else { continue };
        read.extend(data.iter().take(MAX_BODY - read.len()));
        if memmem::find(read.get(from..).unwrap_or_default(), wanted.as_bytes()).is_some() {
            return Ok(());
        }
        if read.len() >= MAX_BODY {
            break;
        }
    }
    // An empty text is in every body, also in an empty one.
    if wanted.is_empty() { Ok(()) } else { Err(CheckError::Body(wanted.to_owned(), read.len())) }
}

/// The innermost cause says what happened; what is around it says that something did.
fn broken(error: impl Error) -> CheckError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    CheckError::Answer(text)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::model::StatusSet;

    /// Answers one connection with these bytes and gives back what it was asked. Leaves it to the other side to close,
    /// unless it has nothing to answer.
    async fn origin(answer: impl Into<Vec<u8>>) -> (Address, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = Address::parse(&listener.local_addr().unwrap().to_string()).unwrap();
        let answer = answer.into();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") && stream.read_buf(&mut asked).await.unwrap() > 0 {}
            // The other side may have seen enough before all was written.
            let _ = stream.write_all(&answer).await;
            if !answer.is_empty() {
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
            String::from_utf8(asked).unwrap()
        });
        (at, served)
    }

    fn check() -> HttpCheck {
        HttpCheck {
            method: http::Method::GET,
            path: "/up?deep=1".parse().unwrap(),
            host: None,
            expect: StatusSet::of(&[(200, 299)]),
            body_contains: None,
        }
    }

    fn holding(text: &str) -> HttpCheck {
        HttpCheck { body_contains: Some(text.to_owned()), ..check() }
    }

    async fn result(check: HttpCheck, answer: impl Into<Vec<u8>>) -> Result<(), CheckError> {
        let (at, _served) = origin(answer).await;
        HttpChecker::new(check).check(&at).await
    }

    #[tokio::test]
    async fn it_asks_what_it_was_told_to_on_a_connection_that_it_closes() {
        let (at, served) = origin("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(HttpChecker::new(check()).check(&at).await, Ok(()));
        let asked = served.await.unwrap().to_lowercase();
        assert!(asked.starts_with("get /up?deep=1 http/1.1\r\n"), "{asked}");
        assert!(asked.contains(&format!("host: {at}\r\n")), "{asked}");
        assert!(asked.contains("connection: close\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn method_and_host_are_as_configured() {
        let (at, served) = origin("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").await;
        let named = HttpCheck { method: http::Method::HEAD, host: Some("web.internal".into()), ..check() };
        assert_eq!(HttpChecker::new(named).check(&at).await, Ok(()));
        let asked = served.await.unwrap().to_lowercase();
        assert!(asked.starts_with("head ") && asked.contains("host: web.internal\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn another_status_is_a_failure_that_names_it() {
        let failed = result(check(), "HTTP/1.1 503 Service Unavailable\r\n\r\n").await.unwrap_err();
        assert_eq!(failed.to_string(), "answered with the status 503 Service Unavailable, which is not expected");
    }

    #[tokio::test]
    async fn a_text_is_found_in_the_body_over_chunks_and_at_its_end() {
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nall \r\n3\r\nis \r\n4\r\nwell\r\n0\r\n\r\n";
        assert_eq!(result(holding("is well"), chunked).await, Ok(()));
        let failed = result(holding("ill"), chunked).await.unwrap_err();
        assert_eq!(failed.to_string(), "the first 11 bytes of the body do not hold `ill`");
        let until_closed = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(result(holding("ok"), until_closed).await, Ok(()));
    }

    #[tokio::test]
    async fn a_long_body_is_searched_up_to_its_cap_only() {
        let page = |at: usize| {
            let mut page = b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n".to_vec();
            page.extend(std::iter::repeat_n(b'.', at));
            page.extend_from_slice(b"here");
            page.extend(std::iter::repeat_n(b'.', 1 << 20));
            page
        };
        assert_eq!(result(holding("here"), page(MAX_BODY - 4)).await, Ok(()));
        let failed = result(holding("here"), page(MAX_BODY - 3)).await;
        assert_eq!(failed, Err(CheckError::Body("here".into(), MAX_BODY)));
    }

    #[tokio::test]
    async fn what_is_no_answer_is_a_failure() {
        for answer in ["", "HTTP/1.1 OK\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n\r\n"] {
            let failed = result(check(), answer).await.unwrap_err().to_string();
            assert!(failed.starts_with("no sound answer: ") && !failed.contains('\n'), "{failed}");
        }
    }
}
