// Why an item was recommended: which past events moved it, and the way to it through the tree of codes.
import { post } from "../api.js";
import { dialog } from "../dialog.js";
import { el } from "../dom.js";
import { plural, precise, share, signed } from "../format.js";
import { bar, tiles } from "../pieces.js";
import { fill, nothing } from "../states.js";

const SHOWN = 10;

/** Open the explanation; `closed` is called when it is shut. */
export function explain(user, system, item, closed) {
  const body = el("div", { class: "why" });
  const box = dialog(`Why ${item}?`, body, closed);
  fill(
    body,
    () => post("/explain", { user_id: user, item_id: item, system }),
    (found) => {
      box.querySelector("h2").textContent = found.item.title;
      return draw(found, user);
    },
  );
}

function draw(found, user) {
  return [
    el("p", { class: "soft" }, `${found.system}, for ${user}`),
    tiles([
      ["place in the list", found.place ?? "beyond 100"],
      ["score", precise(found.score, 4)],
    ]),
    el("section", {}, el("h3", {}, "Which past events moved it"), effects(found.events)),
    found.path && el("section", {}, el("h3", {}, "The way through the tree of codes"), steps(found)),
    el("p", { class: "soft small" }, found.note),
  ];
}

function effects(events) {
  if (!events.length) return nothing("There is no event that could have moved it.");
  const largest = Math.max(...events.map((event) => Math.abs(event.effect)), Number.MIN_VALUE);
  const shown = events.slice(0, SHOWN).map((event) =>
    el(
      "li",
      {},
      el("span", { class: "effect-title" }, event.title),
      el("span", {
        class: `effect ${event.effect < 0 ? "against" : ""}`,
        "aria-hidden": "true",
        vars: { share: Math.abs(event.effect) / largest },
      }),
      el("span", { class: "effect-value" }, signed(event.effect)),
    ),
  );
  const rest = events.length - shown.length;
  return [
    el("ol", { class: "effects" }, shown),
    el(
      "p",
      { class: "soft small" },
      "The score with the event minus the score without it. ",
      rest > 0 && `${plural(rest, "further event")} moved it less.`,
    ),
  ];
}

function steps({ path, share: own }) {
  const rows = path.map((step) =>
    el(
      "li",
      {},
      el("span", { class: "code" }, step.code),
      el(
        "span",
        { class: "step-words" },
        el("b", {}, step.words.slice(0, 4).join(", ") || "tells apart"),
        el("small", {}, plural(step.items, "item")),
      ),
      el("span", { class: "step-chance" }, bar(step.probability), el("span", {}, share(step.probability))),
    ),
  );
  return [
    el("ol", { class: "steps" }, rows),
    own !== null &&
      own < 1 &&
      el("p", { class: "soft small" }, `Several items share these codes; this one has ${share(own)} of them.`),
  ];
}
