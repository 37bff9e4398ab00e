//! Who may ask and who may command. Where there is a token, every path but those that are for everybody takes one: in the
//! header `Authorization`, nowhere else. Where there is none, pages of other origins still cannot command: see `origin`.
//!
//! Tokens are compared by their hashes and in constant time, so that neither the time nor the length of what is refused tells
//! anything. A file that gets another token is read again; one that cannot be read any more leaves its last token.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;

use super::origin;
use super::problem::Problem;
use super::server::Shared;
use crate::config::{Admin, TokenSpec};

/// Paths that are for everybody: how it is, and pages, which show nothing before they have asked with a token.
const OPEN: [&str; 5] = ["/", "/dashboard", "/health", "/query-dashboard", "/scaling-ui"];
/// The files of the pages are below this.
const OPEN_BELOW: &str = "/console/";

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Access)]
pub(crate) enum Allowed {
    /// Ask.
    Read,
    /// Ask and command.
    Write,
}

/// What whoever asks may do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Session {
    access: Allowed,
    /// Whether there are tokens at all.
    tokens: bool,
}

/// The tokens of this moment; without any, everybody may do everything.
#[derive(Debug, Default)]
pub struct Tokens {
    write: Option<Token>,
    read: Option<Token>,
}

/// One token.
#[derive(Debug)]
struct Token {
    /// Where it is kept; none when the environment said it.
    file: Option<PathBuf>,
    held: Mutex<Held>,
}

/// A token's hash, and the state of the file that it was read from.
#[derive(Clone, Copy)]
struct Held {
    hash: [u8; 32],
    stamp: Option<Stamp>,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// What a file's content is known by without reading it.
type Stamp = (u64, u64, Option<SystemTime>);

impl Tokens {
    /// Those that the configuration names.
    ///
    /// # Errors
    /// When a file cannot be read, or holds no token, as a line for the operator.
    pub fn read(admin: &Admin) -> Result<Self, String> {
        let one = |spec: &Option<TokenSpec>, key: &str| {
            let read = spec.as_ref().map(|spec| Token::read(spec).map_err(|why| format!("admin.{key}: {why}")));
            read.transpose()
        };
        let tokens = Self {
            write: one(&admin.token, "token_file")?,
            read: one(&admin.read_only_token, "read_only_token_file")?,
        };
        match (&tokens.write, &tokens.read) {
            (Some(write), Some(read)) if write.held().hash == read.held().hash => {
                Err("admin.read_only_token_file: it holds the same token as admin.token_file".to_owned())
            }
            _ => Ok(tokens),
        }
    }

    /// The files of the tokens that anybody on this machine may read.
    pub fn exposed(&self) -> Vec<&Path> {
        let files = [&self.write, &self.read].into_iter().flatten().filter_map(|token| token.file.as_deref());
        files.filter(|file| std::fs::metadata(file).is_ok_and(|found| found.mode() & 0o004 != 0)).collect()
    }

    /// Whether there are any.
    fn any(&self) -> bool {
        self.write.is_some() || self.read.is_some()
    }

    /// What a token lets one do.
    fn allow(&self, shown: &str) -> Option<Allowed> {
        let hash: [u8; 32] = Sha256::digest(shown.as_bytes()).into();
        // Both are compared whatever comes of the first.
        let write = self.write.as_ref().map(|token| token.is(&hash));
        let read = self.read.as_ref().map(|token| token.is(&hash));
        match (write, read) {
            (Some(true), _) => Some(Allowed::Write),
            (_, Some(true)) => Some(Allowed::Read),
            _ => None,
        }
    }
}

impl Token {
    fn read(spec: &TokenSpec) -> Result<Self, String> {
        let (file, held) = match spec {
            TokenSpec::Given(token) => (None, Held { hash: hash(token.expose())?, stamp: None }),
            TokenSpec::File(file) => {
                (Some(file.clone()), Held::of(file).map_err(|why| format!("{}: {why}", file.display()))?)
            }
        };
        Ok(Self { file, held: Mutex::new(held) })
    }

