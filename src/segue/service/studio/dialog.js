// Dialogs over the page: the browser's own, so that focus, Escape and the background are as people know them.
import { el, freshId } from "./dom.js";

/** Open a dialog; `closed` is called when it has gone, however that came. */
export function dialog(title, body, closed = () => {}) {
  const id = freshId("dialog");
  const shut = el("button", { class: "plain-button", type: "button", "aria-label": "Close" }, "×");
  const box = el(
    "dialog",
    { "aria-labelledby": id },
    el("div", { class: "dialog-head" }, el("h2", { id }, title), shut),
    body,
  );
  shut.addEventListener("click", () => box.close());
  box.addEventListener("click", (event) => {
    if (event.target === box) box.close();
  });
  box.addEventListener("close", () => {
    box.remove();
    closed();
  });
  document.body.append(box);
  box.showModal();
  return box;
}

/** Ask before something that cannot be taken back: resolves to whether it is wanted. */
export function confirmed(title, words, yes) {
  return new Promise((resolve) => {
    let wanted = false;
    const agree = el("button", { class: "main-button", type: "button" }, yes);
    const refuse = el("button", { type: "button" }, "Leave it");
    const box = dialog(title, el("div", {}, el("p", {}, words), el("div", { class: "row" }, agree, refuse)), () =>
      resolve(wanted),
    );
    agree.addEventListener("click", () => {
      wanted = true;
      box.close();
    });
    refuse.addEventListener("click", () => box.close());
    refuse.focus();
  });
}
