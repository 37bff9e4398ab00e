// The page of `/scaling-ui`: how many nodes there are, and what lies where.

import { begin } from "./app.js";
import { chart } from "./chart.js";
import { compared } from "./compared.js";
import { byId } from "./dom.js";
import { errorShare, flowAt } from "./figures.js";
import { count, figure, percent } from "./format.js";
import { jobs } from "./jobs.js";
import { keyRanges } from "./ranges.js";
import { scaled } from "./scaled.js";
import { store, watch } from "./store.js";

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
  compared(byId("failing"), byId("failing-note"), {
    value: (flow) => flow?.errors,
    label: (flow) => `${percent(flow?.errors)} · ${count(flow?.failures)} in all`,
    tone: (_, flow) => (flow?.errors > 0.01 ? "failed" : "healthy"),
    most: "worst",
    full: 1,
  });
});
