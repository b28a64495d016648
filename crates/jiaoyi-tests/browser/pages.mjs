// Every page in every look: axe, sizes of targets, sideways scrolling.

import { axe, context, layout, pages, pool, BASE } from './browser.mjs';

const SIZES = ['s', 'l', 'xl'];

/// axe in light and dark and three sizes, in Chinese; English once in each theme.
export async function accessibility(browser) {
  const problems = [];
  const looks = ['light', 'dark'].flatMap((theme) => SIZES.map((size) => ({ theme, size, lang: 'zh-CN' })));
  looks.push({ theme: 'light', size: 's', lang: 'en' }, { theme: 'dark', size: 'xl', lang: 'en' });
  const list = await pages();
  let runs = 0;
  for (const look of looks) {
    const opened = await context(browser, look);
    await pool(list, 2, async (path) => {
      const page = await opened.newPage();
      await page.goto(BASE + path, { waitUntil: 'load' });
      for (const line of await axe(page)) problems.push(`${path} ${JSON.stringify(look)} ${line}`);
      runs += 1;
      await page.close();
    });
    await opened.close();
  }
  return { problems, pages: list.length, runs };
}

/// Targets and scrolling at 320 px, and with text at 200 %.
export async function layouts(browser) {
  const problems = [];
  const list = await pages();
  const cases = ['zh-CN', 'en'].flatMap((lang) => SIZES.map((size) => (
    { lang, size, width: 320, zoom: 100 })));
  cases.push({ lang: 'zh-CN', size: 's', width: 320, zoom: 200 }, { lang: 'en', size: 's', width: 320, zoom: 200 });
  cases.push({ lang: 'zh-CN', size: 'l', width: 360, zoom: 200 });
  let runs = 0;
  for (const { lang, size, width, zoom } of cases) {
    // The zoom is a style of the test, which our own policy would refuse.
    const opened = await context(browser, { lang, size }, { viewport: { width, height: 740 }, bypassCSP: true });
    await pool(list, 2, async (path) => {
      const page = await opened.newPage();
      await page.goto(BASE + path, { waitUntil: 'load' });
      if (zoom !== 100) await page.addStyleTag({ content: `html{font-size:${zoom}%!important}` });
      for (const line of await layout(page)) problems.push(`${path} ${lang} ${size} ${width}px ${zoom}% ${line}`);
      runs += 1;
      await page.close();
    });
    await opened.close();
  }
  return { problems, pages: list.length, runs };
}
