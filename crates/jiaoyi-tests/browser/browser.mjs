// What the checks share: the browser, the looks, the list of pages, and the measurements.
//
// BASE_URL   a running gallery or demo, http://127.0.0.1:8099 if not given
// CHROMIUM   path of the browser, /usr/bin/chromium if not given

import axeCore from 'axe-core';
import { chromium } from 'playwright-core';

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
export async function context(browser, look = {}, options = {}, base = BASE) {
  const opened = await browser.newContext({ viewport: { width: 360, height: 740 }, ...options });
  const cookies = Object.entries(look).map(([name, value]) => ({
    name: `jy_${name}`, value, url: base,
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

/// Puts axe into the page that is loaded; it stays until the next load.
export function loadAxe(page) {
  return page.evaluate(axeCore.source);
}

/// Violations and undecided results of axe for WCAG 2.2 A and AA, one line each.
/// Our pages have no frames, so one run in the page sees everything.
export function axe(page) {
  return page.evaluate(async (tags) => {
    const kinds = ['violations', 'incomplete'];
    const result = await window.axe.run(document, {
      runOnly: { type: 'tag', values: tags }, resultTypes: kinds, selectors: false,
    });
    if (result.testEngine.name !== 'axe-core') throw new Error('axe did not run');
    return kinds.flatMap((kind) => result[kind].flatMap((rule) => rule.nodes.map((node) =>
      `${kind.replace(/s$/, '')} ${rule.id}: ${node.html.slice(0, 120)}`)));
  }, WCAG);
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
