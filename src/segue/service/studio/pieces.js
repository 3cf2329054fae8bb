// Small things that several pages show: tiles, lists of facts, chips, the head of a page.
import { el } from "./dom.js";

/** The head of a page: what kind of page, its title, and a sentence. */
export function head(over, title, ...rest) {
  return el("header", { class: "head" }, el("p", { class: "over" }, over), el("h1", { tabindex: "-1" }, title), rest);
}

/** Numbers that matter, each with its name. */
export function tiles(shown) {
  return el(
    "dl",
    { class: "tiles" },
    shown.map(([name, value]) => el("div", { class: "tile" }, el("dt", {}, name), el("dd", {}, value))),
  );
}

/** Names and what is known of them; what is empty is left out. */
export function facts(entries) {
  return el(
    "dl",
    { class: "facts" },
    entries
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
  );
}

/** A word on a ground. */
export const chip = (words, kind = "") => el("span", { class: `chip ${kind}` }, words);

/** A bar of a share between 0 and 1, for the eye; the number stands beside it. */
export const bar = (value) =>
  el("span", { class: "bar", "aria-hidden": "true", vars: { share: Math.max(0, Math.min(1, value)) } });
