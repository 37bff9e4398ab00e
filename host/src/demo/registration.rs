//! A node's entry with an orchestrator: made when the node starts, made anew now and then (a registry that lost its data
//! has it again), taken back at the end. Whether the node is well is the orchestrator's to find out.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST};
use http::uri::Scheme;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::model::{Address, Backoff, EndpointName};

/// Between two entries that are made anew.
const PERIOD: Duration = Duration::from_secs(30);
/// How long one answer may take: an orchestrator checks the node before it gives it.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How long taking back the entry may hold up the end of the node.
const END_LIMIT: Duration = Duration::from_secs(2);

/// Why a text names no orchestrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an orchestrator is given as http://host:port")]
pub struct OrchestratorError;

/// Where an orchestrator's API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orchestrator {
    address: Address,
    /// What stands before the paths of its API.
    prefix: String,
}

impl FromStr for Orchestrator {
    type Err = OrchestratorError;

    fn from_str(text: &str) -> Result<Self, OrchestratorError> {
        let url: Uri = text.parse().map_err(|_| OrchestratorError)?;
        let authority = url.authority().filter(|_| url.scheme() == Some(&Scheme::HTTP)).ok_or(OrchestratorError)?;
        let with_port = match authority.port() {
            Some(_) => authority.to_string(),
            None => format!("{authority}:80"),
        };
        let address = Address::parse(&with_port).map_err(|_| OrchestratorError)?;
        Ok(Self { address, prefix: url.path().trim_end_matches('/').to_owned() })
    }
}

impl fmt::Display for Orchestrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.address, self.prefix)
    }
}

