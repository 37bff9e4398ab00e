// What the ticks come to: rates out of counts that only grow. Nothing in here touches the page.

import { store } from "./store.js";

/** Where the figures are in a row of a tick: of an endpoint, and of a node of an SQL entry. */
const REQUESTS = 1, FAILURES = 2, IN_FLIGHT = 3, LATENCY = 4;
const STATEMENTS = 1, FAILED = 2, ROWS = 3, AVERAGE = 4;
/** How far back a rate looks, in ticks. */
const BACK = 10;

/** What of a kept tick is looked up by name, looked up once. */
function looked(kept, name, look) {
  kept.looked ??= new Map();
  if (!kept.looked.has(name)) kept.looked.set(name, new Map(look(kept.tick) ?? []));
  return kept.looked.get(name);
}

const byFirst = (rows) => rows?.map((row) => [row[0], row]);

function endpointRows(kept, cluster) {
  return looked(kept, `rows of ${cluster}`, (tick) => byFirst(tick.clusters?.[cluster]?.endpoints));
}

function nodeRows(kept, entry) {
  return looked(kept, `nodes of ${entry}`, (tick) => byFirst(tick.sql?.[entry]?.nodes));
}

/**
 * The newest row that `find` finds and, of the last `back` ticks, the oldest that it can be measured from; counts that are
 * higher than now are those of a namesake before it.
 */
function between(find, at, back = Infinity) {
  const now = store.ticks.at(-1);
  const row = now && find(now);
  if (!row) return null;
  const earlier = store.ticks.slice(-1 - Math.min(back, store.ticks.length - 1));
  const then = earlier.find((kept) => find(kept)?.[at] <= row[at]) ?? now;
  return { row, first: find(then) ?? row, seconds: (now.at - then.at) / 1000 };
}

/**
 * What an endpoint does now: {perSecond, errors (share), failures (of all time), inFlight, latencyMs}; null while nothing is
 * known. What takes requests to know is null where there were none.
 */
export function endpointFlow(cluster, id) {
  const found = between((kept) => endpointRows(kept, cluster).get(id), REQUESTS, BACK);
  if (!found) return null;
  const { row, first, seconds } = found;
  const requests = row[REQUESTS] - first[REQUESTS];
  return {
    perSecond: seconds > 0 ? requests / seconds : null,
    errors: requests > 0 ? Math.min(1, Math.max(0, row[FAILURES] - first[FAILURES]) / requests) : null,
    failures: row[FAILURES],
    inFlight: row[IN_FLIGHT],
    latencyMs: requests > 0 ? row[LATENCY] / 1000 : null,
  };
}

/** Requests a second for the last minute, for a small picture. */
export function endpointCourse(cluster, id) {
  const course = [];
  let last = null;
  for (const kept of store.ticks) {
    const requests = endpointRows(kept, cluster).get(id)?.[REQUESTS];
    if (last && requests !== undefined) course.push(Math.max(0, requests - last.requests) / Math.max(1, (kept.at - last.at) / 1000));
    last = requests === undefined ? null : { requests, at: kept.at };
  }
  return course;
}

/** What runs of how an endpoint stands: {reason, weight}. */
export function endpointStanding(cluster, endpoint) {
  const now = store.ticks.at(-1);
  const trouble = now && looked(now, `trouble of ${cluster}`, (tick) => byFirst(tick.clusters?.[cluster]?.trouble));
  const [, reason, weight] = trouble?.get(endpoint.id) ?? [];
  return { reason: reason ?? endpoint.reason, weight: weight ?? endpoint.effective_weight };
}

/**
 * What the nodes of an SQL entry did in the last minute: [{name, perSecond, failed, averageMs}], and of all time {statements,
 * failures, rows}.
 */
export function sqlNodes(entry) {
  const now = store.ticks.at(-1);
  const names = now ? [...nodeRows(now, entry).keys()] : [];
  return names.map((name) => {
    const { row, first, seconds } = between((kept) => nodeRows(kept, entry).get(name), STATEMENTS);
    const statements = row[STATEMENTS] - first[STATEMENTS];
    return {
      name,
      statements: row[STATEMENTS],
      failures: row[FAILED],
      rows: row[ROWS],
      failed: Math.max(0, row[FAILED] - first[FAILED]),
      averageMs: statements > 0 ? Math.max(0, took(row) - took(first)) / statements : null,
      perSecond: seconds > 0 ? statements / seconds : 0,
    };
  });
}

/** Milliseconds that all statements of a node took. */
function took(row) {
  return row[AVERAGE] * row[STATEMENTS];
}

/** How the nodes of a replicated entry stand: as it was told last, with what runs of it. */
export function replication(entry) {
  const running = store.tick?.sql?.[entry.name]?.replication;
  return running ? { ...running, verify: running.verify ?? entry.replication.verify } : entry.replication;
}

/** Whether an endpoint is one that is looked for by words of its name, its address or its state. */
export function isLike({ endpoint }, words) {
  return words === "" || [endpoint.name, endpoint.address, endpoint.state].some((one) => one.toLowerCase().includes(words));
}

/** All endpoints with their clusters: [{key, cluster, endpoint}], in the order that the server has them. */
export function endpoints(only = "") {
  const clusters = (store.overview?.clusters ?? []).filter((cluster) => only === "" || cluster.name === only);
  return clusters.flatMap((cluster) =>
    cluster.endpoints.map((endpoint) => ({ key: `${cluster.name}/${endpoint.id}`, cluster: cluster.name, endpoint })),
  );
}

/** How many are in each state. */
export function tally(found) {
  const counts = new Map();
  for (const { endpoint } of found) counts.set(endpoint.state, (counts.get(endpoint.state) ?? 0) + 1);
  return counts;
}

/** The figures of a point of the history, of one cluster or of all. */
export function flowAt(point, cluster = "") {
  return cluster === "" ? point.total : point.clusters?.[cluster];
}

/** The share of a second's requests that failed. */
export function errorShare(flow) {
  if (!flow) return null;
  return flow.per_second > 0 ? Math.min(1, flow.errors_per_second / flow.per_second) : flow.errors_per_second > 0 ? 1 : 0;
}
