// All runs of the shelf: in one table those that were measured alike, and how they learnt.
import { get, path } from "../api.js";
import { go, to } from "../address.js";
import { el } from "../dom.js";
import { day, number, plural } from "../format.js";
import { lineChart } from "../line_chart.js";
import { bar, chip, head } from "../pieces.js";
import { sources } from "../sources.js";
import { fill, nothing } from "../states.js";
import { table } from "../table.js";

const DRAWN = 6;
const LESS = /^(LogLoss|NE|ECE)\b/; // of these less is better, so that a long bar would mislead

export function runsPage(address) {
  const chosen = new Set();
  const filter = el("input", {
    type: "search",
    id: "filter",
    placeholder: "name, system, data",
    value: address.query.get("filter") ?? "",
  });
  const found = el("p", { class: "soft small", role: "status" });
  const list = el("div");
  const curves = el("div");
  const compare = el("button", { class: "main-button", type: "button", disabled: true }, "Compare");
  compare.addEventListener("click", () => go(to("compare", [], { run: [...chosen] })));
  let runs = [];

  function drawList() {
    const words = filter.value.trim().toLowerCase();
    const shown = runs.filter((run) =>
      `${run.name} ${run.system} ${run.dataset} ${run.fingerprint}`.toLowerCase().includes(words),
    );
    found.textContent = words
      ? `${shown.length} of ${plural(runs.length, "run")}`
      : `${plural(runs.length, "run")}; choose some to compare them`;
    if (!shown.length) list.replaceChildren(nothing(`No run fits “${filter.value}”.`));
    else list.replaceChildren(...groups(shown).map((group) => tableOf(group, chosen, changed)));
  }

  function changed() {
    compare.disabled = chosen.size < 2;
    compare.textContent = chosen.size < 2 ? "Compare" : `Compare ${chosen.size} runs`;
    drawCurves();
  }

  function drawCurves() {
    const [best = []] = groups(runs.filter((run) => run.dataset));
    const drawable = chosen.size ? groups(runs.filter((run) => chosen.has(run.name))).flat() : best;
    const names = drawable.map((run) => run.name);
    const drawn = names.slice(0, DRAWN);
    fill(
      curves,
      () => Promise.all(drawn.map((name) => get(path`/runs/${name}`))),
      (pages) => [
        names.length > DRAWN &&
          el("p", { class: "soft small" }, `The first ${DRAWN} are drawn; choose others in the table.`),
        curvesOf(pages),
      ],
    );
  }

  filter.addEventListener("input", drawList);
  const box = el("div");
  fill(
    box,
    () => get("/runs"),
    (page) => {
      runs = page.runs;
      if (!runs.length) {
        return nothing(
          "There is no finished run on the shelf.",
          el(
            "p",
            { class: "soft" },
            "Make one with ",
            el("code", {}, "segue fit sasrec_world --out runs/first"),
            " and serve it with ",
            el("code", {}, "segue serve runs/first --shelf runs"),
            ".",
          ),
        );
      }
      drawList();
      drawCurves();
      return [
        el("div", { class: "tools" }, el("div", {}, el("label", { for: "filter" }, "Filter"), filter), compare, found),
        list,
        el("section", {}, el("h2", {}, "How they learnt"), curves),
      ];
    },
  );
  return {
    title: "Runs",
    nodes: [
      head(
        "Shelf",
        "Runs",
        el(
          "p",
          { class: "soft lead" },
          "Runs in one table were measured alike and may be compared. Mean over users ± its standard error.",
        ),
      ),
      box,
      sources([["/runs"]]),
    ],
  };
}

/** Runs of one data set, protocol and set of metrics, the best first. */
function groups(runs) {
  const found = new Map();
  for (const run of runs) {
    const key = run.problem ? "problem" : JSON.stringify([run.dataset, run.fingerprint, Object.keys(run.metrics)]);
    found.set(key, [...(found.get(key) ?? []), run]);
  }
  const measuredFirst = (a, b) => Boolean(b[0].dataset) - Boolean(a[0].dataset) || b.length - a.length;
  return [...found.values()].sort(measuredFirst).map((group) => {
    const deciding = Object.keys(group[0].metrics).at(-1);
    return deciding ? group.sort((a, b) => b.metrics[deciding].mean - a.metrics[deciding].mean) : group;
  });
}

function tableOf(group, chosen, changed) {
  const [first] = group;
  if (first.problem) return broken(group);
  const metrics = Object.keys(first.metrics);
  const most = Object.fromEntries(
    metrics.map((name) => [name, Math.max(...group.map((run) => run.metrics[name].mean))]),
  );
  const rows = group.map((run) => {
    const check = el("input", { type: "checkbox", "aria-label": `Choose ${run.name}`, checked: chosen.has(run.name) });
    check.addEventListener("change", () => {
      if (check.checked) chosen.add(run.name);
      else chosen.delete(run.name);
      changed();
    });
    const name = el(
      "span",
      { class: "run-name" },
      check,
      el(
        "span",
        {},
        el("a", { href: to("run", [run.name]) }, run.name),
        el("small", {}, run.system, run.served && [" ", chip("served")]),
      ),
    );
    const cells = metrics.map((metric) => {
      const { mean, error } = run.metrics[metric];
      return [number(mean), el("small", {}, ` ± ${number(error)}`), !LESS.test(metric) && bar(mean / most[metric])];
    });
    return [name, ...cells, day(run.fitted)];
  });
  const title = first.dataset ? `${first.dataset} · ${first.fingerprint}` : "Not measured yet";
  return el(
    "section",
    { class: "group" },
    el("h2", {}, first.dataset || "Not measured yet", first.fingerprint && el("code", {}, first.fingerprint)),
    el("p", { class: "soft small" }, first.protocol || "segue evaluate RUN measures them."),
    table(["run", ...metrics, "fitted"], rows, { caption: title }),
  );
}

function broken(group) {
  return el(
    "section",
    { class: "group" },
    el("h2", {}, "Cannot be read"),
    table(
      ["run", "why"],
      group.map((run) => [run.name, run.problem]),
      { caption: "Runs that cannot be read", wide: [1] },
    ),
  );
}

function curvesOf(pages) {
  const noted = new Set(pages.flatMap((page) => page.curves.flatMap((row) => Object.keys(row))));
  const names = ["score", "loss"].filter((name) => noted.has(name));
  if (!names.length) return nothing("These runs noted nothing while they were fitted: they learn in one step.");
  return el(
    "div",
    { class: "grid2" },
    names.map((name) =>
      lineChart({
        title: TITLES[name],
        series: pages.map((page) => ({ name: page.name, points: pointsOf(page.curves, name) })),
      }),
    ),
  );
}

const TITLES = { score: "Validation score", loss: "Training loss" };

/** The points of one quantity, those that are no numbers left out. */
export function pointsOf(curves, name) {
  return curves.filter((row) => Number.isFinite(row[name])).map((row) => [row.step, row[name]]);
}
