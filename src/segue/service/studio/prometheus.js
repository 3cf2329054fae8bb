// The service's own counters, out of Prometheus' text format.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** All samples by name: [{ labels, value }]. */
export function samples(text) {
  const found = new Map();
  for (const line of text.split("\n")) {
    const [, name, inner = "", value] = LINE.exec(line) ?? [];
    if (!name) continue;
    const labels = Object.fromEntries(
      [...inner.matchAll(LABEL)].map(([, key, one]) => [key, one.replace(/\\(.)/g, "$1")]),
    );
    found.set(name, [...(found.get(name) ?? []), { labels, value: Number(value) }]);
  }
  return found;
}

/** Counts below each bound of a histogram, for the samples that `fits` takes. */
export function buckets(found, name, fits) {
  const sums = new Map();
  for (const { labels, value } of found.get(`${name}_bucket`) ?? []) {
    if (!fits(labels)) continue;
    const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
    sums.set(bound, (sums.get(bound) ?? 0) + value);
  }
  return new Map([...sums].sort(([a], [b]) => a - b));
}

/** Below which value a share of what came between two readings lies; null where nothing came. */
export function quantile(now, before, wanted) {
  const bounds = [...now.keys()];
  const counts = bounds.map((bound) => now.get(bound) - (before.get(bound) ?? 0));
  const total = counts.at(-1) ?? 0;
  if (!(total > 0)) return null;
  const place = counts.findIndex((count) => count >= wanted * total);
  if (bounds[place] === Infinity) return Infinity;
  const [low, below] = place ? [bounds[place - 1], counts[place - 1]] : [0, 0];
  return low + ((wanted * total - below) / (counts[place] - below || 1)) * (bounds[place] - low);
}
