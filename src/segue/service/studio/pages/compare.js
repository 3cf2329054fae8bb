// Runs side by side: a table with significance, and the differences with their intervals.
import { get } from "../api.js";
import { remember, to } from "../address.js";
import { el } from "../dom.js";
import { chance, number, plural, signed } from "../format.js";
import { intervalChart } from "../interval_chart.js";
import { head } from "../pieces.js";
import { sources } from "../sources.js";
import { fill, nothing } from "../states.js";
import { table } from "../table.js";

export function comparePage(address) {
  let chosen = address.query.getAll("run");
  let metrics = address.query.getAll("metric");
  let mixed = address.query.get("mixed") === "true";
  const result = el("div", { "aria-live": "polite" });
  const chooser = el("div");
  const foot = el("div");

  function question() {
    return { run: chosen, metric: metrics, mixed: mixed || null };
  }

  function update() {
    remember(to("compare", [], question()));
    foot.replaceChildren(sources([["/comparison", question()]]));
    if (chosen.length < 2) {
      result.replaceChildren(
        nothing(chosen.length ? "Choose one more run to compare with." : "Choose two runs or more."),
      );
      return;
    }
    fill(
      result,
      async () => {
        try {
          return { page: await get("/comparison", question()) };
        } catch (error) {
          if (error.type !== "urn:segue:problem:different-protocols") throw error;
          return { refused: error };
        }
      },
      ({ page, refused }) =>
        refused ? differently(refused, () => ((mixed = true), update())) : draw(page, choice(page)),
    );
  }

  function choice(page) {
    const checks = page.available.map((metric) => {
      const check = el("input", { type: "checkbox", value: metric, checked: page.metrics.includes(metric) });
      check.addEventListener("change", () => {
        metrics = page.available.filter((one) => (one === metric ? check.checked : page.metrics.includes(one)));
        update();
      });
      return el("label", { class: "pick" }, check, metric);
    });
    return el("details", { class: "card quiet" }, el("summary", {}, "Metrics"), el("div", { class: "picks" }, checks));
  }

  function drawChooser(runs) {
    const usable = runs.filter((run) => run.dataset && !run.problem);
    if (usable.length < 2)
      return nothing(
        "Two measured runs are needed.",
        el("p", { class: "soft" }, "segue fit and segue evaluate make them; --shelf FOLDER shows them here."),
      );
    const reference = el("select", { id: "reference" });
    const fillReference = () => {
      reference.replaceChildren(...chosen.map((name) => el("option", { value: name }, name)));
      reference.disabled = chosen.length < 2;
    };
    reference.addEventListener("change", () => {
      chosen = [reference.value, ...chosen.filter((name) => name !== reference.value)];
      update();
    });
    const measuredOn = (run) => `${run.dataset} · ${run.fingerprint}`;
    const several = new Set(usable.map(measuredOn)).size > 1;
    const checks = usable.map((run) => {
      const check = el("input", { type: "checkbox", value: run.name, checked: chosen.includes(run.name) });
      check.addEventListener("change", () => {
        chosen = check.checked ? [...chosen, run.name] : chosen.filter((name) => name !== run.name);
        metrics = [];
        mixed = false;
        fillReference();
        update();
      });
      return el("label", { class: "pick" }, check, run.name, several && el("small", {}, measuredOn(run)));
    });
    fillReference();
    return [
      el(
        "div",
        { class: "tools" },
        el("fieldset", { class: "card" }, el("legend", {}, "Runs"), el("div", { class: "picks" }, checks)),
        el("div", {}, el("label", { for: "reference" }, "Held against"), reference),
      ),
    ];
  }

  fill(
    chooser,
    () => get("/runs"),
    (page) => {
      const known = new Set(page.runs.map((run) => run.name));
      chosen = chosen.filter((name) => known.has(name));
      update();
      return drawChooser(page.runs);
    },
  );
  return {
    title: "Compare",
    nodes: [
      head(
        "Significance",
        "Compare runs",
        el(
          "p",
          { class: "soft lead" },
          "The same users answer for every run, so that a difference can be told from luck.",
        ),
      ),
      chooser,
      result,
      foot,
    ],
  };
}

function differently(problem, allow) {
  return el(
    "div",
    { class: "failure" },
    el("h3", {}, problem.title),
    el("p", {}, problem.detail),
    el("button", { type: "button", on: { click: allow } }, "Show them all the same"),
  );
}

function draw(page, metricChoice) {
  const [first, ...others] = page.rows;
  if (!others.length)
    return [
      nothing(
        "These runs differ in nothing but their seed, so they are one row.",
        el("p", { class: "soft" }, "Choose a run of another system or with other settings."),
      ),
      metricChoice,
    ];
  const mixed = page.protocols.length > 1;
  const rows = page.rows.map((row) => ({
    class: row === first ? "us" : null,
    cells: [
      [row.name, row.seeds.length > 1 && el("small", {}, ` ${plural(row.seeds.length, "seed")}`)],
      ...page.metrics.map((metric) => cell(row, metric)),
      ...(mixed ? [el("code", {}, row.fingerprint)] : []),
    ],
  }));
  const tested = page.metrics.filter((metric) => others.some((row) => row.differences[metric]));
  const charts = tested.map((metric) =>
    intervalChart({
      title: `${metric}: difference to ${first.name}`,
      rows: others
        .filter((row) => row.differences[metric])
        .map((row) => ({ name: row.name, ...row.differences[metric] })),
    }),
  );
  return [
    el(
      "section",
      {},
      el("h2", {}, "Side by side"),
      el("p", { class: "soft" }, page.words),
      table(["system", ...page.metrics, ...(mixed ? ["protocol"] : [])], rows, { caption: "Comparison" }),
      metricChoice,
    ),
    charts.length > 0 &&
      el(
        "section",
        {},
        el("h2", {}, "Is it luck?"),
        el(
          "p",
          { class: "soft" },
          "Mean difference over users with its 95 % bootstrap interval. Grey intervals contain 0.",
        ),
        el("div", { class: "grid2" }, charts),
        details(first, others, tested),
      ),
    el(
      "section",
      {},
      el("h2", {}, mixed ? "Protocols" : "Protocol"),
      page.protocols.map((one) => el("p", { class: "soft" }, el("code", {}, one.fingerprint), ` ${one.words}`)),
    ),
  ];
}

function cell(row, metric) {
  const { mean, error } = row.values[metric];
  return [
    number(mean),
    error !== null && el("small", {}, ` ± ${number(error)}`),
    el("i", { class: "stars" }, row.differences[metric]?.stars ?? ""),
  ];
}

function details(first, others, tested) {
  const rows = others.flatMap((row) =>
    tested
      .filter((metric) => row.differences[metric])
      .map((metric) => {
        const found = row.differences[metric];
        return [
          row.name,
          metric,
          signed(found.mean, 4),
          `${signed(found.low)} to ${signed(found.high)}`,
          chance(found.p),
          found.stars,
          signed(found.detectable).slice(1),
        ];
      }),
  );
  return el(
    "details",
    { class: "card quiet" },
    el("summary", {}, "The tests in numbers"),
    table(["system", "metric", `minus ${first.name}`, "95 % interval", "p (Holm)", "", "detectable"], rows, {
      caption: "Tests",
    }),
  );
}
