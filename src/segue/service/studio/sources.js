// Where a page's data comes from: the same as JSON, for whoever would rather read that.
import { addressOf, get } from "./api.js";
import { el } from "./dom.js";
import { token } from "./token.js";

/** Links to what can be fetched, and what has to be posted written out. */
export function sources(gets, posts = []) {
  const links = gets.map(([at, query]) => el("li", {}, jsonLink(at, query)));
  const told = posts.map(([at, body]) => el("li", {}, el("code", {}, `POST ${at} ${JSON.stringify(body)}`)));
  return el("footer", { class: "sources" }, el("h2", {}, "This page as JSON"), el("ul", {}, links, told));
}

/** A link to JSON, also where a token has to come along. */
export function jsonLink(at, query, words = null) {
  const address = addressOf(at, query);
  const node = el(
    "a",
    { href: address.href, rel: "alternate", type: "application/json" },
    words ?? address.pathname + decodeURI(address.search),
  );
  node.addEventListener("click", (event) => {
    if (!token()) return;
    event.preventDefault(); // a plain link would come without the token
    download(at, query);
  });
  return node;
}

async function download(at, query) {
  const text = JSON.stringify(await get(at, query), null, 1);
  const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  el("a", { href: address, download: `${at.replace(/\W+/g, "-").replace(/^-/, "")}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
