// The token of a service that is not for everybody: asked for once, kept for this tab, sent with each question.
import { el } from "./dom.js";
import { dialog } from "./dialog.js";

const KEY = "segue-token";
let held = null;
let asking = null;

/** The token, or null. */
export function token() {
  try {
    return sessionStorage.getItem(KEY) ?? held;
  } catch {
    return held;
  }
}

function hold(value) {
  held = value;
  try {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
  } catch {
    // a browser that keeps nothing holds it until the page is left
  }
}

/** It was refused. */
export const forgetToken = () => hold(null);

/** Ask the person for the token; whether they gave one. Everybody who asks at the same time waits for one answer. */
export function askForToken(refused) {
  asking ??= ask(refused).finally(() => {
    asking = null;
  });
  return asking;
}

function ask(refused) {
  return new Promise((resolve) => {
    const field = el("input", { type: "password", autocomplete: "current-password", required: true, id: "token" });
    const form = el(
      "form",
      { class: "stack" },
      el(
        "p",
        {},
        refused ? "The service did not accept that token." : "This service answers those who know its token.",
      ),
      el("label", { for: "token" }, "Token"),
      field,
      el("p", { class: "soft small" }, "It is what --token-file of segue serve holds. It stays in this tab."),
      el("button", { class: "main-button" }, "Continue"),
    );
    const box = dialog("Token", form, () => resolve(Boolean(token())));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      hold(field.value.trim());
      box.close();
    });
    field.focus();
  });
}
