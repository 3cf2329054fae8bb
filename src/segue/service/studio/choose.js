// A field that suggests while one types: the combobox of the ARIA practices, with arrow keys, Enter and Escape.
import { el, freshId } from "./dom.js";

const PAUSE = 140;

/**
 * A labelled field. `suggest(words)` brings [{ value, title, note }]; `chosen` is called with one of them. With `free`,
 * Enter without a suggestion takes the words themselves.
 */
export function choose({ label, placeholder = "", suggest, chosen, free = false, none = "Nothing found." }) {
  const [id, listId] = [freshId("choose"), freshId("list")];
  const list = el("ul", { role: "listbox", id: listId, class: "suggestions", "aria-label": label, hidden: true });
  const field = el("input", {
    id,
    type: "text",
    role: "combobox",
    autocomplete: "off",
    spellcheck: "false",
    placeholder,
    "aria-expanded": "false",
    "aria-controls": listId,
    "aria-autocomplete": "list",
  });
  let options = [];
  let active = -1;
  let timer = 0;
  let asked = 0;

  function close() {
    clearTimeout(timer);
    asked += 1; // what is still on the way comes too late
    list.hidden = true;
    active = -1;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  }

  function take(option) {
    close();
    field.value = option.title;
    chosen(option);
  }

  function mark(place) {
    active = place;
    [...list.children].forEach((node, at) => node.setAttribute("aria-selected", String(at === place)));
    const node = list.children[place];
    if (!node) return;
    field.setAttribute("aria-activedescendant", node.id);
    node.scrollIntoView({ block: "nearest" });
  }

  function show(found, words = none) {
    options = found;
    active = -1;
    list.replaceChildren(
      ...found.map((option) => {
        const node = el("li", { role: "option", id: freshId("option"), "aria-selected": "false" });
        node.append(el("span", {}, option.title), option.note ? el("small", {}, option.note) : "");
        node.addEventListener("mousedown", (event) => event.preventDefault());
        node.addEventListener("click", () => take(option));
        return node;
      }),
    );
    if (!found.length) list.append(el("li", { class: "soft", role: "option", "aria-disabled": "true" }, words));
    list.hidden = false;
    field.setAttribute("aria-expanded", "true");
  }

  async function look() {
    const turn = (asked += 1);
    try {
      const found = await suggest(field.value.trim());
      if (turn === asked) show(found);
    } catch (error) {
      if (turn === asked) show([], error.detail ?? error.message);
    }
  }

  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE);
  });
  field.addEventListener("click", () => {
    if (list.hidden) look();
  });
  field.addEventListener("blur", close);
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) look();
      else if (options.length) mark((active + (event.key === "ArrowDown" ? 1 : -1) + options.length) % options.length);
    } else if (event.key === "Enter") {
      const words = field.value.trim();
      const exact = options.find((option) => !list.hidden && option.value === words);
      if (active >= 0) take(options[active]);
      else if (exact) take(exact);
      else if (free && words) take({ value: words, title: words });
      else return;
      event.preventDefault();
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    }
  });
  const box = el(
    "div",
    { class: "choose" },
    el("label", { for: id }, label),
    el("div", { class: "choose-field" }, field, list),
  );
  return { box, field, clear: () => (field.value = "") };
}
