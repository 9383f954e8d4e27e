// Numbers, sizes and dates, as they are read in the language of the page.

import { tag, t } from "./i18n.js";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** A size in bytes. */
export function bytes(count) {
  let [value, unit] = [count, 0];
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  const text = new Intl.NumberFormat(tag(), { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${text.format(value)} ${UNITS[unit]}`;
}

export function number(count) {
  return new Intl.NumberFormat(tag()).format(count);
}

export function ratio(value) {
  return new Intl.NumberFormat(tag(), { maximumFractionDigits: 2 }).format(value);
}

export function percent(part, whole) {
  const share = whole > 0 ? part / whole : 0;
  return new Intl.NumberFormat(tag(), { style: "percent", maximumFractionDigits: 1 }).format(share);
}

/** A date as the service writes it: in its own zone, which it does not name; so as it is, to the minute. */
export function date(text) {
  if (!text) return "–";
  return text.slice(0, 16).replace("T", " ");
}

/** How long something takes, roughly. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 90) return t("seconds", { n: Math.max(1, Math.round(seconds)) });
  if (seconds < 5400) return t("minutes", { n: Math.round(seconds / 60) });
  return t("hours", { n: Math.round(seconds / 3600) });
}
