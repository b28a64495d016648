// A deliberately bad page: the same checks must find what is wrong with it.

import { axe, context, layout } from './browser.mjs';

const BAD = `<!doctype html><html><head><title></title></head><body>
<p style="color:#999;background:#fff">支付成功将无法更改或退款</p>
<input type="text"><img src="data:,">
<button style="width:20px;height:18px;padding:0"></button>
<a href="#x" style="display:inline-block;width:29px;height:29px">x</a>
<div style="width:900px">400.00</div></body></html>`;

/// Problems of the check itself: what it should have found and did not.
export async function control(browser) {
  const opened = await context(browser, {}, { viewport: { width: 320, height: 740 } });
  const page = await opened.newPage();
  await page.setContent(BAD);
  const found = [...await axe(page), ...await layout(page)];
  await opened.close();
  const wanted = ['violation html-has-lang', 'violation document-title', 'violation color-contrast',
    'violation label', 'violation image-alt', 'violation button-name', 'target 20x18', 'target 29x29',
    'sideways'];
  const problems = wanted.filter((want) => !found.some((line) => line.startsWith(want)))
    .map((want) => `the bad page passed: ${want}`);
  return { problems, found: found.length };
}
