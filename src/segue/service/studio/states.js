// What stands in a place while its content is on the way, when it does not come, and when there is none.
import { el } from "./dom.js";

const asked = new WeakMap();

/**
 * Fill a box with what `draw` makes of what `load` brings. A failure stays in the box, with a way to try again, and an
 * answer that was overtaken by a newer question is dropped. Resolves to whether it was filled.
 */
export async function fill(box, load, draw) {
  const turn = Symbol("turn");
  asked.set(box, turn);
  box.setAttribute("aria-busy", "true");
  if (!box.childElementCount || box.querySelector(":scope > .failure")) box.replaceChildren(loading());
  let content;
  let fine = true;
  try {
    content = [draw(await load())].flat(Infinity).filter(Boolean);
  } catch (error) {
    fine = false;
    content = [failure(error, () => fill(box, load, draw))];
  }
  if (asked.get(box) !== turn) return false;
  box.replaceChildren(...content);
  box.removeAttribute("aria-busy");
  return fine;
}

/** A section with a heading whose content comes from the service. */
export function section(title, load, draw, intro = null) {
  const box = el("div");
  fill(box, load, draw);
  return el("section", {}, el("h2", {}, title), intro && el("p", { class: "soft" }, intro), box);
}

/** Grey lines, seen only where an answer takes its time. */
export function loading() {
  return el(
    "div",
    { class: "loading" },
    el("span", { class: "away" }, "Loading"),
    el("i", { "aria-hidden": "true" }),
    el("i", { "aria-hidden": "true" }),
    el("i", { "aria-hidden": "true" }),
  );
}

/** A problem in its own words. What is no problem of the service is a fault of this page and says so. */
export function failure(error, again = null) {
  const known = error.title !== undefined;
  if (!known) console.error(error);
  const retry = again && el("button", { type: "button", on: { click: again } }, "Try again");
  return el(
    "div",
    { class: "failure", role: "alert" },
    el("h3", {}, known ? error.title : "This part of the page failed"),
    el("p", {}, known ? error.detail : `${error.message}. Reload the page; if it comes again, please report it.`),
    known &&
      error.errors.length > 0 &&
      el(
        "ul",
        {},
        error.errors.map((one) => el("li", {}, el("code", {}, one.field), ` ${one.message}`)),
      ),
    retry,
  );
}

/** There is nothing, and what to do about it. */
export function nothing(words, ...rest) {
  return el("div", { class: "nothing" }, el("p", {}, words), rest);
}
