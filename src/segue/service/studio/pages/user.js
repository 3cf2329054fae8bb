// One user: what they did, what each system recommends, why, and what changes when they do something more.
import { get, path } from "../api.js";
import { go, here, remember, to } from "../address.js";
import { choose } from "../choose.js";
import { el } from "../dom.js";
import { moment, plural } from "../format.js";
import { chip, head } from "../pieces.js";
import { sources } from "../sources.js";
import { fill, nothing } from "../states.js";
import { eventForm } from "./add_event.js";
import { lists } from "./lists.js";
import { explain } from "./why.js";

const SHOWN = matchMedia("(max-width: 56rem)").matches ? 4 : 12;
const MOST = 200;

export function userPage(address) {
  const [id] = address.parts;
  return id ? one(id, address) : anyone();
}

function finder() {
  return choose({
    label: "User",
    placeholder: "begin an id, such as u0",
    free: true,
    none: "Nobody whose id begins so; Enter takes it as somebody new.",
    suggest: async (begins) =>
      (await get("/users", { begins, limit: 8 })).users.map((user) => ({ value: user, title: user })),
    chosen: (user) => go(to("user", [user.value])),
  });
}

function anyone() {
  const some = el("div");
  fill(
    some,
    () => get("/users", { limit: 24 }),
    ({ users }) =>
      users.length
        ? el(
            "ul",
            { class: "cloud" },
            users.map((user) => el("li", {}, el("a", { class: "button", href: to("user", [user]) }, user))),
          )
        : nothing("Nobody is known yet. POST /events makes users known."),
  );
  return {
    title: "Users",
    nodes: [
      head(
        "Users",
        "Whom shall we look at?",
        el("p", { class: "soft lead" }, "Their history, what each system would recommend now, and why."),
      ),
      el("div", { class: "tools" }, finder().box),
      el("section", {}, el("h2", {}, "Some users"), some),
      sources([["/users", { limit: 24 }]]),
    ],
  };
}

function one(id, address) {
  const history = el("div");
  const answers = el("div");
  const past = el("section", { class: "past" }, el("h2", {}, "History"), history);
  const right = lists(id, {
    shown: address.query.getAll("system"),
    k: Number(address.query.get("k") ?? 10),
    picked: (system, item) => open(system, item),
    changed: (query) => remember(to("user", [id], query)),
  });
  let expanded = false;

  function open(system, item) {
    const before = here().query;
    remember(to("user", [id], { system: before.getAll("system"), k: before.get("k"), why: `${system}:${item}` }));
    explain(id, system, item, () =>
      remember(to("user", [id], { system: before.getAll("system"), k: before.get("k") })),
    );
  }

  function drawHistory(user) {
    if (!user.total)
      return nothing(
        "Nothing is known of this user.",
        el("p", { class: "soft small" }, "Add an event, and the systems know them."),
      );
    const shown = expanded ? user.events : user.events.slice(0, SHOWN);
    const live = user.events.filter((event) => event.live).length;
    const more = el("button", { type: "button" }, `Show ${user.events.length - shown.length} earlier ones`);
    more.addEventListener("click", () => {
      expanded = true;
      history.replaceChildren(...drawHistory(user).filter(Boolean));
      history.querySelector("ol").focus();
    });
    return [
      el(
        "p",
        { class: "soft small" },
        plural(user.total, "event"),
        live > 0 && `, ${live} of them live`,
        ", newest first",
      ),
      user.stale &&
        el("p", { class: "warn small" }, "The memory of events does not answer: newest events may be missing."),
      el(
        "ol",
        { class: "events", tabindex: "-1" },
        shown.map((event) =>
          el(
            "li",
            { class: event.live ? "live" : null },
            el("span", { class: "event-title" }, event.title, event.live && chip("live")),
            el("small", {}, moment(event.time)),
          ),
        ),
      ),
      shown.length < user.events.length && more,
    ];
  }

  const refresh = () => fill(history, () => get(path`/users/${id}`, { limit: MOST }), drawHistory);
  const form = eventForm(id, () => {
    refresh();
    return right.refresh();
  });
  refresh();
  answers.append(right.box);
  const why = address.query.get("why");
  if (why) open(...why.split(/:(.*)/s).slice(0, 2));
  return {
    title: `User ${id}`,
    nodes: [
      head("User", id),
      el("div", { class: "tools" }, finder().box, form),
      el("div", { class: "beside" }, past, answers),
      sources(
        [[path`/users/${id}`, { limit: MOST }], ["/systems"]],
        [
          ["/recommend", { user_id: id, k: 10, system: "NAME" }],
          ["/explain", { user_id: id, item_id: "ITEM", system: "NAME" }],
          ["/events", { event_id: "ANY", user_id: id, item_id: "ITEM" }],
        ],
      ),
    ],
  };
}
