// Requests a second, their latency and their errors, read from the counters again and again while one looks.
import { getText } from "../api.js";
import { el } from "../dom.js";
import { count, number, precise } from "../format.js";
import { lineChart } from "../line_chart.js";
import { tiles } from "../pieces.js";
import { buckets, quantile, samples } from "../prometheus.js";
import { failure } from "../states.js";
import { table } from "../table.js";

const EVERY = 2000;
const KEPT = 90;
const WINDOW = 30;
const QUIET = /^(\/metrics|\/studio.*|\/|other|\/health|\/ready)$/;

export function trafficSection(left) {
  const numbers = el("div");
  const chart = el("div");
  const routes = el("div");
  const pause = el("button", { type: "button", "aria-pressed": "false" }, "Pause");
  const readings = [];
  let paused = false;
  let timer = 0;

  async function read() {
    if (left.aborted) return;
    if (!paused && !document.hidden) {
      try {
        readings.push(reading(await getText("/metrics")));
        if (readings.length > KEPT) readings.shift();
        draw();
      } catch (error) {
        numbers.replaceChildren(failure(error));
      }
    }
    if (!left.aborted) timer = setTimeout(read, EVERY);
  }

  function draw() {
    const now = readings.at(-1);
    const then = readings.find((one) => now.at - one.at <= WINDOW * 1000) ?? now;
    const seconds = (now.at - then.at) / 1000;
    const rate = seconds > 0 ? (total(now) - total(then)) / seconds : null;
    const failed = total(now, refused) - total(then, refused);
    numbers.replaceChildren(
      tiles([
        ["requests a second", rate === null ? "…" : precise(rate)],
        ["half answered within", time(quantile(now.all, then.all, 0.5))],
        ["99 % answered within", time(quantile(now.all, then.all, 0.99))],
        ["errors", seconds > 0 ? count(failed) : "…"],
        ["events kept", count(now.events)],
      ]),
    );
    if (!chart.contains(document.activeElement) && !chart.matches(":hover") && !chart.querySelector("details[open]")) {
      chart.replaceChildren(
        lineChart({
          title: "Requests a second",
          series: [{ name: "requests a second", points: rates(readings) }],
          across: "seconds from now",
          height: 160,
        }),
      );
    }
    routes.replaceChildren(
      now.routes.size
        ? table(
            ["route", "requests", "errors", "half within", "99 % within"],
            [...now.routes].map(([name, one]) => [
              name,
              count(one.count),
              count(one.errors),
              time(quantile(one.within, new Map(), 0.5)),
              time(quantile(one.within, new Map(), 0.99)),
            ]),
            { caption: "By route since the service began" },
          )
        : el("p", { class: "soft" }, "Nothing has been asked yet."),
    );
  }

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    pause.setAttribute("aria-pressed", String(paused));
  });
  left.addEventListener("abort", () => clearTimeout(timer));
  read();
  return el(
    "section",
    {},
    el("div", { class: "between" }, el("h2", {}, "Traffic"), pause),
    el("p", { class: "soft" }, `Of the last ${WINDOW} seconds, without the studio's own looking.`),
    numbers,
    chart,
    el("details", { class: "card quiet" }, el("summary", {}, "By route, since the service began"), routes),
  );
}

function reading(text) {
  const found = samples(text);
  const routes = new Map();
  for (const { labels, value } of found.get("segue_requests_total") ?? []) {
    if (QUIET.test(labels.route)) continue;
    const one = routes.get(labels.route) ?? {
      count: 0,
      errors: 0,
      within: buckets(found, "segue_request_seconds", ({ route }) => route === labels.route),
    };
    one.count += value;
    if (Number(labels.status) >= 400) one.errors += value;
    routes.set(labels.route, one);
  }
  const kept = (found.get("segue_events") ?? []).find(({ labels }) => labels.outcome === "accepted");
  return {
    at: Date.now(),
    routes,
    events: kept?.value ?? 0,
    all: buckets(found, "segue_request_seconds", ({ route }) => !QUIET.test(route)),
  };
}

const refused = (one) => one.errors;
const total = (one, of = ({ count: all }) => all) =>
  [...one.routes.values()].reduce((sum, route) => sum + of(route), 0);

function rates(readings) {
  const last = readings.at(-1).at;
  return readings.slice(1).map((now, place) => {
    const then = readings[place];
    return [Math.round((now.at - last) / 1000), (total(now) - total(then)) / ((now.at - then.at) / 1000)];
  });
}

function time(seconds) {
  if (seconds === null) return "–";
  if (seconds === Infinity) return "over 10 s";
  return seconds < 1 ? `${precise(1000 * seconds, 2)} ms` : `${number(seconds, 1)} s`;
}
