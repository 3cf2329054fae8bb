// Differences with their intervals against a line at 0: what crosses the line may be luck.
import { el, svg } from "./dom.js";
import { signed } from "./format.js";
import { straight, ticks } from "./scale.js";

const ROW = 46;

/** `rows` are { name, mean, low, high }; `title` says of what and against what. */
export function intervalChart({ title, rows }) {
  const frame = el("div", { class: "interval-frame" });
  new ResizeObserver(([entry]) =>
    frame.replaceChildren(sheet(title, rows, Math.max(220, Math.round(entry.contentRect.width)))),
  ).observe(frame);
  return el("figure", { class: "card chart" }, el("h3", {}, title), frame);
}

function sheet(title, rows, width) {
  const height = rows.length * ROW + 40;
  const [least, most] = [Math.min(0, ...rows.map((row) => row.low)), Math.max(0, ...rows.map((row) => row.high))];
  const margin = 0.06 * (most - least || 1);
  const [low, high] = [least - margin, most + margin];
  const x = straight(low, high, 10, width - 10);
  const words = rows
    .map((row) => `${row.name} ${signed(row.mean)} (${signed(row.low)} to ${signed(row.high)})`)
    .join("; ");
  const node = svg("svg", {
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": `${title}: ${words}`,
  });
  for (const tick of ticks(low, high, width < 420 ? 3 : 6)) {
    if (tick < low || tick > high) continue;
    node.append(svg("line", { class: "grid", x1: x(tick), x2: x(tick), y1: 4, y2: height - 26 }));
    const side = x(tick) < 24 ? "start" : x(tick) > width - 24 ? "end" : "middle";
    node.append(svg("text", { x: x(tick), y: height - 8, "text-anchor": side }, signed(tick)));
  }
  node.append(svg("line", { class: "zero", x1: x(0), x2: x(0), y1: 0, y2: height - 24 }));
  rows.forEach((row, place) => {
    const top = place * ROW + 8;
    const kind = row.low > 0 || row.high < 0 ? "sure" : "unsure";
    const middle = x(row.mean);
    const anchor = middle < width / 4 ? "start" : middle > (3 * width) / 4 ? "end" : "middle";
    node.append(
      svg(
        "text",
        {
          class: "name",
          x: anchor === "start" ? x(row.low) : anchor === "end" ? x(row.high) : middle,
          y: top + 10,
          "text-anchor": anchor,
        },
        row.name,
      ),
      svg("rect", {
        class: kind,
        x: x(row.low),
        y: top + 19,
        width: Math.max(x(row.high) - x(row.low), 1),
        height: 4,
        rx: 2,
      }),
      svg("circle", { class: kind, cx: middle, cy: top + 21, r: 5.5 }),
    );
  });
  return node;
}
