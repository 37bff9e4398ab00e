//! Follows a registry: listens first, then reads everything, then reads again what each message names. Two connections, since
//! one that listens cannot ask.

use std::collections::BTreeSet;
use std::convert::Infallible;

use futures_util::{FutureExt, StreamExt};
use redis::Msg;
use redis::aio::PubSubStream;
use tokio::time::{Duration, Instant, Interval, MissedTickBehavior, interval_at};

use super::message::Message;
use super::registry::{Entries, Registry, RegistryAt, bounded};
use crate::config::RedisSource;
use crate::discovery::source::{Following, Seen, Sight, Source, SourceError};

/// How often the connection that listens is tried: one that is half dead would be silent for ever. With the patience of a
/// command, that is how long messages can be missed unnoticed.
const TRY_EVERY: Duration = Duration::from_secs(3);

/// Backends that are read one by one. When more than that change at once, reading everything costs no more.
const MOST_SINGLE: usize = 100;

impl Source for RedisSource {
    fn follow<'a>(&'a self, sight: &'a Sight) -> Following<'a> {
        Box::pin(async move {
            match follow(self, sight).await {
                Ok(never) => match never {},
                Err(error) => error,
            }
        })
    }
}

async fn follow(source: &RedisSource, sight: &Sight) -> Result<Infallible, SourceError> {
    let at = RegistryAt::new(&source.url, &source.prefix)?;
    let (mut sink, mut messages) = at.subscribe().await?;
    let registry = at.connect().await?;
    let mut entries = registry.read_all().await?;
    sight.sees(seen(&entries));
    let mut resync = ticks(source.resync);
    let mut tries = ticks(TRY_EVERY);
    loop {
        tokio::select! {
            message = messages.next() => {
                let message = message.ok_or_else(|| SourceError::Unreachable("the connection was closed".to_owned()))?;
                read_again(&registry, &mut entries, named(message, &mut messages)).await?;
                sight.sees(seen(&entries));
            }
            _ = resync.tick() => {
                entries = registry.read_all().await?;
                sight.sees(seen(&entries));
            }
            _ = tries.tick() => bounded(sink.ping::<redis::Value>()).await.map(drop)?,
        }
    }
}

/// The backends that this message and those which wait behind it name; none when one of them names nobody, or they are many.
fn named(first: Msg, waiting: &mut PubSubStream) -> Option<BTreeSet<String>> {
    let mut next = Some(first);
    let mut named = Some(BTreeSet::new());
    while let Some(message) = next {
        let backend = Message::parse(message.get_payload_bytes()).map(|message| message.backend);
        named = named.zip(backend).map(|(mut named, backend)| {
            named.insert(backend);
            named
        });
        next = waiting.next().now_or_never().flatten();
    }
    named.filter(|named| named.len() <= MOST_SINGLE)
}

/// Reads these backends, or all, and takes over what became of them.
async fn read_again(
    registry: &Registry,
    entries: &mut Entries,
    named: Option<BTreeSet<String>>,
) -> Result<(), SourceError> {
    let Some(named) = named else {
        *entries = registry.read_all().await?;
        return Ok(());
    };
    let read = registry.read(&Vec::from_iter(named.iter().cloned())).await?;
    entries.retain(|id, _| !named.contains(id));
    entries.extend(read);
    Ok(())
}

fn seen(entries: &Entries) -> Seen {
    let mut seen = Seen::default();
    for (id, entry) in entries {
        match entry {
            Ok(backend) => seen.endpoints.push(backend.endpoint()),
            Err(why) => seen.skipped.push(why.skipped(id)),
        }
    }
    seen
}

/// The first one after a whole period.
fn ticks(each: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + each, each);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
