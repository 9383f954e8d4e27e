// Uploads: in blocks, broken off, gone on with, cancelled, in the way of others, dropped.

import assert from "node:assert/strict";
import crypto from "node:crypto";
import path from "node:path";

import { Visit, api, file, get, put, told } from "./browser.mjs";

const MIB = 1 << 20;
const BLOCK = 8 * MIB;

/** Offsets of the blocks that are sent from now on. */
function blocksOf(page) {
  const sent = [];
  page.on("request", (request) => {
    const offset = request.headers()["x-bkrepo-offset"];
    if (offset !== undefined) sent.push(Number(offset));
  });
  return sent;
}

/** No block from this offset on arrives. */
async function breakAt(page, offset) {
  await page.route("**/generic/**", (route) => {
    const at = route.request().headers()["x-bkrepo-offset"];
    if (at !== undefined && Number(at) >= offset) return route.abort();
    return route.continue();
  });
}

async function resuming(browser) {
  const bytes = crypto.randomBytes(20 * MIB + 12345);
  const place = file("large.bin", bytes);
  await put("blocks/files/first", "x");
  const visit = await new Visit(browser).open();
  const { page } = visit;
  await visit.logIn("admin", told.password, "#/f/blocks/files");
  await breakAt(page, BLOCK);
  await visit.choose("Upload", [place]);
  await visit.transfer("failed");
  await page.getByText("The server cannot be reached.").waitFor();
  await page.unroute("**/generic/**");
  await breakAt(page, 2 * BLOCK);
  const again = blocksOf(page);
  await page.getByRole("button", { name: /^Resume/ }).click();
  await page.locator(".transfer.running").waitFor();
  await visit.transfer("failed");
  assert.ok(again.includes(BLOCK) && !again.includes(0), `sent ${again}`);
  // The page is closed, and opened again: the same file goes on where it ended.
  await page.unroute("**/generic/**");
  await page.reload();
  await visit.settled();
  const last = blocksOf(page);
  await visit.choose("Upload", [place]);
  await visit.transfer("done");
  assert.deepEqual(last, [2 * BLOCK]);
  assert.ok((await get("blocks/files/large.bin")).equals(bytes), "other bytes");
  assert.deepEqual(await page.evaluate(() => Object.keys(localStorage)), []);
  await visit.row("large.bin").waitFor();
  await visit.close();
}

async function cancelling(browser) {
  const place = file("stopped.bin", Buffer.alloc(20 * MIB, 3));
  await put("cancel/files/first", "x");
  const visit = await new Visit(browser).open();
  const { page } = visit;
  await visit.logIn("admin", told.password, "#/f/cancel/files");
  await page.route("**/generic/**", (route) => {
    // The second block is on its way for ever.
    if (route.request().headers()["x-bkrepo-offset"] === String(BLOCK)) return;
    return route.continue();
  });
  const ended = page.waitForResponse((answer) => answer.request().method() === "DELETE" && answer.url().includes("/generic/separate/"));
  const held = page.waitForRequest((request) => request.headers()["x-bkrepo-offset"] === String(BLOCK));
  await visit.choose("Upload", [place]);
  await held;
  await page.getByRole("button", { name: "Cancel: /stopped.bin" }).click();
  await visit.transfer("cancelled");
  assert.equal((await ended).status(), 200);
  await api("GET", "/generic/cancel/files/stopped.bin", { status: 404 });
  await visit.button("Clear what is done").click();
  await page.locator(".transfers").waitFor({ state: "hidden" });
  await visit.close();
}

async function replacing(browser) {
  await put("replace/files/f.txt", "old");
  const visit = await new Visit(browser).open();
  const { page } = visit;
  await visit.logIn("admin", told.password, "#/f/replace/files");
  await visit.choose("Upload", [file("f.txt", "new")]);
  await visit.transfer("exists");
  assert.equal(String(await get("replace/files/f.txt")), "old");
  await page.getByRole("button", { name: /^Replace/ }).click();
  await visit.transfer("done");
  assert.equal(String(await get("replace/files/f.txt")), "new");
  await visit.close();
}

async function dropping(browser) {
  await put("drop/files/d/first", "x");
  const visit = await new Visit(browser).open();
  const { page } = visit;
  await visit.logIn("admin", told.password, "#/f/drop/files/d");
  const transfer = await page.evaluateHandle(() => {
    const data = new DataTransfer();
    for (const name of ["a.txt", "空 #?.txt", "empty"]) data.items.add(new File(name === "empty" ? [] : [`in ${name}`], name));
    return data;
  });
  const view = page.locator(".folder-view");
  await view.dispatchEvent("dragenter", { dataTransfer: transfer });
  await page.getByText("Drop files or folders to upload them to d").waitFor();
  await visit.shot("dropping");
  await view.dispatchEvent("drop", { dataTransfer: transfer });
  for (const name of ["a.txt", "空 #?.txt", "empty"]) await visit.row(name).waitFor();
  assert.equal(String(await get("drop/files/d/空 #?.txt")), "in 空 #?.txt");
  assert.equal((await get("drop/files/d/empty")).length, 0);
  const folder = path.dirname(path.dirname(file("tree/in/deep.txt", "deep")));
  await visit.choose("Upload folder", folder);
  await visit.row("tree").waitFor();
  assert.equal(String(await get("drop/files/d/tree/in/deep.txt")), "deep");
  await visit.close();
}

async function many(browser) {
  await put("several/files/first", "x");
  const visit = await new Visit(browser).open();
  const { page } = visit;
  await visit.logIn("admin", told.password, "#/f/several/files");
  const files = Array.from({ length: 150 }, (_, n) => ({ name: `f${n}.txt`, mimeType: "text/plain", buffer: Buffer.from(String(n)) }));
  await visit.choose("Upload", files);
  await page.getByText("Uploads: 150 of 150 · 100%").waitFor();
  assert.equal(await page.locator(".transfer").count(), 100);
  await page.getByText("and 50 more").waitFor();
  assert.equal(String(await get("several/files/f149.txt")), "149");
  await visit.close();
}

export const judges = [
  ["upload in blocks, broken off twice, over a reload", resuming],
  ["cancel an upload", cancelling],
  ["replace a file that is there", replacing],
  ["drop files, choose a folder", dropping],
  ["150 files at once", many],
];
