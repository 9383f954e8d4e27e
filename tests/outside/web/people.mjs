// What people do on the page.

import assert from "node:assert/strict";
import http from "node:http";

import { Visit, api, file, get, put, told } from "./browser.mjs";
import { rpm } from "./rpm.mjs";

const HOSTILE = ["<img src=x onerror=alert(1)>.html", "a b#c?d%25&e=f.txt", "'\"><svg onload=alert(1)>", "中文 (1).tar.gz", "%2e%2e", "javascript:alert(1)", "‮exe.txt"];

async function logging(browser) {
  const visit = await new Visit(browser).open();
  const { page, context } = visit;
  await page.goto(told.url);
  await page.getByLabel("User", { exact: true }).fill("admin");
  await page.getByLabel("Password", { exact: true }).fill("wrong");
  await visit.button("Log in").click();
  await page.getByRole("alert").getByText("The name or the password is wrong.").waitFor();
  assert.match(await page.locator(".trace code").textContent(), /^[0-9a-f]{32}$/);
  await visit.logIn();
  const [cookie] = await context.cookies();
  assert.deepEqual([cookie.name, cookie.httpOnly, cookie.sameSite], ["packhold-session", true, "Strict"]);
  assert.equal(await page.evaluate(() => document.cookie), "", "scripts see no session");
  await page.reload();
  await page.getByRole("heading", { name: "Projects", exact: true }).waitFor();
  await page.getByRole("button", { name: "Actions for admin" }).click();
  await visit.button("Log out").click();
  await page.getByLabel("User", { exact: true }).waitFor();
  assert.deepEqual(await context.cookies(), []);
  await context.addCookies([cookie]);
  await page.reload();
  await page.getByLabel("User", { exact: true }).waitFor();
  await visit.close();
}

async function walking(browser) {
  const visit = await new Visit(browser).open();
  const { page } = visit;
  await visit.logIn();
  await visit.button("New project").click();
  await visit.dialog().getByLabel("Name", { exact: true }).fill("a/b");
  await visit.button("Create").click();
  await visit.dialog().getByRole("alert").waitFor();
  await visit.dialog().getByLabel("Name", { exact: true }).fill("walk");
  await visit.button("Create").click();
  await page.getByRole("link", { name: "walk" }).click();
  await visit.button("New repository").click();
  await visit.dialog().getByLabel("Name", { exact: true }).fill("files");
  await visit.button("Create").click();
  await page.getByRole("link", { name: "files", exact: true }).click();
  await page.getByText("This folder is empty").waitFor();
  await visit.button("New folder").click();
  await visit.dialog().getByLabel("Name", { exact: true }).fill("deep/er");
  await visit.button("Create").click();
  await page.getByRole("link", { name: "deep", exact: true }).click();
  await page.getByRole("link", { name: "er", exact: true }).click();
  await page.getByRole("navigation", { name: "Where you are" }).getByText("er").waitFor();
  await visit.choose("Upload", [file("one.txt", "one")]);
  await visit.row("one.txt").waitFor();
  assert.equal(String(await get("walk/files/deep/er/one.txt")), "one");
  await visit.act("one.txt", "Rename");
  await visit.dialog().getByLabel("New name").fill("two.txt");
  await visit.button("Rename").click();
  await visit.row("two.txt").waitFor();
  await visit.act("two.txt", "Move");
  await visit.dialog().getByLabel("Path").fill("/three.txt");
  await visit.dialog().getByRole("button", { name: "Move" }).click();
  await page.getByText("This folder is empty").waitFor();
  await page.goBack();
  await page.goBack();
  await visit.row("three.txt").waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "three.txt" }).click()]);
  assert.equal(download.suggestedFilename(), "three.txt");
  await visit.act("three.txt", "Delete");
  await visit.dialog().getByText("Deleting it would free 3 B.").waitFor();
  await visit.dialog().getByRole("button", { name: "Delete" }).click();
  await visit.row("three.txt").waitFor({ state: "detached" });
  await page.getByLabel("Select deep").check();
  await visit.button("Delete").click();
  await visit.dialog().getByRole("button", { name: "Delete" }).click();
  await page.getByText("This folder is empty").waitFor();
  await visit.close();
}

