// The studio: which page an address means, the way between pages, and what each page is given.
import { announce } from "./announce.js";
import { here, to } from "./address.js";
import { el } from "./dom.js";
import { codesPage } from "./pages/codes.js";
import { comparePage } from "./pages/compare.js";
import { dataPage } from "./pages/data.js";
import { ledgerPage } from "./pages/ledger.js";
import { livePage } from "./pages/live.js";
import { runPage } from "./pages/run.js";
import { runsPage } from "./pages/runs.js";
import { userPage } from "./pages/user.js";
import { head } from "./pieces.js";
import { jsonLink } from "./sources.js";
import { failure } from "./states.js";
import { themeChoice } from "./theme.js";

/** Each page takes an address and a signal that says when it is left, and gives { title, nodes }. */
const PAGES = {
  runs: { name: "Runs", draw: runsPage },
  run: { draw: runPage, under: "runs" },
  compare: { name: "Compare", draw: comparePage },
  user: { name: "Users", draw: userPage },
  codes: { name: "Codes", draw: codesPage },
  data: { name: "Data", draw: dataPage },
  ledger: { name: "Ledger", draw: ledgerPage },
  live: { name: "Live", draw: livePage },
};

const main = document.getElementById("main");
const nav = document.getElementById("nav");
let leave = new AbortController();
let first = true;

function links() {
  const shown = Object.entries(PAGES).filter(([, page]) => page.name);
  nav.append(
    el(
      "ul",
      {},
      shown.map(([key, page]) => el("li", {}, el("a", { href: to(key), "data-page": key }, page.name))),
    ),
  );
}

function show() {
  leave.abort();
  leave = new AbortController();
  const address = here();
  const key = address.page || "runs";
  const page = PAGES[key] ?? { draw: () => ({ title: "No such page", nodes: lost(address.page) }) };
  let made;
  try {
    made = page.draw(address, leave.signal);
  } catch (error) {
    made = { title: "Failed", nodes: failure(error, show) };
  }
  main.replaceChildren(...[made.nodes].flat(Infinity).filter(Boolean));
  document.title = `${made.title} · Segue studio`;
  for (const link of nav.querySelectorAll("a")) {
    if (link.dataset.page === (page.under ?? key)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!first) {
    window.scrollTo(0, 0);
    (main.querySelector("h1") ?? main).focus({ preventScroll: true });
    announce(made.title);
  }
  first = false;
}

const lost = (page) => [
  head("Studio", "No such page"),
  el(
    "p",
    {},
    `There is no page called “${page}”. `,
    el("a", { href: to("runs") }, "All runs"),
    " is a good place to begin.",
  ),
];

document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
themeChoice(document.getElementById("theme"));
document.getElementById("api").append(jsonLink("/openapi.json", {}, "OpenAPI"));
links();
window.addEventListener("hashchange", show);
show();
