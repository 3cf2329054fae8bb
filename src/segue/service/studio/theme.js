// Light, dark, or as the system is: three radio buttons, and what was chosen is remembered.
import { el } from "./dom.js";

const KEY = "segue-theme";
const CHOICES = { light: "Light", auto: "Auto", dark: "Dark" };

function choose(theme) {
  const root = document.documentElement;
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  try {
    if (theme === "auto") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // a browser that keeps nothing forgets it with the page
  }
}

/** Fill the fieldset. */
export function themeChoice(box) {
  const now = document.documentElement.dataset.theme ?? "auto";
  for (const [theme, words] of Object.entries(CHOICES)) {
    const radio = el("input", { type: "radio", name: "theme", value: theme, checked: theme === now });
    radio.addEventListener("change", () => choose(theme));
    box.append(el("label", {}, radio, el("span", {}, words)));
  }
}