async function hostile(browser) {
  for (const name of HOSTILE) {
    await put(`hostile/files/${name}`, `bytes of ${name}`);
    await put(`hostile/files/d ${name}/inside`, "x");
  }
  const visit = await new Visit(browser, { acceptDownloads: true }).open();
  const { page } = visit;
  await visit.logIn("admin", told.password, "#/f/hostile/files");
  const names = await page.locator(".entry-name").allTextContents();
  for (const name of HOSTILE) {
    assert.ok(names.includes(name) && names.includes(`d ${name}`), `${name} in ${names}`);
    const link = await page.locator("a.entry", { has: page.getByText(name, { exact: true }) }).last().getAttribute("href");
    const bytes = await page.evaluate(async (href) => (await fetch(href)).text(), link);
    assert.equal(bytes, `bytes of ${name}`);
    await page.locator("a.entry.folder", { has: page.getByText(`d ${name}`, { exact: true }) }).click();
    await visit.row("inside").waitFor();
    assert.equal(await page.locator("h1").textContent(), `d ${name}`);
    await page.goBack();
    await visit.row(name).waitFor();
    await visit.act(name, "Details");
    await visit.dialog().getByText(`/${name}`, { exact: true }).waitFor();
    await page.keyboard.press("Escape");
  }
  await visit.close();
  return `${HOSTILE.length} names`;
}

async function paging(browser) {
  for (let n = 0; n < 250; n += 1) await put(`many/files/d/${String(n).padStart(3, "0")}.txt`, "x".repeat(n + 1));
  const visit = await new Visit(browser).open();
  const { page } = visit;
  await visit.logIn("admin", told.password, "#/f/many/files/d");
  const first = async () => page.locator(".entry-name").first().textContent();
  const shown = async (name) => page.waitForFunction((wanted) => document.querySelector(".entry-name")?.textContent === wanted, name);
  assert.equal(await first(), "000.txt");
  await page.getByText("1 – 100 of 250").waitFor();
  await visit.button("Next page").click();
  await shown("100.txt");
  await page.getByLabel("Page", { exact: true }).fill("3");
  await page.keyboard.press("Enter");
  await shown("200.txt");
  assert.equal(await visit.button("Next page").isDisabled(), true);
  await page.getByRole("columnheader", { name: "Size" }).getByRole("button").click();
  await shown("000.txt");
  await page.getByRole("columnheader", { name: "Size" }).getByRole("button").click();
  await shown("249.txt");
  assert.equal(await page.getByRole("columnheader", { name: "Size" }).getAttribute("aria-sort"), "descending");
  await page.getByRole("searchbox").fill("17");
  await page.keyboard.press("Enter");
  await page.getByText("of 13").waitFor();
  await visit.close();
}

async function sharing(browser) {
  await put("share/files/f.txt", "shared");
  const visit = await new Visit(browser).open();
  await visit.logIn("admin", told.password, "#/f/share/files");
  await visit.act("f.txt", "Temporary link");
  await visit.button("Make link").click();
  const field = visit.dialog().locator("input[readonly]");
  await field.waitFor();
  const answer = await fetch(await field.inputValue());
  assert.equal(await answer.text(), "shared");
  await visit.close();
}

async function packages(browser) {
  const made = [["oceanbase", "4.2.1", "100.el7", "x86_64"], ["obproxy", "4.1.0", "7.el8", "aarch64"], ["tool", "0.1", "1.el7", "noarch"]];
  const files = made.map((parts) => file(`${parts[0]}.rpm`, rpm(...parts)));
  const visit = await new Visit(browser).open();
  const { page } = visit;
  await visit.logIn("admin", told.password, "#/packages");
  await page.getByText("No packages yet").waitFor();
  await visit.choose("Upload RPM", [...files, file("none.rpm", "no RPM")]);
  await visit.transfer("failed", "none.rpm");
  for (const [name] of made) await visit.row(name).waitFor();
  await page.getByLabel("Architecture").fill("aarch");
  await visit.button("Search").click();
  await visit.row("tool").waitFor({ state: "detached" });
  assert.equal(await page.locator("tbody tr").count(), 1);
  await visit.button("Clear").click();
  await page.getByRole("columnheader", { name: "Name" }).getByRole("button").click();
  await page.waitForFunction(() => document.querySelector(".entry-name").textContent === "obproxy");
  await page.getByLabel("Type").selectOption("OTHERS_RPM");
  await visit.button("Search").click();
  await visit.row("oceanbase").waitFor({ state: "detached" });
  await visit.act("tool-0.1-1.el7.noarch.rpm", "Delete");
  await visit.dialog().getByRole("button", { name: "Delete" }).click();
  await visit.row("tool").waitFor({ state: "detached" });
  await visit.close();
}

