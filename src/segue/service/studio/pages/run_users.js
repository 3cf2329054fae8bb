// Some users of the test: what they had done, what was answered, and what they did then.
import { to } from "../address.js";
import { el } from "../dom.js";
import { share } from "../format.js";

/** Lists of recommendations, right answers marked. */
export function users(report) {
  if (!report.samples.length) return null;
  const cards = report.samples.map((sample) => {
    const taken = new Set(sample.taken);
    const listed = sample.recommended.map((title) =>
      el("li", { class: taken.has(title) ? "hit" : null }, title, taken.has(title) && " ✓"),
    );
    return el(
      "div",
      { class: "card" },
      el("h3", {}, el("a", { href: to("user", [sample.user]) }, sample.user)),
      el("p", { class: "soft small" }, `Did last: ${sample.history.join(", ") || "nothing"}`),
      el("ol", {}, listed),
      el("p", { class: "soft small" }, `Took next: ${sample.taken.join(", ") || "unknown"}`),
    );
  });
  return el(
    "section",
    {},
    el("h2", {}, "Some users"),
    el("p", { class: "soft" }, "What the test asked, what was answered, and what was right."),
    el("div", { class: "grid3" }, cards),
  );
}

/** Of rankers: what was shown, how likely the action was found, and whether it came. */
export function requests(report) {
  if (!report.requests.length) return null;
  const cards = report.requests.map((request) => {
    const shown = request.shown.map((one) =>
      el(
        "li",
        { class: one.happened ? "hit" : null },
        one.title,
        " ",
        el("small", {}, share(one.probability)),
        one.happened && " ✓",
      ),
    );
    return el(
      "div",
      { class: "card" },
      el("h3", {}, el("a", { href: to("user", [request.user]) }, request.user)),
      el("p", { class: "soft small" }, `Did last: ${request.history.join(", ") || "nothing"}`),
      el("ol", {}, shown),
    );
  });
  return el(
    "section",
    {},
    el("h2", {}, "Some requests"),
    el("p", { class: "soft" }, `What was shown, the likeliest ${report.requests[0].task} first, and what came.`),
    el("div", { class: "grid3" }, cards),
  );
}
