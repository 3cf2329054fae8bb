// The ledger: what was measured for good beside what was published, by data set and protocol.
import { get } from "../api.js";
import { remember, to } from "../address.js";
import { el } from "../dom.js";
import { number, plural } from "../format.js";
import { facts, head } from "../pieces.js";
import { sources } from "../sources.js";
import { fill, nothing } from "../states.js";
import { table } from "../table.js";

export function ledgerPage(address) {
  const box = el("div");
  fill(
    box,
    () => get("/ledger"),
    ({ rows, note }) =>
      rows.length
        ? [note && el("p", { class: "soft" }, note), shelves(rows, address)]
        : nothing(note),
  );
  return {
    title: "Ledger",
    nodes: [
      head(
        "Measured for good",
        "Ledger",
        el(
          "p",
          { class: "soft lead" },
          "Every number was measured by segue reproduce; published ones stand beside it. Different protocols are never in one table.",
        ),
      ),
      box,
      sources([["/ledger"]]),
    ],
  };
}

function shelves(rows, address) {
  const filter = el("input", {
    type: "search",
    id: "ledger-filter",
    placeholder: "system, words of the protocol",
    value: address.query.get("filter") ?? "",
  });
  const datasets = [...new Set(rows.map((row) => row.dataset))];
  const data = el(
    "select",
    { id: "ledger-data" },
    el("option", { value: "" }, "all data"),
    datasets.map((name) => el("option", { value: name, selected: name === address.query.get("data") }, name)),
  );
  const found = el("p", { class: "soft small", role: "status" });
  const list = el("div");

  function draw() {
    const words = filter.value.trim().toLowerCase();
    const shown = rows.filter(
      (row) =>
        (!data.value || row.dataset === data.value) &&
        `${row.system} ${row.row} ${row.language} ${row.group} ${row.protocol} ${row.fingerprint}`
          .toLowerCase()
          .includes(words),
    );
    found.textContent = `${shown.length} of ${plural(rows.length, "row")}`;
    list.replaceChildren(
      ...(shown.length ? groups(shown).map(groupOf) : [nothing("No row fits. Clear the filter to see all.")]),
    );
  }

  for (const [field, event] of [
    [filter, "input"],
    [data, "change"],
  ]) {
    field.addEventListener(event, () => {
      remember(to("ledger", [], { filter: filter.value, data: data.value }));
      draw();
    });
  }
  draw();
  return [
    el(
      "div",
      { class: "tools" },
      el("div", {}, el("label", { for: "ledger-filter" }, "Filter"), filter),
      el("div", {}, el("label", { for: "ledger-data" }, "Data"), data),
      found,
    ),
    list,
  ];
}

function groups(rows) {
  const found = new Map();
  for (const row of rows) {
    const key = JSON.stringify([row.dataset, row.fingerprint, row.group, Object.keys(row.metrics)]);
    found.set(key, [...(found.get(key) ?? []), row]);
  }
  return [...found.values()];
}

function groupOf(rows) {
  const [first] = rows;
  const metrics = Object.keys(first.metrics);
  const systems = rows.map((row) => row.system);
  const told = rows.map((row) => [
    [
      row.system,
      systems.filter((system) => system === row.system).length > 1 && el("small", {}, ` ${row.row}`),
      row.language && el("small", {}, ` ${row.language}`),
    ],
    ...metrics.flatMap((metric) => {
      const { mean, spread, published } = row.metrics[metric];
      return [
        [number(mean), el("small", { title: spread }, ` ${spread.split(" (")[0]}`)],
        published === null ? "–" : number(published),
      ];
    }),
    row.seeds,
    `${row.cpu_minutes.toFixed(1)} min`,
  ]);
  const origins = rows.map((row) =>
    facts([
      ["system", row.system],
      ["command", el("code", {}, row.command)],
      ["commit", row.commit],
      ["machine", row.hardware],
      ["published", row.source && `${row.source} [${row.evidence}]`],
    ]),
  );
  return el(
    "section",
    { class: "group" },
    el("h2", {}, first.dataset, first.group && ` · ${first.group}`, el("code", {}, first.fingerprint)),
    el("p", { class: "soft small" }, first.protocol),
    table(["system", ...metrics.flatMap((metric) => [metric, "published"]), "seeds", "processor"], told, {
      caption: `${first.dataset} ${first.fingerprint}`,
    }),
    el("details", { class: "card quiet" }, el("summary", {}, "How to measure these again"), origins),
  );
}
