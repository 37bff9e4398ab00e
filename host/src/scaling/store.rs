//! What a restart must not forget: the names that an operator asked for, in a file that is whole at every moment. The count
//! that the configuration had then is kept beside them, so that an edit of it is noticed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::EndpointName;

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// The count of the configuration when it was written.
    pub(super) count: u32,
    /// The names.
    pub(super) names: Vec<EndpointName>,
}

/// Why something could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be written.
    #[error("{} cannot be written: {error}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It cannot be read.
    #[error("{} cannot be read: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is not what was written; it is out of the way.
    #[error("{} is broken ({why}) and was put aside as {}", .path.display(), .aside.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// Where it is now.
        aside: PathBuf,
    },
}

/// The file of one cluster; without a path nothing is kept.
#[derive(Clone, Debug)]
pub(super) struct Store(Option<PathBuf>);

/// The file's text.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Text {
    count: u32,
    names: Vec<String>,
}

impl Store {
    /// Keeps there.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self(path)
    }

    /// What was kept last; none when nothing ever was.
    ///
    /// # Errors
    /// When the file cannot be read, or is broken.
    pub(super) fn load(&self) -> Result<Option<Kept>, StoreError> {
        let Some(path) = &self.0 else { return Ok(None) };
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::Read { path: path.clone(), error }),
        };
        parse(&text).map(Some).map_err(|why| {
            let (path, aside) = (path.clone(), beside(path, "broken"));
            match fs::rename(&path, &aside) {
                Ok(()) => StoreError::Broken { path, why, aside },
                Err(error) => StoreError::Write { path: aside, error },
            }
        })
    }

    /// Keeps this. Afterwards the file holds it, or what it held before, also when the machine loses power meanwhile.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn save(&self, kept: &Kept) -> Result<(), StoreError> {
        let Some(path) = &self.0 else { return Ok(()) };
        let names = kept.names.iter().map(|name| name.as_str().to_owned()).collect();
        let text = serde_json::to_vec(&Text { count: kept.count, names }).map_err(io::Error::from);
        text.and_then(|text| write(path, &text)).map_err(|error| StoreError::Write { path: path.clone(), error })
    }
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // Of two processes, while one takes over from the other, each writes its own.
    let new = beside(path, &format!("{}.new", std::process::id()));
    let mut file = File::create(&new)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    // The new name is in the folder, which is written for itself.
    File::open(folder)?.sync_all()
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn parse(text: &[u8]) -> Result<Kept, String> {
    let Text { count, names } = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let mut known: Vec<EndpointName> = Vec::with_capacity(names.len());
    for name in names {
        let checked = EndpointName::new(&name).map_err(|error| format!("`{name}`: {error}"))?;
        if known.contains(&checked) {
            return Err(format!("`{name}` is named twice"));
        }
        known.push(checked);
    }
    Ok(Kept { count, names: known })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        Kept { count: 3, names: ["web-1", "S5"].map(|name| EndpointName::new(name).unwrap()).to_vec() }
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(Some(folder.path().join("state/web.json")));
        assert_eq!(store.load().unwrap(), None);
        store.save(&kept()).unwrap();
        assert_eq!(store.load().unwrap(), Some(kept()));
        let entries = fs::read_dir(folder.path().join("state")).unwrap();
        assert_eq!(entries.count(), 1, "nothing is left lying beside it");
    }

    #[test]
    fn a_broken_file_is_put_aside_and_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.json");
        let store = Store::new(Some(path.clone()));
        let dup = r#"{"count": 2, "names": ["a", "a"]}"#;
        for text in ["", "{\"count\": 3", r#"{"count": 1, "names": ["a/b"]}"#, dup] {
            fs::write(&path, text).unwrap();
            assert!(matches!(store.load(), Err(StoreError::Broken { .. })), "{text}");
            assert_eq!(fs::read_to_string(folder.path().join("web.json.broken")).unwrap(), text);
            assert_eq!(store.load().unwrap(), None);
        }
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(Some(folder.path().join("web.json")));
        store.save(&kept()).unwrap();
        fs::create_dir(folder.path().join(format!("web.json.{}.new", std::process::id()))).unwrap();
        assert!(matches!(store.save(&Kept { count: 9, names: Vec::new() }), Err(StoreError::Write { .. })));
        assert_eq!(store.load().unwrap(), Some(kept()));
    }
}
