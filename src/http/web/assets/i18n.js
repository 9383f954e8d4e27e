// What the page says, in the languages that it has.

import { en } from "./en.js";
import { zh } from "./zh.js";

const LANGUAGES = { en, zh };
const KEY = "packhold-language";

function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function preferred() {
  const wanted = [stored(), ...(navigator.languages || [])];
  const known = wanted.map((tag) => (tag || "").slice(0, 2).toLowerCase()).find((tag) => tag in LANGUAGES);
  return known || "en";
}

let current = preferred();
document.documentElement.lang = tag();

/** The language, as `lang` and `Intl` call it. */
export function tag() {
  return current === "zh" ? "zh-CN" : "en";
}

export function language() {
  return current;
}

/** Changes the language and remembers it. */
export function setLanguage(name) {
  current = name in LANGUAGES ? name : "en";
  document.documentElement.lang = tag();
  try {
    localStorage.setItem(KEY, current);
  } catch {
    // It holds until the page is closed.
  }
}

/** A text; `{name}` in it stands for a value. With `n` there may be one for one and one for many. */
export function t(key, values = {}) {
  const texts = LANGUAGES[current];
  let text = texts[key];
  if (values.n !== undefined) {
    const form = new Intl.PluralRules(tag()).select(Number(values.n));
    text = texts[`${key}.${form}`] ?? texts[`${key}.other`] ?? text;
  }
  if (text === undefined) text = en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined) return whole;
    return name === "n" ? new Intl.NumberFormat(tag()).format(value) : String(value);
  });
}
