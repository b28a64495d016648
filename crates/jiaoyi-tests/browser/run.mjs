// Runs the checks named as arguments, or all of them; prints one JSON object and ends with 1 when
// anything was found. `node run.mjs control journey`, with BASE_URL of a gallery or demo.

import { launch } from './browser.mjs';
import { control } from './control.mjs';
import { fronts } from './fronts.mjs';
import { installable } from './install.mjs';
import { bridge, journey, keyboard, notice } from './journey.mjs';
import { looks } from './pages.mjs';
import { speed } from './speed.mjs';

const CHECKS = { control, journey, notice, keyboard, bridge, looks, speed, fronts, installable };
const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(CHECKS);
const unknown = names.filter((name) => !(name in CHECKS));
if (unknown.length > 0) {
  console.error(`unknown check ${unknown}; there are ${Object.keys(CHECKS)}`);
  process.exit(2);
}

const browser = await launch();
const report = {};
for (const name of names) {
  const begun = Date.now();
  try {
    report[name] = await CHECKS[name](browser);
  } catch (error) {
    report[name] = { problems: [`${error}`] };
  }
  report[name].seconds = Math.round((Date.now() - begun) / 1000);
  for (const problem of report[name].problems.slice(0, 40)) console.error(`${name}: ${problem}`);
}
await browser.close();
const ok = names.every((name) => report[name].problems.length === 0);
console.log(JSON.stringify({ ok, ...report }));
process.exit(ok ? 0 : 1);
