//! The request number: what a consistent hash looks up. Says where it comes from and how text becomes a number; what is
//! done with the number is the strategy's.

use serde::Deserialize;

use crate::hash::fnv1a;
use crate::host::Request;

/// Where the number of a request comes from. In TOML: `"client_ip"`, `"path"`, `{ header = "x-user" }`,
/// `{ cookie = "session" }` or `{ query = "user" }`.
///
/// ```
/// use leverframe_sdk::key::KeySource;
/// use leverframe_sdk::testing::FakeRequest;
///
/// let source = KeySource::Query("user".to_owned());
/// assert_eq!(source.number(&FakeRequest::get("/?user=42")), 42);
/// ```
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// The first value of this header.
    Header(String),
    /// The first cookie of this name.
    Cookie(String),
    /// The first query parameter of this name, decoded.
    Query(String),
    /// The path, still percent-encoded, without the query.
    Path,
    /// The client's address.
    #[default]
    #[serde(alias = "client-ip")]
    ClientIp,
}

impl KeySource {
    /// The number of a request: [`number_of`] the text at the source. A request that does not have the header, cookie
    /// or parameter, or has it empty, is known by its client's address, so that such requests still spread.
    #[must_use]
    pub fn number(&self, request: &impl Request) -> u64 {
        let text = match self {
            Self::Header(name) => request.header(name),
            Self::Cookie(name) => request.cookie(name),
            Self::Query(name) => request.query().and_then(|query| parameter(&query, name)),
            Self::Path => Some(request.path()),
            Self::ClientIp => None,
        };
        match text {
            Some(text) if !text.is_empty() => number_of(&text),
            _ => number_of(&request.client_ip()),
        }
    }

    /// Refuses a source without a name.
    ///
    /// # Errors
    ///
    /// One line for the operator.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Header(name) if name.is_empty() => Err("key: the header has no name".to_owned()),
            Self::Cookie(name) if name.is_empty() => Err("key: the cookie has no name".to_owned()),
            Self::Query(name) if name.is_empty() => Err("key: the query parameter has no name".to_owned()),
            _ => Ok(()),
        }
    }
}

/// The number that a text stands for: itself when it is a decimal number of 64 bits (digits only), else its
/// [FNV-1a](fnv1a) hash.
#[must_use]
pub fn number_of(text: &str) -> u64 {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    // The check for digits also refuses the leading `+` that `parse` allows.
    text.parse().ok().filter(|_| digits).unwrap_or_else(|| fnv1a(text.as_bytes()))
}

/// The first parameter of that name, with `+` and percent-encoding resolved.
fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeRequest;

    #[test]
    fn a_decimal_number_is_itself_and_all_else_is_hashed() {
        assert_eq!(number_of("0"), 0);
        assert_eq!(number_of("007"), 7);
        assert_eq!(number_of("18446744073709551615"), u64::MAX);
        for text in ["18446744073709551616", "+7", "-7", "7a", " 7", ""] {
            assert_eq!(number_of(text), fnv1a(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn each_source_is_read() {
        let request = FakeRequest::get("/shop/7?a=1&user=J%C3%B6rg+B&user=2")
            .header("X-User", "12")
            .cookie("sid", "99")
            .client_ip("198.51.100.7");
        assert_eq!(KeySource::Header("x-user".to_owned()).number(&request), 12);
        assert_eq!(KeySource::Cookie("sid".to_owned()).number(&request), 99);
        assert_eq!(KeySource::Query("user".to_owned()).number(&request), fnv1a("Jörg B".as_bytes()));
        assert_eq!(KeySource::Path.number(&request), fnv1a(b"/shop/7"));
        assert_eq!(KeySource::ClientIp.number(&request), fnv1a(b"198.51.100.7"));
    }

    #[test]
    fn what_is_missing_or_empty_falls_back_to_the_client() {
        let request = FakeRequest::get("/?user=").client_ip("198.51.100.7");
        let client = fnv1a(b"198.51.100.7");
        assert_eq!(KeySource::Header("x-user".to_owned()).number(&request), client);
        assert_eq!(KeySource::Cookie("sid".to_owned()).number(&request), client);
        assert_eq!(KeySource::Query("user".to_owned()).number(&request), client);
    }

    #[test]
    fn the_configuration_is_a_word_or_a_table_of_one_key() {
        let read = |json: &str| serde_json::from_str::<KeySource>(json).ok();
        assert_eq!(read(r#""client_ip""#), Some(KeySource::ClientIp));
        assert_eq!(read(r#""client-ip""#), Some(KeySource::ClientIp));
        assert_eq!(read(r#""path""#), Some(KeySource::Path));
        assert_eq!(read(r#"{"header": "x-user"}"#), Some(KeySource::Header("x-user".to_owned())));
        assert_eq!(read(r#""header""#), None);
        assert_eq!(read(r#"{"colour": "x"}"#), None);
        assert!(KeySource::Header(String::new()).check().is_err());
    }
}
