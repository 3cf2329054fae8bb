// The catalog while serving: look for items, withdraw them, put them back, add new ones.
import { get, path, post, put } from "../api.js";
import { announce } from "../announce.js";
import { el } from "../dom.js";
import { count } from "../format.js";
import { chip } from "../pieces.js";
import { failure, fill, nothing } from "../states.js";

const SHOWN = 6;

export function itemsSection() {
  const words = el("input", { type: "search", id: "item-words", placeholder: "title or id" });
  const list = el("div");
  let timer = 0;
  const refresh = () => {
    clearTimeout(timer);
    return fill(
      list,
      () => get("/items", { query: words.value.trim(), limit: SHOWN }),
      ({ total, items }) =>
        items.length
          ? [
              el(
                "ul",
                { class: "plain catalog" },
                items.map((item) => row(item, changed)),
              ),
              total > items.length &&
                el("p", { class: "soft small" }, `${count(total)} fit; the first ${items.length} are shown.`),
            ]
          : nothing("No item fits."),
    );
  };
  /** Asked anew, as an answer on its way shows the item as it was; the focus stays where the person acted. */
  const changed = async (item) => {
    await refresh();
    const node = [...list.querySelectorAll("li")].find((one) => one.dataset.item === item.item_id);
    if (document.activeElement === document.body) node?.querySelector("button").focus();
  };
  words.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(refresh, 150);
  });
  refresh();
  return el(
    "section",
    {},
    el("h2", {}, "Items"),
    el("p", { class: "soft" }, "A withdrawn item is in no answer from the next one on. It can be put back."),
    el(
      "div",
      { class: "grid2" },
      el(
        "div",
        { class: "card" },
        el("div", { class: "tools" }, el("div", {}, el("label", { for: "item-words" }, "Find"), words)),
        list,
      ),
      newItem(refresh),
    ),
  );
}

function row(item, changed) {
  const said = el("span");
  const node = el("li", { class: item.available ? null : "withdrawn", "data-item": item.item_id });
  const button = el(
    "button",
    { type: "button", "aria-label": `${item.available ? "Withdraw" : "Put back"} ${item.title}` },
    item.available ? "Withdraw" : "Put back",
  );
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const now = await put(path`/items/${item.item_id}/availability`, { available: !item.available });
      announce(`${now.title} was ${now.available ? "put back" : "withdrawn"}.`);
      await changed(now);
    } catch (error) {
      button.disabled = false;
      said.replaceChildren(failure(error));
    }
  });
  const marks = [item.added && chip("added"), !item.available && chip("withdrawn", "look")].filter(Boolean);
  node.append(
    el("span", { class: "catalog-title" }, item.title, el("small", {}, item.item_id)),
    ...marks,
    button,
    said,
  );
  return node;
}

function newItem(added) {
  const fields = {
    item_id: el("input", { id: "new-id", required: true, maxlength: 200 }),
    title: el("input", { id: "new-title", required: true, maxlength: 500 }),
    categories: el("input", { id: "new-categories", placeholder: "with commas between them" }),
  };
  const said = el("div");
  const form = el(
    "form",
    { class: "card stack" },
    el("h3", {}, "Add an item"),
    el("label", { for: "new-id" }, "Id"),
    fields.item_id,
    el("label", { for: "new-title" }, "Title"),
    fields.title,
    el("label", { for: "new-categories" }, "Categories"),
    fields.categories,
    el("button", { class: "main-button" }, "Add item"),
    said,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const categories = fields.categories.value
      .split(",")
      .map((word) => word.trim())
      .filter(Boolean);
    try {
      const answer = await post("/items", {
        items: [{ item_id: fields.item_id.value, title: fields.title.value, categories }],
      });
      said.replaceChildren(result(answer, fields.item_id.value));
      announce("The item was added.");
      form.reset();
      added();
    } catch (error) {
      said.replaceChildren(failure(error));
    }
  });
  return form;
}

function result(answer, id) {
  if (!answer.added.length)
    return el("p", { class: "soft small" }, `${id} was known already; it stays as it was, and is available.`);
  const able = Object.entries(answer.recommendable)
    .filter(([, items]) => items.includes(id))
    .map(([system]) => el("li", {}, el("b", {}, system), " can recommend it from now on."));
  const unable = Object.entries(answer.not_recommendable)
    .filter(([, items]) => id in items)
    .map(([system, items]) => el("li", {}, el("b", {}, system), ` cannot: ${items[id]}`));
  return el("ul", { class: "small" }, able, unable);
}
