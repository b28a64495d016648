// What the checks share: the browser, the looks, the list of pages, and the measurements.
//
// BASE_URL   a running gallery or demo, http://127.0.0.1:8099 if not given
// CHROMIUM   path of the browser, /usr/bin/chromium if not given

import * as axeModule from '@axe-core/playwright';
import { chromium } from 'playwright-core';

export const AxeBuilder = axeModule.default?.default ?? axeModule.default ?? axeModule.AxeBuilder;
export const BASE = (process.env.BASE_URL ?? 'http://127.0.0.1:8099').replace(/\/$/, '');
export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const WCAG = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa'];
/// CSS pixels that every target must have in both directions.
export const TARGET_MIN = 44;

export function launch() {
  const args = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'];
  return chromium.launch({ executablePath: CHROMIUM, headless: true, args });
}

/// A context whose pages come in one language, size and theme, as the cookies say.
export async function context(browser, look = {}, options = {}) {
  const opened = await browser.newContext({ viewport: { width: 360, height: 740 }, ...options });
  const cookies = Object.entries(look).map(([name, value]) => ({
    name: `jy_${name}`, value, url: BASE,
  }));
  await opened.addCookies(cookies);
  return opened;
}

/// The gallery's own list, or the pages that a demo shows to anybody.
export async function pages() {
  const list = await fetch(`${BASE}/gallery.json`);
  if (list.ok) return list.json();
  return ['/', '/pay', '/pay/person', '/verify', '/records', '/notices', '/help', '/a11y',
    '/privacy', '/prefs', '/no-such-page'];
}

/// Violations and undecided results of axe for WCAG 2.2 A and AA, one line each.
/// Our pages have no frames, so the mode without a second page is enough, and twice as fast.
export async function axe(page) {
  const result = await new AxeBuilder({ page }).withTags(WCAG).setLegacyMode(true).analyze();
  const lines = (kind, rules) => rules.flatMap((rule) => rule.nodes.map((node) =>
    `${kind} ${rule.id}: ${node.html.slice(0, 120)}`));
  return [...lines('violation', result.violations), ...lines('incomplete', result.incomplete)];
}

/// Targets smaller than 44 px, and sideways scrolling. A radio counts with its whole label.
export function layout(page) {
  return page.evaluate((least) => {
    const found = [];
    const all = 'a[href], button, select, summary, input:not([type=hidden])';
    for (const element of document.querySelectorAll(all)) {
      const target = element.closest('label') ?? element;
      const box = target.getBoundingClientRect();
      // Skip links and the default button are clipped to a pixel until a keyboard reaches them.
      if (element.classList.contains('skip') || box.width === 0) continue;
      if (Math.round(box.width) < least || Math.round(box.height) < least) {
        const size = `${Math.round(box.width)}x${Math.round(box.height)}`;
        found.push(`target ${size}: ${element.outerHTML.slice(0, 100)}`);
      }
    }
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth) {
      const wide = [...document.body.querySelectorAll('*')]
        .find((element) => element.getBoundingClientRect().right > root.clientWidth + 1);
      found.push(`sideways ${root.scrollWidth} > ${root.clientWidth}: ${wide?.outerHTML.slice(0, 100)}`);
    }
    return found;
  }, TARGET_MIN);
}

/// Runs `work` over `items`, `width` at a time.
export async function pool(items, width, work) {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
