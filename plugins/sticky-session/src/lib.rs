//! Sticky session: a client stays on one endpoint, by a cookie that names it.
//!
//! A client without a cookie, or whose endpoint is no candidate any more or was tried already for this request, is given
//! an endpoint by smooth weighted round robin, and a new cookie. Configuration, all of it optional:
//!
//! - `mode`: `"opaque"` (a hash of the endpoint's name; the default) or `"signed"` (the name and an HMAC-SHA256).
//! - `secret`: the key of the signature, at least 16 bytes; needed for `"signed"`.
//! - `cookie`: a table of `name` (`"leverframe"`), `path` (`"/"`), `max_age` in seconds (none: as long as the browser
//!   runs), `secure` (`false`), `http_only` (`true`), `same_site` (`"strict"`, `"lax"`, the default, or `"none"`).

mod config;
mod cookie;
mod policy;
mod token;

use leverframe_sdk::host::Request;
use leverframe_sdk::{Candidates, Choice, Endpoint, Routed, RoutingHost, RoutingStrategy};

use crate::cookie::Cookie;
use crate::policy::{Seat, Sessions};

pub use crate::config::{Config, CookieConfig, Mode, SameSite};

/// The strategy.
#[derive(Debug)]
pub struct StickySession {
    cookie: Cookie,
    sessions: Sessions,
}

impl RoutingStrategy for StickySession {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        let (cookie, seal) = config::settle(config)?;
        Ok(Self { cookie, sessions: Sessions::new(seal) })
    }

    fn pick(&mut self, host: &impl RoutingHost, candidates: Candidates<'_>) -> Choice {
        let value = host.request().cookie(self.cookie.name());
        match self.sessions.seat(value.as_deref(), candidates.excluded()) {
            Some(Seat::Kept(id)) => Choice::Endpoint(id),
            Some(Seat::Given(id, value)) => Choice::Routed(Routed {
                endpoint: id,
                response_headers: vec![("set-cookie".to_owned(), self.cookie.set(&value))],
            }),
            None => Choice::Fallback,
        }
    }

    fn candidates_changed(&mut self, _host: &impl RoutingHost, candidates: &[Endpoint]) {
        self.sessions.replace(candidates);
    }

    fn export_state(&self) -> Vec<u8> {
        self.sessions.export()
    }

    fn import_state(&mut self, _from_version: &str, bytes: &[u8]) -> Result<(), String> {
        self.sessions.import(bytes)
    }
}

leverframe_sdk::export!(strategy: StickySession);

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::testing::{FakeRequest, Trial, candidates};

    fn trial(config: &str) -> Trial<StickySession> {
        Trial::new(config, candidates(&[("a", 1), ("b", 1)])).expect("the configuration is sound")
    }

    /// What a browser would send next.
    fn cookie(choice: &Choice) -> String {
        let Choice::Routed(routed) = choice else { panic!("{choice:?}") };
        let (name, header) = &routed.response_headers[0];
        assert_eq!(name, "set-cookie");
        let (pair, _) = header.split_once(';').expect("there are attributes");
        pair.split_once('=').expect("it is a pair").1.to_owned()
    }

    #[test]
    fn the_cookie_is_set_once_and_then_followed() {
        for config in ["{}", r#"{"mode": "signed", "secret": "0123456789abcdef"}"#] {
            let mut trial = trial(config);
            let first = trial.pick();
            assert!(matches!(&first, Choice::Routed(routed) if routed.endpoint == 1));
            trial.host.request = FakeRequest::get("/").cookie("leverframe", &cookie(&first));
            assert_eq!([trial.pick(), trial.pick()], [Choice::Endpoint(1), Choice::Endpoint(1)]);
            let moved = trial.pick_without(&[1]);
            assert!(matches!(&moved, Choice::Routed(routed) if routed.endpoint == 2));
        }
    }

    #[test]
    fn the_cookie_is_as_configured() {
        let mut trial = trial(r#"{"cookie": {"name": "sid", "max_age": 60, "same_site": "strict"}}"#);
        let Choice::Routed(routed) = trial.pick() else { panic!("a first choice sets a cookie") };
        let (_, header) = &routed.response_headers[0];
        assert!(header.starts_with("sid="), "{header}");
        assert!(header.ends_with("; Path=/; Max-Age=60; HttpOnly; SameSite=Strict"), "{header}");
    }

    #[test]
    fn a_made_up_cookie_is_replaced() {
        let mut trial = trial("{}");
        trial.host.request = FakeRequest::get("/").cookie("leverframe", "a");
        assert!(matches!(trial.pick(), Choice::Routed(_)));
    }
}
