// What lies under a prefix of codes, how much, and in which words; and the way down to one item.
import { to } from "../address.js";
import { el } from "../dom.js";
import { count, plural, share } from "../format.js";
import { bar, chip } from "../pieces.js";
import { nothing } from "../states.js";

const down = (name, prefix) => to("codes", [name], { prefix: prefix.join(",") });

function crumbs(name, prefix) {
  const steps = prefix.map((code, depth) => {
    const here = depth === prefix.length - 1;
    return el(
      "li",
      {},
      here
        ? el("span", { "aria-current": "page", class: "code" }, code)
        : el("a", { class: "code", href: down(name, prefix.slice(0, depth + 1)) }, code),
    );
  });
  return el(
    "nav",
    { "aria-label": "Prefix", class: "crumbs" },
    el(
      "ol",
      {},
      el(
        "li",
        {},
        prefix.length
          ? el("a", { href: down(name, []) }, "all items")
          : el("span", { "aria-current": "page" }, "all items"),
      ),
      steps,
    ),
  );
}

/** A node of the tree with its children, or with its items where there are none. */
export function nodeOf(name, node, most) {
  const leaf = node.prefix.length === node.levels || !node.children.length;
  return [
    crumbs(name, node.prefix),
    el(
      "p",
      { class: "big" },
      plural(node.items, "item"),
      node.prefix.length > 0 && el("span", { class: "soft" }, ` · ${share(node.share)} of all`),
    ),
    node.words.length > 0 &&
      node.prefix.length > 0 &&
      el("p", {}, el("span", { class: "soft" }, "Typical words: "), node.words.join(", ")),
    !leaf && strip(name, node),
    leaf ? items(name, node) : children(name, node, most),
  ];
}

/** The shares of the children as one strip, for the eye; the list below says the same. */
function strip(name, node) {
  const parts = node.children.map((child) => {
    const part = el("a", {
      class: "strip-part",
      href: down(name, child.prefix),
      tabindex: "-1",
      title: `${child.prefix.at(-1)}: ${child.words.join(", ")}`,
    });
    part.style.setProperty("--share", child.items);
    return part;
  });
  const shown = node.children.reduce((sum, child) => sum + child.items, 0);
  const rest = el("span", { class: "strip-rest" });
  rest.style.setProperty("--share", node.items - shown);
  return el("div", { class: "strip", "aria-hidden": "true" }, parts, shown < node.items && rest);
}

function children(name, node, most) {
  const largest = Math.max(...node.children.map((child) => child.items));
  const rows = node.children.map((child) =>
    el(
      "li",
      {},
      el(
        "a",
        { class: "branch", href: down(name, child.prefix) },
        el("span", { class: "code" }, child.prefix.at(-1)),
        el(
          "span",
          { class: "branch-words" },
          el("b", {}, child.words.slice(0, 4).join(", ") || child.titles[0] || ""),
          el("small", {}, child.titles.slice(0, 3).join(" · ")),
        ),
        el("span", { class: "branch-size" }, plural(child.items, "item"), bar(child.items / largest)),
      ),
    ),
  );
  const more =
    node.more > 0 &&
    el(
      "p",
      {},
      el(
        "a",
        {
          class: "button",
          href: to("codes", [name], { prefix: node.prefix.join(","), most: Math.min(200, most * 3) }),
        },
        `Show more of ${count(node.more)} smaller ones`,
      ),
    );
  const list = el("ul", { class: "branches" }, rows);
  list.addEventListener("keydown", arrows);
  return [list, more];
}

/** Arrow keys go from branch to branch, to the first with Home and to the last with End. */
function arrows(event) {
  const links = [...event.currentTarget.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key];
  if (next === undefined || at < 0) return;
  event.preventDefault();
  links[Math.max(0, Math.min(links.length - 1, next))].focus();
}

function items(name, node) {
  return [
    el("h2", {}, "Items here"),
    leaves(name, node.members),
    node.items > node.members.length &&
      el("p", { class: "soft" }, `and ${count(node.items - node.members.length)} more`),
  ];
}

function leaves(name, found) {
  const rows = found.map((one) =>
    el(
      "li",
      {},
      el(
        "a",
        { class: "branch", href: to("codes", [name], { item: one.item_id }) },
        el("span", { class: "branch-words" }, el("b", {}, one.title), el("small", {}, one.item_id)),
        el("span", { class: "code" }, one.codes.join(" · ")),
      ),
    ),
  );
  const list = el("ul", { class: "branches" }, rows);
  list.addEventListener("keydown", arrows);
  return list;
}

/** An item: each step from the first code to the whole tuple, and who shares most of them. */
export function placeOf(name, place) {
  const above = [null, ...place.path];
  const steps = place.path.map((node, depth) =>
    el(
      "li",
      {},
      el(
        "a",
        { class: "branch", href: down(name, node.prefix) },
        el("span", { class: "code" }, place.codes[depth]),
        el(
          "span",
          { class: "branch-words" },
          el("b", {}, node.words.slice(0, 5).join(", ") || "this item"),
          el("small", {}, node.titles.slice(0, 3).join(" · ")),
        ),
        el(
          "span",
          { class: "branch-size" },
          plural(node.items, "item"),
          bar(above[depth] ? node.items / above[depth].items : node.share),
        ),
      ),
    ),
  );
  return [
    crumbs(name, place.codes),
    el("h2", {}, place.title, " ", chip(place.item_id)),
    el("p", { class: "soft" }, "From the first code to the whole tuple; bars are shares of the step before."),
    el("ol", { class: "branches" }, steps),
    el("h2", {}, "Beside it"),
    place.beside.length
      ? [
          el(
            "p",
            { class: "soft" },
            place.together
              ? `These share its first ${plural(place.together, "code")}${place.more ? `, and ${count(place.more)} more do` : ""}.`
              : "",
          ),
          leaves(name, place.beside),
        ]
      : nothing("No other item begins with the same code."),
  ];
}
