// A form that reports one more event of a user, as an app would.
import { get, post } from "../api.js";
import { announce } from "../announce.js";
import { choose } from "../choose.js";
import { el } from "../dom.js";
import { failure } from "../states.js";

/** `added` is called when the service has kept the event. */
export function eventForm(user, added) {
  let item = null;
  const button = el("button", { class: "main-button", disabled: true }, "Add event");
  const said = el("div", { class: "form-note" });
  const field = choose({
    label: "Add an event",
    placeholder: "an item: title or id",
    suggest: async (query) =>
      (await get("/items", { query, limit: 8 })).items.map((one) => ({
        value: one.item_id,
        title: one.title,
        note: one.item_id,
      })),
    chosen: (one) => {
      item = one;
      button.disabled = false;
      button.focus();
    },
  });
  field.field.addEventListener("input", () => {
    item = null;
    button.disabled = true;
  });
  const form = el("form", { class: "event-form" }, field.box, button, said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!item) return;
    const taken = item;
    button.disabled = true;
    said.replaceChildren();
    try {
      const answer = await post("/events", { event_id: freshEventId(), user_id: user, item_id: taken.value });
      const unknown = answer.unknown_items.length ? " No system knows this item, so it does not count yet." : "";
      said.replaceChildren(el("p", { class: "soft small" }, `Kept for good: ${taken.title}.${unknown}`));
      announce(`Added ${taken.title}.`);
      item = null;
      field.clear();
      field.field.focus();
      await added();
    } catch (error) {
      button.disabled = false;
      said.replaceChildren(failure(error));
    }
  });
  return form;
}

/** Known to nobody else; made so that it also works where the page is not served over HTTPS. */
function freshEventId() {
  const parts = crypto.getRandomValues(new Uint32Array(4));
  return `studio-${[...parts].map((part) => part.toString(16).padStart(8, "0")).join("")}`;
}
