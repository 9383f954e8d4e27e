// The uploads that go on while one looks around: a few at once, in the order in which they came.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { button } from "./ui.js";
import { t } from "./i18n.js";
import { bytes, duration, percent } from "./format.js";
import { Upload } from "./upload.js";

const AT_ONCE = 3;
/** Lines that are shown; a folder may have thousands of files. */
const SHOWN = 100;

const all = [];
const lines = new Map();
let whenDone = () => {};

const summary = h("span", {});
const list = h("ul", {});
const more = h("p", { class: "hint" });
const said = h("div", { class: "unseen", role: "status", "aria-live": "polite" });
const fold = h("button", { type: "button", class: "transfers-head", "aria-expanded": "true" });
const clear = button(t("transfers.clear"), { name: "close", kind: "quiet", text: false });
const panel = h("section", { class: "transfers", hidden: true }, h("header", {}, fold, clear), h("div", { class: "transfers-list", tabindex: "0", role: "group" }, list, more));

fold.addEventListener("click", () => {
  const open = fold.getAttribute("aria-expanded") !== "true";
  fold.setAttribute("aria-expanded", String(open));
  panel.classList.toggle("folded", !open);
});
clear.addEventListener("click", () => {
  const over = all.filter((upload) => ["done", "cancelled"].includes(upload.state));
  for (const upload of over) remove(upload);
  draw();
});
addEventListener("beforeunload", (event) => {
  if (all.some((upload) => ["waiting", "running"].includes(upload.state))) event.preventDefault();
});

/** The panel, and where it says what became of uploads. */
export function transfersHome() {
  panel.setAttribute("aria-label", t("transfers"));
  panel.querySelector(".transfers-list").setAttribute("aria-label", t("transfers"));
  clear.setAttribute("aria-label", t("transfers.clear"));
  clear.title = t("transfers.clear");
  for (const line of lines.values()) line.label();
  draw();
  return [panel, said];
}

/** Hears of uploads that are done. */
export function onDone(listener) {
  whenDone = listener;
}

/** Forgets everything: somebody else may log in next. */
export function stopAll() {
  for (const upload of [...all]) {
    if (upload.state === "running" || upload.state === "waiting") upload.control?.abort();
    remove(upload);
  }
  draw();
}

function remove(upload) {
  all.splice(all.indexOf(upload), 1);
  lines.get(upload)?.element.remove();
  lines.delete(upload);
}

/** Sends files: each with its file and where it goes. */
export function sendAll(files, where) {
  for (const { file, path } of files) {
    const upload = new Upload(file, where(path));
    all.push(upload);
    upload.addEventListener("change", () => changed(upload));
    upload.addEventListener("progress", () => {
      lines.get(upload)?.progress();
      head();
    });
  }
  fold.setAttribute("aria-expanded", "true");
  panel.classList.remove("folded");
  draw();
  next();
}

function next() {
  const running = all.filter((upload) => upload.state === "running").length;
  const waiting = all.filter((upload) => upload.state === "waiting");
  for (const upload of waiting.slice(0, Math.max(0, AT_ONCE - running))) upload.run();
}

function changed(upload) {
  lines.get(upload)?.label();
  if (upload.state === "running") return;
  if (upload.state === "done") whenDone(upload);
  if (["done", "failed", "exists"].includes(upload.state)) said.textContent = `${upload.name}: ${t(`transfer.${upload.state}`)}`;
  draw();
  next();
}

/** What is in the way is shown first. */
const RANK = { exists: 0, failed: 1, running: 2, waiting: 3, done: 4, cancelled: 5 };

function draw() {
  panel.hidden = all.length === 0;
  const ordered = [...all].sort((a, b) => RANK[a.state] - RANK[b.state]);
  const shown = ordered.slice(0, SHOWN);
  for (const upload of [...lines.keys()]) {
    if (!shown.includes(upload)) {
      lines.get(upload).element.remove();
      lines.delete(upload);
    }
  }
  shown.forEach((upload, at) => {
    if (!lines.has(upload)) lines.set(upload, lineOf(upload));
    const { element } = lines.get(upload);
    if (list.children[at] !== element) list.insertBefore(element, list.children[at] || null);
  });
  more.textContent = all.length > shown.length ? t("transfers.more", { n: all.length - shown.length }) : "";
  head();
}

function head() {
  const over = all.filter((upload) => ["done", "cancelled"].includes(upload.state)).length;
  const size = all.reduce((sum, upload) => sum + upload.file.size, 0);
  const sent = all.reduce((sum, upload) => sum + upload.sent, 0);
  summary.textContent = t("transfers.summary", { done: over, all: all.length, percent: percent(sent, size) });
  if (fold.children.length === 0) fold.append(icon("upload"), summary);
}

function lineOf(upload) {
  const bar = h("progress", { max: "1000", value: 0 });
  const state = h("span", { class: "transfer-state" });
  const actions = h("span", { class: "row" });
  const element = h("li", {}, h("div", { class: "transfer-name", title: upload.name }, upload.name), bar, h("div", { class: "transfer-foot" }, state, actions));
  const act = (label, name, run) => button(`${label}: ${upload.name}`, { name, kind: "quiet", text: false, onclick: run });
  const say = (label, run) => button(label, { kind: "quiet", "aria-label": `${label}: ${upload.name}`, onclick: run });
  const cancel = () => act(t("cancel"), "close", () => upload.cancel());
  const again = (replace) => () => {
    upload.replace ||= replace;
    upload.tell("waiting");
  };
  const share = () => (upload.file.size === 0 ? 0 : Math.floor((1000 * upload.sent) / upload.file.size));
  const line = {
    element,
    progress() {
      bar.value = share();
      const left = upload.rate > 0 ? duration((upload.file.size - upload.sent) / upload.rate) : "";
      const rate = upload.rate > 0 ? t("transfer.rate", { rate: bytes(upload.rate), left }) : "";
      state.textContent = `${bytes(upload.sent)} / ${bytes(upload.file.size)} ${rate}`;
    },
    label() {
      element.className = `transfer ${upload.state}`;
      bar.setAttribute("aria-label", t("transfer.progress", { name: upload.name }));
      bar.value = upload.state === "done" ? 1000 : share();
      if (upload.state === "running") line.progress();
      else state.textContent = upload.state === "failed" ? `${t(`transfer.${upload.state}`)}: ${upload.error.message}` : t(`transfer.${upload.state}`);
      if (upload.error?.traceId) state.title = `${t("trace")} ${upload.error.traceId}`;
      const buttons = {
        waiting: () => [cancel()],
        running: () => [cancel()],
        failed: () => [say(t("resume"), again(false)), cancel()],
        exists: () => [say(t("replace"), again(true)), cancel()],
      }[upload.state];
      actions.replaceChildren(...(buttons ? buttons() : []));
    },
  };
  line.label();
  return line;
}
