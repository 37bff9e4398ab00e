//! The table in the configuration file, and the sound settings that it becomes. Which endpoint is chosen is not decided
//! here.

use serde::Deserialize;

use crate::cookie::Cookie;
use crate::token::Seal;

/// The table in the configuration file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How the cookie names the endpoint.
    pub mode: Mode,
    /// The key of the signature, at least 16 bytes; only for the mode `signed`.
    pub secret: Option<String>,
    /// The cookie.
    pub cookie: CookieConfig,
}

/// How the cookie names the endpoint.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// By a hash of its name: says nothing to a reader, but a client may take over another's cookie or work one out.
    #[default]
    Opaque,
    /// By its name, with an HMAC-SHA256 that only a holder of the secret can make.
    Signed,
}

/// The cookie's table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CookieConfig {
    /// Its name.
    pub name: String,
    /// The path that it is sent for.
    pub path: String,
    /// Seconds that a client keeps it; none for as long as the browser runs.
    pub max_age: Option<u32>,
    /// Only over TLS. Off by default, because a cluster may be served without.
    pub secure: bool,
    /// Hidden from scripts.
    pub http_only: bool,
    /// Whether it is sent from other sites.
    pub same_site: SameSite,
}

impl Default for CookieConfig {
    fn default() -> Self {
        Self {
            name: "leverframe".to_owned(),
            path: "/".to_owned(),
            max_age: None,
            secure: false,
            http_only: true,
            same_site: SameSite::Lax,
        }
    }
}

/// The `SameSite` attribute.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum SameSite {
    /// Never.
    Strict,
    /// When a link is followed.
    Lax,
    /// Always; browsers ask for `secure` with it.
    None,
}

/// The shortest secret: 128 bits, below which guessing it is thinkable.
const SHORTEST_SECRET: usize = 16;

/// What the table means, or what is wrong with it.
pub(crate) fn settle(config: Config) -> Result<(Cookie, Seal), String> {
    let cookie = Cookie::new(config.cookie)?;
    let seal = match (config.mode, config.secret) {
        (Mode::Opaque, None) => Seal::Opaque,
        (Mode::Opaque, Some(_)) => return Err("secret is set, but mode is not \"signed\"".to_owned()),
        (Mode::Signed, None) => return Err("mode is \"signed\", but there is no secret".to_owned()),
        (Mode::Signed, Some(secret)) if secret.len() < SHORTEST_SECRET => {
            return Err(format!("secret has {} bytes; it needs {SHORTEST_SECRET}", secret.len()));
        }
        (Mode::Signed, Some(secret)) => Seal::signed(secret.as_bytes(), cookie.name())?,
    };
    Ok((cookie, seal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> String {
        let config = serde_json::from_str(json).expect("the keys are known");
        settle(config).map(|_| ()).expect_err("it makes no sense")
    }

    #[test]
    fn a_secret_belongs_to_the_signed_mode() {
        assert!(settle(Config::default()).is_ok());
        assert!(refused(r#"{"secret": "0123456789abcdef"}"#).contains("mode is not"));
        assert!(refused(r#"{"mode": "signed"}"#).contains("no secret"));
        assert!(refused(r#"{"mode": "signed", "secret": "short"}"#).contains("5 bytes"));
    }

    #[test]
    fn unknown_keys_are_refused_at_both_levels() {
        for json in [r#"{"cookies": {}}"#, r#"{"cookie": {"max-age": 5}}"#, r#"{"mode": "open"}"#] {
            assert!(serde_json::from_str::<Config>(json).is_err(), "{json}");
        }
    }
}