    fn held(&self) -> Held {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it has this hash, after a look at its file.
    fn is(&self, hash: &[u8; 32]) -> bool {
        if let Some(file) = &self.file {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let now = stamp(file);
            if now.is_some() && now != held.stamp {
                match Held::of(file) {
                    Ok(new) => *held = new,
                    // Said once for each state of the file.
                    Err(why) => {
                        tracing::error!(file = %file.display(), %why, "no token; the one before still counts");
                        held.stamp = now;
                    }
                }
            }
        }
        self.held().hash.ct_eq(hash).into()
    }
}

impl Held {
    fn of(file: &Path) -> Result<Self, String> {
        // Before it is read: what is written meanwhile is read again.
        let stamp = stamp(file);
        let text = std::fs::read_to_string(file).map_err(|error| format!("cannot be read: {error}"))?;
        Ok(Self { hash: hash(&text)?, stamp })
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(file).ok()?;
    Some((found.ino(), found.len(), found.modified().ok()))
}

/// The hash of a token, as it is kept.
fn hash(text: &str) -> Result<[u8; 32], String> {
    let token = text.trim();
    if token.is_empty() {
        return Err("there is no token in it".to_owned());
    }
    // What is no header cannot be shown in one.
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a token is one word of ASCII, as `openssl rand -hex 32` makes it".to_owned());
    }
    Ok(Sha256::digest(token.as_bytes()).into())
}

/// Lets a request pass if whoever sends it may.
pub(super) async fn check(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    match allowed(&shared.tokens(), (method, path), request.headers()) {
        Ok(allowed) => {
            request.extensions_mut().insert(allowed);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// What whoever sends a request may do; why it may not be carried out.
fn allowed(tokens: &Tokens, (method, path): (&Method, &str), headers: &HeaderMap) -> Result<Allowed, Problem> {
    if !tokens.any() {
        // Nobody is asked; but a page that an operator has open somewhere is not the operator.
        return match method.is_safe() || !origin::is_foreign(headers) {
            true => Ok(Allowed::Write),
            false => Err(origin::refused()),
        };
    }
    // A token that is shown cannot come from a page that does not know it: the origin need not be asked about.
    let allowed = shown(headers).map(|shown| tokens.allow(shown));
    let is_open = method.is_safe() && (OPEN.contains(&path) || path.starts_with(OPEN_BELOW));
    match allowed {
        Some(Some(Allowed::Read)) if !method.is_safe() && !is_question(path) => {
            Err(Problem::forbidden("this token lets one read; to command takes the other one"))
        }
        Some(Some(allowed)) => Ok(allowed),
        _ if is_open => Ok(Allowed::Read),
        Some(None) => Err(Problem::unauthorized("this is not the token")),
        None => Err(Problem::unauthorized("a token is needed: `Authorization: Bearer TOKEN`")),
    }
}

/// What whoever sent these headers to the stream may do now; none when that is nothing any more.
pub(super) fn still_allowed(shared: &Shared, headers: &HeaderMap) -> Option<Allowed> {
    allowed(&shared.tokens(), (&Method::GET, "/api/stream"), headers).ok()
}

/// Whether what answers at a path sees for itself what one who may only read may have there: a statement explained.
fn is_question(path: &str) -> bool {
    path.strip_prefix("/api/sql/").is_some_and(|rest| rest.ends_with("/query"))
}

/// The token that a request shows; none when it shows none, or several.
fn shown(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What you may do here.
#[utoipa::path(get, path = "/api/session", tag = "console", responses((status = 200, body = Session)))]
pub(super) async fn session(State(shared): State<Shared>, request: Request) -> Json<Session> {
    let access = request.extensions().get().copied().unwrap_or(Allowed::Read);
    Json(Session { access, tokens: shared.tokens().any() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn admin(write: Option<TokenSpec>, read: Option<TokenSpec>) -> Admin {
        Admin { address: None, token: write, read_only_token: read, allow_without_token: false }
    }

    fn given(token: &str) -> Option<TokenSpec> {
        Some(TokenSpec::Given(Secret::new(token)))
    }

    fn asks(
        tokens: &Tokens,
        method: Method,
        path: &str,
        pairs: &[(&'static str, &'static str)],
    ) -> Result<Allowed, u16> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), header::HeaderValue::from_static(value)));
        let headers = headers.collect::<HeaderMap>();
        allowed(tokens, (&method, path), &headers).map_err(|problem| problem.into_response().status().as_u16())
    }

    #[test]
    fn each_token_lets_one_do_what_it_is_for() {
        let tokens = Tokens::read(&admin(given("writer"), given("reader"))).unwrap();
        let write = [("authorization", "Bearer writer")];
        let read = [("authorization", "bearer reader")];
        for path in ["/api/clusters", "/metrics", "/nowhere", "/consoles"] {
            assert_eq!(asks(&tokens, Method::GET, path, &write), Ok(Allowed::Write));
            assert_eq!(asks(&tokens, Method::GET, path, &read), Ok(Allowed::Read));
            assert_eq!(asks(&tokens, Method::POST, path, &write), Ok(Allowed::Write));
            assert_eq!(asks(&tokens, Method::PUT, path, &read), Err(403));
            for wrong in
                ["Bearer other", "Bearer ", "Bearer", "Basic writer", "writer", "Bearer writerr", "Bearer write"]
            {
                assert_eq!(asks(&tokens, Method::GET, path, &[("authorization", wrong)]), Err(401), "{wrong}");
                assert_eq!(asks(&tokens, Method::POST, path, &[("authorization", wrong)]), Err(401), "{wrong}");
            }
            assert_eq!(asks(&tokens, Method::GET, path, &[]), Err(401));
        }
        for path in ["/health", "/", "/dashboard", "/console/page.js"] {
            assert_eq!(asks(&tokens, Method::GET, path, &[]), Ok(Allowed::Read));
            assert_eq!(asks(&tokens, Method::POST, path, &[]), Err(401));
        }
        let only_read = Tokens::read(&admin(None, given("reader"))).unwrap();
        assert_eq!(asks(&only_read, Method::POST, "/strategy", &read), Err(403));
        assert_eq!(asks(&only_read, Method::POST, "/strategy", &[]), Err(401));
    }

    #[test]
    fn without_tokens_pages_of_other_origins_cannot_command_and_with_one_any_name_will_do() {
        let foreign = [("host", "evil.example"), ("origin", "http://evil.example")];
        let none = Tokens::default();
        assert_eq!(asks(&none, Method::POST, "/strategy", &foreign), Err(403));
        assert_eq!(asks(&none, Method::POST, "/strategy", &[("host", "127.0.0.1:9900")]), Ok(Allowed::Write));
        let tokens = Tokens::read(&admin(given("writer"), None)).unwrap();
        let shown = [foreign[0], foreign[1], ("authorization", "Bearer writer")];
        assert_eq!(asks(&tokens, Method::POST, "/strategy", &shown), Ok(Allowed::Write));
    }

    #[test]
    fn a_file_that_gets_another_token_is_read_again_and_one_that_is_lost_leaves_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let spec = || admin(Some(TokenSpec::File(file.clone())), None);
        assert!(Tokens::read(&spec()).unwrap_err().contains("admin.token_file: "), "there is no such file");
        for nothing in ["", " \n", "two words"] {
            std::fs::write(&file, nothing).unwrap();
            Tokens::read(&spec()).unwrap_err();
        }
        std::fs::write(&file, "first\n").unwrap();
        let tokens = Tokens::read(&spec()).unwrap();
        assert_eq!((tokens.allow("first"), tokens.allow("second")), (Some(Allowed::Write), None));
        std::fs::write(&file, "second\n").unwrap();
        assert_eq!((tokens.allow("first"), tokens.allow("second")), (None, Some(Allowed::Write)));
        std::fs::write(&file, "").unwrap();
        assert_eq!(tokens.allow("second"), Some(Allowed::Write));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(tokens.allow("second"), Some(Allowed::Write));
        assert!(!format!("{tokens:?}").contains("second"));
        assert!(Tokens::read(&admin(given("same"), given("same"))).is_err());
    }
}
