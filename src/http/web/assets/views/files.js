// A folder: what is in it, and what comes into it.

import { h, id } from "../dom.js";
import { data, fileUrl, join, segments, session } from "../api.js";
import { t } from "../i18n.js";
import { bytes, date } from "../format.js";
import { icon } from "../icons.js";
import { button, copy, crumbs, emptyState, errorState, form, linkButton, menu, pager, table } from "../ui.js";
import { filesOf } from "../upload.js";
import { sendAll } from "../transfers.js";
import { details, remove, rename, share, transfer } from "./node.js";

const SIZE = 100;

async function makeFolder(at, refresh) {
  const done = await form(t("folder.new"), {
    fields: [{ name: "name", label: t("name"), required: true }],
    submit: t("create"),
    run: ({ name }) => data("POST", `repository/api/node/mkdir/${join(at.project, at.repo, ...at.path, ...segments(name))}`),
  });
  if (done) refresh();
}

/** The page of the folder, or of what is found below it. */
function load(at, asked, signal) {
  if (asked.search) {
    const below = at.path.length > 0 ? [{ field: "fullPath", operation: "PREFIX", value: `/${at.path.join("/")}/` }] : [];
    const rules = [
      { field: "projectId", value: at.project },
      { field: "repoName", value: at.repo },
      ...below,
      { field: "name", operation: "MATCH_I", value: `*${asked.search}*` },
    ];
    const sort = asked.sort && { properties: [asked.sort], direction: asked.down ? "DESC" : "ASC" };
    const json = { rule: { relation: "AND", rules }, page: { pageNumber: asked.page, pageSize: SIZE }, ...(sort && { sort }) };
    return data("POST", "repository/api/node/search", { json, signal });
  }
  const sort = asked.sort ? { sort: true, sortProperty: asked.sort, direction: asked.down ? "DESC" : "ASC" } : {};
  const query = { pageNumber: asked.page, pageSize: SIZE, includeFolder: true, includeMetadata: true, ...sort };
  return data("GET", `repository/api/node/page/${join(at.project, at.repo, ...at.path)}`, { query, signal });
}

/** Where a node is shown; a file in its folder's table has its bytes behind its name. */
function entry(node, isFound) {
  const href = node.folder
    ? `#/f/${join(node.projectId, node.repoName, ...segments(node.fullPath))}`
    : `${fileUrl(node.projectId, node.repoName, node.fullPath)}?download=true`;
  const more = isFound && h("span", { class: "entry-more" }, node.path);
  const inner = [icon(node.folder ? "folder" : "file"), h("span", {}, h("span", { class: "entry-name" }, node.name), more)];
  return h("a", { class: `entry ${node.folder ? "folder" : ""}`, href, download: node.folder ? null : "" }, inner);
}

function actions(node, canAct, refresh) {
  const { projectId: project, repoName: repo } = node;
  const link = fileUrl(project, repo, node.fullPath);
  return menu(t("menu.of", { name: node.name }), [
    { name: "download", label: node.folder ? t("download.zip") : t("download"), href: `${link}?download=true`, download: "" },
    { name: "file", label: t("details"), run: () => details(node) },
    { name: "copy", label: t("copy.link"), run: () => copy(link, t("copied.link")) },
    canAct && { name: "link", label: t("share"), run: () => share(node) },
    canAct && { name: "edit", label: t("rename"), run: () => rename(node, refresh) },
    canAct && { name: "move", label: t("move"), run: () => transfer(node, "move", refresh) },
    canAct && { name: "copy", label: t("copy.node"), run: () => transfer(node, "copy", refresh) },
    canAct && { name: "trash", label: t("delete"), danger: true, run: () => remove(project, repo, [node], refresh) },
  ]);
}

/** Takes what is dropped anywhere on the view. */
function takesDrops(view, take) {
  let depth = 0;
  const isFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  const on = (name, act) =>
    view.addEventListener(name, (event) => {
      if (!isFiles(event)) return;
      event.preventDefault();
      act(event);
      view.classList.toggle("dropping", depth > 0);
    });
  on("dragenter", () => (depth += 1));
  on("dragover", (event) => (event.dataTransfer.dropEffect = "copy"));
  on("dragleave", () => (depth -= 1));
  on("drop", async (event) => {
    depth = 0;
    take(await filesOf(event.dataTransfer));
  });
}

/** A button behind which files are chosen. */
function chooser(label, name, kind, isFolder, take) {
  const input = h("input", { type: "file", multiple: true, class: "unseen", tabindex: "-1", "aria-label": label, webkitdirectory: isFolder });
  input.addEventListener("change", () => {
    take([...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
    input.value = "";
  });
  return h("span", {}, input, button(label, { name, kind, onclick: () => input.click() }));
}

function searchBox(asked, goWith) {
  const of = id("search");
  const input = h("input", { id: of, type: "search", name: "q", value: asked.search, placeholder: t("search.placeholder"), autocomplete: "off" });
  const element = h("form", { class: "search", role: "search" }, icon("search"), h("label", { for: of, class: "unseen" }, t("search.below")), input);
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    goWith({ q: input.value.trim(), page: null });
  });
  input.addEventListener("search", () => input.value === "" && asked.search && goWith({ q: null, page: null }));
  return element;
}

