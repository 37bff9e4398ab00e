// The page of `/`: how everything is now, and how it was for the last ten minutes.

import { begin } from "./app.js";
import { byId } from "./dom.js";
import { endpointView, loadBars, stateCounts } from "./endpoints.js";
import { eventList } from "./events.js";
import { flowCharts } from "./flow.js";
import { nodeShares } from "./shares.js";
import { queryList } from "./queries.js";
import { changed, store, watch } from "./store.js";
import { clusterChoice, tiles } from "./tiles.js";

const chosen = { cluster: "", state: "", name: "" };

begin();

const choice = clusterChoice(byId("cluster"), (cluster) => {
  chosen.cluster = cluster;
  changed("overview");
});
const charts = flowCharts(byId("charts"));
const view = endpointView(byId("endpoints"), () => chosen);
const events = eventList(byId("events"));
const queries = queryList(byId("queries"));
const shares = nodeShares(byId("nodes"));

byId("find").addEventListener("input", (event) => {
  chosen.name = event.target.value.trim().toLowerCase();
  changed("overview");
});

watch(["overview"], choice);
watch(["overview", "tick", "history"], () => {
  tiles(byId("tiles"), chosen.cluster);
  charts(store.history, chosen.cluster);
});
watch(["overview", "tick"], () => {
  stateCounts(byId("states"), chosen.cluster, chosen.state, (state) => {
    chosen.state = state;
    changed("overview");
  });
  view.update();
  loadBars(byId("load"), byId("load-note"), chosen.cluster);
  shares();
});
watch(["events"], events);
watch(["queries"], queries);
