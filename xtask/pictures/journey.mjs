// Makes docs/images/journey.png: look up, check, pay, voucher, as a payer's phone shows them.
// Run by `cargo xtask gen picture`, which starts a demo and says where it is.

import { createRequire } from 'node:module';
import { mkdir, writeFile } from 'node:fs/promises';

const require = createRequire(`${process.env.JIAOYI_TOOLS}/`);
const { chromium } = require('playwright-core');

const portal = process.env.JIAOYI_PORTAL.replace(/\/$/, '');
const sample = JSON.parse(process.env.JIAOYI_DEMO).samples[0];
const folder = new URL('../../docs/images/', import.meta.url);
const size = { width: 360, height: 760 };

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
});
const userAgent = 'Mozilla/5.0 (Linux; Android 13; M2101K7) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36';
const context = await browser.newContext({ viewport: size, locale: 'zh-CN', userAgent });
const page = await context.newPage();
page.setDefaultTimeout(20_000);
const shots = [];
const shoot = async () => shots.push((await page.screenshot()).toString('base64'));

await page.goto(`${portal}/pay/person?relation=self`);
await page.fill('#name', sample.name);
await page.fill('#document', sample.id_number);
await page.fill('#region', sample.region);
await shoot();
await page.press('#region', 'Enter');
const choice = page.locator('button.choice[name=pick]').first();
const pay = page.locator('form[action="/pay/start"] button, form[action="/pay/method"] button').last();
await choice.or(pay).first().waitFor();
if (await choice.count()) await choice.click();
await pay.waitFor();
await shoot();
await pay.click();
if (page.url().endsWith('/pay/method')) {
  await page.locator('form[action="/pay/start"] button').last().click();
}
await page.waitForLoadState();
const wallet = page.locator('a.btn[rel=noopener]').first();
if (page.url().startsWith(portal)) await wallet.click();
await page.waitForLoadState();
await shoot();
await page.locator('button').filter({ hasText: /支付|Pay/ }).first().click();
const voucher = page.locator('a.btn[href^="/v/"]').first();
const again = page.locator('form[action$="/refresh"] button').first();
for (let tries = 0; tries < 20 && !(await voucher.count()); tries += 1) {
  if (await again.count()) await again.click();
  else await page.reload();
  await page.waitForTimeout(500);
}
await voucher.click();
await page.waitForLoadState();
await shoot();

const frames = shots.map((shot) => `<img src="data:image/png;base64,${shot}">`).join('');
// A page of its own: the portal's policy refuses styles that are not the portal's.
const sheet = await browser.newPage({ viewport: { width: 4 * 384 + 24, height: 808 } });
await sheet.setContent(`<style>body{margin:24px;display:flex;gap:24px;background:#e9edf2}
img{width:360px;border-radius:14px;box-shadow:0 2px 10px #0004}</style>${frames}`);
await mkdir(folder, { recursive: true });
await writeFile(new URL('journey.png', folder), await sheet.screenshot());
await browser.close();
