// One's own password and access tokens; an administrator sees the tokens of others, too.

import { h } from "../dom.js";
import { ask, data, join, logIn, session } from "../api.js";
import { t } from "../i18n.js";
import { date } from "../format.js";
import { icon } from "../icons.js";
import { button, crumbs, emptyState, form, show, table, toast } from "../ui.js";

async function addToken(user, refresh) {
  let made;
  const options = [["30", t("days", { n: 30 })], ["90", t("days", { n: 90 })], ["365", t("days", { n: 365 })], ["", t("never")]];
  const done = await form(t("token.new"), {
    fields: [
      { name: "name", label: t("name"), required: true, hint: t("token.name.hint") },
      { name: "days", label: t("token.expires"), options, value: "90" },
    ],
    submit: t("create"),
    run: async ({ name, days }) => {
      const expiredAt = days && new Date(Date.now() + Number(days) * 86400000).toISOString();
      made = await data("POST", `auth/api/user/token/${join(user, name)}`, { query: { expiredAt } });
    },
  });
  if (!done) return;
  show(t("token.made"), t("token.once"), made.id);
  refresh();
}

async function removeToken(user, token, refresh) {
  const gone = await form(t("token.delete"), {
    text: h("p", {}, t("token.delete.text", { name: token.name })),
    submit: t("delete"),
    danger: true,
    run: () => ask("DELETE", `auth/api/user/token/${join(user, token.name)}`),
  });
  if (gone) {
    toast(t("deleted", { name: token.name }));
    refresh();
  }
}

async function changePassword(user) {
  const done = await form(t("password.change"), {
    fields: [
      { name: "pwd", label: t("password.new"), type: "password", required: true, autocomplete: "new-password" },
      { name: "again", label: t("password.again"), type: "password", required: true, autocomplete: "new-password" },
    ],
    submit: t("save"),
    run: async ({ pwd, again }) => {
      if (pwd !== again) throw new Error(t("password.differ"));
      await data("PUT", `auth/api/user/${join(user)}`, { json: { pwd } });
      // The session was bound to the old one.
      if (session.login) await logIn(user, pwd);
    },
  });
  if (done) toast(t("saved"));
}

export async function account({ names: [named], signal, refresh }) {
  const user = named || session.userId;
  const tokens = await data("GET", `auth/api/user/list/token/${join(user)}`, { signal });
  const isOwn = user === session.userId;
  const head = h("div", { class: "head" }, h("h1", {}, user), isOwn && button(t("password.change"), { name: "key", onclick: () => changePassword(user) }));
  const columns = [
    { label: t("name"), bare: true, kind: "main-cell", cell: (token) => h("span", { class: "entry" }, icon("key"), h("span", { class: "entry-name" }, token.name)) },
    { label: t("created"), cell: (token) => date(token.createdAt) },
    { label: t("expires"), cell: (token) => (token.expiredAt ? date(token.expiredAt) : t("never")) },
    { label: t("actions"), unseen: true, kind: "end", cell: (token) => button(t("delete.of", { name: token.name }), { name: "trash", kind: "quiet", text: false, onclick: () => removeToken(user, token, refresh) }) },
  ];
  const list = tokens.length > 0 ? table(t("tokens"), columns, tokens) : emptyState("key", t("tokens.none"), t("tokens.none.text"));
  const section = h("div", { class: "head" }, h("h2", {}, t("tokens")), button(t("token.new"), { name: "plus", kind: "primary", onclick: () => addToken(user, refresh) }));
  const way = !isOwn && crumbs([[t("nav.users"), "#/users"], [user]]);
  return h("div", {}, way, head, section, list);
}
