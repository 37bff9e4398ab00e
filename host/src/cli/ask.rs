//! Asks the admin API of a Leverframe that runs, here or elsewhere: where that is, what lets one in, and one request at a
//! time on a connection of its own. Knows no path and no answer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::{ADMIN_ADDRESS_VARIABLE, ADMIN_READ_TOKEN_VARIABLE, ADMIN_TOKEN_VARIABLE, Secret};

/// How long an answer may take. All of them are made from what is in memory.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer that is read: that of ten thousand endpoints is a tenth of it.
const MOST_BYTES: usize = 64 << 20;

/// Which Leverframe is asked: what every command says that asks one.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Whom {
    /// Where its admin API is.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9900", env = ADMIN_ADDRESS_VARIABLE)]
    address: String,
    /// A file with a token that lets one read there; without, LEVERFRAME_ADMIN_READ_TOKEN or LEVERFRAME_ADMIN_TOKEN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Whom {
    /// Gets ready to ask it.
    pub(super) fn ask(&self) -> anyhow::Result<Ask> {
        Ask::new(&self.address, token(self.token_file.as_deref(), [ADMIN_READ_TOKEN_VARIABLE, ADMIN_TOKEN_VARIABLE])?)
    }

    /// Gets ready to ask it, and to tell it what to do where the environment has what lets one.
    pub(super) fn ask_to_write(&self) -> anyhow::Result<Ask> {
        Ask::new(&self.address, token(self.token_file.as_deref(), [ADMIN_TOKEN_VARIABLE, ADMIN_READ_TOKEN_VARIABLE])?)
    }
}

/// The token of a file, or of the first of these variables that has one.
fn token(file: Option<&Path>, variables: [&str; 2]) -> anyhow::Result<Option<Secret>> {
    let text = match file {
        Some(file) => {
            Some(std::fs::read_to_string(file).with_context(|| format!("{}: cannot be read", file.display()))?)
        }
        None => variables.iter().find_map(|name| std::env::var(name).ok().filter(|text| !text.is_empty())),
    };
    Ok(text.map(|text| Secret::new(text.trim())))
}

/// A Leverframe that can be asked.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// Host and port.
    authority: String,
    token: Option<Secret>,
}

impl Ask {
    /// One whose admin API is at `http://host:port`, or just `host:port`.
    pub(super) fn new(address: &str, token: Option<Secret>) -> anyhow::Result<Self> {
        let bare = address.trim().strip_prefix("http://").unwrap_or(address.trim()).trim_end_matches('/');
        if bare.contains('/') || !bare.contains(':') {
            bail!("`{address}` is no address of an admin API: write `http://127.0.0.1:9900`");
        }
        Ok(Self { authority: bare.to_owned(), token })
    }

    /// Where it is, as a person writes it.
    pub(super) fn address(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// What is at a path. An answer that is no success is an error with the reason that it gives; `/health` says in its body
    /// how it is, whatever its status.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answered = timeout(PATIENCE, self.answer(path)).await;
        answered.with_context(|| format!("{}{path}: no answer within {PATIENCE:?}", self.address()))?
    }

    /// Sends a request without a body, on a connection of its own, and comes back with the head of the answer.
    pub(super) async fn send(&self, method: Method, path: &str, accept: &str) -> anyhow::Result<Response<Incoming>> {
        let whence = || format!("{}{path}", self.address());
        let stream =
            TcpStream::connect(&self.authority).await.with_context(|| format!("{} cannot be reached", whence()))?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.with_context(whence)?;
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path);
        let mut request = request.header(header::HOST, &self.authority).header(header::ACCEPT, accept);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let request = request.body(Empty::<Bytes>::new()).with_context(whence)?;
        sender.send_request(request).await.with_context(whence)
    }

    async fn answer(&self, path: &str) -> anyhow::Result<Value> {
        let whence = || format!("{}{path}", self.address());
        let (head, body) = self.send(Method::GET, path, "application/json").await?.into_parts();
        let body = Limited::new(body, MOST_BYTES).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("{}: {error}", whence()))?.to_bytes();
        let value: Value = serde_json::from_slice(&body).with_context(|| format!("{}: {}", whence(), head.status))?;
        if !head.status.is_success() && path != "/health" {
            let detail = value.get("detail").and_then(Value::as_str).unwrap_or_default();
            bail!("{}: {}: {detail}", whence(), head.status);
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_people_write_it_and_a_token_is_not_shown() {
        for text in ["127.0.0.1:9900", "http://127.0.0.1:9900", " http://127.0.0.1:9900/ "] {
            assert_eq!(Ask::new(text, None).unwrap().address(), "http://127.0.0.1:9900");
        }
        for text in ["", "127.0.0.1", "https://127.0.0.1:9900", "http://127.0.0.1:9900/api"] {
            assert!(Ask::new(text, None).is_err(), "{text}");
        }
        let ask = Ask::new("127.0.0.1:9900", Some(Secret::new("opensesame"))).unwrap();
        assert!(!format!("{ask:?}").contains("opensesame"));
    }
}
