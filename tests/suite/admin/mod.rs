//! The admin API as its users meet it: that the document tells the truth about it, who is let in, what is done about plugins,
//! and that no secret is ever told.

mod configuration;
mod document;
mod plugins;
mod secrets;
mod tokens;

use std::net::SocketAddr;

use bytes::Bytes;
use http::Method;

use crate::world::{Client, Reply};

/// One request, with a token if there is one.
async fn ask(admin: SocketAddr, method: Method, path: &str, token: Option<&str>, body: impl Into<Bytes>) -> Reply {
    let shown = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = shown.iter().map(|shown| ("authorization", shown.as_str())).collect();
    Client::connect(admin).await.send(method, path, &headers, body.into()).await
}
