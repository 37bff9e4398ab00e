// The one data stream: server-sent events, read by fetch because an EventSource cannot say who asks. Comes back by itself
// after a break, later and later, and then gets what was missed.

import { authorized, get, needToken, token } from "./api.js";
import { forget, setLink, store, take, takeHistory, takeNew } from "./store.js";

/** The first wait after a break, and the longest, in milliseconds. */
const WAIT = { first: 500, most: 10000 };
/** The server says something every second; after so many milliseconds of nothing the connection is dead. */
const SILENCE = 15000;

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Reads for as long as the page is open. */
export async function follow() {
  let wait = WAIT.first;
  for (;;) {
    const began = performance.now();
    await once().catch((error) => setLink("reconnecting", error.message));
    // One that held for a while was a good one.
    wait = performance.now() - began > 5000 ? WAIT.first : Math.min(wait * 2, WAIT.most);
    if (store.link.state !== "connecting") setLink("reconnecting", store.link.detail);
    // Not all pages at the same moment.
    await sleep(wait * (0.75 + Math.random() / 2));
  }
}

/** One connection, from its beginning to its end. */
async function once() {
  const used = token();
  const given = new AbortController();
  const headers = authorized({ Accept: "text/event-stream" });
  const response = await fetch("/api/stream", { headers, cache: "no-store", signal: given.signal });
  if (response.status === 401) {
    setLink("locked");
    await needToken(used);
    return setLink("connecting");
  }
  if (!response.ok) throw new Error(`the stream answers with status ${response.status}`);
  setLink("live");
  catchUp();
  await readEvents(response.body, given);
}

async function readEvents(body, given) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  const events = splitter();
  let silence;
  const listen = () => {
    clearTimeout(silence);
    silence = setTimeout(() => given.abort(new Error("nothing was heard for a while")), SILENCE);
  };
  try {
    for (;;) {
      listen();
      const { value, done } = await reader.read();
      if (done) throw new Error("the server has ended the stream");
      for (const { event, data } of events(value)) deliver(event, data);
    }
  } finally {
    clearTimeout(silence);
  }
}

function deliver(event, data) {
  let document;
  try {
    document = JSON.parse(data);
  } catch {
    return;
  }
  take(event, document);
}

/** Cuts what comes in pieces into events. */
function splitter() {
  let rest = "";
  return (piece) => {
    const blocks = (rest + piece).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    return blocks.map(readBlock).filter((found) => found.data !== "");
  };
}

function readBlock(block) {
  const found = { event: "message", data: [] };
  for (const line of block.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const value = line.slice(colon + 1).replace(/^ /, "");
    const name = line.slice(0, colon);
    if (name === "event") found.event = value;
    else if (name === "data") found.data.push(value);
  }
  return { event: found.event, data: found.data.join("\n") };
}

/** What was before this connection, or between two. */
async function catchUp() {
  const before = store.events[0]?.id ?? 0;
  const missed = (what) => get(what).catch(() => null);
  const [history, events, queries, progress] = await Promise.all([
    missed("/api/history"), missed("/api/events?limit=100"), missed("/api/queries"), missed("/api/progress"),
  ]);
  // Numbers that begin anew are those of another run.
  if (events && (events.events?.at(-1)?.id ?? 0) < before) forget();
  if (history) takeHistory(history.points ?? []);
  if (events) takeNew("events", events.events ?? []);
  if (queries) takeNew("queries", queries.queries ?? []);
  if (progress) take("progress", progress);
}
