// How much there is, how much of it is stored, and what could be given back.

import { h } from "../dom.js";
import { ask, data, join } from "../api.js";
import { t } from "../i18n.js";
import { bytes, number, percent, ratio } from "../format.js";
import { svg } from "../dom.js";
import { button, errorText, facts, form, table, toast } from "../ui.js";

function card(label, value, more) {
  return h("div", { class: "card stat" }, h("p", { class: "stat-label" }, label), h("p", { class: "stat-value" }, value), more && h("p", { class: "hint" }, more));
}

/** Two bars, one for what users see and one for what that takes. */
function bars(stats) {
  const most = Math.max(stats.logical_bytes, stats.stored_bytes, 1);
  const bar = (label, value, kind) => {
    const share = (100 * value) / most;
    const drawing = svg("svg", { class: "bar", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("rect", { class: "bar-all", width: 100, height: 4 }), svg("rect", { class: kind, width: share.toFixed(2), height: 4 }));
    return h("div", { class: "bar-row" }, h("div", { class: "bar-label" }, h("span", {}, label), h("strong", {}, bytes(value))), drawing);
  };
  return h("div", { class: "card" }, h("h2", {}, t("space.dedup")), bar(t("space.logical"), stats.logical_bytes, "bar-logical"), bar(t("space.stored"), stats.stored_bytes, "bar-stored"), h("p", { class: "hint" }, t("space.saved", { percent: percent(Math.max(0, stats.logical_bytes - stats.stored_bytes), stats.logical_bytes) })));
}

async function reclaim(refresh) {
  let report;
  const would = h("p", { class: "hint", role: "status" }, t("space.measuring"));
  ask("POST", "packhold/gc", { query: { dry_run: true } })
    .then((found) => (would.textContent = t("space.gc.would", { freed: bytes(found.freed_bytes), chunks: number(found.chunks) })))
    .catch((error) => would.replaceChildren(errorText(error)));
  const done = await form(t("space.gc"), {
    text: h("div", {}, h("p", {}, t("space.gc.text")), would),
    submit: t("space.gc.run"),
    run: async () => {
      report = await ask("POST", "packhold/gc");
    },
  });
  if (done) {
    toast(t("space.gc.done", { freed: bytes(report.freed_bytes) }));
    refresh();
  }
}

/** What each repository of a project has to itself; measured when it is asked for. */
function perRepository(projects) {
  const home = h("div", { "aria-live": "polite" });
  const select = h("select", { id: "space-project" }, projects.map(({ name }) => h("option", { value: name }, name)));
  const measure = async () => {
    home.replaceChildren(h("p", { class: "hint" }, t("space.measuring")));
    try {
      const project = select.value;
      const repos = await data("GET", `repository/api/repo/list/${join(project)}`);
      const rows = [];
      for (const repo of repos) rows.push({ repo, would: await ask("GET", `packhold/would-free/${join(project, repo.name)}`) });
      const columns = [
        { label: t("repo"), bare: true, kind: "main-cell", cell: ({ repo }) => h("a", { class: "entry", href: `#/f/${join(project, repo.name)}` }, h("span", { class: "entry-name" }, repo.name)) },
        { label: t("space.files"), kind: "number", cell: ({ would }) => number(would.files) },
        { label: t("space.own.contents"), kind: "number", cell: ({ would }) => number(would.blobs) },
        { label: t("space.own.chunks"), kind: "number", cell: ({ would }) => number(would.chunks) },
        { label: t("space.frees"), kind: "number", cell: ({ would }) => bytes(would.freed_bytes) },
      ];
      home.replaceChildren(rows.length > 0 ? table(t("space.by.repo"), columns, rows) : h("p", { class: "hint" }, t("repos.none")));
    } catch (error) {
      home.replaceChildren(errorText(error));
    }
  };
  return h(
    "section",
    { class: "card" },
    h("h2", {}, t("space.by.repo")),
    h("p", { class: "hint" }, t("space.by.repo.text")),
    h("div", { class: "row" }, h("label", { for: "space-project" }, t("project")), select, button(t("space.measure"), { name: "chart", onclick: measure })),
    home,
  );
}

function damage(stats) {
  const files = stats.scrub?.damaged_files || [];
  const found = [["space.damaged", stats.lacking_chunks], ["space.unlisted", stats.unlisted_blobs], ["space.hit", files.length]];
  const told = found.filter(([, n]) => n > 0).map(([key, n]) => h("p", {}, t(key, { n })));
  if (told.length === 0) return h("p", { class: "good-line" }, t("space.sound"));
  const list = files.map((file) => h("li", {}, h("code", {}, `${file.project}/${file.repo}${file.path}`)));
  return h("div", { class: "problem", role: "alert" }, h("div", {}, told, h("ul", {}, list)));
}

export async function space({ signal, refresh }) {
  const [stats, projects] = await Promise.all([ask("GET", "packhold/stats", { signal }), data("GET", "repository/api/project/list", { signal })]);
  const head = h("div", { class: "head" }, h("h1", {}, t("nav.space")), button(t("space.gc"), { name: "refresh", onclick: () => reclaim(refresh) }));
  return h(
    "div",
    {},
    head,
    damage(stats),
    h(
      "div",
      { class: "cards" },
      card(t("space.ratio"), `${ratio(stats.dedup_ratio)}×`, t("space.ratio.text")),
      card(t("space.files"), number(stats.files), t("space.blobs", { n: stats.blobs })),
      card(t("space.disk"), bytes(stats.pack_allocated_bytes), t("space.index", { size: bytes(stats.index_bytes) })),
      card(t("space.reclaimable"), bytes(stats.reclaimable_bytes), t("space.freed", { size: bytes(stats.freed_bytes) })),
    ),
    bars(stats),
    projects.length > 0 && perRepository(projects),
    h("section", { class: "card" }, h("h2", {}, t("space.more")), facts([
      [t("space.chunks"), number(stats.chunks)],
      [t("packages"), number(stats.packages)],
      [t("space.pack"), bytes(stats.pack_bytes)],
    ])),
  );
}
