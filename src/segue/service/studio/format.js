// Numbers, shares and times as people write them.

const counts = new Intl.NumberFormat("en");
const moments = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const days = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });

/** 12,345 */
export const count = (value) => counts.format(value);

/** A measured number: 0.1857; a dash for what is not known. */
export const number = (value, digits = 4) => (Number.isFinite(value) ? value.toFixed(digits) : "–");

/** A difference: +0.012, −0.03. */
export function signed(value, digits = 3) {
  if (!Number.isFinite(value)) return "–";
  if (Math.abs(value) < 1e-9) return "0";
  return `${value > 0 ? "+" : "−"}${precise(Math.abs(value), digits)}`;
}

/** So many significant digits, without an exponent where that can be read. */
export function precise(value, digits = 3) {
  if (!Number.isFinite(value)) return "–";
  const words =
    value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential(1) : String(Number(value.toPrecision(digits)));
  return words.replace(/^-/, "−");
}

/** 12.3 %; small shares keep their digits. */
export function share(value) {
  if (!Number.isFinite(value)) return "–";
  const percent = 100 * value;
  if (percent === 0 || percent === 100) return `${percent} %`;
  return `${percent >= 10 ? percent.toFixed(1) : precise(percent, 2)} %`;
}

/** A p-value: 0.031, or < 0.001. */
export const chance = (p) => (p < 0.001 ? "< 0.001" : p.toFixed(3));

/** 1.2k on an axis. */
export function short(value) {
  for (const [limit, suffix] of [
    [1e6, "M"],
    [1e3, "k"],
  ]) {
    if (Math.abs(value) >= limit) return `${precise(value / limit)}${suffix}`;
  }
  return Math.abs(value) >= 1e-9 ? precise(value) : "0";
}

/** Seconds as people say them. */
export function duration(seconds) {
  if (seconds < 100) return `${precise(seconds)} s`;
  return seconds < 5400 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** Unix seconds as a day and a time; words where no time is known. */
export const moment = (seconds) =>
  seconds === null || seconds === undefined ? "time unknown" : moments.format(seconds * 1000);

/** An ISO time as a day. */
export const day = (iso) => days.format(new Date(iso));

/** One thing, several things. */
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;
