// Curves over steps: drawn at the size they are seen in, read with the pointer or the arrow keys, and given as a table.
import { el, freshId, svg } from "./dom.js";
import { precise, short } from "./format.js";
import { straight, ticks } from "./scale.js";
import { table } from "./table.js";

const HEIGHT = 220;
const EDGE = { left: 48, right: 14, top: 12, bottom: 30 };

/** `series` are { name, points: [[x, y], ...] }, by rising x; those without a point are left out. */
export function lineChart({ title, series, across = "step", height = HEIGHT }) {
  const drawn = series.filter((one) => one.points.length);
  const box = el("figure", { class: "card chart" }, el("h3", {}, title, el("small", {}, ` by ${across}`)));
  if (!drawn.length) {
    box.append(el("p", { class: "soft" }, "Nothing was noted while this was fitted."));
    return box;
  }
  const places = [...new Set(drawn.flatMap((one) => one.points.map(([x]) => x)))].sort((a, b) => a - b);
  const values = drawn.map((one) => new Map(one.points));
  const said = el("p", { class: "read-out", "aria-hidden": "true" });
  const reader = el("div", {
    class: "chart-reader",
    role: "slider",
    tabindex: "0",
    "aria-label": `${title}, by ${across}`,
    "aria-valuemin": "0",
    "aria-valuemax": String(places.length - 1),
  });
  let paper = null;
  let at = places.length - 1;

  const told = (one, y) => `${drawn.length > 1 ? `${one.name} ` : ""}${precise(y, 4)}`;

  /** The points under the pointer or the keys, in words and as dots; at rest, where each curve ended. */
  function read(place, marked = true) {
    at = Math.max(0, Math.min(places.length - 1, place));
    const x = places[at];
    const words = drawn.flatMap((one, row) => (values[row].has(x) ? [told(one, values[row].get(x))] : []));
    const ends = drawn.map((one) => told(one, one.points.at(-1)[1]));
    said.textContent = marked ? `${across} ${precise(x, 6)}: ${words.join(" · ")}` : `in the end: ${ends.join(" · ")}`;
    reader.setAttribute("aria-valuenow", String(at));
    reader.setAttribute("aria-valuetext", `${across} ${precise(x, 6)}: ${words.join(" · ")}`);
    paper?.mark(marked ? x : null);
  }

  function draw(width) {
    paper = sheet(drawn, places, values, width, height, title);
    reader.replaceChildren(paper.node);
    read(at, document.activeElement === reader);
  }

  reader.addEventListener("keydown", (event) => {
    const step = {
      ArrowRight: at + 1,
      ArrowUp: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at - 1,
      Home: 0,
      End: places.length - 1,
      PageUp: at + 10,
      PageDown: at - 10,
    };
    if (!(event.key in step)) return;
    event.preventDefault();
    read(step[event.key]);
  });
  reader.addEventListener("pointermove", (event) => {
    const x = paper.valueAt(event.clientX - reader.getBoundingClientRect().left);
    read(places.reduce((near, one, place) => (Math.abs(one - x) < Math.abs(places[near] - x) ? place : near), 0));
  });
  reader.addEventListener("pointerleave", () => read(places.length - 1, false));
  reader.addEventListener("focus", () => read(at));
  reader.addEventListener("blur", () => read(at, false));
  new ResizeObserver(([entry]) => draw(Math.max(220, Math.round(entry.contentRect.width)))).observe(reader);
  if (drawn.length > 1) box.append(legend(drawn));
  const rows = places.map((x, row) => [
    precise(x, 6),
    ...values.map((one) => (one.has(places[row]) ? precise(one.get(x), 4) : "–")),
  ]);
  box.append(
    reader,
    said,
    el(
      "details",
      {},
      el("summary", {}, "As a table"),
      table([across, ...drawn.map((one) => one.name)], rows, { caption: title }),
    ),
  );
  return box;
}

/** One drawing of a given size. */
function sheet(series, places, values, width, height, title) {
  const all = series.flatMap((one) => one.points.map(([, y]) => y));
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const yTicks = ticks(least, most, 4);
  const [low, high] = [Math.min(yTicks[0], least), Math.max(yTicks.at(-1), most)];
  const [first, last] = [places[0], places.at(-1)];
  const x = straight(first, last, EDGE.left, width - EDGE.right);
  const y = straight(low, high, height - EDGE.bottom, EDGE.top);
  const ids = [freshId("title"), freshId("desc")];
  const node = svg("svg", {
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-labelledby": ids.join(" "),
  });
  node.append(svg("title", { id: ids[0] }, title), svg("desc", { id: ids[1] }, described(series)));
  for (const tick of yTicks) {
    node.append(svg("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(tick), y2: y(tick) }));
    node.append(svg("text", { x: EDGE.left - 8, y: y(tick) + 4, "text-anchor": "end" }, short(tick)));
  }
  for (const tick of ticks(first, last, width < 420 ? 4 : 6)) {
    if (tick >= first && tick <= last)
      node.append(svg("text", { x: x(tick), y: height - 8, "text-anchor": "middle" }, short(tick)));
  }
  series.forEach((one, row) => {
    const corners = one.points.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(" ");
    node.append(svg("polyline", { class: `line s${row % 6}`, points: corners }));
    const [a, b] = one.points.at(-1);
    node.append(svg("circle", { class: `dot s${row % 6}`, cx: x(a), cy: y(b), r: 3 }));
  });
  const rule = svg("line", { class: "rule", y1: EDGE.top, y2: height - EDGE.bottom });
  const dots = series.map((_, row) => svg("circle", { class: `dot s${row % 6}`, r: 4.5 }));
  const marks = svg("g", { visibility: "hidden" }, rule, dots);
  node.append(marks);
  return {
    node,
    valueAt: straight(EDGE.left, width - EDGE.right, first, last),
    mark(at) {
      marks.setAttribute("visibility", at === null ? "hidden" : "visible");
      if (at === null) return;
      for (const end of ["x1", "x2"]) rule.setAttribute(end, x(at));
      dots.forEach((dot, row) => {
        const there = values[row].has(at);
        dot.setAttribute("visibility", there ? "inherit" : "hidden");
        if (there) dot.setAttribute("cx", x(at));
        if (there) dot.setAttribute("cy", y(values[row].get(at)));
      });
    },
  };
}

function described(series) {
  return series
    .map(
      ({ name, points }) =>
        `${name}: from ${precise(points[0][1])} to ${precise(points.at(-1)[1])} over ${points.length} points`,
    )
    .join("; ");
}

function legend(series) {
  const keys = series.map((one, row) =>
    el(
      "li",
      {},
      svg(
        "svg",
        { width: 26, height: 10, "aria-hidden": "true" },
        svg("line", { class: `line s${row % 6}`, x1: 1, x2: 25, y1: 5, y2: 5 }),
      ),
      one.name,
    ),
  );
  return el("ul", { class: "legend" }, keys);
}
