// From numbers to places on paper: round ticks, and a straight scale.

/** About `wanted` round numbers that span low to high. */
export function ticks(low, high, wanted) {
  if (!(high > low)) return [low];
  const rough = (high - low) / wanted;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 2.5, 5, 10].find((factor) => unit * factor >= rough * (1 - 1e-9));
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, place) => (first + place) * step);
}

/** Where a value between `low` and `high` stands between `from` and `until`; the middle where there is no range. */
export function straight(low, high, from, until) {
  return (value) => (high > low ? from + ((value - low) / (high - low)) * (until - from) : (from + until) / 2);
}
