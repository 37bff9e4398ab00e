//! What a backend is in the registry: the fields of its hash, and the endpoint that they describe. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::discovery::source::Skipped;
use crate::model::{Address, EndpointName, EndpointSpec, Labels, Reported, Weight};

/// The names of the fields that are no labels.
const URL: &str = "url";
const STATUS: &str = "status";
const LAST_CHECKED: &str = "last_checked";
const WEIGHT: &str = "weight";
const RESERVED: [&str; 4] = [URL, STATUS, LAST_CHECKED, WEIGHT];

/// Where `http://host` without a port is.
const HTTP_PORT: u16 = 80;

/// The fields of a hash.
pub(super) type Fields = BTreeMap<String, String>;

/// A backend of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Its id, which names the endpoint.
    pub id: EndpointName,
    /// Its address as it is written: `http://host:port`, or only `host:port`.
    pub url: String,
    /// Where that is.
    pub address: Address,
    /// `UP`, `DOWN`, or what somebody else wrote.
    pub status: String,
    /// When the control plane last looked, as far as it is written.
    pub last_checked: Option<Timestamp>,
    /// Its share of the traffic.
    pub weight: Weight,
    /// All other fields.
    pub labels: Labels,
}

/// Why something is no backend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBackend {
    /// Its id cannot name an endpoint.
    #[error("its id cannot be a name: {0}")]
    Id(crate::model::NameError),
    /// It is in the set, and has no hash or no `url` in it.
    #[error("it has no `{URL}`")]
    NoUrl,
    /// Its url cannot be used.
    #[error("its url `{url}` cannot be used: {why}")]
    Url {
        /// The url.
        url: String,
        /// Why.
        why: String,
    },
    /// Its weight is none.
    #[error("its weight `{0}` is no whole number from 1 to 65535")]
    Weight(String),
    /// A label has the name of another field.
    #[error("`{0}` cannot be the key of a label")]
    Label(String),
    /// Its key holds something else.
    #[error("its key holds no hash")]
    NoHash,
}

impl Backend {
    /// The status of one that serves.
    pub const UP: &'static str = "UP";
    /// The status of one that does not.
    pub const DOWN: &'static str = "DOWN";

    /// A backend of which no more is known; one without an id is named after its address.
    ///
    /// # Errors
    /// When the url or the id cannot be used.
    pub fn new(id: Option<&str>, url: &str) -> Result<Self, NoBackend> {
        let address = address_of(url).map_err(|why| NoBackend::Url { url: url.to_owned(), why })?;
        // Without the brackets of IPv6, which no name may have.
        let own_id = || format!("{}:{}", address.host(), address.port());
        let id = id.map_or_else(own_id, str::to_owned);
        Ok(Self {
            id: EndpointName::new(&id).map_err(NoBackend::Id)?,
            url: url.to_owned(),
            address,
            status: String::new(),
            last_checked: None,
            weight: Weight::ONE,
            labels: Labels::new(),
        })
    }

    /// With these labels.
    ///
    /// # Errors
    /// When a key is empty or is that of a field which says something else.
    pub fn with_labels(self, labels: Labels) -> Result<Self, NoBackend> {
        match labels.keys().find(|key| key.is_empty() || RESERVED.contains(&key.as_str())) {
            Some(key) => Err(NoBackend::Label(key.clone())),
            None => Ok(Self { labels, ..self }),
        }
    }

    /// Reads the fields of a hash.
    pub(super) fn read(id: &str, mut fields: Fields) -> Result<Self, NoBackend> {
        let url = fields.remove(URL).ok_or(NoBackend::NoUrl)?;
        let mut backend = Self::new(Some(id), &url)?;
        backend.status = fields.remove(STATUS).unwrap_or_default();
        // A time that somebody writes in another way counts as none: it is replaced by the next check.
        backend.last_checked = fields.remove(LAST_CHECKED).and_then(|at| at.parse().ok());
        if let Some(text) = fields.remove(WEIGHT) {
            let weight = text.trim().parse().ok().and_then(Weight::new);
            backend.weight = weight.ok_or(NoBackend::Weight(text))?;
        }
        backend.labels = fields;
        Ok(backend)
    }

    /// The fields that it is written as.
    pub(super) fn fields(&self) -> Fields {
        let mut fields = self.labels.clone();
        fields.insert(URL.to_owned(), self.url.clone());
        fields.insert(STATUS.to_owned(), self.status.clone());
        fields.insert(WEIGHT.to_owned(), self.weight.get().to_string());
        fields.extend(self.last_checked.map(|at| (LAST_CHECKED.to_owned(), at.to_string())));
        fields
    }

    /// What its status says. One that nobody has looked at yet does not serve.
    pub fn reported(&self) -> Reported {
        match self.status.trim().to_ascii_lowercase().as_str() {
            "up" | "healthy" => Reported::Up,
            "draining" | "stopping" => Reported::Stopping,
            _ => Reported::Down,
        }
    }

