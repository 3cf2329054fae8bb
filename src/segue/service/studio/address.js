// Addresses inside the studio: #/page/part/part?name=value, so that every view can be linked to.

/** What the hash says: the page, the parts behind it, and the query. */
export function here() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [page, ...parts] = path.split("/").map(decoded);
  return { page, parts: parts.filter(Boolean), query: new URLSearchParams(query) };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a hand-written address with a stray % is taken as it is
  }
}

/** The address of a page; the query may name a list of values. */
export function to(page, parts = [], query = {}) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (one !== null && one !== undefined && one !== "") words.append(name, one);
  }
  const path = [page, ...parts].map(encodeURIComponent).join("/");
  return `#/${path}${words.size ? `?${words}` : ""}`;
}

/** Go there. */
export function go(address) {
  location.hash = address;
}

/** Say in the address what is shown without drawing it anew. */
export function remember(address) {
  history.replaceState(null, "", address);
}
