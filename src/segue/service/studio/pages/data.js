// The data behind a run looked over: what could mislead, by how grave it is; and the health of the items' codes.
import { get, path } from "../api.js";
import { go, to } from "../address.js";
import { el } from "../dom.js";
import { count, number, precise, share } from "../format.js";
import { bar, chip, head, tiles } from "../pieces.js";
import { sources } from "../sources.js";
import { fill, nothing, section } from "../states.js";
import { table } from "../table.js";

const GRAVE = { serious: "Serious", look: "Worth a look", info: "Good to know" };

export function dataPage(address) {
  const [name] = address.parts;
  const chooser = el("div");
  const codes = el("div");
  const nodes = [
    head(
      "Audit",
      "Data",
      el("p", { class: "soft lead" }, "What could make a number mean something else than it seems to."),
    ),
    chooser,
  ];
  fill(
    chooser,
    () => get("/runs"),
    ({ runs }) => {
      const usable = runs.filter((run) => !run.problem);
      if (!usable.length) return nothing("There is no run on the shelf whose data could be looked over.");
      if (!name) return go(to("data", [(usable.find((run) => run.codes) ?? usable[0]).name]));
      const run = usable.find((one) => one.name === name);
      if (run?.codes)
        codes.replaceChildren(
          section(
            "The codes",
            () => get(path`/runs/${name}/health`),
            health,
            "Are the codebooks used, do items collide, do like items begin alike?",
          ),
        );
      return runChoice("data", usable, name);
    },
  );
  if (name) {
    const audit = el("div");
    fill(
      audit,
      () => audited(name),
      (found) => (found.refused ? nothing(found.refused) : findings(found)),
    );
    nodes.push(audit, codes, sources([[path`/runs/${name}/audit`], [path`/runs/${name}/health`]]));
  }
  return { title: name ? `Data of ${name}` : "Data", nodes };
}

/** A list of runs to choose from; the page is shown for the one that is chosen. */
export function runChoice(page, runs, name) {
  const select = el(
    "select",
    { id: "run-choice" },
    runs.map((run) => el("option", { value: run.name, selected: run.name === name }, `${run.name} (${run.system})`)),
  );
  select.addEventListener("change", () => go(to(page, [select.value])));
  return el("div", { class: "tools" }, el("div", {}, el("label", { for: "run-choice" }, "Run"), select));
}

/** The audit, or why there is none for a run of this kind. */
async function audited(name) {
  try {
    return await get(path`/runs/${name}/audit`);
  } catch (error) {
    if (error.type !== "urn:segue:problem:no-audit") throw error;
    return { refused: error.detail };
  }
}

function findings(audit) {
  const shown = [
    ["events", count(audit.events)],
    ["users", count(audit.users)],
    ["items", count(audit.items)],
    ["test cases", count(audit.test_cases)],
    ["events of a user, median", count(audit.lengths.median ?? 0)],
    ["Gini of popularity", number(audit.gini, 2)],
  ];
  const groups = Object.entries(GRAVE).map(([severity, words]) => {
    const found = audit.findings.filter((finding) => finding.severity === severity && !isClear(finding));
    return (
      found.length > 0 &&
      el(
        "section",
        {},
        el("h2", {}, words, " ", el("span", { class: "soft" }, found.length)),
        el("ul", { class: `findings ${severity}` }, found.map(findingOf)),
      )
    );
  });
  return [
    el("p", { class: "soft" }, `${audit.dataset} `, el("code", {}, audit.digest.slice(0, 12)), ` · ${audit.split}`),
    tiles(shown),
    audit.findings.every((finding) => finding.severity === "info") &&
      el("p", { class: "calm" }, "Nothing here needs a second look."),
    groups,
    el(
      "section",
      {},
      el("h2", {}, "Looked for, and not there"),
      el(
        "ul",
        { class: "checked" },
        audit.findings.filter(isClear).map((finding) => el("li", {}, finding.fact)),
      ),
    ),
  ];
}

const isClear = (finding) =>
  finding.severity === "info" && finding.count === 0 && finding.of > 0 && finding.name !== "note";

function findingOf(finding) {
  return el(
    "li",
    { class: "card" },
    el("h3", {}, finding.name),
    el("p", {}, finding.fact),
    finding.advice && el("p", { class: "soft small" }, finding.advice),
    finding.of > 0 &&
      finding.count > 0 &&
      el(
        "p",
        { class: "measure" },
        bar(finding.count / finding.of),
        el("small", {}, share(finding.count / finding.of)),
      ),
  );
}

function health(found) {
  const levels = found.levels.map((level, place) => [
    [`level ${place + 1}`, level.counting && el("small", {}, " tells apart")],
    count(level.size),
    [count(level.used), bar(level.used / level.size)],
    [precise(level.perplexity), bar(level.perplexity / Math.min(level.size, found.items))],
    level.weighted_perplexity === null ? "–" : precise(level.weighted_perplexity),
  ]);
  const depths = found.depths.map((depth) => [
    `first ${depth.depth}`,
    count(depth.prefixes),
    share(depth.colliding),
    share(depth.largest),
    number(depth.efficiency, 2),
    depth.neighbours === null
      ? "–"
      : [share(depth.neighbours), el("small", {}, ` by chance ${share(depth.neighbours_chance)}`)],
    depth.successors === null
      ? "–"
      : [share(depth.successors), el("small", {}, ` by chance ${share(depth.successors_chance)}`)],
  ]);
  return [
    found.alarms.length
      ? el(
          "ul",
          { class: "findings look" },
          found.alarms.map((alarm) => el("li", { class: "card" }, chip("alarm"), el("p", {}, alarm))),
        )
      : el("p", { class: "calm" }, "No alarm: the codes are used, and items can be told apart."),
    table(["", "codes", "used", "perplexity", "weighted by events"], levels, { caption: "Codebooks by level" }),
    table(
      [
        "beginnings of",
        "different",
        "items that share theirs",
        "largest",
        "evenness",
        "near items with the same",
        "next items with the same",
      ],
      depths,
      { caption: "Beginnings by length" },
    ),
  ];
}
