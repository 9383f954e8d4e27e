// The software packages, by what they say of themselves.

import { h } from "../dom.js";
import { ask, data, join, session, url } from "../api.js";
import { t } from "../i18n.js";
import { bytes, date } from "../format.js";
import { icon } from "../icons.js";
import { button, copy, emptyState, facts, form, linkButton, menu, open, pager, table, toast } from "../ui.js";
import { filesOf } from "../upload.js";
import { sendAll } from "../transfers.js";

const SIZE = 50;
const TYPES = [
  "OB_SERVER_INSTALL_PACKAGE",
  "OCP_AGENT_INSTALL_PACKAGE",
  "OBPROXY_INSTALL_PACKAGE",
  "OB_BACKUP_AGENT_INSTALL_PACKAGE",
  "OB_AGENT_INSTALL_PACKAGE",
  "OTHERS_RPM",
];
const FILTERS = ["keyword", "type", "version", "operatingSystem", "architecture"];

function fileOf(pkg) {
  return url(`api/v2/files/sys-package/${join(pkg.fileName)}`);
}

async function remove(pkg, refresh) {
  const gone = await form(t("delete"), {
    text: h("p", {}, t("delete.file", { name: pkg.fileName })),
    submit: t("delete"),
    danger: true,
    run: () => ask("DELETE", `api/v2/software-packages/${pkg.id}`),
  });
  if (gone) {
    toast(t("deleted", { name: pkg.fileName }));
    refresh();
  }
}

function details(pkg) {
  const body = h(
    "div",
    { class: "body" },
    facts([
      [t("name"), pkg.name],
      [t("package.version"), `${pkg.version} (${pkg.buildNumber})`],
      [t("package.type"), pkg.type],
      [t("package.os"), pkg.operatingSystem],
      [t("package.arch"), pkg.architecture],
      [t("size"), bytes(pkg.size)],
      [t("created"), date(pkg.createTime)],
      ["SHA-1", h("code", {}, pkg.sha1)],
      ["MD5", h("code", {}, pkg.md5)],
    ]),
    h("footer", {}, button(t("copy.link"), { name: "link", onclick: () => copy(fileOf(pkg), t("copied.link")) }), linkButton(t("download"), fileOf(pkg), { name: "download", kind: "primary", download: "" })),
  );
  open(pkg.fileName, body, { wide: true });
}

function filters(query, goWith) {
  const labels = { keyword: t("search"), type: t("package.type"), version: t("package.version"), operatingSystem: t("package.os"), architecture: t("package.arch") };
  const fields = FILTERS.map((name) => {
    const value = query.get(name) || "";
    const of = `filter-${name}`;
    const input =
      name === "type"
        ? h("select", { id: of, name }, h("option", { value: "" }, t("any")), TYPES.map((type) => h("option", { value: type, selected: type === value }, type)))
        : h("input", { id: of, name, value, type: name === "keyword" ? "search" : "text", autocomplete: "off", spellcheck: "false" });
    return h("div", { class: "field" }, h("label", { for: of }, labels[name]), input);
  });
  const clear = Object.fromEntries(FILTERS.map((name) => [name, null]));
  const element = h(
    "form",
    { class: "filters card", role: "search", "aria-label": t("package.filters") },
    fields,
    h("div", { class: "row" }, h("button", { type: "submit", class: "button" }, icon("search"), h("span", {}, t("search.go"))), button(t("search.clear"), { kind: "quiet", onclick: () => goWith({ ...clear, page: null }) })),
  );
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    goWith({ ...Object.fromEntries(new FormData(element)), page: null });
  });
  return element;
}

export async function packages({ query, signal, refresh, goWith }) {
  const page = Number(query.get("page")) || 1;
  const sort = query.get("sort") || "id";
  const down = query.get("down") !== "0";
  const asked = Object.fromEntries(FILTERS.map((name) => [name, query.get(name)]));
  const wanted = { ...asked, page, size: SIZE, sort: `${sort},${down ? "desc" : "asc"}`, withInstallationData: false };
  const found = await data("GET", "api/v2/software-packages", { query: wanted, signal });
  const take = (chosen) => sendAll(chosen.filter(({ file }) => file.name.endsWith(".rpm")), () => ({ isPackage: true }));
  const input = h("input", { type: "file", multiple: true, accept: ".rpm", class: "unseen", tabindex: "-1", "aria-label": t("package.upload") });
  input.addEventListener("change", () => {
    take([...input.files].map((file) => ({ file, path: file.name })));
    input.value = "";
  });
  const canAct = !session.login || session.userId;
  const head = h("div", { class: "head" }, h("h1", {}, t("packages")), canAct && h("span", {}, input, button(t("package.upload"), { name: "upload", kind: "primary", onclick: () => input.click() })));
  const view = h("div", {}, head, filters(query, goWith));
  view.addEventListener("dragover", (event) => event.preventDefault());
  view.addEventListener("drop", async (event) => {
    event.preventDefault();
    take(await filesOf(event.dataTransfer));
  });
  const total = found.page.totalElements;
  if (total === 0) {
    const asks = FILTERS.some((name) => query.get(name));
    view.append(emptyState("package", asks ? t("search.none") : t("packages.none"), asks ? null : t("packages.none.text")));
    return view;
  }
  const sorting = { key: sort, down, by: (key) => goWith({ sort: key, down: sort === key && !down ? "1" : "0", page: null }) };
  const columns = [
    { label: t("name"), sort: "name", bare: true, kind: "main-cell", cell: (pkg) => h("a", { class: "entry", href: fileOf(pkg), download: "" }, icon("package"), h("span", {}, h("span", { class: "entry-name" }, pkg.name), h("span", { class: "entry-more" }, pkg.fileName))) },
    { label: t("package.version"), sort: "version", cell: (pkg) => `${pkg.version}-${pkg.buildNumber}` },
    { label: t("package.os"), sort: "operatingSystem", cell: (pkg) => pkg.operatingSystem },
    { label: t("package.arch"), sort: "architecture", cell: (pkg) => pkg.architecture },
    { label: t("size"), sort: "size", kind: "number", cell: (pkg) => bytes(pkg.size) },
    { label: t("created"), sort: "createTime", cell: (pkg) => date(pkg.createTime) },
    {
      label: t("actions"),
      unseen: true,
      kind: "end",
      cell: (pkg) =>
        menu(t("menu.of", { name: pkg.fileName }), [
          { name: "download", label: t("download"), href: fileOf(pkg), download: "" },
          { name: "file", label: t("details"), run: () => details(pkg) },
          { name: "copy", label: t("copy.link"), run: () => copy(fileOf(pkg), t("copied.link")) },
          canAct && { name: "trash", label: t("delete"), danger: true, run: () => remove(pkg, refresh) },
        ]),
    },
  ];
  view.append(table(t("packages"), columns, found.contents, { sorting }));
  view.append(pager({ page, size: SIZE, total, go: (to) => goWith({ page: to }) }));
  return view;
}