    /// The endpoint that it is.
    pub fn endpoint(&self) -> EndpointSpec {
        let (weight, labels, reported) = (self.weight, self.labels.clone(), self.reported());
        EndpointSpec { weight, labels, reported, ..EndpointSpec::new(self.id.clone(), self.address.clone()) }
    }
}

impl NoBackend {
    /// What is left out for it.
    pub(super) fn skipped(&self, id: &str) -> Skipped {
        Skipped { what: id.to_owned(), why: self.to_string() }
    }
}

/// Where a url leads: its host and port. What stands after them is not looked at.
fn address_of(url: &str) -> Result<Address, String> {
    let rest = match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
        Some((scheme, _)) => return Err(format!("endpoints are reached by http, not by {scheme}")),
        None => url,
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // Within brackets, colons belong to the host.
    let has_port = authority.rsplit(']').next().is_some_and(|end| end.contains(':'));
    let parsed = if has_port { Address::parse(authority) } else { Address::parse(&format!("{authority}:{HTTP_PORT}")) };
    parsed.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn read(pairs: &[(&str, &str)]) -> Result<Backend, String> {
        Backend::read("b1", fields(pairs)).map_err(|why| why.to_string())
    }

    #[test]
    fn a_hash_is_an_endpoint_with_labels() {
        let hash = [
            ("url", "http://10.0.0.7:8000/base"),
            ("status", "UP"),
            ("last_checked", "2026-01-02T03:04:05Z"),
            ("weight", "3"),
            ("zone", "a"),
        ];
        let backend = read(&hash).unwrap();
        let endpoint = backend.endpoint();
        assert_eq!((endpoint.name.as_str(), endpoint.address.to_string().as_str()), ("b1", "10.0.0.7:8000"));
        assert_eq!((endpoint.weight.get(), endpoint.reported), (3, Reported::Up));
        assert_eq!(endpoint.labels, fields(&[("zone", "a")]));
        assert_eq!(backend.fields(), fields(&hash), "it is written as it was read");
    }

    #[test]
    fn addresses_are_taken_from_all_that_people_write() {
        for (url, address) in [
            ("http://web", "web:80"),
            ("web-1:8000", "web-1:8000"),
            ("web", "web:80"),
            ("HTTP://web:81/", "web:81"),
            ("http://[::1]:8000/x", "[::1]:8000"),
            ("http://[::1]", "[::1]:80"),
            ("http://web?x=a:b", "web:80"),
        ] {
            assert_eq!(address_of(url).map(|at| at.to_string()), Ok(address.to_owned()), "{url}");
        }
    }

    #[test]
    fn what_is_no_backend_is_left_out_with_the_reason() {
        for (hash, why) in [
            (vec![("status", "UP")], "it has no `url`"),
            (vec![("url", "https://web")], "endpoints are reached by http, not by https"),
            (vec![("url", "http://")], "no host name"),
            (vec![("url", "http://user:secret@web:80")], "no host name"),
            (vec![("url", "http://web:0")], "a port from 1 to 65535"),
            (vec![("url", "http://web"), ("weight", "0")], "its weight `0` is no whole number"),
        ] {
            let refused = read(&hash).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        let unnamed = Backend::read("a b", fields(&[("url", "http://web")])).unwrap_err();
        assert_eq!(unnamed.skipped("a b").what, "a b");
        assert!(unnamed.to_string().starts_with("its id cannot be a name"), "{unnamed}");
    }

    #[test]
    fn a_status_is_read_in_any_case_and_what_is_unknown_is_down() {
        for (status, reported) in [
            ("UP", Reported::Up),
            ("healthy", Reported::Up),
            ("Draining", Reported::Stopping),
            ("stopping", Reported::Stopping),
            ("DOWN", Reported::Down),
            ("", Reported::Down),
            ("maybe", Reported::Down),
        ] {
            assert_eq!(read(&[("url", "web"), ("status", status)]).unwrap().reported(), reported, "{status}");
        }
        assert_eq!(read(&[("url", "web")]).unwrap().reported(), Reported::Down);
    }

    #[test]
    fn who_has_no_id_is_named_after_the_address() {
        let id = |url| Backend::new(None, url).map(|backend| backend.id.to_string());
        assert_eq!(id("http://web:8000/x"), Ok("web:8000".to_owned()));
        assert_eq!(id("http://[::1]:8000"), Ok("::1:8000".to_owned()));
    }

    #[test]
    fn a_label_cannot_stand_for_a_field() {
        let labelled = |key: &str| Backend::new(None, "web").and_then(|web| web.with_labels(fields(&[(key, "x")])));
        assert!(labelled("zone").is_ok());
        assert_eq!(labelled("status"), Err(NoBackend::Label("status".into())));
        assert_eq!(labelled(""), Err(NoBackend::Label(String::new())));
    }
}
