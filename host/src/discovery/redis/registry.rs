//! The commands on the registry, each bounded in time. What must not be torn apart is one transaction or one script. Keeps
//! nothing and retries nothing: whoever holds a connection that failed makes another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, FromRedisValue, IntoConnectionInfo, RedisError, RedisResult, Script, Value, cmd,
    from_redis_value, pipe,
};
use tokio::time::timeout;

use super::message::Message;
use super::record::{Backend, Fields, NoBackend};
use crate::discovery::source::SourceError;
use crate::model::EndpointName;

/// How long connecting, and each command, may take. A Redis that is well answers within a millisecond; one that forks to
/// save a large set may stall for a second.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Hashes that are read in one go, so that the answer to thousands is not one that takes longer than the patience.
const AT_ONCE: usize = 500;

/// What is under each id that the set has.
pub type Entries = BTreeMap<String, Result<Backend, NoBackend>>;

/// Where a registry is. Not connected.
#[derive(Clone, Debug)]
pub struct RegistryAt {
    client: Client,
    keys: Keys,
}

/// A connection to a registry. Once a command could not reach it, no other will.
pub struct Registry {
    connection: MultiplexedConnection,
    keys: Keys,
}

/// Who holds the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Who asked.
    Mine,
    /// Somebody else, for this long if it is not extended.
    Other(Duration),
}

/// What a check found out about a backend, and what it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Which.
    pub id: EndpointName,
    /// What was checked.
    pub url: String,
    /// The status that was read before.
    pub before: String,
    /// The status that is to be; the same as before changes only the time.
    pub status: String,
    /// When.
    pub at: Timestamp,
}

impl RegistryAt {
    /// Takes the url of a Redis, and what stands before the names of all keys and of the channel.
    ///
    /// # Errors
    /// When the url is none.
    pub fn new(url: &str, prefix: &str) -> Result<Self, SourceError> {
        // The text of the url is not repeated: it may hold a password.
        let info = url.into_connection_info().map_err(SourceError::from)?;
        // Requests are small, and each is waited for.
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Ok(Self { client: Client::open(info)?, keys: Keys { prefix: prefix.into() } })
    }

    /// Connects.
    ///
    /// # Errors
    /// When there is no Redis.
    pub async fn connect(&self) -> Result<Registry, SourceError> {
        Ok(Registry { connection: self.connection().await?, keys: self.keys.clone() })
    }

    /// A connection for whatever else is kept there.
    pub(super) async fn connection(&self) -> Result<MultiplexedConnection, SourceError> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
        Ok(self.client.get_multiplexed_async_connection_with_config(&config).await?)
    }

    /// The name of a key for whatever else is kept there.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.keys.prefix)
    }

    /// Connects once more, and listens to the channel: what is changed after this is heard.
    pub(super) async fn subscribe(&self) -> Result<(PubSubSink, PubSubStream), SourceError> {
        let subscribe = async {
            let (mut sink, stream) = self.client.get_async_pubsub().await?.split();
            sink.subscribe(self.keys.changes()).await?;
            Ok((sink, stream))
        };
        bounded(subscribe).await
    }
}

impl Registry {
    /// Everything that there is.
    ///
    /// # Errors
    /// When the registry cannot be reached, or does not have its data yet.
    pub async fn read_all(&self) -> Result<Entries, SourceError> {
        let ids: Vec<Vec<u8>> = self.ask(cmd("SMEMBERS").arg(self.keys.set())).await?;
        let ids: Vec<String> = ids.iter().map(|id| text(id)).collect();
        self.read(&ids).await
    }

    /// What is under these ids. Those that are not in the set are left out.
    ///
    /// # Errors
    /// When the registry cannot be reached, or does not have its data yet.
    pub async fn read(&self, ids: &[String]) -> Result<Entries, SourceError> {
        let mut entries = Entries::new();
        for ids in ids.chunks(AT_ONCE) {
            let mut pipe = pipe();
            for id in ids {
                pipe.cmd("SISMEMBER").arg(self.keys.set()).arg(id);
                pipe.cmd("HGETALL").arg(self.keys.hash(id));
            }
            let answers: Vec<RedisResult<Value>> =
                pipe.ignore_errors().query_async(&mut self.connection.clone()).await?;
            let mut answers = answers.into_iter();
            for id in ids {
                let (Some(is_member), Some(hash)) = (answers.next(), answers.next()) else {
                    return Err(SourceError::Answer("too few answers".to_owned()));
                };
                if from_redis_value::<bool>(is_member?).map_err(RedisError::from)? {
                    let backend = fields(hash)?.and_then(|fields| Backend::read(id, fields));
                    entries.insert(id.clone(), backend);
                }
            }
        }
        Ok(entries)
    }

    /// Writes a backend in place of what was under its id, and publishes its status. Says whether it is new.
    ///
    /// # Errors
    /// When the registry cannot be reached or written.
    pub async fn put(&self, backend: &Backend) -> Result<bool, SourceError> {
        let id = backend.id.as_str();
        let mut pipe = pipe();
        pipe.atomic().cmd("DEL").arg(self.keys.hash(id)).ignore();
        let hset = pipe.cmd("HSET").arg(self.keys.hash(id));
        backend.fields().into_iter().for_each(|(key, value)| {
            hset.arg(key).arg(value);
        });
        hset.ignore();
        pipe.cmd("SADD").arg(self.keys.set()).arg(id);
        pipe.cmd("PUBLISH").arg(self.keys.changes()).arg(Message::payload(id, &backend.status)).ignore();
        let (is_new,): (bool,) = pipe.query_async(&mut self.connection.clone()).await?;
        Ok(is_new)
    }

