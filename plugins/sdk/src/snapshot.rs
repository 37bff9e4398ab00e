//! How a plugin writes its state for the next version of itself: JSON with a format number, so that a version can tell
//! what it can read. Knows nothing of any plugin's state.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Snapshot<T> {
    format: u32,
    state: T,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Writes a state. Raise `format` when the meaning of the state changes.
///
/// Empty (nothing to tell) for a type that JSON cannot write, such as a map with keys that are no strings.
#[must_use]
pub fn encode<T: Serialize>(format: u32, state: &T) -> Vec<u8> {
    serde_json::to_vec(&Snapshot { format, state }).unwrap_or_default()
}

/// Reads a state of this format.
///
/// # Errors
///
/// One line that says what the bytes are instead.
pub fn decode<T: DeserializeOwned>(format: u32, bytes: &[u8]) -> Result<T, String> {
    let found: Format = serde_json::from_slice(bytes).map_err(|_| "the state is in no known format".to_owned())?;
    if found.format != format {
        return Err(format!("the state has format {}; this version reads format {format}", found.format));
    }
    let snapshot: Snapshot<T> =
        serde_json::from_slice(bytes).map_err(|error| format!("the state is damaged: {error}"))?;
    Ok(snapshot.state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(encode(1, &7), br#"{"format":1,"state":7}"#);
        assert_eq!(decode(1, &encode(1, &7)), Ok(7));
    }

    #[test]
    fn another_format_and_garbage_are_refused() {
        assert_eq!(
            decode::<u32>(1, &encode(2, &7)),
            Err("the state has format 2; this version reads format 1".to_owned())
        );
        assert!(decode::<u32>(1, &encode(1, &"seven")).is_err());
        for garbage in [&b""[..], b"{", b"null", b"\xff\xfe", b"{\"format\":1}"] {
            assert!(decode::<u32>(1, garbage).is_err(), "{garbage:?}");
        }
    }
}
