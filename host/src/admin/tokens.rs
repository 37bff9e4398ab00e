//! The tokens that let one in: where each is kept, what it is known by, and that its file is read again while the program
//! runs. Judges no request.
//!
//! Tokens are compared by their hashes and in constant time, so that neither the time nor the length of what is refused tells
//! anything. A file that gets another token is read again; one that has none any more, or is gone, lets nobody in.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;

use crate::config::{ADMIN_READ_TOKEN_VARIABLE, ADMIN_TOKEN_VARIABLE, Admin, TokenSpec, read_secret};

/// How often the files are read again.
const PERIOD: Duration = Duration::from_secs(1);

/// A token that is shorter can be guessed: 16 hexadecimal digits are 64 bits.
const LEAST_LENGTH: usize = 16;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Access)]
pub(crate) enum Allowed {
    /// Ask.
    Read,
    /// Ask and command.
    Write,
}

/// The tokens of a server, or of a route; without any, whoever gets there may do everything.
#[derive(Debug, Default)]
pub struct Tokens {
    write: Option<Token>,
    read: Option<Token>,
    /// Without any, it answers to every name.
    is_open: bool,
}

/// One token.
#[derive(Debug)]
struct Token {
    /// Where it is kept; none when the environment said it.
    file: Option<PathBuf>,
    /// What it is, or why there is none.
    held: ArcSwap<Result<Hash, String>>,
}

/// What a token is known by.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Hash([u8; 32]);

impl Tokens {
    /// Those that the configuration names.
    ///
    /// # Errors
    /// When a file cannot be read, or holds no token, as a line for the operator.
    pub fn read(admin: &Admin) -> Result<Self, String> {
        let one = |spec: &Option<TokenSpec>, key: &str, variable: &str| {
            let named = |spec: &TokenSpec, why| match spec {
                TokenSpec::Given(_) => format!("{variable}: {why}"),
                TokenSpec::File(_) => format!("admin.{key}: {why}"),
            };
            spec.as_ref().map(|spec| Token::read(spec).map_err(|why| named(spec, why))).transpose()
        };
        let tokens = Self {
            write: one(&admin.token, "token_file", ADMIN_TOKEN_VARIABLE)?,
            read: one(&admin.read_only_token, "read_only_token_file", ADMIN_READ_TOKEN_VARIABLE)?,
            is_open: admin.allow_without_token,
        };
        match tokens.are_same() {
            true => Err("admin.read_only_token_file: it holds the same token as admin.token_file".to_owned()),
            false => Ok(tokens),
        }
    }

    /// The files of the tokens that anybody on this machine may read.
    pub fn exposed(&self) -> Vec<&Path> {
        let is_exposed = |file: &&Path| std::fs::metadata(file).is_ok_and(|found| found.mode() & 0o004 != 0);
        self.all().filter_map(|token| token.file.as_deref()).filter(is_exposed).collect()
    }

    /// Has the files read again, for as long as somebody goes by these tokens.
    pub fn follow(self: &Arc<Self>) {
        if self.all().all(|token| token.file.is_none()) {
            return;
        }
        let tokens = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(PERIOD).await;
                let Some(tokens) = tokens.upgrade() else { return };
                // A file may be far away.
                if tokio::task::spawn_blocking(move || tokens.look()).await.is_err() {
                    return;
                }
            }
        });
    }

    /// Whether there are any: also one that lets nobody in any more.
    pub(super) fn any(&self) -> bool {
        self.all().next().is_some()
    }

    /// Whether it need not matter by what name it is asked for.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// What a token lets one do. Where a file came to hold the token that only reads, that is all it lets one do.
    pub(super) fn allow(&self, shown: &str) -> Option<Allowed> {
        let hash = Hash::of(shown);
        let is = |token: &Option<Token>| token.as_ref().is_some_and(|token| token.is(hash));
        // Both are compared whatever comes of the first.
        match (is(&self.write), is(&self.read)) {
            (_, true) => Some(Allowed::Read),
            (true, false) => Some(Allowed::Write),
            (false, false) => None,
        }
    }

    /// Reads the files again.
    fn look(&self) {
        let changed = self.all().filter(|token| token.look()).count();
        if changed > 0 && self.are_same() {
            tracing::error!("both tokens of the admin API are the same: it lets one read, and nobody may command");
        }
    }

    fn are_same(&self) -> bool {
        let held =
            |token: &Option<Token>| token.as_ref().and_then(|token| token.held.load().as_ref().as_ref().ok().copied());
        held(&self.write).is_some_and(|write| held(&self.read) == Some(write))
    }

    fn all(&self) -> impl Iterator<Item = &Token> {
        [&self.write, &self.read].into_iter().flatten()
    }
}

