// The page of `/scaling-ui`: how many nodes there are, and what lies where.

import { begin } from "./app.js";
import { bars } from "./bars.js";
import { chart } from "./chart.js";
import { byId, text } from "./dom.js";
import { endpointFlow, endpoints, errorShare, flowAt } from "./figures.js";
import { count, figure, percent } from "./format.js";
import { jobs } from "./jobs.js";
import { keyRanges } from "./ranges.js";
import { scaled } from "./scaled.js";
import { store, watch } from "./store.js";

/** So many endpoints are compared. */
const COMPARED = 24;

begin();

const clusters = scaled(byId("clusters"));
const work = jobs(byId("jobs"));
const ranges = keyRanges(byId("ranges"));
const errors = chart(byId("errors"), {
  title: "Error rate",
  series: [{ name: "refused or 5xx", tone: "bad", area: true, of: (point) => errorShare(flowAt(point)) }],
  format: percent,
  least: 0.01,
});
const traffic = chart(byId("errors"), {
  title: "Throughput",
  series: [{ name: "requests/s", tone: "one", area: true, of: (point) => flowAt(point)?.per_second }],
  format: figure,
});

watch(["overview", "tick"], clusters);
watch(["work"], work);
watch(["overview"], ranges);
watch(["history"], () => {
  errors.update(store.history);
  traffic.update(store.history);
});
watch(["overview", "tick"], () => {
  const all = endpoints().map((one) => ({ ...one, flow: endpointFlow(one.cluster, one.endpoint.id) }));
  const worst = all.toSorted((one, other) => (other.flow?.errors ?? 0) - (one.flow?.errors ?? 0));
  bars(byId("failing"), (all.length > COMPARED ? worst : all).slice(0, COMPARED).map(({ key, endpoint, flow }) => ({
    key,
    name: endpoint.name,
    value: flow?.errors ?? 0,
    label: `${percent(flow?.errors ?? 0)} · ${count(flow?.failures ?? 0)} in all`,
    tone: flow?.errors > 0.01 ? "failed" : "healthy",
  })), 1);
  text(byId("failing-note"), all.length > COMPARED ? `The worst ${COMPARED} of ${count(all.length)}.` : "");
});
