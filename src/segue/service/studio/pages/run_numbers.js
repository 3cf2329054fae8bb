// The numbers of a run: accuracy, slices of users, and what else was measured of its kind.
import { el } from "../dom.js";
import { count, duration, number, precise, share, short } from "../format.js";
import { lineChart } from "../line_chart.js";
import { facts } from "../pieces.js";
import { table } from "../table.js";

/** Metrics by their length of list, or of rankers by the action they are about; else one under the other. */
export function numbers(report) {
  const parts = Object.keys(report.metrics).map((name) => ({ name, ...partsOf(name, report) }));
  const rows = [...new Set(parts.map((part) => part.measure))];
  const columns = [...new Set(parts.map((part) => part.of))].sort((a, b) => a - b || 0);
  const cell = (measure, of) => {
    const part = parts.find((one) => one.measure === measure && one.of === of);
    if (!part) return "";
    const { mean, error } = report.metrics[part.name];
    return [number(mean), el("small", {}, ` ± ${number(error)}`)];
  };
  const accuracy = table(
    ["", ...columns.map((of) => (typeof of === "number" ? `at ${of}` : of))],
    rows.map((measure) => [measure, ...columns.map((of) => cell(measure, of))]),
    { caption: "Accuracy" },
  );
  const beyond = Object.entries(report.beyond).map(([name, one]) => [name, precise(one)]);
  return [
    el(
      "section",
      {},
      el("h2", {}, "Accuracy"),
      el("p", { class: "soft" }, "Mean over users ± its standard error."),
      accuracy,
      slices(report),
    ),
    beyond.length > 0 && el("section", {}, el("h2", {}, "Beyond accuracy"), facts(beyond)),
  ];
}

/** NDCG@10 is NDCG at 10; of a ranker, AUC click is the AUC of click. */
function partsOf(name, report) {
  const judges = Object.keys(report.reliability).length > 0;
  const [, measure, of] = (judges ? /^(\S+) (.+)$/ : /^(.+)@(\d+)$/).exec(name) ?? [null, name, "value"];
  return { measure, of: judges || of === "value" ? of : Number(of) };
}

function slices(report) {
  const named = Object.entries(report.slices);
  if (!named.length) return null;
  const metrics = [...new Set(named.flatMap(([, one]) => Object.keys(one)))]
    .filter((name) => name !== "users")
    .slice(0, 6);
  const rows = named.map(([name, one]) => [name, count(one.users ?? 0), ...metrics.map((metric) => told(one[metric]))]);
  return table(["slice", "users", ...metrics], rows, { caption: "Slices of users" });
}

/** Whole numbers are counts. */
const told = (value) => (Number.isInteger(value) ? count(value) : number(value));

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
