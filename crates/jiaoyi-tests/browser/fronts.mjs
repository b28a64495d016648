// Every page of the sandbox's front ends, by walking through each from the first tap to the receipt:
// axe in light and dark, sizes of targets and sideways scrolling in three sizes of type.
//
// SANDBOX   address of the sandbox of a running demo
// SAMPLES   [{"name","id_number","region"}…] of unpaid people, as `jiaoyi demo --json` prints;
//           each front end takes the next one
// SHOTS     a folder for pictures of every page, if they are wanted

import { axe, layout, loadAxe } from './browser.mjs';

const WIDTH = 320;
const HEIGHT = 740;
/// Class of the root element, theme, percent of the text's size.
const LOOKS = [
  { size: '', theme: 'light', zoom: 100 },
  { size: '', theme: 'light', zoom: 200 },
  { size: 'large', theme: 'light', zoom: 100 },
  { size: 'large', theme: 'dark', zoom: 100 },
  { size: '', theme: 'dark', zoom: 100 },
];
/// Front ends whose payment goes wrong, and what the payer reads then.
const MISHAPS = [
  { slug: 'a7-atm', mishap: 'lose_answer', says: '已冲正' },
  { slug: 'a8', mishap: 'twice', says: '缴费成功' },
  { slug: 'a4', mishap: 'lose_answer', says: '缴费成功' },
  { slug: 'a1', mishap: 'wrong_amount', says: '没有缴成' },
];

export async function fronts(browser) {
  const base = process.env.SANDBOX;
  const samples = JSON.parse(process.env.SAMPLES ?? '[]');
  const walk = new Walk(browser, base, samples);
  const opened = await browser.newContext({ viewport: { width: WIDTH, height: HEIGHT } });
  walk.page = await opened.newPage();
  await walk.page.goto(`${base}/front`);
  await walk.judge('index');
  const slugs = await walk.page.$$eval('main li a[href^="/front/a"]', (links) =>
    links.map((link) => link.getAttribute('href').slice('/front/'.length)));
  for (const slug of slugs) await walk.pay(slug, '', '缴费成功');
  for (const { slug, mishap, says } of MISHAPS) await walk.pay(slug, mishap, says);
  await walk.page.goto(`${base}/front/office/A7`);
  await walk.judge('office');
  await opened.close();
  return { ...walk.count, fronts: slugs.length };
}

class Walk {
  constructor(browser, base, samples) {
    Object.assign(this, { browser, base, samples });
    this.count = { problems: [], pages: 0, axe: 0, layouts: 0 };
  }

  /// From the first page of a front end to the outcome.
  async pay(slug, mishap, says) {
    const { page } = this;
    const name = mishap ? `${slug}-${mishap}` : slug;
    const sample = this.samples.shift();
    if (!sample) throw new Error(`${name}: no unpaid person is left`);
    await page.goto(`${this.base}/front/${slug}`);
    await this.judge(`${name}-1-start`);
    const consent = page.locator('input[name=consent]');
    if (await consent.count() > 0) await consent.check();
    await this.press('begin');
    for (let tap = await this.tap(); tap; tap = await this.tap()) {
      await this.judge(`${name}-2-tap`);
      await Promise.all([page.waitForNavigation(), tap.click()]);
    }
    await this.judge(`${name}-3-person`);
    const other = page.locator('input[name=relation][value=other]');
    if (await other.count() > 0) await other.check();
    await page.fill('#name', sample.name);
    await page.fill('#id_no', sample.id_number);
    await page.selectOption('#region', sample.region);
    await this.press('find');
    if (await page.locator('button[value=open]').count() > 0) {
      await this.judge(`${name}-4-bills`);
      await this.press('open');
    }
    await this.judge(`${name}-5-check`);
    if (await page.locator('button[value=collect]').count() > 0) {
      await this.press('collect');
      await this.judge(`${name}-6-locked`);
    }
    if (mishap) {
      await page.locator('summary').first().click();
      await page.locator(`input[name=mishap][value=${mishap}]`).check();
      await this.judge(`${name}-6-mishap`);
    }
    await this.press('pay');
    await this.judge(`${name}-7-outcome`);
    const words = await page.locator('main').innerText();
    if (!words.includes(says)) this.found(name, `does not say ${says}: ${words.slice(0, 200)}`);
    const slip = page.locator('a[href$="slip=1"]');
    if (await slip.count() > 0) {
      await Promise.all([page.waitForNavigation(), slip.click()]);
      await this.judge(`${name}-8-slip`);
    }
  }

  async tap() {
    const link = this.page.locator('a[href*="?tap="]');
    return await link.count() > 0 ? link.first() : null;
  }

  async press(act) {
    const button = this.page.locator(`button[value=${act}]`).first();
    await Promise.all([this.page.waitForNavigation(), button.click()]);
  }

  /// Looks at the page that is loaded in every look.
  async judge(name) {
    const { page, count } = this;
    count.pages += 1;
    if (!(await page.locator('body').innerText()).includes('演示环境')) {
      this.found(name, 'does not say that it is a demo');
    }
    await loadAxe(page);
    for (const { size, theme, zoom } of LOOKS) {
      await page.emulateMedia({ colorScheme: theme });
      await page.evaluate(([large, percent]) => {
        document.documentElement.classList.toggle('large', large);
        if (percent === 100) document.documentElement.style.removeProperty('font-size');
        else document.documentElement.style.setProperty('font-size', `${percent}%`);
      }, [size === 'large', zoom]);
      const look = `${size || 'plain'} ${theme} ${zoom}%`;
      count.layouts += 1;
      for (const line of await layout(page)) this.found(name, `${look} ${line}`);
      if (zoom !== 100) continue;
      count.axe += 1;
      for (const line of await axe(page)) this.found(name, `${look} ${line}`);
      if (process.env.SHOTS) {
        const path = `${process.env.SHOTS}/${name}-${size || 'plain'}-${theme}.png`;
        await page.screenshot({ path, fullPage: true });
      }
    }
    await page.evaluate(() => document.documentElement.classList.remove('large'));
  }

  found(name, line) {
    this.count.problems.push(`${name} ${line}`);
  }
}
