//! Judges a request by its head, before its body is taken: who sends it, and how much may come.

use axum::http::{Method, header};

use super::access::{self, statement_entry};
use super::problem::Problem;
use super::server::Shared;
use crate::model::{PluginName, RequestHead};

/// The largest body where a path has no bound of its own: a configuration, or a few values in JSON.
pub(super) const BODY_BYTES: usize = 2 << 20;

/// The bytes that the body of a request may have.
///
/// # Errors
/// Why it is refused: whoever sends it may not, or announces more.
pub(crate) fn admit(shared: &Shared, head: &RequestHead) -> Result<u64, Problem> {
    access::judge(&shared.tokens(), &head.method, &head.uri, &head.headers)?;
    let most = body_bytes(shared, &head.method, head.uri.path());
    let announced = head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    match announced.is_some_and(|length: u64| length > most) {
        true => Err(Problem::too_large(format!("the body is over the limit of {most} bytes"))),
        false => Ok(most),
    }
}

/// What a path takes.
fn body_bytes(shared: &Shared, method: &Method, path: &str) -> u64 {
    if let Some(entry) = statement_entry(path).and_then(|entry| shared.served().sql.get(entry).cloned()) {
        return entry.service.body_bytes() as u64;
    }
    let plugin = path.strip_prefix("/api/plugins/").filter(|_| *method == Method::PUT);
    match plugin.and_then(|name| PluginName::new(name).ok()) {
        Some(name) => shared.supervisor.limits(&name).file_bytes,
        None => BODY_BYTES as u64,
    }
}
