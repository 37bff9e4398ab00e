//! A request made by hand.

use crate::Statement;
use crate::host::Request;

/// A request, built step by step: `FakeRequest::get("/a?b=c").header("x-user", "7")`.
#[derive(Clone, Debug, PartialEq)]
pub struct FakeRequest {
    method: String,
    path: String,
    query: Option<String>,
    headers: Vec<(String, String)>,
    cookies: Vec<(String, String)>,
    client_ip: String,
    attempt: u32,
    statement: Option<Statement>,
}

impl FakeRequest {
    /// A first `GET` from 192.0.2.200 of a path, with the query after a `?`.
    #[must_use]
    pub fn get(target: &str) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        Self {
            method: "GET".to_owned(),
            path: path.to_owned(),
            query,
            headers: Vec::new(),
            cookies: Vec::new(),
            client_ip: "192.0.2.200".to_owned(),
            attempt: 0,
            statement: None,
        }
    }

    /// With another method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = method.to_owned();
        self
    }

    /// With one more header; `host` is what [`Request::host`] answers.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With one more cookie.
    #[must_use]
    pub fn cookie(mut self, name: &str, value: &str) -> Self {
        self.cookies.push((name.to_owned(), value.to_owned()));
        self
    }

    /// From another client.
    #[must_use]
    pub fn client_ip(mut self, address: &str) -> Self {
        self.client_ip = address.to_owned();
        self
    }

    /// At another attempt; 0 is the first.
    #[must_use]
    pub const fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// With a SQL statement.
    #[must_use]
    pub fn statement(mut self, statement: Statement) -> Self {
        self.statement = Some(statement);
        self
    }
}

impl Default for FakeRequest {
    fn default() -> Self {
        Self::get("/")
    }
}

impl Request for FakeRequest {
    fn method(&self) -> String {
        self.method.clone()
    }

    fn path(&self) -> String {
        self.path.clone()
    }

    fn query(&self) -> Option<String> {
        self.query.clone()
    }

    fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(one, _)| one.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    }

    fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.iter().find(|(one, _)| one == name).map(|(_, value)| value.clone())
    }

    fn client_ip(&self) -> String {
        self.client_ip.clone()
    }

    fn host(&self) -> Option<String> {
        Request::header(self, "host")
    }

    fn attempt(&self) -> u32 {
        self.attempt
    }

    fn statement(&self) -> Option<Statement> {
        self.statement.clone()
    }
}