impl Token {
    fn read(spec: &TokenSpec) -> Result<Self, String> {
        let (file, held) = match spec {
            TokenSpec::Given(token) => (None, Hash::of_text(token.expose())?),
            TokenSpec::File(file) => (Some(file.clone()), Hash::of_file(file)?),
        };
        Ok(Self { file, held: ArcSwap::from_pointee(Ok(held)) })
    }

    /// Reads its file again; tells whether there is another one in it, or none any more.
    fn look(&self) -> bool {
        let Some(file) = &self.file else { return false };
        let held = Hash::of_file(file);
        if held == **self.held.load() {
            return false;
        }
        match &held {
            Ok(_) => tracing::info!(file = %file.display(), "it has another token, which counts from now on"),
            Err(why) => tracing::error!("{why}: nobody is let in by it"),
        }
        self.held.store(Arc::new(held));
        true
    }

    fn is(&self, hash: Hash) -> bool {
        self.held.load().as_ref().as_ref().is_ok_and(|held| held.0.ct_eq(&hash.0).into())
    }
}

impl Hash {
    fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    fn of_file(file: &Path) -> Result<Self, String> {
        let text = read_secret(file);
        text.and_then(|text| Self::of_text(&text)).map_err(|why| format!("{}: {why}", file.display()))
    }

    fn of_text(text: &str) -> Result<Self, String> {
        let token = text.trim();
        if token.is_empty() {
            return Err("there is no token in it".to_owned());
        }
        // What is no header cannot be shown in one.
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a token is one word of ASCII, as `openssl rand -hex 32` makes it".to_owned());
        }
        if token.len() < LEAST_LENGTH {
            return Err(format!("a token has at least {LEAST_LENGTH} characters; `openssl rand -hex 32` makes one"));
        }
        Ok(Self::of(token))
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::Secret;

    pub(in super::super) const WRITER: &str = "the-token-of-the-writer";
    pub(in super::super) const READER: &str = "the-token-of-the-reader";

    pub(in super::super) fn admin(write: Option<TokenSpec>, read: Option<TokenSpec>) -> Admin {
        Admin { address: None, token: write, read_only_token: read, allow_without_token: false }
    }

    pub(in super::super) fn given(token: &str) -> Option<TokenSpec> {
        Some(TokenSpec::Given(Secret::new(token)))
    }

    #[test]
    fn what_is_no_token_is_refused_where_it_was_said() {
        for (text, why) in [
            ("", "no token"),
            (" \n", "no token"),
            ("two words of some length", "one word"),
            ("fifteen-letters", "at least 16"),
        ] {
            let said = Tokens::read(&admin(given(text), None)).unwrap_err();
            assert!(said.starts_with("LEVERFRAME_ADMIN_TOKEN: ") && said.contains(why), "{said}");
            let said = Tokens::read(&admin(None, given(text))).unwrap_err();
            assert!(said.starts_with("LEVERFRAME_ADMIN_READ_TOKEN: ") && said.contains(why), "{said}");
        }
        assert!(Tokens::read(&admin(given(WRITER), given(WRITER))).unwrap_err().contains("the same token"));
        let folder = tempfile::tempdir().unwrap();
        let file = |path: &Path| Tokens::read(&admin(Some(TokenSpec::File(path.to_owned())), None)).unwrap_err();
        assert!(file(&folder.path().join("missing")).starts_with("admin.token_file: "));
        assert!(file(Path::new("/dev/zero")).contains("no regular file"));
    }

    #[test]
    fn a_file_that_gets_another_token_is_read_again_and_one_that_loses_it_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let (write, read) = (folder.path().join("write"), folder.path().join("read"));
        std::fs::write(&write, format!("{WRITER}\n")).unwrap();
        std::fs::write(&read, READER).unwrap();
        let specs = admin(Some(TokenSpec::File(write.clone())), Some(TokenSpec::File(read)));
        let tokens = Tokens::read(&specs).unwrap();
        let allow = |shown| {
            tokens.look();
            tokens.allow(shown)
        };
        assert_eq!((allow(WRITER), allow(READER)), (Some(Allowed::Write), Some(Allowed::Read)));
        std::fs::write(&write, "another-token-of-the-writer").unwrap();
        assert_eq!((allow(WRITER), allow("another-token-of-the-writer")), (None, Some(Allowed::Write)));
        // The same in both: the narrower one.
        std::fs::write(&write, READER).unwrap();
        assert_eq!(allow(READER), Some(Allowed::Read));
        for emptied in [true, false] {
            std::fs::write(&write, WRITER).unwrap();
            assert_eq!(allow(WRITER), Some(Allowed::Write));
            match emptied {
                true => std::fs::write(&write, "").unwrap(),
                false => std::fs::remove_file(&write).unwrap(),
            }
            assert_eq!((allow(WRITER), allow(""), tokens.any()), (None, None, true));
        }
        assert!(!format!("{tokens:?}").contains(READER));
    }
}
