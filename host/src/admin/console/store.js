// All that the pages know of the server, in one place: what the stream last said, and the last ten minutes. Who watches is
// told at most once in a frame, however much has come since; a page that is not seen is told nothing.

/** What is kept of events and queries. */
const KEPT = 200;
/** Ten minutes of points, as the server keeps them. */
const POINTS = 600;
/** Ticks that are kept whole: enough for a minute's rates, or for ten seconds' where there are many endpoints. */
const TICKS = { few: 61, many: 11, above: 200 };

export const store = {
  /** How the connection stands: {state, detail}. */
  link: { state: "connecting", detail: "" },
  overview: null,
  tick: null,
  ticks: [],
  history: [],
  events: [],
  queries: [],
  work: [],
};

const watchers = [];
let dirty = new Set();
let isPlanned = false;

/** Calls `act` in the next frame after one of these has changed: link, overview, tick, history, events, queries, work. */
export function watch(kinds, act) {
  watchers.push({ kinds, act });
  for (const kind of kinds) changed(kind);
}

/** Says that something has changed. */
export function changed(kind) {
  dirty.add(kind);
  if (isPlanned) return;
  isPlanned = true;
  requestAnimationFrame(() => {
    const now = dirty;
    dirty = new Set();
    isPlanned = false;
    for (const { kinds, act } of watchers) {
      if (kinds.some((kind) => now.has(kind))) act(now);
    }
  });
}

/** Whether commands may be given. Not before that is known. */
export function canWrite() {
  return store.overview?.access === "write";
}

export function setLink(state, detail = "") {
  store.link = { state, detail };
  changed("link");
}

/** What the stream has sent. */
export function take(kind, data) {
  if (kind === "overview") takeOverview(data);
  else if (kind === "tick") return takeTick(data);
  else if (kind === "event") return takeNew("events", [data]);
  else if (kind === "query") return takeNew("queries", [data]);
  else if (kind === "progress") {
    store.work = data.work ?? [];
    return changed("work");
  } else return;
  changed(kind);
}

function takeOverview(overview) {
  // What another run of the server has counted and numbered begins anew.
  if (store.overview && store.overview.started_s !== overview.started_s) forget();
  store.overview = overview;
}

function forget() {
  Object.assign(store, { tick: null, ticks: [], events: [], queries: [], history: [], work: [] });
  for (const kind of ["tick", "events", "queries", "history", "work"]) changed(kind);
}

function takeTick(tick) {
  store.tick = tick;
  store.ticks.push({ at: tick.at_ms, tick });
  let endpoints = 0;
  const clusters = {};
  for (const [name, figures] of Object.entries(tick.clusters ?? {})) {
    endpoints += figures.endpoints?.length ?? 0;
    clusters[name] = { ...figures, endpoints: undefined, trouble: undefined };
  }
  const most = endpoints > TICKS.above ? TICKS.many : TICKS.few;
  if (store.ticks.length > most) store.ticks.splice(0, store.ticks.length - most);
  const sql = {};
  for (const [name, figures] of Object.entries(tick.sql ?? {})) sql[name] = { ...figures, nodes: undefined, replication: undefined };
  store.history.push({ at_ms: tick.at_ms, total: tick.total, clusters, sql });
  if (store.history.length > POINTS) store.history.splice(0, store.history.length - POINTS);
  changed("tick");
  changed("history");
}

/** The last ten minutes, as the server has kept them; what has come since stays. */
export function takeHistory(points) {
  const last = points.at(-1)?.at_ms ?? 0;
  const since = store.history.filter((point) => point.at_ms > last);
  store.history = [...points, ...since].slice(-POINTS);
  changed("history");
}

/** Events or queries; those that are known already stay once. Newest first. */
export function takeNew(kind, found) {
  const known = new Set(store[kind].map((one) => one.id));
  const fresh = found.filter((one) => !known.has(one.id));
  if (fresh.length === 0) return;
  store[kind] = [...fresh, ...store[kind]].sort((one, other) => other.id - one.id).slice(0, KEPT);
  changed(kind);
}
