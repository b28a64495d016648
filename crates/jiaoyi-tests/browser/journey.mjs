// Scripts off, 360 px: from home to the wallet's page, counting taps, typed fields and bytes.
//
// SAMPLE   {"name","id_number","region"} of an unpaid person, as `jiaoyi demo --json` prints;
//          the gallery's own sample if not given
// LINK     path of a notice link whose birthday question is answered; the gallery's if not given

import { BASE, context } from './browser.mjs';

const SAMPLE = JSON.parse(process.env.SAMPLE
  ?? '{"name":"王建国","id_number":"990102195203041237","region":"青山"}');
const TAPS_MAX = 5;
const JOURNEY_BYTES_MAX = 60 * 1024;
const FIRST_BYTES_MAX = 20 * 1024;
const FIRST_REQUESTS_MAX = 3;

const PHONE = 'Mozilla/5.0 (Linux; Android 13; M2101K7) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36';

/// Counts what our own site sends in `page`, and notes where the browser is led to elsewhere.
/// Redirects are real: a wallet missing from `form-action` would stop the navigation.
async function meter(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  const own = new Set();
  const count = { bytes: 0, requests: 0, foreign: [], wallet: null };
  session.on('Network.requestWillBeSent', ({ requestId, request, redirectResponse }) => {
    if (redirectResponse && own.has(requestId)) count.bytes += redirectResponse.encodedDataLength;
    own.delete(requestId);
    if (request.url.startsWith('data:') || !request.url.startsWith(`${BASE}/`)) return;
    own.add(requestId);
    count.requests += 1;
  });
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (own.has(requestId)) count.bytes += encodedDataLength;
  });
  page.on('request', (request) => {
    if (request.url().startsWith('data:') || request.url().startsWith(`${BASE}/`)) return;
    if (request.isNavigationRequest()) count.wallet ??= request.url();
    else if (!count.wallet) count.foreign.push(request.url());
  });
  return count;
}

/// First-time payer: start, who, person, check, method.
export async function journey(browser) {
  const opened = await context(browser, {}, { javaScriptEnabled: false, userAgent: PHONE });
  const page = await opened.newPage();
  const count = await meter(page);
  const problems = [];
  let taps = 0;
  const tap = async (selector) => {
    taps += 1;
    await page.locator(selector).first().click();
    await page.waitForLoadState('load');
  };
  await page.goto(`${BASE}/`, { waitUntil: 'networkidle' });
  const first = { bytes: count.bytes, requests: count.requests };
  if (first.bytes > FIRST_BYTES_MAX) problems.push(`first page ${first.bytes} bytes`);
  if (first.requests > FIRST_REQUESTS_MAX) problems.push(`first page ${first.requests} requests`);
  await tap('.tiles a.main');
  await tap('main form button');
  await page.fill('#name', SAMPLE.name);
  await page.fill('#document', SAMPLE.id_number);
  await page.fill('#region', SAMPLE.region);
  await tap('main form button:not(.skip):not(.second)');
  await tap('form[action="/pay/method"] button');
  await tap('form[action="/pay/start"] button');
  await page.waitForTimeout(300);
  if (!count.wallet) problems.push(`not at the wallet but at ${new URL(page.url()).pathname}`);
  if (taps > TAPS_MAX) problems.push(`${taps} taps`);
  if (count.foreign.length > 0) problems.push(`foreign requests ${count.foreign}`);
  if (count.bytes > JOURNEY_BYTES_MAX) problems.push(`journey ${count.bytes} bytes`);
  await opened.close();
  return { problems, taps, typed: 2, region: 'one field', first, journey_bytes: count.bytes };
}

