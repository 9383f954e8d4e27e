// What can be done with one file or folder.

import { h } from "../dom.js";
import { ask, data, fileUrl, join, segments, session } from "../api.js";
import { t } from "../i18n.js";
import { bytes, date, number } from "../format.js";
import { button, copy, errorText, facts, form, linkButton, open, show, toast } from "../ui.js";

/** What deleting it would free; filled in once that is known. `size`: of a file. */
export function wouldFree(project, repo, path, size = Infinity) {
  const home = h("div", { class: "would-free", role: "status" }, h("p", { class: "hint" }, t("space.measuring")));
  ask("GET", `packhold/would-free/${join(project, repo, ...segments(path))}`)
    .then((would) => {
      const rest = would.freed_bytes < size && ` ${t("space.would.rest")}`;
      const free = h("strong", {}, t("space.would.free", { freed: bytes(would.freed_bytes) }));
      home.replaceChildren(h("p", {}, t("space.would.files", { n: would.files }), " ", free, rest));
    })
    .catch((error) => home.replaceChildren(errorText(error)));
  return home;
}

function sizeOf(node) {
  return node.folder ? Infinity : node.size;
}

/** Deletes some paths of a repository at once. */
export async function remove(project, repo, nodes, refresh) {
  const one = nodes.length === 1;
  const what = one ? t(nodes[0].folder ? "delete.folder" : "delete.file", { name: nodes[0].name }) : t("delete.several", { n: nodes.length });
  const gone = await form(t("delete"), {
    text: h("div", {}, h("p", {}, what), one && session.admin && wouldFree(project, repo, nodes[0].fullPath, sizeOf(nodes[0]))),
    submit: t("delete"),
    danger: true,
    run: () => data("DELETE", `repository/api/node/batch/${join(project, repo)}`, { json: nodes.map((node) => node.fullPath) }),
  });
  if (gone) {
    toast(one ? t("deleted", { name: nodes[0].name }) : t("deleted.several", { n: nodes.length }));
    refresh();
  }
}

export async function rename(node, refresh) {
  const done = await form(t("rename"), {
    fields: [{ name: "name", label: t("name.new"), value: node.name, required: true }],
    submit: t("rename"),
    run: ({ name }) => {
      if (name.includes("/")) throw new Error(t("name.slash"));
      const { projectId, repoName, fullPath } = node;
      return data("POST", "repository/api/node/rename", { json: { projectId, repoName, fullPath, newFullPath: `${node.path}${name}` } });
    },
  });
  if (done) refresh();
}

/** Moves, or copies: what a copy has is stored once. */
export async function transfer(node, way, refresh) {
  const done = await form(t(way), {
    fields: [
      { name: "project", label: t("project"), value: node.projectId, required: true },
      { name: "repo", label: t("repo"), value: node.repoName, required: true },
      { name: "path", label: t("path"), value: node.fullPath, required: true, hint: t("path.hint") },
      { name: "overwrite", label: t("overwrite"), type: "checkbox" },
    ],
    submit: t(way),
    run: ({ project, repo, path, overwrite }) => {
      const json = { srcProjectId: node.projectId, srcRepoName: node.repoName, srcFullPath: node.fullPath, destProjectId: project, destRepoName: repo, destFullPath: path, overwrite };
      return data("POST", `repository/api/node/${way}`, { json });
    },
  });
  if (done) {
    toast(t(`${way}.done`, { name: node.name }));
    refresh();
  }
}

/** A link that works for a while without a login. */
export async function share(node) {
  const days = [["1", t("days", { n: 1 })], ["7", t("days", { n: 7 })], ["30", t("days", { n: 30 })]];
  let made;
  const done = await form(t("share"), {
    text: h("p", {}, t("share.text", { name: node.name })),
    fields: [{ name: "days", label: t("share.for"), options: days, value: "1" }],
    submit: t("share.make"),
    run: async ({ days: chosen }) => {
      const target = `repository/api/share/${join(node.projectId, node.repoName, ...segments(node.fullPath))}`;
      made = await data("POST", target, { json: { expireSeconds: Number(chosen) * 86400 } });
    },
  });
  if (done) show(t("share"), t("share.link"), made.shareUrl);
}

function digest(value) {
  return h("span", { class: "digest" }, h("code", {}, value), button(t("copy"), { name: "copy", kind: "quiet", text: false, onclick: () => copy(value, t("copied")) }));
}

/** All that is known of it. */
export async function details(node) {
  const body = h("div", { class: "body" });
  const link = fileUrl(node.projectId, node.repoName, node.fullPath);
  const meta = Object.entries(node.metadata || {});
  body.append(
    facts([
      [t("path"), h("code", {}, node.fullPath)],
      !node.folder && [t("size"), `${bytes(node.size)} (${number(node.size)} B)`],
      [t("created"), `${date(node.createdDate)} · ${node.createdBy}`],
      [t("modified"), `${date(node.lastModifiedDate)} · ${node.lastModifiedBy}`],
      node.expireDate && [t("expires"), date(node.expireDate)],
      node.sha256 && ["SHA-256", digest(node.sha256)],
      node.md5 && ["MD5", digest(node.md5)],
    ]),
  );
  if (node.folder) {
    const below = h("p", { class: "hint", role: "status" }, t("space.measuring"));
    body.append(below);
    data("GET", `repository/api/node/size/${join(node.projectId, node.repoName, ...segments(node.fullPath))}`)
      .then((found) => (below.textContent = t("folder.size", { n: found.subNodeWithoutFolderCount, size: bytes(found.size) })))
      .catch((error) => below.replaceChildren(errorText(error)));
  }
  if (meta.length > 0) body.append(h("h3", {}, t("metadata")), facts(meta.map(([key, value]) => [key, value])));
  if (session.admin) body.append(h("h3", {}, t("nav.space")), wouldFree(node.projectId, node.repoName, node.fullPath, sizeOf(node)));
  body.append(
    h(
      "footer",
      {},
      button(t("copy.link"), { name: "link", onclick: () => copy(link, t("copied.link")) }),
      linkButton(t("download"), `${link}?download=true`, { name: "download", kind: "primary", download: "" }),
    ),
  );
  open(node.name, body, { wide: true });
}
