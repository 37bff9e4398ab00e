// Endpoints beside each other, as bars: all of them or, where there are many, those with the most of something.

import { bars } from "./bars.js";
import { text } from "./dom.js";
import { endpointFlow, endpoints } from "./figures.js";
import { counted } from "./format.js";

/** So many are compared. */
const COMPARED = 24;

/**
 * Bars in `box`, of `cluster` or of all: `value(flow)` is compared, `label(flow)` and `tone(endpoint, flow)` say the rest;
 * `note` says that only the `most`, such as "busiest", are there. `full` is how much a whole bar is.
 */
export function compared(box, note, { cluster, value, label, tone, most, full }) {
  const all = endpoints(cluster).map((one) => ({ ...one, flow: endpointFlow(one.cluster, one.endpoint.id) }));
  const isMany = all.length > COMPARED;
  const shown = isMany ? all.toSorted((one, other) => (value(other.flow) ?? 0) - (value(one.flow) ?? 0)).slice(0, COMPARED) : all;
  const items = shown.map(({ key, endpoint, flow }) => ({
    key,
    name: endpoint.name,
    value: value(flow) ?? 0,
    label: label(flow),
    tone: tone(endpoint, flow),
  }));
  bars(box, items, full);
  text(note, isMany ? `The ${most} ${COMPARED} of ${counted(all.length, "endpoint")}.` : "");
}