    /// Removes what is under an id, and publishes that it is gone. Says whether there was anything.
    ///
    /// # Errors
    /// When the registry cannot be reached or written.
    pub async fn remove(&self, id: &str) -> Result<bool, SourceError> {
        let script = Script::new(REMOVE);
        let mut call = script.key(self.keys.set());
        call.key(self.keys.hash(id)).arg(id).arg(self.keys.changes()).arg(Message::payload(id, Message::REMOVED));
        self.call(&call).await
    }

    /// Takes the lease for so long, or extends it; a token stands for each who may have it.
    ///
    /// # Errors
    /// When the registry cannot be reached or written.
    pub async fn hold(&self, token: &str, term: Duration) -> Result<Hold, SourceError> {
        let script = Script::new(HOLD);
        let mut call = script.key(self.keys.lease());
        let left: Option<i64> = self.call(call.arg(token).arg(millis(term))).await?;
        Ok(left.map_or(Hold::Mine, |left| Hold::Other(Duration::from_millis(u64::try_from(left).unwrap_or(0)))))
    }

    /// Gives the lease back, if this token has it.
    ///
    /// # Errors
    /// When the registry cannot be reached or written.
    pub async fn release(&self, token: &str) -> Result<(), SourceError> {
        let script = Script::new(RELEASE);
        self.call(script.key(self.keys.lease()).arg(token)).await
    }

    /// Writes what checks found out and publishes what changed by it, in one go. Leaves alone what somebody else has changed
    /// since it was read. Returns the ids of those written; none at all is written, and none returned, when the token does
    /// not have the lease.
    ///
    /// # Errors
    /// When the registry cannot be reached or written.
    pub async fn write(&self, token: &str, checked: &[Checked]) -> Result<Option<BTreeSet<String>>, SourceError> {
        let script = Script::new(WRITE);
        let mut call = script.key(self.keys.lease());
        call.arg(token).arg(self.keys.changes());
        for Checked { id, url, before, status, at } in checked {
            let id = id.as_str();
            call.key(self.keys.hash(id)).arg(id).arg(url).arg(before).arg(status).arg(at.to_string());
            call.arg(Message::payload(id, status));
        }
        self.call(&call).await
    }

    async fn ask<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, SourceError> {
        Ok(command.query_async(&mut self.connection.clone()).await?)
    }

    async fn call<T: FromRedisValue>(&self, call: &redis::ScriptInvocation<'_>) -> Result<T, SourceError> {
        Ok(call.invoke_async(&mut self.connection.clone()).await?)
    }
}

/// `KEYS`: set, hash. `ARGV`: id, channel, message.
const REMOVE: &str = "
redis.call('DEL', KEYS[2])
if redis.call('SREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1";

/// `KEYS`: lease. `ARGV`: token, term. Answers nothing to the holder, and the time that is left to everybody else.
const HOLD: &str = "
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return redis.call('PTTL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false";

/// `KEYS`: lease. `ARGV`: token.
const RELEASE: &str = "
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return false";

/// `KEYS`: lease, and a hash for each. `ARGV`: token, channel, and for each: id, url, status before, status, time, message.
/// That the url and the status are still those that were read is looked at here, where nobody comes between.
const WRITE: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local written = {}
for i = 2, #KEYS do
  local a = 3 + (i - 2) * 6
  local is = redis.call('HMGET', KEYS[i], 'url', 'status')
  if is[1] == ARGV[a + 1] and (is[2] or '') == ARGV[a + 2] then
    redis.call('HSET', KEYS[i], 'status', ARGV[a + 3], 'last_checked', ARGV[a + 4])
    if ARGV[a + 2] ~= ARGV[a + 3] then redis.call('PUBLISH', ARGV[2], ARGV[a + 5]) end
    written[#written + 1] = ARGV[a]
  end
end
return written";

/// The names of keys.
#[derive(Clone, Debug)]
struct Keys {
    prefix: Arc<str>,
}

impl Keys {
    fn set(&self) -> String {
        format!("{}backends", self.prefix)
    }

    fn hash(&self, id: &str) -> String {
        format!("{}backend:{id}", self.prefix)
    }

    fn changes(&self) -> String {
        format!("{}backend_changes", self.prefix)
    }

    fn lease(&self) -> String {
        format!("{}orchestrator", self.prefix)
    }
}

/// Within the patience, or not at all.
pub(super) async fn bounded<T>(asked: impl Future<Output = RedisResult<T>>) -> Result<T, SourceError> {
    let late = |_| SourceError::Unreachable(format!("no answer within {} ms", PATIENCE.as_millis()));
    Ok(timeout(PATIENCE, asked).await.map_err(late)??)
}

/// The fields of a hash; a key that holds something else is the fault of that one backend.
fn fields(answer: RedisResult<Value>) -> Result<Result<Fields, NoBackend>, SourceError> {
    match answer {
        Err(error) if error.code() == Some("WRONGTYPE") => Ok(Err(NoBackend::NoHash)),
        answer => {
            let pairs: Vec<(Vec<u8>, Vec<u8>)> = from_redis_value(answer?).map_err(RedisError::from)?;
            Ok(Ok(pairs.iter().map(|(key, value)| (text(key), text(value))).collect()))
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl From<RedisError> for SourceError {
    fn from(error: RedisError) -> Self {
        let away = error.is_io_error() || error.is_timeout() || error.is_connection_dropped();
        if away { Self::Unreachable(error.to_string()) } else { Self::Answer(error.to_string()) }
    }
}
