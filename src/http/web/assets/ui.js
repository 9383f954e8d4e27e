// What views are made of: messages, dialogs, tables, pages of them, and their states.

import { h, id } from "./dom.js";
import { icon } from "./icons.js";
import { t } from "./i18n.js";
import { number } from "./format.js";

/** A button with a drawing; `label` alone is what it is called, unless its text is shown, too. */
export function button(label, { name, kind = "", text = true, ...rest } = {}) {
  const attributes = { type: "button", class: `button ${kind} ${text ? "" : "only"}`, ...rest };
  if (!text) Object.assign(attributes, { "aria-label": label, title: label });
  return h("button", attributes, name && icon(name), text && h("span", {}, label));
}

/** A link that looks like a button. */
export function linkButton(label, href, { name, kind = "", text = true, ...rest } = {}) {
  const attributes = { href, class: `button ${kind} ${text ? "" : "only"}`, ...rest };
  if (!text) Object.assign(attributes, { "aria-label": label, title: label });
  return h("a", attributes, name && icon(name), text && h("span", {}, label));
}

const toasts = h("div", { class: "toasts", role: "status", "aria-live": "polite" });

/** Where messages appear. */
export function toastHome() {
  return toasts;
}

/** Says something for a while; it stays as long as it is looked at. */
export function toast(text, kind = "good") {
  const close = button(t("close"), { name: "close", kind: "quiet", text: false, onclick: () => line.remove() });
  const line = h("div", { class: `toast ${kind}` }, icon(kind === "bad" ? "warn" : "check"), h("span", {}, text), close);
  const leave = () => {
    if (line.matches(":hover, :focus-within")) setTimeout(leave, 2000);
    else line.remove();
  };
  // In a dialog what lies below it cannot be reached.
  const dialogs = document.querySelectorAll("dialog[open]");
  (dialogs.length > 0 ? dialogs[dialogs.length - 1] : document.body).append(toasts);
  toasts.append(line);
  setTimeout(leave, kind === "bad" ? 10000 : 5000);
}

/** What went wrong, with the number that finds it in the log. */
export function errorText(error) {
  return h(
    "div",
    { class: "problem", role: "alert" },
    icon("warn"),
    h("div", {}, h("p", {}, error.message), error.traceId && h("p", { class: "trace" }, t("trace"), " ", h("code", {}, error.traceId))),
  );
}

export function errorState(error, retry) {
  return h("div", { class: "state" }, errorText(error), retry && button(t("retry"), { name: "refresh", onclick: retry }));
}

export function emptyState(name, title, text, ...actions) {
  return h("div", { class: "state" }, h("div", { class: "state-icon" }, icon(name)), h("h2", {}, title), text && h("p", {}, text), actions);
}

/** Rows that are still to come. */
export function loadingState() {
  const rows = [1, 2, 3, 4, 5].map(() => h("div", { class: "bone" }));
  return h("div", { class: "loading", role: "status" }, h("span", { class: "unseen" }, t("loading")), rows);
}