async function accounts(browser) {
  await put("team/files/f.txt", "x");
  await put("other/files/f.txt", "x");
  const admin = await new Visit(browser).open();
  await admin.logIn("admin", told.password, "#/users");
  await admin.button("New user").click();
  await admin.dialog().getByLabel("User", { exact: true }).fill("ann");
  await admin.dialog().getByLabel("Password").fill("first password");
  await admin.button("Create").click();
  await admin.row("ann").waitFor();
  await admin.page.locator("#grant-project").selectOption("team");
  await admin.button("Grant").click();
  await admin.dialog().getByLabel("User", { exact: true }).selectOption("ann");
  await admin.dialog().getByLabel("Read").check();
  await admin.dialog().getByLabel("Write").check();
  await admin.button("Save").click();
  await admin.page.locator("section").getByText("all of the project").waitFor();
  const ann = await new Visit(browser).open();
  await ann.logIn("ann", "first password");
  assert.deepEqual(await ann.page.locator(".entry-name").allTextContents(), ["team"]);
  assert.deepEqual(await ann.page.locator(".nav a").allTextContents(), ["Files", "Packages"]);
  await ann.go("#/space");
  await ann.page.getByRole("alert").waitFor();
  await ann.go("#/account");
  await ann.button("New token").click();
  await ann.dialog().getByLabel("Name").fill("ci");
  await ann.button("Create").click();
  const shown = ann.dialog().locator("input[readonly]");
  await shown.waitFor();
  const token = await shown.inputValue();
  assert.equal(String(await api("GET", "/generic/team/files/f.txt", { user: "ann", password: token })), "x");
  await ann.page.keyboard.press("Escape");
  await ann.row("ci").waitFor();
  await ann.button("Change password").click();
  await ann.dialog().getByLabel("New password").fill("second password");
  await ann.dialog().getByLabel("Once more").fill("second");
  await ann.button("Save").click();
  await ann.dialog().getByText("The two passwords differ.").waitFor();
  await ann.dialog().getByLabel("Once more").fill("second password");
  await ann.button("Save").click();
  await ann.page.getByText("Saved").waitFor();
  await ann.go("#/");
  await ann.page.getByRole("link", { name: "team" }).waitFor();
  await admin.act("ann", "Delete");
  await admin.dialog().getByRole("button", { name: "Delete" }).click();
  await admin.row("ann").first().waitFor({ state: "detached" });
  await ann.page.reload();
  await ann.page.getByLabel("Password", { exact: true }).waitFor();
  await ann.close();
  await admin.close();
}

async function space(browser) {
  await put("space/a/f.bin", Buffer.alloc(300000, 7));
  await put("space/b/f.bin", Buffer.alloc(300000, 7));
  await put("space/b/own.txt", "only here");
  const visit = await new Visit(browser).open();
  const { page } = visit;
  await visit.logIn("admin", told.password, "#/space");
  await page.getByText("Dedup ratio").waitFor();
  await page.locator("#space-project").selectOption("space");
  await visit.button("Measure").click();
  await visit.row("b").waitFor();
  const cells = await visit.row("b").locator("td").allTextContents();
  assert.deepEqual([cells[1], cells[4]], ["2", "9 B"], String(cells));
  await api("DELETE", "/repository/api/node/delete/space/b/own.txt");
  await visit.button("Give space back").click();
  await visit.dialog().getByText(/That would be/).waitFor();
  await visit.button("Give back").click();
  await page.getByText(/were given back/).waitFor();
  await visit.close();
}

async function errors(browser) {
  const visit = await new Visit(browser).open();
  const { page, context } = visit;
  await visit.logIn("admin", told.password, "#/f/no/such");
  await page.getByRole("alert").getByText("Repository [no/such] not found").waitFor();
  const trace = await page.locator(".trace code").textContent();
  assert.match(trace, /^[0-9a-f]{32}$/);
  await context.setOffline(true);
  await visit.button("Try again").click();
  await page.getByText("The server cannot be reached.").waitFor();
  await context.setOffline(false);
  await visit.close();
}

async function withoutPasswords(browser) {
  const visit = await new Visit(browser).open();
  await visit.go("#/", told.openUrl);
  await visit.page.getByText("No passwords", { exact: true }).waitFor();
  await visit.button("New project").click();
  await visit.dialog().getByLabel("Name", { exact: true }).fill("open");
  await visit.button("Create").click();
  await visit.row("open").waitFor();
  await visit.close();
}

