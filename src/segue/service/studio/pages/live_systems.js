// The systems that answer, their share of the traffic, and the exchange of one run for another.
import { get, path, post } from "../api.js";
import { to } from "../address.js";
import { announce } from "../announce.js";
import { confirmed } from "../dialog.js";
import { el } from "../dom.js";
import { count, duration, moment, share } from "../format.js";
import { bar, chip, facts } from "../pieces.js";
import { failure, fill, nothing } from "../states.js";

const FORMS = {
  scores: "scores items",
  codes: "writes codes",
  words: "writes titles",
  ranks: "judges what is shown",
  pipeline: "retrieves, then ranks",
};

export function systemsSection() {
  const box = el("div");
  const said = el("div");
  const load = () => Promise.all([get("/systems"), get("/runs")]);

  async function swap(system, run) {
    const sure = await confirmed(
      `Swap ${run} in?`,
      `${system.name} answers with ${system.run} now. ${run} will be loaded and then take over its name; no request is dropped. If it cannot be loaded, nothing changes.`,
      "Swap it in",
    );
    if (sure) await exchange(system, { run });
  }

  async function exchange(system, wanted) {
    said.replaceChildren(el("p", { class: "soft" }, `Loading ${wanted.run}…`));
    try {
      const done = await post(path`/systems/${system.name}/swap`, wanted);
      const words = `${done.name} answers with ${done.now} since a moment ago, instead of ${done.before}; it took ${duration(done.seconds)}.`;
      said.replaceChildren(el("p", { class: "calm" }, words));
      announce(words);
      refresh();
    } catch (error) {
      said.replaceChildren(failure(error));
      if (error.type !== "urn:segue:problem:other-catalog") return;
      const sure = await confirmed(error.title, error.detail, "Swap it in all the same");
      if (sure) await exchange(system, { ...wanted, other_catalog: true });
    }
  }

  const refresh = () =>
    fill(box, load, ([{ systems }, { runs }]) =>
      systems.length
        ? el(
            "div",
            { class: "grid2" },
            systems.map((one) =>
              card(
                one,
                runs.filter((run) => !run.problem),
                swap,
              ),
            ),
          )
        : nothing("No system answers here."),
    );
  refresh();
  return el("section", {}, el("h2", {}, "Systems"), said, box);
}

function card(system, runs, swap) {
  const others = runs.filter((run) => run.name !== system.run);
  const select = el(
    "select",
    { "aria-label": `Run to swap into ${system.name}` },
    others.map((run) => el("option", { value: run.name }, `${run.name} (${run.system})`)),
  );
  const button = el("button", { type: "button", on: { click: () => swap(system, select.value) } }, "Swap in…");
  const runLink = runs.some((run) => run.name === system.run)
    ? el("a", { href: to("run", [system.run]) }, system.run)
    : system.run;
  return el(
    "div",
    { class: "card" },
    el("div", { class: "between" }, el("h3", {}, system.name), chip(FORMS[system.form])),
    el("p", { class: "measure" }, bar(system.share), el("span", {}, `${share(system.share)} of the traffic`)),
    facts([
      ["run", runLink],
      ["system", system.system],
      ["items", count(system.items)],
      ["fitted", system.fitted && moment(Date.parse(system.fitted) / 1000)],
      ["predicts", system.tasks.join(", ")],
      ["without history", system.fallback],
      ["paper", system.paper],
    ]),
    system.form !== "pipeline" && others.length > 0 && el("div", { class: "row" }, select, button),
  );
}
