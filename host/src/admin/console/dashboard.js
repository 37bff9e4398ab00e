// The page of `/dashboard`: what is steered. Endpoints, strategies, plugins, and what becomes of it.

import { begin } from "./app.js";
import { backends } from "./backends.js";
import { byId } from "./dom.js";
import { eventList } from "./events.js";
import { flowCharts } from "./flow.js";
import { pluginList } from "./plugins.js";
import { nodeShares } from "./shares.js";
import { changed, store, watch } from "./store.js";
import { strategies } from "./strategies.js";
import { clusterChoice, tiles } from "./tiles.js";
import { uploads } from "./upload.js";

const chosen = { cluster: "", find: "" };

begin();

const choice = clusterChoice(byId("cluster"), (cluster) => {
  chosen.cluster = cluster;
  changed("overview");
});
const charts = flowCharts(byId("charts"));
const manage = backends(byId("backends"), () => chosen);
const events = eventList(byId("events"));
const shares = nodeShares(byId("nodes"));
const plugins = pluginList(byId("plugins"));
const switches = strategies(byId("strategies"));
uploads(byId("upload"));

byId("find").addEventListener("input", (event) => {
  chosen.find = event.target.value.trim().toLowerCase();
  changed("overview");
});

watch(["overview"], () => {
  choice();
  switches(chosen.cluster);
  plugins();
});
watch(["overview", "tick", "history"], () => {
  tiles(byId("tiles"), chosen.cluster);
  charts(store.history, chosen.cluster);
});
watch(["overview", "tick"], () => {
  manage();
  shares();
});
watch(["events"], events);