/** A session that ends while one works is asked for again, and one is where one was. */
async function ending(browser) {
  await put("ending/files/d/f.txt", "x");
  const visit = await new Visit(browser).open();
  const { page, context } = visit;
  await visit.logIn("admin", told.password, "#/f/ending/files/d");
  await visit.row("f.txt").waitFor();
  await context.clearCookies();
  await page.getByRole("link", { name: "files", exact: true }).click();
  await page.locator("form.login").waitFor();
  await page.getByLabel("User", { exact: true }).fill("admin");
  await page.getByLabel("Password", { exact: true }).fill(told.password);
  await page.keyboard.press("Enter");
  await visit.row("d").waitFor();
  await visit.close();
}

/** What is public is shown to everybody who knows where it is; and nothing that they may not do. */
async function publicly(browser) {
  await api("POST", "/repository/api/project/create", { json: { name: "plaza" } });
  await api("POST", "/repository/api/repo/create", { json: { projectId: "plaza", name: "open", type: "GENERIC", public: true } });
  await put("plaza/open/f.txt", "x");
  const visit = await new Visit(browser).open();
  const { page } = visit;
  await visit.go("#/f/plaza/open");
  await visit.row("f.txt").waitFor();
  assert.equal(await visit.button("Upload").count(), 0);
  await page.getByRole("button", { name: "Actions for f.txt" }).click();
  assert.deepEqual(await page.locator(".menu:popover-open li").allTextContents(), ["Download", "Details", "Copy link"]);
  await page.keyboard.press("Escape");
  await visit.axe("nobody");
  await page.getByRole("link", { name: "Projects" }).click();
  await page.locator("form.login").waitFor();
  await visit.close();
}

/** A page of another origin, with the session in the same browser. */
async function otherPages(browser) {
  const visit = await new Visit(browser).open();
  const { page, context } = visit;
  await visit.logIn();
  await put("csrf/files/f.txt", "x");
  const evil = await context.newPage();
  const other = http.createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end("<h1>evil</h1>"));
  await new Promise((resolve) => other.listen(0, "127.0.0.1", resolve));
  for (const target of [told.url, told.openUrl]) {
    // The same host under another name: another origin, and another site.
    await evil.goto(`http://localhost:${other.address().port}/`);
    const asked = await evil.evaluate(async (to) => {
      const ask = async (path, init) => fetch(to + path, { mode: "no-cors", credentials: "include", ...init }).then((answer) => answer.type, () => "refused");
      const form = new FormData();
      form.append("file", new Blob(["x"]), "x.rpm");
      return [
        await ask("/repository/api/project/create", { method: "POST", body: '{"name":"stolen"}' }),
        await ask("/api/v2/software-packages", { method: "POST", body: form }),
        await ask("/packhold/session", { method: "POST", body: '{"userId":"admin","pwd":"x"}' }),
        await fetch(`${to}/generic/csrf/files/f.txt`, { method: "DELETE", credentials: "include" }).then(() => "done", () => "refused"),
        await fetch(`${to}/packhold/session`, { credentials: "include" }).then(() => "read", () => "refused"),
      ];
    }, target);
    assert.deepEqual(asked, ["opaque", "opaque", "opaque", "refused", "refused"]);
  }
  const list = await api("GET", "/repository/api/project/list");
  assert.ok(!String(list).includes("stolen"));
  const open = await fetch(`${told.openUrl}/repository/api/project/list`);
  assert.ok(!(await open.text()).includes("stolen"));
  assert.equal(String(await get("csrf/files/f.txt")), "x");
  const framed = await evil.evaluate(async (to) => {
    const frame = document.createElement("iframe");
    frame.src = to;
    document.body.append(frame);
    await new Promise((resolve) => (frame.onload = resolve));
    return frame.contentDocument === null;
  }, told.url);
  assert.equal(framed, true, "it is another origin in any case");
  const inner = evil.frames().find((frame) => frame !== evil.mainFrame());
  assert.equal(await inner.locator(".brand").count(), 0, "the page is in no frame");
  other.close();
  other.closeAllConnections();
  await page.reload();
  await visit.settled();
  await visit.close();
}

export const judges = [
  ["log in, wrong and right; log out; an old cookie", logging],
  ["browse, make, upload, rename, move, download, delete", walking],
  ["hostile names are text", hostile],
  ["a large folder: pages, orders, search", paging],
  ["temporary links", sharing],
  ["packages: upload, find, sort, delete", packages],
  ["users, grants, tokens, passwords", accounts],
  ["space: what is shared, what could be given back", space],
  ["errors are told with their trace", errors],
  ["without passwords", withoutPasswords],
  ["a session that ends", ending],
  ["what is public, without a login", publicly],
  ["pages of other origins change and read nothing", otherPages],
];
