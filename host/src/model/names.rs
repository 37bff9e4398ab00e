//! One type for each role that a name plays, so that a cluster is never looked up by an endpoint's name. Names are short,
//! printable and cheap to clone.

use std::fmt;
use std::sync::Arc;

/// Longest name accepted, in bytes: as long as a DNS label may be.
const MAX_NAME: usize = 63;

/// Why a text cannot be a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("a name cannot be empty")]
    Empty,
    /// Over the limit.
    #[error("a name has at most {MAX_NAME} characters, this one has {0}")]
    TooLong(usize),
    /// A character outside the allowed set.
    #[error("a name is made of letters, digits, `-`, `_`, `.` and `:`, not `{0}`")]
    Character(char),
}

fn checked(text: &str) -> Result<&str, NameError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    match text.chars().find(|c| !fits(*c)) {
        _ if text.is_empty() => Err(NameError::Empty),
        Some(c) => Err(NameError::Character(c)),
        None if text.len() > MAX_NAME => Err(NameError::TooLong(text.len())),
        None => Ok(text),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// Names a cluster: endpoints that can stand in for each other.
    ClusterName
);
name!(
    /// Names an endpoint; unique within its cluster.
    EndpointName
);
name!(
    /// Names a listener.
    ListenerName
);
name!(
    /// Names a SQL entry: one database to its clients, whatever stands behind it.
    SqlName
);
name!(
    /// Names a plugin: its file name without `.wasm`, with `_` written as `-`.
    PluginName
);

impl ClusterName {
    /// Checks and takes a name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        checked(text).map(|text| Self(text.into()))
    }
}

impl EndpointName {
    /// Checks and takes a name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        checked(text).map(|text| Self(text.into()))
    }
}

impl ListenerName {
    /// Checks and takes a name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        checked(text).map(|text| Self(text.into()))
    }
}

impl SqlName {
    /// Checks and takes a name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        checked(text).map(|text| Self(text.into()))
    }
}

impl PluginName {
    /// Checks and takes a name; `round_robin` and `round-robin` are the same plugin.
    pub fn new(text: &str) -> Result<Self, NameError> {
        checked(text).map(|text| Self(text.replace('_', "-").into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn underscores_and_hyphens_name_the_same_plugin() {
        assert_eq!(PluginName::new("round_robin"), PluginName::new("round-robin"));
        assert_ne!(ClusterName::new("a_b"), ClusterName::new("a-b"));
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_reason() {
        assert_eq!(ClusterName::new(""), Err(NameError::Empty));
        assert_eq!(ClusterName::new("a/b"), Err(NameError::Character('/')));
        assert_eq!(ClusterName::new(&"x".repeat(64)), Err(NameError::TooLong(64)));
    }
}