/// Why an entry was not made or not taken back.
#[derive(Debug, thiserror::Error)]
enum RegistrationError {
    #[error("it cannot be reached: {0}")]
    Io(#[from] std::io::Error),
    #[error("no sound answer: {0}")]
    Answer(#[from] hyper::Error),
    #[error("no request can be made: {0}")]
    Request(#[from] http::Error),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("it did not answer in time")]
    Late,
}

/// What is entered, and where.
#[derive(Clone, Debug)]
struct Entry {
    orchestrator: Orchestrator,
    id: EndpointName,
    advertised: Option<Address>,
    /// Where the node listens.
    port: u16,
}

/// An entry that is kept up. Dropping it leaves the entry as it is.
#[derive(Debug)]
pub struct Registration {
    entry: Entry,
    stop: watch::Sender<bool>,
    keeper: JoinHandle<()>,
}

impl Registration {
    /// Begins to enter a node that listens, and returns at once. What is entered is `advertised`; without it, the address
    /// of this machine from which the orchestrator is reached, with the node's port.
    pub fn start(
        orchestrator: Orchestrator,
        id: EndpointName,
        listens: SocketAddr,
        advertised: Option<Address>,
    ) -> Self {
        let entry = Entry { orchestrator, id, advertised, port: listens.port() };
        let (stop, stopped) = watch::channel(false);
        let keeper = tokio::spawn(keep(entry.clone(), stopped));
        Self { entry, stop, keeper }
    }

    /// Takes the entry back, within two seconds, so that traffic leaves before the node does.
    pub async fn end(mut self) {
        let Entry { orchestrator, id, .. } = &self.entry;
        self.stop.send_replace(true);
        let gone = async {
            // An entry on its way would otherwise come after its end.
            let _ = (&mut self.keeper).await;
            self.entry.take_back().await
        };
        match tokio::time::timeout(END_LIMIT, gone).await.unwrap_or(Err(RegistrationError::Late)) {
            Ok(()) => tracing::info!(%orchestrator, node = %id, "registration taken back"),
            Err(error) => tracing::warn!(%orchestrator, node = %id, %error, "registration not taken back"),
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Enters the node until it works, and then again and again. Tells of each outage once.
async fn keep(entry: Entry, mut stopped: watch::Receiver<bool>) {
    let Entry { orchestrator, id, .. } = &entry;
    let (mut backoff, mut was_entered) = (Backoff::default(), None);
    while !*stopped.borrow() {
        let done = tokio::time::timeout(ANSWER_LIMIT, entry.enter()).await.unwrap_or(Err(RegistrationError::Late));
        match &done {
            Ok(url) if was_entered != Some(true) => tracing::info!(%orchestrator, node = %id, url, "registered"),
            Err(error) if was_entered != Some(false) => {
                tracing::warn!(%orchestrator, node = %id, %error, "not registered for now; it is tried again");
            }
            _ => {}
        }
        was_entered = Some(done.is_ok());
        let wait = match done {
            Ok(_) => {
                backoff = Backoff::default();
                PERIOD
            }
            Err(_) => backoff.pause(Duration::ZERO, 1.0),
        };
        tokio::select! {
            _ = stopped.changed() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

impl Entry {
    /// Enters the node, and returns the URL that it was entered with.
    async fn enter(&self) -> Result<String, RegistrationError> {
        let stream = self.connect().await?;
        let advertised = match &self.advertised {
            Some(advertised) => advertised.to_string(),
            None => SocketAddr::new(stream.local_addr()?.ip().to_canonical(), self.port).to_string(),
        };
        let url = format!("http://{advertised}");
        let body = json!({ "id": self.id.as_str(), "url": url });
        match self.ask(stream, Method::POST, "/backends", body.to_string()).await? {
            status if status.is_success() => Ok(url),
            status => Err(RegistrationError::Status(status)),
        }
    }

    /// That there is no entry to take back is as well.
    async fn take_back(&self) -> Result<(), RegistrationError> {
        let path = format!("/backends/{}", self.id);
        let stream = self.connect().await?;
        match self.ask(stream, Method::DELETE, &path, String::new()).await? {
            status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
            status => Err(RegistrationError::Status(status)),
        }
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        let Orchestrator { address, .. } = &self.orchestrator;
        TcpStream::connect((address.host(), address.port())).await
    }

    async fn ask(
        &self,
        stream: TcpStream,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<StatusCode, RegistrationError> {
        let Orchestrator { address, prefix } = &self.orchestrator;
        let request = Request::builder()
            .method(method)
            .uri(format!("{prefix}{path}"))
            .header(HOST, address.to_string())
            .header(CONTENT_TYPE, "application/json")
            .header(CONNECTION, "close")
            .body(Full::new(Bytes::from(body)))?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        let asked = sender.send_request(request);
        tokio::pin!(asked);
        // The connection moves the request along; what it ends with, the request sees as well.
        tokio::select! {
            answered = &mut asked => return Ok(answered?.status()),
            _ = connection => {}
        }
        Ok(asked.await?.status())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers with each status in turn, and then with the last one for ever; keeps what it was asked.
    async fn orchestrator(statuses: &'static [&'static str]) -> (Orchestrator, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&asked);
        tokio::spawn(async move {
            for turn in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"}") && !request.starts_with(b"DELETE") {
                    stream.read_buf(&mut request).await.unwrap();
                }
                kept.lock().unwrap().push(String::from_utf8(request).unwrap());
                let status = statuses[turn.min(statuses.len() - 1)];
                stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.unwrap();
            }
        });
        (url.parse().unwrap(), asked)
    }

    #[tokio::test]
    async fn it_registers_until_it_works_and_takes_it_back_at_the_end() {
        let (orchestrator, asked) = orchestrator(&["503 Later", "201 Created", "200 OK"]).await;
        let id = EndpointName::new("web-1").unwrap();
        let registration = Registration::start(orchestrator, id, SocketAddr::from(([0, 0, 0, 0], 81)), None);
        while asked.lock().unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        registration.end().await;
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), 3, "{asked:?}");
        for post in &asked[..2] {
            assert!(post.starts_with("POST /api/backends HTTP/1.1\r\n"), "{post}");
            assert!(post.ends_with(r#"{"id":"web-1","url":"http://127.0.0.1:81"}"#), "{post}");
        }
        assert!(asked[2].starts_with("DELETE /api/backends/web-1 HTTP/1.1\r\n"), "{}", asked[2]);
    }

    #[tokio::test]
    async fn an_orchestrator_that_is_silent_does_not_hold_up_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let orchestrator = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let id = EndpointName::new("web-1").unwrap();
        let registration = Registration::start(orchestrator, id, SocketAddr::from(([127, 0, 0, 1], 81)), None);
        let began = std::time::Instant::now();
        registration.end().await;
        assert!(began.elapsed() < 2 * END_LIMIT);
    }

    #[test]
    fn an_orchestrator_is_an_http_url() {
        let read = |text: &str| text.parse::<Orchestrator>().map(|orchestrator| orchestrator.to_string());
        assert_eq!(read("http://control:9901/"), Ok("http://control:9901".to_owned()));
        assert_eq!(read("http://[::1]:9901/api"), Ok("http://[::1]:9901/api".to_owned()));
        assert_eq!(read("http://control"), Ok("http://control:80".to_owned()));
        for wrong in ["control:9901", "https://control:9901", "http://", "/backends", ""] {
            assert_eq!(read(wrong), Err(OrchestratorError), "{wrong}");
        }
    }
}
