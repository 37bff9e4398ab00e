// The three charts of what flows: how much, how much of it fails, and how long it takes.

import { chart } from "./chart.js";
import { errorShare, flowAt } from "./figures.js";
import { figure, millis, percent } from "./format.js";

/** Puts them into `box`; what is returned draws them. */
export function flowCharts(box) {
  const of = (read) => (point) => point.flow && read(point.flow);
  const charts = [
    chart(box, {
      title: "Throughput",
      series: [{ name: "requests/s", tone: "one", area: true, of: of((flow) => flow.per_second) }],
      format: figure,
    }),
    chart(box, {
      title: "Error rate",
      series: [{ name: "refused or 5xx", tone: "bad", area: true, of: of(errorShare) }],
      format: percent,
      least: 0.01,
    }),
    chart(box, {
      title: "Latency",
      series: [
        { name: "p50", tone: "one", of: of((flow) => flow.p50_ms) },
        { name: "p95", tone: "two", of: of((flow) => flow.p95_ms) },
        { name: "p99", tone: "three", of: of((flow) => flow.p99_ms) },
      ],
      format: millis,
    }),
  ];
  return (history, cluster) => {
    const points = history.map((point) => ({ at_ms: point.at_ms, flow: flowAt(point, cluster) }));
    for (const one of charts) one.update(points);
  };
}
