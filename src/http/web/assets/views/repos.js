// The repositories of a project.

import { h } from "../dom.js";
import { ask, data, join, session } from "../api.js";
import { t } from "../i18n.js";
import { bytes, date } from "../format.js";
import { icon } from "../icons.js";
import { button, crumbs, emptyState, form, menu, pager, table, toast } from "../ui.js";
import { wouldFree } from "./node.js";

const SIZE = 100;

/** A quota that was typed, in GiB; what is empty is none. */
function quota(text, none) {
  return text.trim() === "" ? none : Math.round(Number(text) * 2 ** 30);
}

const quotaField = (value) => ({ name: "quota", label: t("repo.quota"), type: "number", min: "0", value, hint: t("repo.quota.hint") });

async function create(project, refresh) {
  const made = await form(t("repo.new"), {
    fields: [
      { name: "name", label: t("name"), required: true, hint: t("name.hint") },
      { name: "description", label: t("description") },
      quotaField(""),
      { name: "public", label: t("repo.public"), type: "checkbox" },
    ],
    submit: t("create"),
    run: ({ quota: wanted, ...rest }) => data("POST", "repository/api/repo/create", { json: { projectId: project, type: "GENERIC", ...rest, quota: quota(wanted, null) } }),
  });
  if (made) refresh();
}

async function edit(repo, refresh) {
  const done = await form(t("repo.edit"), {
    fields: [
      { name: "description", label: t("description"), value: repo.description },
      quotaField(repo.quota === null ? "" : String(repo.quota / 2 ** 30)),
      { name: "public", label: t("repo.public"), type: "checkbox", value: repo.public },
    ],
    submit: t("save"),
    run: ({ quota: wanted, ...rest }) => data("POST", `repository/api/repo/update/${join(repo.projectId, repo.name)}`, { json: { ...rest, quota: quota(wanted, -1) } }),
  });
  if (done) refresh();
}

async function remove(repo, refresh) {
  const text = h("div", {}, h("p", {}, t("repo.delete.text", { name: `${repo.projectId}/${repo.name}` })), session.admin && wouldFree(repo.projectId, repo.name, ""));
  const gone = await form(t("repo.delete"), {
    text,
    fields: [{ name: "forced", label: t("repo.delete.forced"), type: "checkbox" }],
    submit: t("delete"),
    danger: true,
    run: ({ forced }) => ask("DELETE", `repository/api/repo/delete/${join(repo.projectId, repo.name)}`, { query: { forced } }),
  });
  if (gone) {
    toast(t("deleted", { name: repo.name }));
    refresh();
  }
}

export async function repos({ names: [project = ""], query, signal, refresh, goWith }) {
  const page = Number(query.get("page")) || 1;
  const found = await data("GET", `repository/api/repo/page/${join(project)}/${page}/${SIZE}`, { signal });
  const add = button(t("repo.new"), { name: "plus", kind: "primary", onclick: () => create(project, refresh) });
  const way = crumbs([[t("projects"), "#/"], [project]]);
  const head = h("div", { class: "head" }, h("h1", {}, project), add);
  if (found.totalRecords === 0) return h("div", {}, way, head, emptyState("repo", t("repos.none"), t("repos.none.text")));
  const columns = [
    {
      label: t("name"),
      bare: true,
      kind: "main-cell",
      cell: (repo) => h("a", { class: "entry", href: `#/f/${join(project, repo.name)}` }, icon("repo"), h("span", {}, h("span", { class: "entry-name" }, repo.name), repo.description && h("span", { class: "entry-more" }, repo.description))),
    },
    { label: t("repo.access"), cell: (repo) => h("span", { class: `badge ${repo.public ? "open" : ""}` }, repo.public ? t("public") : t("private")) },
    { label: t("repo.quota.short"), kind: "number", cell: (repo) => (repo.quota === null ? "–" : bytes(repo.quota)) },
    { label: t("created"), cell: (repo) => date(repo.createdDate) },
    {
      label: t("actions"),
      unseen: true,
      kind: "end",
      cell: (repo) =>
        menu(t("menu.of", { name: repo.name }), [
          { name: "edit", label: t("repo.edit"), run: () => edit(repo, refresh) },
          { name: "trash", label: t("delete"), danger: true, run: () => remove(repo, refresh) },
        ]),
    },
  ];
  const pages = pager({ page, size: SIZE, total: found.totalRecords, go: (to) => goWith({ page: to }) });
  return h("div", {}, way, head, table(t("repos"), columns, found.records), pages);
}
