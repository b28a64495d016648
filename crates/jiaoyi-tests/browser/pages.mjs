// Every page in every look: axe, sizes of targets, sideways scrolling.
//
// A page is loaded once in each language and size. What can be judged on it without loading it
// again is: widths and zooms by resizing, a theme by its attribute, when the server would send the
// same page but for that attribute. When it would not, the page is loaded in that theme too.

import { axe, context, layout, loadAxe, pages, BASE } from './browser.mjs';

const PLAIN = { width: 320, zoom: 100 };
const ZOOMED = { width: 320, zoom: 200 };
/// Layouts at 320 px and with text at 200 %; axe in light and dark and three sizes in Chinese, and
/// in English once in each theme.
const LOOKS = [
  { lang: 'zh-CN', size: 's', themes: ['light', 'dark'], layouts: [PLAIN, ZOOMED] },
  { lang: 'zh-CN', size: 'l', themes: ['light', 'dark'], layouts: [PLAIN, { width: 360, zoom: 200 }] },
  { lang: 'zh-CN', size: 'xl', themes: ['light', 'dark'], layouts: [PLAIN] },
  { lang: 'en', size: 's', themes: ['light'], layouts: [PLAIN, ZOOMED] },
  { lang: 'en', size: 'l', themes: [], layouts: [PLAIN] },
  { lang: 'en', size: 'xl', themes: ['dark'], layouts: [PLAIN] },
];
const HEIGHT = 740;
const AXE_WIDTH = 360;
/// Pages at a time: one for each core.
const WIDTH = 2;

/// Walks through the pages of the server under test.
export async function looks(browser) {
  return walk(browser, BASE, await pages());
}

/// Judges each path of `base` in every look.
export async function walk(browser, base, paths) {
  const count = { problems: [], pages: paths.length, loads: 0, layouts: 0, axe: 0 };
  for (const look of LOOKS) {
    const queue = [...paths];
    const work = async () => {
      const visit = await Visit.open(browser, base, look, count);
      for (let path = queue.shift(); path !== undefined; path = queue.shift()) await visit.judge(path);
      await visit.close();
    };
    await Promise.all(Array.from({ length: WIDTH }, work));
  }
  return count;
}

/// One tab in one language and size that goes from page to page.
class Visit {
  static async open(browser, base, look, count) {
    const visit = new Visit();
    Object.assign(visit, { base, look, count });
    const { lang, size, themes } = look;
    visit.opened = await context(browser, { lang, size, theme: themes[0] ?? 'light' }, {}, base);
    // The page that leads on to a cashier sends each payer there once; this one was sent before.
    await visit.opened.addInitScript(() => {
      Storage.prototype.getItem = (key) => (key.startsWith('jy-') ? '1' : null);
    });
    visit.page = await visit.opened.newPage();
    visit.screen = await visit.opened.newCDPSession(visit.page);
    visit.agent = await visit.page.evaluate(() => navigator.userAgent);
    return visit;
  }

  close() {
    return this.opened.close();
  }

  async judge(path) {
    const { look, page } = this;
    let html = await this.load(path);
    for (const { width, zoom } of look.layouts) {
      await this.resize(width);
      await page.evaluate(zoomText, zoom);
      this.count.layouts += 1;
      for (const line of await layout(page)) this.found(path, `${width}px ${zoom}% ${line}`);
    }
    await page.evaluate(zoomText, 100);
    await this.resize(AXE_WIDTH);
    for (const [place, theme] of look.themes.entries()) {
      if (place > 0) html = await this.change(path, html, theme);
      if (place === 0) await loadAxe(page);
      this.count.axe += 1;
      for (const line of await axe(page)) this.found(path, `${theme} ${line}`);
    }
    if (look.themes.length > 1) await this.cookie(look.themes[0]);
  }

  /// Loads a page as it is served to the cookies of this tab.
  async load(path) {
    const { page } = this;
    const response = await page.goto(this.base + path, { waitUntil: 'load' });
    // Pages that wait load themselves again; that would take the page away from under a check.
    await page.evaluate(() => window.stop());
    this.count.loads += 1;
    return response.text();
  }

  /// Shows the loaded page in another theme: by its attribute, or by loading it.
  async change(path, html, theme) {
    await this.cookie(theme);
    const served = await fetch(this.base + path, {
      redirect: 'manual', headers: { cookie: this.cookies(theme), 'user-agent': this.agent },
    });
    if (same(html, await served.text())) {
      await this.page.evaluate((name) => { document.documentElement.dataset.theme = name; }, theme);
      return html;
    }
    const loaded = await this.load(path);
    await loadAxe(this.page);
    return loaded;
  }

  /// The width that the page sees. Resizing the window as well, as Playwright does, costs more than a
  /// page load.
  resize(width) {
    const metrics = { width, height: HEIGHT, deviceScaleFactor: 1, mobile: false };
    return this.screen.send('Emulation.setDeviceMetricsOverride', metrics);
  }

  cookie(theme) {
    return this.opened.addCookies([{ name: 'jy_theme', value: theme, url: this.base }]);
  }

  cookies(theme) {
    const { lang, size } = this.look;
    return `jy_lang=${lang}; jy_size=${size}; jy_theme=${theme}`;
  }

  found(path, line) {
    this.count.problems.push(`${path} ${this.look.lang} ${this.look.size} ${line}`);
  }
}

/// True when two pages differ in nothing but the theme of the root element and one-time keys.
function same(one, other) {
  const plain = (html) => html.replace(/^(<!DOCTYPE html><html[^>]*) data-theme="\w+"/i, '$1')
    .replace(/(name="form_key" value=")[^"]*/g, '$1');
  return plain(one) === plain(other);
}

/// Scales all text: sizes are in rem. Set by script, because a style in the page would meet our policy.
function zoomText(percent) {
  if (percent === 100) document.documentElement.style.removeProperty('font-size');
  else document.documentElement.style.setProperty('font-size', `${percent}%`, 'important');
}
