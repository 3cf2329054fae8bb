// The numbers of a run: accuracy, slices of users, and what else was measured of its kind.
import { el } from "../dom.js";
import { count, duration, number, precise, share, short } from "../format.js";
import { lineChart } from "../line_chart.js";
import { facts } from "../pieces.js";
import { table } from "../table.js";

/** Metrics by their length of list where they have one, else one under the other. */
export function numbers(report) {
  const names = [...new Set(Object.keys(report.metrics).map((name) => name.split("@")[0]))];
  const ks = [
    ...new Set(Object.keys(report.metrics).flatMap((name) => (/@\d+$/.test(name) ? [Number(name.split("@")[1])] : []))),
  ].sort((a, b) => a - b);
  const value = (name) => {
    const found = report.metrics[name];
    return found ? [number(found.mean), el("small", {}, ` ± ${number(found.error)}`)] : "";
  };
  const rows = names.map((name) => [
    name,
    ...(ks.length ? ks : [null]).map((k) => value(k === null ? name : `${name}@${k}`)),
  ]);
  const first = el(
    "section",
    {},
    el("h2", {}, "Accuracy"),
    el("p", { class: "soft" }, "Mean over users ± its standard error."),
    table(["", ...(ks.length ? ks.map((k) => `at ${k}`) : ["value"])], rows, { caption: "Accuracy" }),
    slices(report),
  );
  const beyond = Object.entries(report.beyond).map(([name, one]) => [name, precise(one)]);
  return [first, beyond.length > 0 && el("section", {}, el("h2", {}, "Beyond accuracy"), facts(beyond))];
}

function slices(report) {
  const named = Object.entries(report.slices);
  if (!named.length) return null;
  const metrics = [...new Set(named.flatMap(([, one]) => Object.keys(one)))]
    .filter((name) => name !== "users")
    .slice(0, 6);
  const rows = named.map(([name, one]) => [
    name,
    count(one.users ?? 0),
    ...metrics.map((metric) => number(one[metric])),
  ]);
  return table(["slice", "users", ...metrics], rows, { caption: "Slices of users" });
}

/** Of rankers: does it happen as often as it was said to? */
export function judged(report) {
  const charts = Object.entries(report.reliability).map(([task, curve]) =>
    lineChart({
      title: task,
      across: "probability said",
      series: [
        { name: "came", points: curve.predicted.map((said, place) => [said, curve.observed[place]]) },
        { name: "as said", points: curve.predicted.map((said) => [said, said]) },
      ],
    }),
  );
  return (
    charts.length > 0 &&
    el(
      "section",
      {},
      el("h2", {}, "As often as it was said to"),
      el("p", { class: "soft" }, "Impressions in bins by their probability: what was said, and what share came."),
      el("div", { class: "grid2" }, charts),
    )
  );
}

/** Of systems that write codes: what the beam search lost against the exact ranking. */
export function searched({ beam }) {
  if (!beam) return null;
  const metrics = Object.keys(beam.exact.metrics);
  const rows = [
    ["beam search", beam.beam],
    ["exact", beam.exact],
  ].map(([name, one]) => [name, ...metrics.map((metric) => number(one.metrics[metric])), duration(one.seconds)]);
  return el(
    "section",
    {},
    el("h2", {}, "Search against the exact ranking"),
    el(
      "p",
      { class: "soft" },
      `On ${count(beam.users)} users; ${share(beam.overlap)} of the first ${beam.k} are the same.`,
    ),
    table(["", ...metrics, "time"], rows, { caption: "Beam search and exact ranking" }),
  );
}

/** Of systems with a language model: its size, and what it wrote. */
export function written({ language }) {
  if (!language) return null;
  const cards = language.written.map((one) =>
    el(
      "div",
      { class: "card" },
      el("h3", {}, one.user),
      facts([
        ["did last", one.history.join(", ")],
        ["written", one.written],
        ["took next", one.taken],
      ]),
    ),
  );
  return el(
    "section",
    {},
    el("h2", {}, "Language model"),
    facts([
      ["checkpoint", language.checkpoint],
      ["parameters", short(language.parameters)],
      ["learnt", short(language.learnt)],
      ["titles of the catalogue", language.exact === null ? "" : share(language.exact)],
    ]),
    el("div", { class: "grid2" }, cards),
  );
}
