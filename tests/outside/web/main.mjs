// Runs the judges of the web page, one behind the other, and prints a table.

import { launch } from "./browser.mjs";
import { judges as people } from "./people.mjs";
import { judges as uploads } from "./uploads.mjs";
import { judges as looks } from "./looks.mjs";

const wanted = process.argv.slice(2);
const all = [...people, ...uploads, ...looks].filter(([name]) => wanted.every((word) => name.includes(word)));
const browser = await launch().catch((error) => {
  console.log(`SKIPPED: the browser does not start here: ${error.message.slice(0, 2000)}`);
  process.exit(0);
});
let failed = 0;
for (const [name, judge] of all) {
  const began = performance.now();
  let [result, said] = ["ok", ""];
  try {
    said = (await judge(browser)) || "";
  } catch (error) {
    result = "FAILED";
    // On one line: of each judge no more is shown where many are told of.
    said = error.message.slice(0, 4000).replaceAll(/\s+/g, " ");
    console.error(error.stack.split("\n").filter((line) => line.includes("/web/")).slice(0, 3).join("\n"));
    failed += 1;
    // What it left open is in nobody's way.
    for (const context of browser.contexts()) await context.close();
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${result.padEnd(8)} ${name.padEnd(62)} ${seconds.padStart(5)} s  ${said}`);
}
await browser.close();
console.log(`${all.length} judges of the web page, ${failed} FAILED`);
process.exit(failed > 0 || all.length === 0 ? 1 : 0);
