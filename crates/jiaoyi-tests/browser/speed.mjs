// Lighthouse on a phone: three pages beside a bare page as control and two slow ones, which must
// fail. Nothing else of ours may run meanwhile; what others run is what the control is for.

import { launch } from 'chrome-launcher';
import lighthouse from 'lighthouse';
import { Worker } from 'node:worker_threads';
import { BASE, CHROMIUM } from './browser.mjs';
import { CALM_MIN, GOAL, RATIO_MIN, ROUNDS_MAX, judge, judgeProblems } from './judge.mjs';

const PAGES = (process.env.LIGHTHOUSE_PAGES ?? '/,/pay/person,/verify').split(',');
const SLOW = ['/slow-script', '/slow-style'];
const ACCESSIBILITY_MIN = 100;
const FLAGS = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'];
/// Everything that the performance figure is made of; other audits only cost time.
const METRICS = ['first-contentful-paint', 'largest-contentful-paint', 'speed-index',
  'total-blocking-time', 'cumulative-layout-shift'];

/// One page load by Lighthouse. `all` judges accessibility and good practice as well.
async function measure(port, url, all) {
  const chosen = all ? { onlyCategories: ['performance', 'accessibility', 'best-practices'] }
    : { onlyAudits: METRICS };
  const quiet = { port, output: 'json', logLevel: 'error', disableFullPageScreenshot: true };
  const { lhr } = await lighthouse(url, { ...quiet, ...chosen });
  if (lhr.runtimeError) throw new Error(`${url}: ${lhr.runtimeError.code} ${lhr.runtimeError.message}`);
  const score = (name) => Math.round((lhr.categories[name]?.score ?? 0) * 100);
  const ms = (audit) => Math.round(lhr.audits[audit].numericValue);
  return {
    score: score('performance'),
    index: Math.round(lhr.environment.benchmarkIndex),
    fcp_ms: ms('first-contentful-paint'),
    tbt_ms: ms('total-blocking-time'),
    ...(all ? { accessibility: score('accessibility'), best: score('best-practices') } : {}),
  };
}

/// Measures every page once, the control first. The slow pages need no more than enough rounds.
async function round(port, yardstick, number) {
  const run = async (url, all) => {
    const measured = await measure(port, url, all);
    console.error(`speed: round ${number} ${url} ${JSON.stringify(measured)}`);
    return measured;
  };
  const control = await run(`${yardstick}/bare`, false);
  const pages = {};
  for (const path of PAGES) pages[path] = await run(BASE + path, number === 1);
  const slow = number <= CALM_MIN ? SLOW : [];
  for (const path of slow) pages[path] = await run(yardstick + path, false);
  return { control, pages };
}

export async function speed() {
  const problems = judgeProblems();
  const worker = new Worker(new URL('./yardstick.mjs', import.meta.url), { workerData: { base: BASE } });
  const address = new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  const chrome = await launch({ chromePath: CHROMIUM, chromeFlags: FLAGS });
  const rounds = [];
  let verdict;
  try {
    const yardstick = await address;
    // Unmeasured: the first load of a browser is slow whatever it loads.
    await measure(chrome.port, BASE + PAGES[0], false);
    let enough = false;
    while (!enough && rounds.length < ROUNDS_MAX) {
      rounds.push(await round(chrome.port, yardstick, rounds.length + 1));
      verdict = judge(rounds);
      enough = PAGES.every((path) => verdict.pages[path].calm && verdict.pages[path].passed);
    }
  } finally {
    chrome.kill();
    await worker.terminate();
  }
  const told = ({ median, counted, calm }) => (calm ? `${median} in ${counted} calm rounds, goal ${GOAL}`
    : `${median} on a busy machine, at least ${RATIO_MIN} of the control's ${verdict.control} wanted`);
  for (const path of PAGES) {
    const result = verdict.pages[path];
    if (!result.passed) problems.push(`${path}: performance ${told(result)}`);
    const { accessibility } = rounds[0].pages[path];
    if (accessibility < ACCESSIBILITY_MIN) problems.push(`${path}: accessibility ${accessibility}`);
  }
  for (const path of SLOW) {
    const result = verdict.pages[path];
    if (result.passed) problems.push(`a slow page passed: ${path}: performance ${told(result)}`);
  }
  const performance = Object.fromEntries(Object.entries(verdict.pages).map(([path, result]) => [path, result.median]));
  const busy = PAGES.some((path) => !verdict.pages[path].calm);
  const first = PAGES.map((path) => rounds[0].pages[path]);
  return {
    problems,
    judged_by: busy ? 'ratio to the control, the machine was never calm' : 'goal',
    rounds: rounds.length,
    calm_rounds: verdict.calm_rounds,
    control: verdict.control,
    performance,
    accessibility: first.map((run) => run.accessibility),
    best: first.map((run) => run.best),
  };
}
