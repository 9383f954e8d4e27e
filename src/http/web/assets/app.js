// The frame around the views: who is logged in, where one is, theme and language.

import { h, id } from "./dom.js";
import { icon } from "./icons.js";
import { loadSession, logOut, session } from "./api.js";
import { language, setLanguage, t } from "./i18n.js";
import { button, errorState, loadingState, menu, toast, toastHome } from "./ui.js";
import { onDone, stopAll, transfersHome } from "./transfers.js";
import { login } from "./views/login.js";
import { projects } from "./views/projects.js";
import { repos } from "./views/repos.js";
import { files } from "./views/files.js";
import { packages } from "./views/packages.js";
import { space } from "./views/space.js";
import { users } from "./views/users.js";
import { account } from "./views/account.js";

const VIEWS = { "": projects, p: repos, f: files, packages, space, users, account };

const root = document.getElementById("app");
const main = h("main", { id: "main", tabindex: "-1" });
let shown = 0;
let isFirst = true;
let control = new AbortController();

/** Where one is: the view, its names, and what it was asked. Each name is encoded by itself. */
function place() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  let names;
  try {
    names = path.split("/").filter((name) => name !== "").map(decodeURIComponent);
  } catch {
    names = [];
  }
  return { view: names[0] || "", names: names.slice(1), query: new URLSearchParams(query) };
}

/** The same place, asked otherwise. */
function goWith(changes) {
  const { query } = place();
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") query.delete(name);
    else query.set(name, value);
  }
  const path = location.hash.split("?")[0] || "#/";
  const text = query.toString();
  location.hash = text ? `${path}?${text}` : path;
}

/** Shows the view of the place. `quietly`: what is shown stays until the new is there, and so does the focus. */
async function draw({ quietly = false } = {}) {
  shown += 1;
  const mine = shown;
  control.abort();
  control = new AbortController();
  const here = place();
  // What is there at once does not flicker.
  const bones = setTimeout(() => !quietly && mine === shown && main.replaceChildren(loadingState()), 200);
  main.setAttribute("aria-busy", "true");
  const view = VIEWS[here.view] || projects;
  const context = { ...here, signal: control.signal, goWith, refresh: () => draw({ quietly: true }) };
  let content;
  try {
    content = await view(context);
  } catch (error) {
    if (error.name === "AbortError" || mine !== shown) return;
    if (error.status === 401 && session.login) return showLogin();
    content = h("div", {}, h("h1", { class: "unseen" }, t("error.title")), errorState(error, () => draw()));
  } finally {
    clearTimeout(bones);
  }
  if (mine !== shown) return;
  main.removeAttribute("aria-busy");
  const scroll = quietly ? scrollY : 0;
  main.replaceChildren(content);
  scrollTo(0, scroll);
  const heading = main.querySelector("h1");
  document.title = heading ? `${heading.textContent} · packhold` : "packhold";
  mark();
  // What had the focus may be gone: readers and keyboards go on with what is new.
  // A page that was just opened is left as it is: the first Tab leads to the way past the menu.
  if (!isFirst && heading && document.activeElement === document.body) {
    heading.setAttribute("tabindex", "-1");
    heading.focus({ preventScroll: true });
  }
  isFirst = false;
}

