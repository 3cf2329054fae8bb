// What several systems recommend to one user, side by side: what they have in common, and what has moved since.
import { get, post } from "../api.js";
import { announce } from "../announce.js";
import { el } from "../dom.js";
import { plural } from "../format.js";
import { chip } from "../pieces.js";
import { failure, fill, nothing } from "../states.js";

const FIRST = 3;
const LENGTHS = [5, 10, 20];

/** A box with the lists; `refresh` asks anew and shows what moved against what stood there before. */
export function lists(user, { shown, k, picked, changed }) {
  const box = el("section", { class: "answers" }, el("h2", {}, "Recommended now"));
  const tools = el("div");
  const columns = el("div", { class: "columns" });
  const before = new Map();
  let chosen = shown;
  let length = LENGTHS.includes(k) ? k : 10;
  box.append(tools, columns);

  async function systems() {
    const { systems: found } = await get("/systems");
    const names = found.filter((one) => one.form !== "ranks").map((one) => one.name);
    chosen = chosen.filter((name) => names.includes(name));
    if (!chosen.length) chosen = names.slice(0, FIRST);
    return { found, names };
  }

  function choices(found, names) {
    const checks = found
      .filter((one) => names.includes(one.name))
      .map((one) => {
        const check = el("input", { type: "checkbox", checked: chosen.includes(one.name) });
        check.addEventListener("change", () => {
          chosen = names.filter((name) => (name === one.name ? check.checked : chosen.includes(name)));
          changed({ system: chosen, k: length });
          draw();
        });
        return el("label", { class: "pick" }, check, one.name, el("small", {}, one.system));
      });
    const select = el(
      "select",
      { id: "list-length" },
      LENGTHS.map((one) => el("option", { value: one, selected: one === length }, `${one} items`)),
    );
    select.addEventListener("change", () => {
      length = Number(select.value);
      before.clear();
      changed({ system: chosen, k: length });
      draw();
    });
    const hint = el("p", { class: "soft small" }, "Choose an item to see why. ", chip("in several lists", "common"));
    return [
      el("div", { class: "picks" }, checks),
      el(
        "div",
        { class: "hint" },
        hint,
        el("div", {}, el("label", { for: "list-length", class: "away" }, "Length of the lists"), select),
      ),
    ];
  }

  /** Ask all systems; one that fails leaves the others as they are. */
  async function draw(moved = false) {
    const names = [...chosen];
    columns.setAttribute("aria-busy", "true");
    const answers = await Promise.all(
      names.map((system) =>
        post("/recommend", { user_id: user, k: length, system }).then(
          (answer) => ({ system, answer }),
          (error) => ({ system, error }),
        ),
      ),
    );
    if (names.join("\n") !== chosen.join("\n")) return; // others were chosen meanwhile
    columns.removeAttribute("aria-busy");
    const holders = new Map();
    for (const { system, answer } of answers)
      for (const item of answer?.items ?? []) holders.set(item.item_id, [...(holders.get(item.item_id) ?? []), system]);
    const moves = [];
    columns.replaceChildren(
      ...answers.map(({ system, answer, error }) => {
        if (error)
          return el(
            "section",
            { class: "card" },
            el("h3", {}, system),
            failure(error, () => draw()),
          );
        const places = new Map(answer.items.map((item, place) => [item.item_id, place]));
        const was = moved ? before.get(system) : null;
        before.set(system, places);
        if (was) moves.push(`${system}: ${movesInWords(was, places)}`);
        return column(system, answer, holders, was);
      }),
    );
    if (!names.length) columns.replaceChildren(nothing("Choose a system to see what it recommends."));
    if (moves.length) announce(`The lists are new. ${moves.join(". ")}.`);
  }

  function column(system, answer, holders, was) {
    const rows = answer.items.map((item, place) => {
      const others = holders.get(item.item_id).filter((name) => name !== system);
      const button = el(
        "button",
        {
          type: "button",
          class: `answer ${others.length ? "common" : ""}`,
          "data-item": item.item_id,
          "aria-haspopup": "dialog",
        },
        el("span", { class: "place" }, place + 1),
        el(
          "span",
          { class: "answer-title" },
          item.title,
          others.length > 0 && el("span", { class: "away" }, `, also in ${others.join(", ")}`),
        ),
        was && moveMark(was, item.item_id, place),
      );
      for (const [event, on] of [
        ["pointerenter", true],
        ["focus", true],
        ["pointerleave", false],
        ["blur", false],
      ]) {
        button.addEventListener(event, () => alike(item.item_id, on));
      }
      button.addEventListener("click", () => picked(system, item.item_id));
      return el("li", {}, button);
    });
    const list = el("ol", { class: "answer-list" }, rows);
    list.addEventListener("keydown", arrows);
    return el(
      "section",
      { class: "card answer-card", "aria-label": `Recommended by ${system}` },
      el("h3", {}, system),
      answer.answered_by === "fallback" &&
        el("p", { class: "soft small" }, "Nothing is known of this user that it could use: the fallback answers."),
      answer.stale && el("p", { class: "warn small" }, "Newest events may be missing."),
      rows.length ? list : nothing("It recommends nothing here."),
      was && gone(was, answer.items),
    );
  }

  function alike(item, on) {
    for (const node of columns.querySelectorAll(".answer"))
      node.classList.toggle("same", on && node.dataset.item === item);
  }

  fill(tools, systems, ({ found, names }) => {
    if (!names.length)
      return nothing(
        "No system that recommends is served here.",
        el("p", { class: "soft" }, "Rankers need a retriever: --retriever and --ranker."),
      );
    draw();
    return choices(found, names);
  });
  return { box, refresh: () => draw(true) };
}

function moveMark(was, item, place) {
  const old = was.get(item);
  if (old === undefined) return el("span", { class: "move new" }, "new");
  if (old === place) return null;
  const up = old > place;
  return el(
    "span",
    { class: `move ${up ? "up" : "down"}` },
    el("span", { "aria-hidden": "true" }, up ? "▲" : "▼"),
    el("span", { class: "away" }, up ? "up by" : "down by"),
    Math.abs(old - place),
  );
}

function gone(was, items) {
  const now = items.map((item) => item.item_id);
  const left = [...was.keys()].filter((item) => !now.includes(item)).length;
  const same = now.every((item, place) => was.get(item) === place);
  const words = left
    ? `${plural(left, "item")} left the list.`
    : same
      ? "Nothing changed."
      : "The same items in another order.";
  return el("p", { class: "soft small" }, words);
}

function movesInWords(was, places) {
  const fresh = [...places.keys()].filter((item) => !was.has(item)).length;
  const moved = [...places].filter(([item, place]) => was.has(item) && was.get(item) !== place).length;
  return fresh || moved ? `${fresh} new, ${moved} moved` : "nothing changed";
}

function arrows(event) {
  const buttons = [...event.currentTarget.querySelectorAll("button")];
  const at = buttons.indexOf(document.activeElement);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (next === undefined || at < 0) return;
  event.preventDefault();
  buttons[Math.max(0, Math.min(buttons.length - 1, next))].focus();
}
