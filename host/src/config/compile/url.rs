//! What is said of a URL: no more of it than cannot be a secret.

/// A URL without what may let one in: the name and the password before the host, the query, the fragment.
pub(super) fn without_secrets(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let bare = rest.split(['?', '#']).next().unwrap_or_default();
    // A password may have slashes in it, where it is written wrongly.
    let (hidden, host) = bare.rsplit_once('@').map_or(("", bare), |(_, host)| ("(secret)@", host));
    let query = if bare.len() < rest.len() { "?(secret)" } else { "" };
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{hidden}{host}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_no_password_and_no_query_is_left() {
        for (text, left) in [
            ("http://127.0.0.1:4318/v1", "http://127.0.0.1:4318/v1"),
            ("http://me:hush@host/v1?key=hush#hush", "http://(secret)@host/v1?(secret)"),
            ("tcp://me:hu/sh@host", "tcp://(secret)@host"),
            ("me:hush@host:80", "(secret)@host:80"),
            ("hush?hush", "hush?(secret)"),
            ("/var/run/docker.sock", "/var/run/docker.sock"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(text), left);
        }
    }
}
