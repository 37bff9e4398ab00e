// The one data stream: server-sent events, read by fetch because an EventSource cannot say who asks. Comes back by itself
// after a break, later and later, and then gets what was missed. A page that nobody sees gives it up, since a browser has
// only so many connections to a server.

import { Refused, authorized, get, needToken, read, token } from "./api.js";
import { setLink, take, takeHistory, takeNew } from "./store.js";

/** The first wait after a break, and the longest, in milliseconds. */
const WAIT = { first: 500, most: 10000 };
/** The server says something every second; after so many milliseconds of nothing the connection is dead. */
const SILENCE = 15000;
/** A page that was not seen for so many milliseconds listens no more. */
const UNSEEN = 10000;

/** The connection that there is, and what ends the wait for the next one. */
let given = null;
let wake = () => {};
let isHurried = false;

/** Begins anew at once: as somebody else, or after a while. */
export function reconnect() {
  isHurried = true;
  given?.abort(new Error("another connection is made"));
  wake();
}

/** Reads for as long as the page is open and seen. */
export async function follow() {
  let wait = WAIT.first;
  giveUpUnseen();
  for (;;) {
    await seen();
    isHurried = false;
    const began = performance.now();
    await once().catch((error) => setLink(error instanceof Refused ? "refused" : "reconnecting", error.message));
    // One that held for a while was a good one.
    wait = performance.now() - began > 5000 ? WAIT.first : Math.min(wait * 2, WAIT.most);
    // Not all pages at the same moment.
    if (!isHurried) await pause(wait * (0.75 + Math.random() / 2));
  }
}

function pause(ms) {
  return new Promise((done) => {
    wake = done;
    setTimeout(done, ms);
  });
}

/** Waits until the page is seen. */
function seen() {
  if (!document.hidden) return undefined;
  setLink("paused");
  return new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
}

function giveUpUnseen() {
  let unseen;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(unseen);
    if (document.hidden) unseen = setTimeout(() => given?.abort(new Error("nobody sees the page")), UNSEEN);
    else wake();
  });
}

/** One connection, from its beginning to its end. */
async function once() {
  const used = token();
  const connection = (given = new AbortController());
  let silence;
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => connection.abort(new Error("nothing was heard for a while")), SILENCE);
  };
  try {
    heard();
    const headers = authorized({ Accept: "text/event-stream" });
    const response = await fetch("/api/stream", { headers, cache: "no-store", signal: connection.signal });
    if (response.status === 401) {
      clearTimeout(silence);
      setLink("locked");
      await needToken(used);
      isHurried = true;
      return setLink("connecting");
    }
    if (!response.ok) return await read(response);
    setLink("live");
    return await readEvents(response.body, heard);
  } finally {
    clearTimeout(silence);
    connection.abort();
  }
}

async function readEvents(body, heard) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  const events = splitter();
  let isCaughtUp = false;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the server has ended the stream");
    heard();
    for (const { event, data } of events(value)) {
      deliver(event, data);
      // By the overview it is known whether the server is still the same.
      if (event === "overview" && !isCaughtUp) {
        isCaughtUp = true;
        catchUp();
      }
    }
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
  const missed = (what) => get(what).catch(() => null);
  const [history, events, queries, progress] = await Promise.all([
    missed("/api/history"), missed("/api/events?limit=100"), missed("/api/queries"), missed("/api/progress"),
  ]);
  if (history) takeHistory(history.points ?? []);
  if (events) takeNew("events", events.events ?? []);
  if (queries) takeNew("queries", queries.queries ?? []);
  if (progress) take("progress", progress);
}