/// From the notice link: the link itself is a tap.
export async function notice(browser) {
  const link = process.env.LINK ?? '/k/bill';
  const problems = [];
  const walk = async (userAgent, most) => {
    const opened = await context(browser, {}, { javaScriptEnabled: false, userAgent });
    const page = await opened.newPage();
    const count = await meter(page);
    await page.goto(BASE + link, { waitUntil: 'load' });
    let taps = 1;
    for (const selector of ['form[action="/pay/method"] button', 'form[action="/pay/start"] button']) {
      const button = page.locator(selector).first();
      if (await button.count() === 0) continue;
      taps += 1;
      await button.click();
      await page.waitForLoadState('load');
    }
    await page.waitForTimeout(300);
    if (!count.wallet) problems.push(`not at the wallet (${userAgent.slice(0, 40)})`);
    if (taps > most) problems.push(`${taps} taps, at most ${most}`);
    await opened.close();
    return taps;
  };
  const alipay = await walk('Mozilla/5.0 (Linux; Android 13) AlipayClient/10.5.96', 2);
  const plain = await walk(PHONE, 3);
  return { problems, alipay, plain };
}

/// Inside WeChat: a script that plays the bridge is called by our page without another tap.
export async function bridge(browser) {
  const problems = [];
  const userAgent = 'Mozilla/5.0 (Linux; Android 13) MicroMessenger/8.0.40';
  const opened = await context(browser, {}, { userAgent });
  await opened.addInitScript(() => {
    window.calls = [];
    window.WeixinJSBridge = {
      invoke: (name, parameters, answer) => {
        window.calls.push({ name, parameters });
        answer({ err_msg: 'get_brand_wcpay_request:cancel' });
      },
    };
  });
  const page = await opened.newPage();
  const errors = [];
  page.on('console', (line) => { if (line.type() === 'error') errors.push(line.text()); });
  const path = process.env.BRIDGE ?? '/o/topayjsapi';
  await page.goto(BASE + path, { waitUntil: 'load' });
  const calls = await page.evaluate(() => window.calls);
  const wanted = ['appId', 'timeStamp', 'nonceStr', 'package', 'signType', 'paySign'];
  if (calls.length !== 1) problems.push(`${calls.length} calls of the bridge on load`);
  else if (wanted.some((name) => !calls[0].parameters[name])) problems.push('a parameter is missing');
  await page.locator('#jsapi button').click();
  if ((await page.evaluate(() => window.calls)).length !== 2) problems.push('the button does not pay');
  problems.push(...errors.map((text) => `console: ${text}`));
  await opened.close();
  return { problems, calls: calls.length };
}

/// The same way by keyboard alone: Tab reaches everything and shows where it is, Enter goes on.
export async function keyboard(browser) {
  const problems = [];
  const opened = await context(browser, {}, { userAgent: PHONE });
  const page = await opened.newPage();
  const count = await meter(page);
  const reach = async (selector) => {
    for (let presses = 0; presses < 60; presses += 1) {
      await page.keyboard.press('Tab');
      const there = await page.evaluate((wanted) => {
        const element = document.activeElement;
        if (!element.matches(wanted)) return null;
        return getComputedStyle(element).outlineStyle !== 'none';
      }, selector);
      if (there === null) continue;
      if (!there) problems.push(`${selector}: no visible focus`);
      return;
    }
    throw new Error(`Tab never reaches ${selector} on ${new URL(page.url()).pathname}`);
  };
  const go = async () => {
    await Promise.all([page.waitForNavigation({ waitUntil: 'load' }), page.keyboard.press('Enter')]);
  };
  await page.goto(`${BASE}/`, { waitUntil: 'load' });
  await reach('a.skip');
  await reach('.tiles a.main');
  await go();
  await reach('main form button');
  await go();
  for (const [field, text] of [['#name', SAMPLE.name], ['#document', SAMPLE.id_number], ['#region', SAMPLE.region]]) {
    await reach(field);
    await page.keyboard.type(text);
  }
  // Enter in a text field looks up, although a button for choosing step by step stands nearer.
  await go();
  await reach('form[action="/pay/method"] button');
  await go();
  await reach('form[action="/pay/start"] button');
  await page.keyboard.press('Enter');
  await page.waitForTimeout(500);
  if (!count.wallet) problems.push(`not at the wallet but at ${new URL(page.url()).pathname}`);
  await opened.close();
  return { problems };
}
