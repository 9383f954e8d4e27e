// How the page looks, and who else can use it: themes, languages, narrow windows, keyboards, readers.

import assert from "node:assert/strict";

import { Visit, file, put, told } from "./browser.mjs";

const VIEWS = [
  ["projects", "#/"],
  ["repositories", "#/p/looks"],
  ["folder", "#/f/looks/files"],
  ["pages", "#/f/looks/pages"],
  ["nothing-found", "#/f/looks/files?q=zzz"],
  ["packages", "#/packages"],
  ["space", "#/space"],
  ["users", "#/users"],
  ["account", "#/account"],
  ["error", "#/f/no/such"],
];
const NAMES = ["build/app-1.0.tar.gz", "docs/readme.md", "release-notes.md", "app-1.1.tar.gz", "a-name-that-is-so-long-that-it-needs-more-than-one-line-in-any-window-1.2.3-rc.4.tar.gz", "安装包.rpm"];

let prepared = false;
async function prepare() {
  if (prepared) return;
  for (const name of NAMES) await put(`looks/files/${name}`, `content of ${name}`.repeat(1000));
  for (let n = 0; n < 101; n += 1) await put(`looks/pages/${n}`, "x");
  prepared = true;
}

async function accessible(browser, options, name) {
  await prepare();
  const visit = await new Visit(browser, options).open();
  const { page } = visit;
  await page.goto(told.url);
  await page.getByRole("heading", { name: /Log in|登录/ }).waitFor();
  await visit.axe("login");
  await visit.fits("login");
  await visit.shot(`${name}-login`);
  const inChinese = options.locale === "zh-CN";
  await page.locator("#user").fill("admin");
  await page.locator("#password").fill(told.password);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".nav");
  for (const [view, place] of VIEWS) {
    await page.evaluate((hash) => (location.hash = hash), place);
    await page.waitForFunction((hash) => location.hash === hash, place);
    await page.waitForTimeout(50);
    await visit.settled();
    await visit.axe(view);
    await visit.fits(view);
    await visit.shot(`${name}-${view}`);
  }
  await visit.go("#/f/looks/files");
  const menu = page.locator(".menu-home .button.only").nth(2);
  await menu.click();
  await page.locator(".menu:popover-open").waitFor();
  await visit.axe("menu");
  await visit.shot(`${name}-menu`);
  await page.keyboard.press("Escape");
  for (const action of inChinese ? ["详细信息", "移动", "删除"] : ["Details", "Move", "Delete"]) {
    await menu.click();
    await page.locator(".menu:popover-open").getByText(action, { exact: true }).click();
    await visit.dialog().waitFor();
    await page.waitForTimeout(300);
    await visit.axe(action);
    await visit.shot(`${name}-dialog-${action}`);
    await page.keyboard.press("Escape");
    await visit.dialog().waitFor({ state: "detached" });
  }
  const chooser = inChinese ? "上传" : "Upload";
  await visit.choose(chooser, [file("release-notes.md", "new"), file(`new-${name}.txt`, "x")]);
  await visit.transfer("exists");
  await visit.transfer("done");
  await page.locator("tbody input[type=checkbox]").first().check();
  await visit.axe("uploads");
  await visit.fits("uploads");
  await visit.shot(`${name}-uploads`);
  await visit.close();
}

async function keyboard(browser) {
  await prepare();
  const visit = await new Visit(browser).open();
  const { page } = visit;
  await visit.logIn("admin", told.password, "#/f/looks/files");
  const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label") || document.activeElement.id || document.activeElement.textContent);
  await page.reload();
  await visit.settled();
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Skip to content");
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "main");
  await page.getByRole("link", { name: "build", exact: true }).press("Enter");
  await visit.row("app-1.0.tar.gz").waitFor();
  assert.equal(await focused(), "build", "the heading of what is shown");
  await page.goBack();
  await visit.row("release-notes.md").waitFor();
  const opener = page.getByRole("button", { name: "Actions for release-notes.md" });
  await opener.focus();
  await page.keyboard.press("Enter");
  assert.equal(await opener.getAttribute("aria-expanded"), "true");
  assert.equal(await focused(), "Download");
  await page.keyboard.press("ArrowDown");
  assert.equal(await focused(), "Details");
  await page.keyboard.press("End");
  assert.equal(await focused(), "Delete");
  await page.keyboard.press("Escape");
  assert.equal(await focused(), "Actions for release-notes.md");
  assert.equal(await opener.getAttribute("aria-expanded"), "false");
  await page.keyboard.press("Enter");
  await page.keyboard.press("End");
  await page.keyboard.press("Enter");
  await visit.dialog().waitFor();
  assert.equal(await focused(), "Cancel", "what takes something away is not what Enter does");
  for (let n = 0; n < 6; n += 1) {
    await page.keyboard.press("Tab");
    const inside = await page.evaluate(() => document.activeElement === document.body || document.querySelector("dialog").contains(document.activeElement));
    assert.equal(inside, true, "the focus stays in the dialog");
  }
  await page.keyboard.press("Escape");
  await visit.dialog().waitFor({ state: "detached" });
  await visit.row("release-notes.md").waitFor();
  await visit.close();
}

async function switches(browser) {
  const visit = await new Visit(browser, { colorScheme: "light" }).open();
  const { page } = visit;
  await visit.logIn();
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await ground();
  await page.getByLabel("Theme").selectOption("dark");
  const dark = await ground();
  assert.notEqual(dark, light);
  await page.reload();
  await visit.settled();
  assert.equal(await ground(), dark);
  await page.emulateMedia({ colorScheme: "dark" });
  await page.getByLabel("Theme").selectOption("light");
  assert.equal(await ground(), light);
  await page.getByLabel("Theme").selectOption("auto");
  assert.equal(await ground(), dark);
  await page.getByLabel("Language").selectOption("zh");
  await page.getByRole("heading", { name: "项目" }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), "zh-CN");
  await page.reload();
  await page.getByRole("heading", { name: "项目" }).waitFor();
  await page.getByLabel("语言").selectOption("en");
  await page.getByRole("heading", { name: "Projects" }).waitFor();
  await visit.close();
}

const NARROW = { width: 360, height: 740 };

export const judges = [
  ["axe: light", (browser) => accessible(browser, { colorScheme: "light" }, "light")],
  ["axe: dark", (browser) => accessible(browser, { colorScheme: "dark" }, "dark")],
  ["axe: a narrow window, less motion", (browser) => accessible(browser, { viewport: NARROW, reducedMotion: "reduce" }, "narrow")],
  ["axe: Chinese", (browser) => accessible(browser, { locale: "zh-CN" }, "chinese")],
  ["the keyboard alone", keyboard],
  ["theme and language are switched and remembered", switches],
];
