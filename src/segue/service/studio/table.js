// Tables that scroll inside their frame and never widen the page.
import { el } from "./dom.js";

/**
 * `head` are names of columns; `rows` are lists of cells (text or nodes), or { cells, class }. The first cell of a row
 * is its heading.
 */
export function table(head, rows, { caption = null, wide = [] } = {}) {
  const body = rows.map((row) => {
    const { cells, ...props } = Array.isArray(row) ? { cells: row } : row;
    return el(
      "tr",
      props,
      cells.map((cell, place) => {
        const dressed = { class: wide.includes(place) ? "wrap" : null };
        return place === 0 ? el("th", { scope: "row", ...dressed }, cell) : el("td", dressed, cell);
      }),
    );
  });
  const titles = head.map((name, place) =>
    el("th", { scope: "col", class: wide.includes(place) ? "wrap" : null }, name),
  );
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": caption ?? "Table" },
    el(
      "table",
      {},
      caption && el("caption", { class: "away" }, caption),
      el("thead", {}, el("tr", {}, titles)),
      el("tbody", {}, body),
    ),
  );
}