/** The choice of several rows. */
function selection(records, act) {
  const chosen = new Set();
  const boxes = [];
  const all = h("input", { type: "checkbox", "aria-label": t("select.all") });
  const count = h("span", {});
  const bar = h(
    "div",
    { class: "selected", hidden: true, role: "status" },
    count,
    button(t("delete"), { name: "trash", kind: "danger", onclick: () => act([...chosen]) }),
  );
  const update = () => {
    bar.hidden = chosen.size === 0;
    count.textContent = t("selected", { n: chosen.size });
    all.checked = chosen.size === records.length;
    all.indeterminate = chosen.size > 0 && chosen.size < records.length;
  };
  all.addEventListener("change", () => {
    for (const [box, node] of boxes) {
      box.checked = all.checked;
      chosen[all.checked ? "add" : "delete"](node);
    }
    update();
  });
  const select = (node) => {
    if (node === null) return all;
    const box = h("input", { type: "checkbox", "aria-label": t("select", { name: node.name }) });
    box.addEventListener("change", () => {
      chosen[box.checked ? "add" : "delete"](node);
      update();
    });
    boxes.push([box, node]);
    return box;
  };
  return { bar, select };
}

export async function files({ names: [project = "", repo = "", ...path], query, signal, refresh, goWith }) {
  const at = { project, repo, path };
  const asked = { page: Number(query.get("page")) || 1, sort: query.get("sort"), down: query.get("down") === "1", search: query.get("q") || "" };
  const found = await load(at, asked, signal);
  const take = (chosen) => sendAll(chosen, (name) => ({ project, repo, path: `/${[...path, name].join("/")}` }));
  const names = [[t("projects"), "#/"], [project, `#/p/${join(project)}`], [repo, `#/f/${join(project, repo)}`]];
  path.forEach((name, depth) => names.push([name, `#/f/${join(project, repo, ...path.slice(0, depth + 1))}`]));
  const canAct = !session.login || session.userId;
  const tools = h(
    "div",
    { class: "tools" },
    canAct && chooser(t("upload"), "upload", "primary", false, take),
    canAct && chooser(t("upload.folder"), "folder", "", true, take),
    canAct && button(t("folder.new"), { name: "plus", onclick: () => makeFolder(at, refresh) }),
    linkButton(t("download.zip"), `${fileUrl(project, repo, path.join("/"))}?download=true`, { name: "download", download: "" }),
    searchBox(asked, goWith),
  );
  const title = path.length > 0 ? path[path.length - 1] : repo;
  const view = h("div", { class: "folder-view" }, crumbs(names), h("div", { class: "head" }, h("h1", {}, title)), tools);
  if (canAct) takesDrops(view, take);
  view.append(h("div", { class: "drop-hint", "aria-hidden": "true" }, icon("upload"), h("span", {}, t("drop.here", { name: title }))));
  if (found.totalRecords === 0) {
    const none = asked.search
      ? emptyState("search", t("search.none"), t("search.none.text", { text: asked.search }), button(t("search.clear"), { onclick: () => goWith({ q: null }) }))
      : emptyState("folder", t("folder.empty"), canAct ? t("folder.empty.text") : null);
    view.append(none);
    return view;
  }
  if (found.records.length === 0) {
    view.append(errorState(new Error(t("pager.beyond")), () => goWith({ page: null })));
    return view;
  }
  const sorting = {
    key: asked.sort || (asked.search ? "" : "name"),
    down: asked.down,
    by: (key) => goWith({ sort: key, down: sorting.key === key && !asked.down ? "1" : null, page: null }),
  };
  const columns = [
    { label: t("name"), sort: "name", bare: true, kind: "main-cell", cell: (node) => entry(node, asked.search) },
    { label: t("size"), sort: "size", kind: "number", cell: (node) => (node.folder ? "–" : bytes(node.size)) },
    { label: t("modified"), sort: "lastModifiedDate", cell: (node) => date(node.lastModifiedDate) },
    { label: t("by"), kind: "by-cell", cell: (node) => node.lastModifiedBy },
    { label: t("actions"), unseen: true, kind: "end", cell: (node) => actions(node, canAct, refresh) },
  ];
  const { bar, select } = selection(found.records, (nodes) => remove(project, repo, nodes, refresh));
  view.append(bar, table(t("folder.contents", { name: title }), columns, found.records, { sorting, select: canAct ? select : null }));
  view.append(pager({ page: asked.page, size: SIZE, total: found.totalRecords, go: (to) => goWith({ page: to }) }));
  return view;
}
