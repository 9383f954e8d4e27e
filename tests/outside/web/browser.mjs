// A browser, and a server to look at: what all judges of the page share.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import fs from "node:fs";
import path from "node:path";

export const told = JSON.parse(process.env.WEB);
const require = createRequire(`${told.packages}/`);
const { chromium } = require("playwright-core");
const AXE = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export async function launch() {
  return chromium.launch({ executablePath: told.chromium, args: FLAGS });
}

/** Asks the server as the administrator, without a browser. */
export async function api(method, target, { body, json, headers = {}, user = "admin", password = told.password, status = 200 } = {}) {
  const basic = Buffer.from(`${user}:${password}`).toString("base64");
  const init = { method, headers: { Authorization: `Basic ${basic}`, ...headers }, body: json === undefined ? body : JSON.stringify(json) };
  const answer = await fetch(told.url + target, init);
  const bytes = Buffer.from(await answer.arrayBuffer());
  assert.equal(answer.status, status, `${method} ${target}: ${bytes}`);
  return bytes;
}

export async function put(target, body) {
  const path = target.split("/").map(encodeURIComponent).join("/");
  await api("PUT", `/generic/${path}`, { body, headers: { "X-BKREPO-OVERWRITE": "true" } });
}

export async function get(target) {
  return api("GET", `/generic/${target.split("/").map(encodeURIComponent).join("/")}`);
}

/** A file on the disk, for a judge to upload. */
export function file(name, bytes) {
  const place = path.join(told.folder, name);
  fs.mkdirSync(path.dirname(place), { recursive: true });
  fs.writeFileSync(place, bytes);
  return place;
}

/** A page in a browser of its own. What the page must never do is a fault, whoever looks. */
export class Visit {
  constructor(browser, options = {}) {
    this.browser = browser;
    this.options = options;
    this.faults = [];
  }

  async open() {
    this.context = await this.browser.newContext({ viewport: { width: 1200, height: 800 }, locale: "en-US", ...this.options });
    this.page = await this.context.newPage();
    this.page.setDefaultTimeout(60000);
    this.page.on("pageerror", (error) => this.faults.push(`error in the page: ${error.message}`));
    this.page.on("dialog", (dialog) => {
      if (dialog.type() !== "beforeunload") this.faults.push(`a window of the browser: ${dialog.message()}`);
      dialog.accept();
    });
    this.page.on("console", (message) => {
      if (/Content Security Policy|TrustedHTML|TrustedScript/.test(message.text())) this.faults.push(message.text());
    });
    return this;
  }

  async close() {
    await this.context.close();
    assert.deepEqual(this.faults, []);
  }

  /** Goes to a place on the page, and waits until it is there. */
  async go(place, url = told.url) {
    await this.page.goto(`${url}/${place}`);
    await this.settled();
  }

  async settled() {
    await this.page.waitForSelector("main:not([aria-busy]) h1");
  }

  async logIn(user = "admin", password = told.password, place = "#/") {
    await this.page.goto(`${told.url}/${place}`);
    await this.page.getByLabel("User", { exact: true }).fill(user);
    await this.page.getByLabel("Password", { exact: true }).fill(password);
    await this.page.locator("form.login").getByRole("button", { name: "Log in" }).click();
    await this.page.locator("form.login").waitFor({ state: "detached" });
    await this.settled();
  }

  button(name) {
    return this.page.getByRole("button", { name, exact: true });
  }

  dialog() {
    return this.page.locator("dialog[open]");
  }

  row(name) {
    return this.page.locator("tbody tr").filter({ has: this.page.getByText(name, { exact: true }) });
  }

  /** Chooses from the menu of a row. */
  async act(name, action) {
    await this.page.getByRole("button", { name: `Actions for ${name}`, exact: true }).click();
    await this.page.locator(".menu:popover-open").getByText(action, { exact: true }).click();
  }

  /** Chooses files, as behind the button of that name. */
  async choose(label, files) {
    await this.page.locator(`input[type=file][aria-label="${label}"]`).setInputFiles(files);
  }

  /** Waits for an upload to come to this. */
  async transfer(state, name) {
    const line = this.page.locator(`.transfer.${state}`);
    await (name ? line.filter({ hasText: name }) : line).first().waitFor();
  }

  /** Whether axe finds anything (WCAG 2.2 AA, and its best practices). */
  async axe(what) {
    await this.page.waitForTimeout(200);
    await this.page.evaluate(AXE);
    const found = await this.page.evaluate(async () => {
      const result = await globalThis.axe.run(document, { resultTypes: ["violations"] });
      return result.violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`).join("; ")}`);
    });
    assert.deepEqual(found, [], what);
  }

  async shot(name) {
    if (told.shots) await this.page.screenshot({ path: path.join(told.shots, `${name}.png`) });
  }

  /** Nothing sticks out to the right. */
  async fits(what) {
    const over = await this.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(over <= 0, `${what}: ${over} pixels too wide`);
  }
}
