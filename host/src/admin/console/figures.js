// What the ticks come to: rates out of counts that only grow. Nothing in here touches the page.

import { store } from "./store.js";

/** Where the figures are in a row of a tick. */
const REQUESTS = 1, FAILURES = 2, IN_FLIGHT = 3, LATENCY = 4, SCORE = 5;
/** How far back a rate looks, in ticks. */
const BACK = 10;

function rowsOf(kept, cluster) {
  kept.rows ??= new Map();
  let rows = kept.rows.get(cluster);
  if (!rows) {
    rows = new Map((kept.tick.clusters?.[cluster]?.endpoints ?? []).map((row) => [row[0], row]));
    kept.rows.set(cluster, rows);
  }
  return rows;
}

/** What an endpoint does now: {perSecond, errors (share), inFlight, latencyMs, score}; null while nothing is known. */
export function endpointFlow(cluster, id) {
  const now = store.ticks.at(-1);
  const row = now && rowsOf(now, cluster).get(id);
  if (!row) return null;
  const then = store.ticks.at(-1 - Math.min(BACK, store.ticks.length - 1));
  const first = rowsOf(then, cluster).get(id) ?? row;
  const seconds = (now.at - then.at) / 1000;
  const requests = row[REQUESTS] - first[REQUESTS];
  return {
    perSecond: seconds > 0 ? requests / seconds : null,
    errors: requests > 0 ? Math.min(1, (row[FAILURES] - first[FAILURES]) / requests) : null,
    requests: row[REQUESTS],
    failures: row[FAILURES],
    inFlight: row[IN_FLIGHT],
    latencyMs: row[LATENCY] / 1000,
    score: row[SCORE],
  };
}

/** Requests in each second of the last minute, for a small picture. */
export function endpointCourse(cluster, id) {
  const course = [];
  let last = null;
  for (const kept of store.ticks) {
    const requests = rowsOf(kept, cluster).get(id)?.[REQUESTS];
    if (last !== null && requests !== undefined) course.push(Math.max(0, requests - last));
    last = requests ?? null;
  }
  return course;
}

/** What the nodes of an SQL entry did in the last while: [{name, statements, failures, rows, averageMs, perSecond}]. */
export function sqlNodes(entry) {
  const now = store.ticks.at(-1);
  const then = store.ticks[0];
  const before = new Map((then?.tick.sql?.[entry]?.nodes ?? []).map((node) => [node[0], node]));
  const seconds = now && then ? (now.at - then.at) / 1000 : 0;
  return (now?.tick.sql?.[entry]?.nodes ?? []).map(([name, statements, failures, rows, averageMs]) => {
    const first = before.get(name)?.[1] ?? statements;
    return { name, statements, failures, rows, averageMs, perSecond: seconds > 0 ? (statements - first) / seconds : 0 };
  });
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
