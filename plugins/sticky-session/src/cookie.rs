//! The `Set-Cookie` header (RFC 6265): everything about the cookie but its value.

use crate::config::{CookieConfig, SameSite};

/// A cookie that is sound by construction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cookie {
    name: String,
    /// What follows the value.
    attributes: String,
}

impl Cookie {
    pub(crate) fn new(config: CookieConfig) -> Result<Self, String> {
        if config.name.is_empty() || !config.name.bytes().all(is_token) {
            return Err(format!("cookie.name {:?} is not a cookie name", config.name));
        }
        let clean = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b';';
        if !config.path.starts_with('/') || !config.path.bytes().all(clean) {
            return Err(format!("cookie.path {:?} is not a path", config.path));
        }
        if config.same_site == SameSite::None && !config.secure {
            return Err("cookie.same_site \"none\" needs cookie.secure = true; browsers drop it otherwise".to_owned());
        }
        Ok(Self { attributes: attributes(&config), name: config.name })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The header's value for a cookie of this value, which must be made of characters that need no quoting.
    pub(crate) fn set(&self, value: &str) -> String {
        [self.name.as_str(), "=", value, self.attributes.as_str()].concat()
    }
}

fn attributes(config: &CookieConfig) -> String {
    let mut text = format!("; Path={}", config.path);
    if let Some(seconds) = config.max_age {
        text.push_str(&format!("; Max-Age={seconds}"));
    }
    if config.secure {
        text.push_str("; Secure");
    }
    if config.http_only {
        text.push_str("; HttpOnly");
    }
    text.push_str(match config.same_site {
        SameSite::Strict => "; SameSite=Strict",
        SameSite::Lax => "; SameSite=Lax",
        SameSite::None => "; SameSite=None",
    });
    text
}

/// A character of a token (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_is_written() {
        let plain = Cookie::new(CookieConfig::default()).expect("the defaults are sound");
        assert_eq!(plain.set("v"), "leverframe=v; Path=/; HttpOnly; SameSite=Lax");
        let full = Cookie::new(CookieConfig {
            name: "sid".to_owned(),
            path: "/shop".to_owned(),
            max_age: Some(3600),
            secure: true,
            http_only: false,
            same_site: SameSite::None,
        });
        let full = full.expect("it is sound");
        assert_eq!(full.set("v"), "sid=v; Path=/shop; Max-Age=3600; Secure; SameSite=None");
    }

    #[test]
    fn what_would_break_the_header_is_refused() {
        let with = |change: fn(&mut CookieConfig)| {
            let mut config = CookieConfig::default();
            change(&mut config);
            Cookie::new(config)
        };
        assert!(with(|config| config.name.clear()).is_err());
        assert!(with(|config| config.name.push(';')).is_err());
        assert!(with(|config| config.path.push_str("; Domain=x")).is_err());
        assert!(with(|config| config.path.push_str("\r\n")).is_err());
        assert!(with(|config| config.path = "shop".to_owned()).is_err());
        assert!(with(|config| config.same_site = SameSite::None).is_err());
    }
}
