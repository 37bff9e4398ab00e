//! A lease for a term, and what it was last used for, under two keys. Each command is one script, so that nobody comes between
//! looking who has it and what follows. Keeps no time: whoever has it must know by a clock of its own when its term ends.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, Script};

use super::registry::{RegistryAt, millis};
use crate::discovery::source::SourceError;

/// Where a lease is. Not connected.
#[derive(Clone, Debug)]
pub struct TermAt {
    at: RegistryAt,
    name: String,
}

/// A connection to it. Once a command could not reach it, no other will.
pub struct Term {
    connection: MultiplexedConnection,
    /// Of the lease, and of what it was used for.
    keys: [String; 2],
}

/// What came of asking for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Who asked has it now; with what it was last used for, and how often that was begun anew.
    Mine(Option<(String, u64)>),
    /// Somebody else has it: the token.
    Other(String),
}

impl TermAt {
    /// The lease of a name, where a registry is or could be.
    pub fn new(at: RegistryAt, name: impl Into<String>) -> Self {
        Self { at, name: name.into() }
    }

    /// Connects.
    ///
    /// # Errors
    /// When there is no Redis.
    pub async fn connect(&self) -> Result<Term, SourceError> {
        let key = |part: &str| self.at.key(&format!("{}:{part}", self.name));
        Ok(Term { connection: self.at.connection().await?, keys: [key("lease"), key("log")] })
    }
}

impl Term {
    /// Asks for it. A token stands for each who may have it, and is never used twice.
    ///
    /// # Errors
    /// When Redis cannot be reached or written. Who asked may have it all the same, until the term is over.
    pub async fn claim(&self, token: &str, term: Duration) -> Result<Asked, SourceError> {
        let (is_mine, holder, used, epoch): (bool, String, String, u64) =
            self.call(CLAIM, &[token, &millis(term).to_string()]).await?;
        Ok(match is_mine {
            true => Asked::Mine((!used.is_empty()).then_some((used, epoch))),
            false => Asked::Other(holder),
        })
    }

    /// Begins its term anew. False where this token does not have it any more.
    ///
    /// # Errors
    /// When Redis cannot be reached or written.
    pub async fn extend(&self, token: &str, term: Duration) -> Result<bool, SourceError> {
        self.call(EXTEND, &[token, &millis(term).to_string()]).await
    }

    /// Notes what it is used for. False where this token does not have it any more: then nothing is noted.
    ///
    /// # Errors
    /// When Redis cannot be reached or written.
    pub async fn note(&self, token: &str, used: &str, epoch: u64) -> Result<bool, SourceError> {
        self.call(NOTE, &[token, used, &epoch.to_string()]).await
    }

    /// Gives it back, if this token has it.
    ///
    /// # Errors
    /// When Redis cannot be reached or written.
    pub async fn release(&self, token: &str) -> Result<(), SourceError> {
        self.call(RELEASE, &[token]).await
    }

    async fn call<T: FromRedisValue>(&self, script: &str, arguments: &[&str]) -> Result<T, SourceError> {
        let ([lease, log], script) = (&self.keys, Script::new(script));
        let mut call = script.key(lease);
        call.key(log);
        arguments.iter().for_each(|argument| {
            call.arg(*argument);
        });
        Ok(call.invoke_async(&mut self.connection.clone()).await?)
    }
}

/// `KEYS`: lease, what it is used for; so in all of them. `ARGV`: token, term.
const CLAIM: &str = "
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return {0, redis.call('GET', KEYS[1]), '', 0}
end
local used = redis.call('HMGET', KEYS[2], 'identity', 'epoch')
return {1, ARGV[1], used[1] or '', tonumber(used[2] or '0')}";

/// `ARGV`: token, term.
const EXTEND: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])";

/// `ARGV`: token, identity, epoch.
const NOTE: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], 'identity', ARGV[2], 'epoch', ARGV[3])
return 1";

/// `ARGV`: token.
const RELEASE: &str = "
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return false";
