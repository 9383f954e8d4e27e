// The projects that one has to do with.

import { h } from "../dom.js";
import { ask, data, join, session } from "../api.js";
import { t } from "../i18n.js";
import { date } from "../format.js";
import { icon } from "../icons.js";
import { button, emptyState, form, menu, table, toast } from "../ui.js";

async function create(refresh) {
  const made = await form(t("project.new"), {
    fields: [
      { name: "name", label: t("name"), required: true, hint: t("name.hint") },
      { name: "displayName", label: t("project.shown") },
      { name: "description", label: t("description") },
    ],
    submit: t("create"),
    run: (values) => data("POST", "repository/api/project/create", { json: values }),
  });
  if (made) refresh();
}

async function remove(project, refresh) {
  const gone = await form(t("project.delete"), {
    text: h("p", {}, t("project.delete.text", { name: project.name })),
    submit: t("delete"),
    danger: true,
    run: () => ask("DELETE", `repository/api/project/delete/${join(project.name)}`),
  });
  if (gone) {
    toast(t("deleted", { name: project.name }));
    refresh();
  }
}

export async function projects({ signal, refresh }) {
  const found = await data("GET", "repository/api/project/list", { signal });
  const add = session.admin && button(t("project.new"), { name: "plus", kind: "primary", onclick: () => create(refresh) });
  const head = h("div", { class: "head" }, h("h1", {}, t("projects")), add);
  if (found.length === 0) {
    return h("div", {}, head, emptyState("project", t("projects.none"), session.admin ? t("projects.none.admin") : t("projects.none.user")));
  }
  found.sort((a, b) => a.name.localeCompare(b.name));
  const columns = [
    {
      label: t("name"),
      bare: true,
      kind: "main-cell",
      cell: (project) => h("a", { class: "entry", href: `#/p/${join(project.name)}` }, icon("project"), h("span", {}, h("span", { class: "entry-name" }, project.name), project.displayName !== project.name && h("span", { class: "entry-more" }, project.displayName))),
    },
    { label: t("description"), kind: "text-cell", cell: (project) => project.description || "–" },
    { label: t("created"), cell: (project) => date(project.createdDate) },
    {
      label: t("actions"),
      unseen: true,
      kind: "end",
      cell: (project) => session.admin && menu(t("menu.of", { name: project.name }), [{ name: "trash", label: t("delete"), danger: true, run: () => remove(project, refresh) }]),
    },
  ];
  return h("div", {}, head, table(t("projects"), columns, found));
}
