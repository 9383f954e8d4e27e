// Users, what they may do, and their roles among the software packages: for administrators.

import { h } from "../dom.js";
import { ask, data, join, session } from "../api.js";
import { t } from "../i18n.js";
import { date } from "../format.js";
import { icon } from "../icons.js";
import { button, errorText, form, menu, table, toast } from "../ui.js";

const ACTIONS = ["READ", "WRITE", "DELETE", "MANAGE"];
const ROLES = ["PACKAGE_VIEWER", "PACKAGE_MANAGER"];

async function create(refresh) {
  const made = await form(t("user.new"), {
    fields: [
      { name: "userId", label: t("user.name"), required: true },
      { name: "pwd", label: t("password"), type: "password", required: true, autocomplete: "new-password" },
      { name: "admin", label: t("user.admin"), type: "checkbox" },
    ],
    submit: t("create"),
    run: (values) => data("POST", "auth/api/user/create", { json: { ...values, name: values.userId } }),
  });
  if (made) refresh();
}

async function setPassword(user) {
  const done = await form(t("password.set"), {
    text: h("p", {}, t("password.set.text", { name: user.userId })),
    fields: [{ name: "pwd", label: t("password.new"), type: "password", required: true, autocomplete: "new-password" }],
    submit: t("save"),
    run: ({ pwd }) => data("PUT", `auth/api/user/${join(user.userId)}`, { json: { pwd } }),
  });
  if (done) toast(t("saved"));
}

async function setAdmin(user, refresh) {
  const done = await form(user.admin ? t("user.admin.take") : t("user.admin.give"), {
    text: h("p", {}, t(user.admin ? "user.admin.take.text" : "user.admin.give.text", { name: user.userId })),
    submit: t("save"),
    danger: true,
    run: () => data("PUT", `auth/api/user/${join(user.userId)}`, { json: { admin: !user.admin } }),
  });
  if (done) refresh();
}

async function remove(user, refresh) {
  const gone = await form(t("user.delete"), {
    text: h("p", {}, t("user.delete.text", { name: user.userId })),
    submit: t("delete"),
    danger: true,
    run: () => ask("DELETE", `auth/api/user/${join(user.userId)}`),
  });
  if (gone) {
    toast(t("deleted", { name: user.userId }));
    refresh();
  }
}

async function setRole(user, now, refresh) {
  const options = [["", t("role.none")], ...ROLES.map((role) => [role, t(`role.${role}`)])];
  const done = await form(t("role.set"), {
    text: h("p", {}, t("role.set.text", { name: user.userId })),
    fields: [{ name: "role", label: t("role"), options, value: now || "" }],
    submit: t("save"),
    run: ({ role }) => ask("PUT", "packhold/grants", { json: { userId: user.userId, role } }),
  });
  if (done) refresh();
}

async function setGrant(project, users, now, redraw) {
  const has = new Set(now?.actions || []);
  const who = now
    ? [{ name: "userId", label: t("user.name"), value: now.userId, required: true }]
    : [{ name: "userId", label: t("user.name"), options: users.map(({ userId }) => [userId, userId]) }];
  const done = await form(t("grant.set"), {
    fields: [
      ...who,
      { name: "repoName", label: t("repo"), value: now?.repoName || "", hint: t("grant.repo.hint") },
      ...ACTIONS.map((action) => ({ name: action, label: t(`grant.${action}`), type: "checkbox", value: has.has(action) })),
    ],
    submit: t("save"),
    run: (values) => {
      const actions = ACTIONS.filter((action) => values[action]);
      return ask("PUT", "packhold/grants", { json: { userId: values.userId, projectId: project, repoName: values.repoName.trim(), actions } });
    },
  });
  if (done) redraw();
}

/** What was granted in a project, which is chosen. */
function grants(projects, users) {
  const home = h("div", { "aria-live": "polite" });
  const select = h("select", { id: "grant-project" }, projects.map(({ name }) => h("option", { value: name }, name)));
  const draw = async () => {
    const project = select.value;
    try {
      const found = await data("GET", "packhold/grants", { query: { projectId: project } });
      const columns = [
        { label: t("user.name"), bare: true, kind: "main-cell", cell: (one) => one.userId },
        { label: t("repo"), cell: (one) => one.repoName || t("grant.everywhere") },
        { label: t("grant.may"), cell: (one) => one.actions.map((action) => h("span", { class: "badge" }, t(`grant.${action}`))) },
        { label: t("actions"), unseen: true, kind: "end", cell: (one) => button(t("grant.of", { name: one.userId, place: one.repoName || project }), { name: "edit", kind: "quiet", text: false, onclick: () => setGrant(project, users, one, draw) }) },
      ];
      home.replaceChildren(found.length > 0 ? table(t("grants"), columns, found) : h("p", { class: "hint" }, t("grants.none")));
    } catch (error) {
      home.replaceChildren(errorText(error));
    }
  };
  select.addEventListener("change", draw);
  draw();
  return h(
    "section",
    { class: "card" },
    h("h2", {}, t("grants")),
    h("div", { class: "row" }, h("label", { for: "grant-project" }, t("project")), select, button(t("grant.add"), { name: "plus", onclick: () => setGrant(select.value, users, null, draw) })),
    home,
  );
}

export async function users({ signal, refresh }) {
  const [found, roles, projects] = await Promise.all([
    data("GET", "auth/api/user/list", { signal }),
    data("GET", "packhold/grants", { query: { role: true }, signal }),
    data("GET", "repository/api/project/list", { signal }),
  ]);
  found.sort((a, b) => a.userId.localeCompare(b.userId));
  const role = (user) => roles.find((one) => one.userId === user.userId)?.role;
  const columns = [
    { label: t("user.name"), bare: true, kind: "main-cell", cell: (user) => h("span", { class: "entry" }, icon("user"), h("span", { class: "entry-name" }, user.userId)) },
    { label: t("user.rank"), cell: (user) => (user.admin ? h("span", { class: "badge open" }, t("user.admin")) : t("user.plain")) },
    { label: t("packages"), cell: (user) => (user.admin ? "–" : t(`role.${role(user) || "none"}`)) },
    { label: t("created"), cell: (user) => date(user.createdDate) },
    {
      label: t("actions"),
      unseen: true,
      kind: "end",
      cell: (user) =>
        menu(t("menu.of", { name: user.userId }), [
          { name: "key", label: t("tokens"), href: `#/account/${join(user.userId)}` },
          { name: "edit", label: t("password.set"), run: () => setPassword(user) },
          !user.admin && { name: "package", label: t("role.set"), run: () => setRole(user, role(user), refresh) },
          user.userId !== "admin" && { name: "user", label: user.admin ? t("user.admin.take") : t("user.admin.give"), run: () => setAdmin(user, refresh) },
          user.userId !== "admin" && user.userId !== session.userId && { name: "trash", label: t("delete"), danger: true, run: () => remove(user, refresh) },
        ]),
    },
  ];
  const head = h("div", { class: "head" }, h("h1", {}, t("nav.users")), button(t("user.new"), { name: "plus", kind: "primary", onclick: () => create(refresh) }));
  return h("div", {}, head, table(t("nav.users"), columns, found), projects.length > 0 && grants(projects, found));
}
