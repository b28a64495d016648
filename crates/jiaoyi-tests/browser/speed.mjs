// Lighthouse on a phone, three pages, median of three runs.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import { BASE, CHROMIUM } from './browser.mjs';

const PAGES = (process.env.LIGHTHOUSE_PAGES ?? '/,/pay/person,/verify').split(',');
const RUNS = 3;
const PERFORMANCE_MIN = 98;
const ACCESSIBILITY_MIN = 100;

export function speed() {
  const require = createRequire(import.meta.url);
  const program = join(dirname(require.resolve('lighthouse/package.json')), 'cli', 'index.js');
  const folder = mkdtempSync(join(tmpdir(), 'lighthouse-'));
  const problems = [];
  const results = [];
  for (const path of PAGES) {
    const runs = [];
    for (let run = 0; run < RUNS; run += 1) {
      const file = join(folder, `${run}.json`);
      const flags = '--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage';
      const child = spawnSync(process.execPath, [program, BASE + path, '--quiet', '--output=json',
        `--output-path=${file}`, `--chrome-flags=${flags}`,
        '--only-categories=performance,accessibility,best-practices'],
      { env: { ...process.env, CHROME_PATH: CHROMIUM }, timeout: 120_000 });
      if (child.status !== 0) {
        problems.push(`${path}: lighthouse ended with ${child.status} ${child.stderr}`);
        continue;
      }
      const report = JSON.parse(readFileSync(file, 'utf8'));
      const score = (name) => Math.round(report.categories[name].score * 100);
      runs.push([score('performance'), score('accessibility'), score('best-practices'),
        ...['first-contentful-paint', 'speed-index', 'total-blocking-time']
          .map((audit) => Math.round(report.audits[audit].numericValue))]);
    }
    const median = (index) => runs.map((run) => run[index]).sort((a, b) => a - b)[runs.length >> 1];
    const [performance, accessibility, best, fcp_ms, si_ms, tbt_ms] = [0, 1, 2, 3, 4, 5].map(median);
    if (!(performance >= PERFORMANCE_MIN)) problems.push(`${path}: performance ${performance}`);
    if (!(accessibility >= ACCESSIBILITY_MIN)) problems.push(`${path}: accessibility ${accessibility}`);
    results.push({ path, performance, accessibility, best, fcp_ms, si_ms, tbt_ms });
  }
  rmSync(folder, { recursive: true });
  return { problems, results };
}
