// One run: its numbers with their errors, under which protocol, how it learnt, its recipe and its paper.
import { get, path } from "../api.js";
import { to } from "../address.js";
import { announce } from "../announce.js";
import { el } from "../dom.js";
import { count, duration, moment, number, share } from "../format.js";
import { lineChart } from "../line_chart.js";
import { chip, facts, head, tiles } from "../pieces.js";
import { sources } from "../sources.js";
import { fill, nothing } from "../states.js";
import { judged, numbers, searched, written } from "./run_numbers.js";
import { requests, users } from "./run_users.js";
import { pointsOf } from "./runs.js";

const TITLES = { loss: "Training loss", score: "Validation score" };
const APART = new Set(["step", "epoch", "seconds"]);

export function runPage(address) {
  const [name = ""] = address.parts;
  const box = el("div");
  const over = head("Run", name);
  fill(
    box,
    () => get(path`/runs/${name}`),
    (page) => draw(page),
  );
  return { title: name, nodes: [over, box, sources([[path`/runs/${name}`]])] };
}

function draw(page) {
  const { report } = page;
  const ways = [
    el("a", { class: "button", href: to("compare", [], { run: [page.name] }) }, "Compare with others"),
    page.codes && el("a", { class: "button", href: to("codes", [page.name]) }, "Tree of codes"),
    el("a", { class: "button", href: to("data", [page.name]) }, "Data and audit"),
  ];
  const lead = report
    ? `${page.system} on ${report.dataset.name}: ${count(report.dataset.users)} users, ${count(report.dataset.items)} items, ${count(report.dataset.events)} events. Measured on ${count(report.users)} users.`
    : `${page.system}, not measured yet.`;
  return [
    el("p", { class: "soft lead" }, lead, " ", page.served && chip("served now")),
    report && tiles(leadingTiles(page)),
    el("div", { class: "row ways" }, ways),
    report
      ? [numbers(report), judged(report), searched(report), written(report)]
      : nothing(
          "This run has no report.",
          el("p", { class: "soft" }, "Measure it with ", el("code", {}, `segue evaluate ${page.name}`), "."),
        ),
    learnt(page),
    report && [users(report), requests(report)],
    report && measured(page),
    el(
      "section",
      {},
      el("h2", {}, "Paper"),
      el("p", {}, page.paper.words),
      /^https?:/.test(page.paper.url) &&
        el("p", {}, el("a", { href: page.paper.url, rel: "noreferrer" }, page.paper.url)),
    ),
    recipe(page),
  ];
}

function leadingTiles({ report, leading }) {
  const shown = leading.map((metric) => [metric, number(report.metrics[metric].mean)]);
  const covered = Object.keys(report.beyond).find((one) => one.startsWith("coverage"));
  if (covered) shown.push([covered, share(report.beyond[covered])]);
  if (report.seconds) shown.push(["to train", duration(report.seconds)]);
  if (report.peak_memory_mb)
    shown.push([
      "peak memory",
      report.peak_memory_mb < 1000
        ? `${report.peak_memory_mb.toFixed(0)} MB`
        : `${(report.peak_memory_mb / 1000).toFixed(1)} GB`,
    ]);
  return shown;
}

function learnt(page) {
  const names = [...new Set(page.curves.flatMap((row) => Object.keys(row)))].filter((name) => !APART.has(name));
  const charts = names
    .map((name) => ({
      title: TITLES[name] ?? name,
      series: [{ name: TITLES[name] ?? name, points: pointsOf(page.curves, name) }],
    }))
    .filter((chart) => chart.series[0].points.length > 0);
  const drawn = charts.length
    ? el("div", { class: "grid2" }, charts.map(lineChart))
    : nothing("Nothing was noted: this system learns in one step.");
  return el("section", {}, el("h2", {}, "How it learnt"), drawn);
}

function measured(page) {
  const { report } = page;
  return el(
    "section",
    {},
    el("h2", {}, "How this was measured"),
    facts([
      ["protocol", [page.protocol, " ", el("code", {}, report.fingerprint)]],
      ["data", [report.dataset.name, " ", el("code", {}, report.dataset.digest.slice(0, 16))]],
      ["seed", String(report.seed)],
      ["command", report.command && el("code", {}, report.command)],
      ["time", report.seconds ? `${duration(report.seconds)}, ${duration(report.cpu_seconds)} of processor` : ""],
      [
        "hardware",
        Object.entries(report.hardware)
          .map(([name, value]) => (name === "cpu" || name === "gpu" ? value : `${value} ${name}`))
          .join(", "),
      ],
      [
        "versions",
        Object.entries(report.versions)
          .map((one) => one.join(" "))
          .join(", "),
      ],
      ["written", moment(Date.parse(report.written) / 1000)],
    ]),
  );
}

function recipe(page) {
  const copy = el("button", { type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(page.recipe);
      announce("The recipe was copied.");
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Select it by hand"; // browsers allow this only on secure pages
    }
  });
  return el(
    "section",
    {},
    el("div", { class: "between" }, el("h2", {}, "Recipe"), copy),
    el("pre", { class: "card code", tabindex: "0", "aria-label": "The recipe as YAML" }, page.recipe),
  );
}
