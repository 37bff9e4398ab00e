//! Reads a secret from a file of its own: a password, a token. Only from a regular file and only so much of it, since a
//! configuration that is merely looked at may name any path.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// No password and no token is longer.
const MOST_BYTES: u64 = 64 << 10;

/// The text of such a file.
///
/// # Errors
/// Why it cannot be had; the caller names the file.
pub fn read_secret(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    // Before it is opened: opening a pipe waits for whoever writes to it.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("is no regular file".to_owned());
    }
    let mut text = String::new();
    File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text)).map_err(unreadable)?;
    match text.len() as u64 > MOST_BYTES {
        true => Err(format!("has more than {MOST_BYTES} bytes")),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_short_regular_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "opensesame\n").unwrap();
        assert_eq!(read_secret(&file).unwrap(), "opensesame\n");
        std::fs::write(&file, vec![b'x'; 64 << 10]).unwrap();
        assert_eq!(read_secret(&file).unwrap().len(), 64 << 10);
        std::fs::write(&file, vec![b'x'; (64 << 10) + 1]).unwrap();
        for (path, why) in [
            (file.as_path(), "more than 65536 bytes"),
            (folder.path(), "no regular file"),
            (Path::new("/dev/zero"), "no regular file"),
            (&folder.path().join("missing"), "cannot be read"),
        ] {
            let said = read_secret(path).unwrap_err();
            assert!(said.contains(why), "{}: {said}", path.display());
        }
    }
}
