// Questions to the service; every refusal becomes a Failure with the problem's own words.
import { askForToken, forgetToken, token } from "./token.js";

const ROOT = new URL("../", location.href.split("#")[0]);
const PATIENCE = 90_000;
const LOADING = 60_000;

/** Why there is no answer: RFC 9457 problem details, or words of ours where the service did not answer at all. */
export class Failure extends Error {
  constructor({ title, detail, status = 0, type = "", errors = [] }) {
    super(detail);
    Object.assign(this, { title, detail, status, type, errors });
  }
}

/** A path whose values are escaped: path`/runs/${name}`. */
export function path(words, ...values) {
  return words.reduce((text, word, place) => text + encodeURIComponent(values[place - 1]) + word);
}

/** The full address of a path; the query may name a list of values. */
export function addressOf(at, query = {}) {
  const address = new URL(at.replace(/^\//, ""), ROOT);
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (one !== null && one !== undefined) address.searchParams.append(name, one);
  }
  return address;
}

/** What the service says at an address, as JSON. */
export const get = (at, query) => answer("GET", addressOf(at, query)).then((found) => found.json());

/** The same as text, of what is not JSON. */
export const getText = (at) => answer("GET", addressOf(at)).then((found) => found.text());

/** What the service says to a body. */
export const post = (at, body) => answer("POST", addressOf(at), body).then((found) => found.json());

/** The same, where something is put into a state. */
export const put = (at, body) => answer("PUT", addressOf(at), body).then((found) => found.json());

/** Asks again where a token was missing, and for a while where systems are still being loaded. */
async function answer(method, address, body) {
  for (let waited = 0; ;) {
    const used = token();
    const found = await fetched(method, address, body, used);
    if (found.ok) return found;
    const problem = await failure(found);
    if (problem.type === "urn:segue:problem:loading" && waited < LOADING) {
      const pause = 1000 * Number(found.headers.get("Retry-After") ?? 2);
      await new Promise((resolve) => setTimeout(resolve, pause));
      waited += pause;
      continue;
    }
    if (found.status !== 401) throw problem;
    if (used && used === token()) forgetToken();
    if (!token() && !(await askForToken(Boolean(used)))) throw problem;
  }
}

async function fetched(method, address, body, used) {
  const headers = { Accept: "application/json" };
  if (used) headers.Authorization = `Bearer ${used}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    const signal = AbortSignal.timeout(PATIENCE);
    return await fetch(address, {
      method,
      headers,
      signal,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Failure({
      title: "The service does not answer",
      detail: `Nothing came back from ${ROOT.host}. Is segue serve still running there? Start it again, then try again here.`,
    });
  }
}

async function failure(found) {
  try {
    const problem = await found.json();
    if (problem.title) return new Failure(problem);
  } catch {
    // not problem details: something between us and the service has answered
  }
  return new Failure({
    title: `Answered with ${found.status}`,
    detail: "This did not come from Segue; look at what stands between this page and the service.",
    status: found.status,
  });
}