/** Tells which part of the page is open. */
function mark() {
  const { view } = place();
  for (const link of document.querySelectorAll(".nav a")) {
    const is = link.dataset.views.split(" ").includes(view);
    if (is) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function chooseTheme(theme) {
  try {
    if (theme === "auto") localStorage.removeItem("packhold-theme");
    else localStorage.setItem("packhold-theme", theme);
  } catch {
    // It holds until the page is closed.
  }
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** The choice of theme and language. */
function switches() {
  const themes = { auto: t("theme.auto"), light: t("theme.light"), dark: t("theme.dark") };
  const now = document.documentElement.dataset.theme || "auto";
  const select = (label, name, options, value, change) => {
    const of = id("switch");
    const choices = Object.entries(options).map(([key, text]) => h("option", { value: key, selected: key === value }, text));
    return h("span", { class: "switch" }, icon(name), h("label", { for: of, class: "unseen" }, label), h("select", { id: of, onchange: (event) => change(event.target.value) }, choices));
  };
  return h(
    "div",
    { class: "switches" },
    select(t("theme"), { auto: "auto", light: "sun", dark: "moon" }[now], themes, now, (theme) => {
      chooseTheme(theme);
      frame();
    }),
    select(t("language"), "globe", { en: "English", zh: "中文" }, language(), (name) => {
      setLanguage(name);
      start();
    }),
  );
}

function nav() {
  const items = [["#/", "folder", t("nav.files"), " p f"], ["#/packages", "package", t("nav.packages"), "packages"]];
  if (session.admin) items.push(["#/space", "chart", t("nav.space"), "space"], ["#/users", "users", t("nav.users"), "users"]);
  const links = items.map(([href, name, text, views]) => h("li", {}, h("a", { href, "data-views": views }, icon(name), h("span", {}, text))));
  return h("nav", { class: "nav", "aria-label": t("nav") }, h("ul", {}, links));
}

function who() {
  if (!session.login) return h("span", { class: "badge", title: t("open.hint") }, t("open"));
  if (!session.userId) return button(t("log.in"), { name: "user", onclick: showLogin });
  const out = async () => {
    try {
      await logOut();
    } catch (error) {
      toast(error.message, "bad");
      return;
    }
    stopAll();
    showLogin();
  };
  const items = [
    { name: "key", label: t("nav.account"), href: "#/account" },
    { name: "out", label: t("log.out"), run: out },
  ];
  const home = menu(t("menu.of", { name: session.userId }), items);
  const opener = home.querySelector("button");
  opener.className = "button quiet who";
  opener.removeAttribute("title");
  opener.replaceChildren(icon("user"), h("span", { class: "who-name" }, session.userId));
  return home;
}

function frame() {
  const skip = h("a", { class: "skip", href: "#main", onclick: (event) => {
    event.preventDefault();
    main.focus();
  } }, t("skip"));
  const brand = h("a", { class: "brand", href: "#/" }, h("img", { src: "packhold/web/icon.svg", alt: "", width: "28", height: "28" }), h("span", {}, "packhold"));
  const header = h("header", { class: "top" }, brand, nav(), h("div", { class: "top-end" }, switches(), who()));
  root.replaceChildren(skip, header, main, ...transfersHome());
  mark();
}

function showLogin() {
  shown += 1;
  main.removeAttribute("aria-busy");
  Object.assign(session, { userId: null, admin: false, csrf: null });
  main.replaceChildren(login(() => start()));
  const bar = h("header", { class: "top" }, h("span", { class: "brand" }, h("img", { src: "packhold/web/icon.svg", alt: "", width: "28", height: "28" }), h("span", {}, "packhold")), h("div", { class: "top-end" }, switches()));
  root.replaceChildren(bar, main, ...transfersHome());
  document.title = `${t("log.in")} · packhold`;
  main.querySelector("input")?.focus();
}

async function start() {
  document.body.append(toastHome());
  try {
    await loadSession();
  } catch (error) {
    root.replaceChildren(main);
    main.replaceChildren(errorState(error, start));
    return;
  }
  // Who is nobody may still look at what is public, by its address.
  if (session.login && !session.userId && !["f", "packages"].includes(place().view)) return showLogin();
  frame();
  await draw();
}

addEventListener("hashchange", () => (session.login && !session.userId && !root.querySelector(".nav") ? start() : draw()));
/** Draws again what uploads changed: several at once, and not below the hands of who is doing something there. */
let later = 0;
function drawLater(ms = 300) {
  clearTimeout(later);
  later = setTimeout(() => {
    if (!["f", "packages"].includes(place().view)) return;
    const isBusy = main.querySelector(":popover-open, td input:checked") || main.contains(document.activeElement?.closest("input, select"));
    if (isBusy) drawLater(1000);
    else draw({ quietly: true });
  }, ms);
}
onDone(() => drawLater());
start();
