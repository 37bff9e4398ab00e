//! From a file, or its text, to a configuration. Pure but for reading the file, and the files with passwords that it names.

use std::io;
use std::path::Path;

use super::compile::compile;
use super::error::ConfigErrors;
use super::overrides::Overrides;
use super::read::read;
use super::settings::Config;

/// Reads and compiles the file at a path.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Config, ConfigErrors> {
    parse(&text(path, std::fs::read(path))?, path, overrides)
}

/// Compiles a text. `origin` is the file that it comes from: errors name it, and relative paths start in its
/// folder. Files with passwords that it names are read, if they are short regular files; tokens are not.
pub fn parse(text: &str, origin: &Path, overrides: &Overrides) -> Result<Config, ConfigErrors> {
    let (file, mut problems) = read(text);
    let folder = origin.parent().unwrap_or(Path::new(""));
    let compiled = file.map(|file| compile(file, (folder, overrides), &mut problems));
    match compiled {
        Some(Ok(config)) if problems.is_empty() => Ok(config),
        _ => Err(ConfigErrors::new(origin, problems.into_errors())),
    }
}

/// Takes what was read from a file as text.
pub(super) fn text(path: &Path, bytes: io::Result<Vec<u8>>) -> Result<String, ConfigErrors> {
    let bytes = bytes.map_err(|error| ConfigErrors::whole_file(path, None, format!("cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let sound = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = sound.iter().filter(|byte| **byte == b'\n').count() + 1;
        ConfigErrors::whole_file(path, Some(line), "is not UTF-8".to_owned())
    })
}