/** Opens a dialog; gives what it was closed with. */
export function open(title, content, { wide = false } = {}) {
  const heading = id("title");
  const close = button(t("close"), { name: "close", kind: "quiet", text: false, onclick: () => dialog.close("") });
  const dialog = h(
    "dialog",
    { class: wide ? "wide" : "", "aria-labelledby": heading },
    h("header", {}, h("h2", { id: heading }, title), close),
    content,
  );
  // Outside of the box is outside of the dialog.
  dialog.addEventListener("mousedown", (event) => {
    if (event.target === dialog) dialog.close("");
  });
  dialog.addEventListener("close", () => {
    if (dialog.contains(toasts)) document.body.append(toasts);
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

function control(field) {
  const name = id("field");
  const hint = field.hint ? id("hint") : null;
  const common = { id: name, name: field.name, required: field.required, "aria-describedby": hint, autocomplete: field.autocomplete || "off" };
  let input;
  if (field.type === "checkbox") {
    input = h("input", { ...common, type: "checkbox", checked: Boolean(field.value) });
    return h("div", { class: "field check" }, input, h("label", { for: name }, field.label));
  }
  if (field.options) {
    const options = field.options.map(([value, text]) => h("option", { value, selected: value === field.value }, text));
    input = h("select", common, options);
  } else {
    input = h("input", { ...common, type: field.type || "text", value: field.value ?? "", min: field.min, spellcheck: "false", autocapitalize: "off" });
  }
  return h("div", { class: "field" }, h("label", { for: name }, field.label), input, hint && h("p", { class: "hint", id: hint }, field.hint));
}

/** A form in a dialog. `run` gets its values, and what it throws is shown; else the dialog closes, true. */
export function form(title, { text, fields = [], submit, danger = false, run }) {
  return new Promise((resolve) => {
    const problem = h("div", {});
    const send = h("button", { type: "submit", class: `button ${danger ? "danger" : "primary"}` }, submit);
    const cancel = button(t("cancel"), { onclick: () => dialog.close("") });
    const element = h("form", { method: "dialog" }, text, fields.map(control), problem, h("footer", {}, cancel, send));
    element.addEventListener("submit", async (event) => {
      event.preventDefault();
      const values = Object.fromEntries(new FormData(element));
      for (const field of fields) if (field.type === "checkbox") values[field.name] = field.name in values;
      send.disabled = true;
      send.setAttribute("aria-busy", "true");
      try {
        await run(values);
        dialog.close("done");
      } catch (error) {
        problem.replaceChildren(errorText(error));
      } finally {
        send.disabled = false;
        send.removeAttribute("aria-busy");
      }
    });
    const dialog = open(title, element);
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "done"));
    // What takes something away is not what a careless Enter does.
    const first = danger ? cancel : element.querySelector("input, select") || send;
    first.focus();
    if (first.select) first.select();
  });
}

/** Shows a secret or an address that is to be copied. */
export function show(title, text, value) {
  const field = id("value");
  const input = h("input", { id: field, type: "text", readonly: true, value, class: "mono" });
  const copyIt = button(t("copy"), { name: "copy", kind: "primary", onclick: () => copy(value, t("copied")) });
  const body = h("div", { class: "field" }, h("label", { for: field }, text), input);
  const dialog = open(title, h("div", { class: "body" }, body, h("footer", {}, copyIt)));
  input.select();
  return dialog;
}

/** Copies a text, or has it copied where the browser does not let a page do so. */
export async function copy(value, said) {
  try {
    await navigator.clipboard.writeText(value);
    toast(said);
  } catch {
    if (!document.querySelector("dialog[open] input[readonly]")) show(t("copy"), t("copy.by.hand"), value);
  }
}

/** A menu of actions below a button. */
export function menu(label, items) {
  const list = h("ul", { class: "menu", popover: "auto", id: id("menu") });
  const opener = button(label, { name: "more", kind: "quiet", text: false, "aria-haspopup": "true", "aria-expanded": "false", popovertarget: list.id });
  for (const item of items.filter(Boolean)) {
    const inner = [icon(item.name), h("span", {}, item.label)];
    const entry = item.href
      ? h("a", { href: item.href, download: item.download, onclick: () => list.hidePopover() }, inner)
      : h("button", { type: "button", class: item.danger ? "danger" : "", onclick: () => { list.hidePopover(); item.run(); } }, inner);
    list.append(h("li", {}, entry));
  }
  // The browser moves the focus there as it opens the menu; at the event behind that, the next key may have been typed.
  list.querySelector("a, button").autofocus = true;
  list.addEventListener("beforetoggle", (event) => opener.setAttribute("aria-expanded", String(event.newState === "open")));
  list.addEventListener("toggle", (event) => {
    if (event.newState !== "open") return;
    const box = opener.getBoundingClientRect();
    const left = Math.max(8, Math.min(box.right - list.offsetWidth, innerWidth - list.offsetWidth - 8));
    const below = box.bottom + 4;
    list.style.left = `${left}px`;
    list.style.top = `${below + list.offsetHeight > innerHeight ? Math.max(8, box.top - list.offsetHeight - 4) : below}px`;
  });
  const home = h("div", { class: "menu-home" }, opener, list);
  // The opener too: Shift+Tab leads back to it.
  home.addEventListener("keydown", (event) => {
    if (!list.matches(":popover-open")) return;
    const entries = [...list.querySelectorAll("a, button")];
    const last = entries.length - 1;
    const at = entries.indexOf(document.activeElement);
    const to = { ArrowDown: at === last ? 0 : at + 1, ArrowUp: at > 0 ? at - 1 : last, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    entries[to].focus();
  });
  return home;
}

/** A table. Columns: `{key, label, sort, kind, cell}`; `sorting`: `{key, down, by(key)}`. */
export function table(caption, columns, rows, { sorting, select } = {}) {
  const head = columns.map((column) => {
    const kind = column.kind || "";
    if (!column.sort) return h("th", { scope: "col", class: kind }, column.unseen ? h("span", { class: "unseen" }, column.label) : column.label);
    const active = sorting.key === column.sort;
    const order = active ? (sorting.down ? "descending" : "ascending") : "none";
    const mark = active && icon(sorting.down ? "down" : "up");
    return h("th", { scope: "col", class: kind, "aria-sort": order }, h("button", { type: "button", class: "sort", onclick: () => sorting.by(column.sort) }, h("span", {}, column.label), mark));
  });
  const body = rows.map((row) => {
    const cells = columns.map((column) => h("td", { class: column.kind || "", "data-label": column.unseen || column.bare ? null : column.label }, column.cell(row)));
    return h("tr", {}, select && h("td", { class: "pick" }, select(row)), cells);
  });
  const all = select && h("th", { scope: "col", class: "pick" }, select(null));
  return h("div", { class: "table-home" }, h("table", {}, h("caption", { class: "unseen" }, caption), h("thead", {}, h("tr", {}, all, head)), h("tbody", {}, body)));
}

/** Where in a list one is, and the way to its other pages. */
export function pager({ page, size, total, go }) {
  const pages = Math.max(1, Math.ceil(total / size));
  const first = total === 0 ? 0 : (page - 1) * size + 1;
  const range = t("pager.range", { first: number(first), last: number(Math.min(page * size, total)), total: number(total) });
  if (pages === 1) return h("p", { class: "pager" }, range);
  const to = id("page");
  const input = h("input", { id: to, type: "number", min: "1", max: String(pages), value: String(page), class: "page-number" });
  input.addEventListener("change", () => {
    const wanted = Math.min(pages, Math.max(1, Math.round(Number(input.value)) || 1));
    if (wanted !== page) go(wanted);
  });
  return h(
    "nav",
    { class: "pager", "aria-label": t("pager") },
    h("span", {}, range),
    h(
      "span",
      { class: "row" },
      button(t("pager.back"), { name: "back", text: false, disabled: page <= 1, onclick: () => go(page - 1) }),
      h("label", { for: to }, t("pager.page")),
      input,
      h("span", {}, t("pager.of", { pages: number(pages) })),
      button(t("pager.next"), { name: "next", text: false, disabled: page >= pages, onclick: () => go(page + 1) }),
    ),
  );
}

/** The way from the top to here. */
export function crumbs(items) {
  const list = items.map(([text, href], at) => {
    const here = at === items.length - 1;
    return h("li", {}, here ? h("span", { "aria-current": "page" }, text) : h("a", { href }, text));
  });
  return h("nav", { class: "crumbs", "aria-label": t("crumbs") }, h("ol", {}, list));
}

/** Names with their values. */
export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(Boolean).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}
