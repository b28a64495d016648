// Deliberately bad pages: the same walk must find what is wrong with each, and nothing else.

import { createServer } from 'node:http';
import { walk } from './pages.mjs';

const BAD = `<!doctype html><html><head><title></title></head><body>
<p style="color:#999;background:#fff">支付成功将无法更改或退款</p>
<input type="text"><img src="data:,">
<button style="width:20px;height:18px;padding:0"></button>
<a href="#x" style="display:inline-block;width:29px;height:29px">x</a>
<div style="width:900px">400.00</div></body></html>`;

/// A good page as our server would send it in a theme, with something bad put in.
function page(theme, style, body) {
  return `<!DOCTYPE html><html lang="zh-CN" data-theme="${theme}"><head><meta charset="utf-8"><title>缴费</title>
<style>body{background:#fff;color:#000}input{height:48px}${style}</style></head>
<body><main><h1>缴费</h1>${body}</main></body></html>`;
}

const SERVED = {
  '/bad': () => BAD,
  '/good': (theme) => page(theme, '', '<p>缴费完成</p>'),
  // The same page in both themes, unreadable in the dark one.
  '/dim': (theme) => page(theme, '[data-theme=dark] p{color:#ccc}', '<p>缴费完成</p>'),
  // Another page in the dark theme, as a careless server might send it.
  '/other': (theme) => page(theme, '', theme === 'dark' ? '<input type="text">' : ''),
  '/wide': (theme) => page(theme, '', '<p style="width:12rem">缴费完成</p>'),
};

const WANTED = [
  ...['zh-CN s', 'zh-CN l', 'zh-CN xl', 'en s', 'en l', 'en xl'].flatMap((look) => [
    `/bad ${look} 320px 100% target 20x18`, `/bad ${look} 320px 100% target 29x29`,
    `/bad ${look} 320px 100% sideways`,
  ]),
  ...['zh-CN s light', 'zh-CN s dark', 'zh-CN l light', 'zh-CN l dark', 'zh-CN xl light', 'zh-CN xl dark',
    'en s light', 'en xl dark'].flatMap((look) => ['html-has-lang', 'document-title', 'color-contrast', 'label',
    'image-alt', 'button-name'].map((rule) => `/bad ${look} violation ${rule}`)),
  ...['zh-CN s', 'zh-CN l', 'zh-CN xl', 'en xl'].flatMap((look) => [
    `/dim ${look} dark violation color-contrast`, `/other ${look} dark violation label`,
  ]),
  '/wide zh-CN s 320px 200% sideways', '/wide en s 320px 200% sideways', '/wide zh-CN l 360px 200% sideways',
];

/// Problems of the check itself: what it should have found and did not, or found where nothing is.
export async function control(browser) {
  const server = createServer((request, response) => {
    const theme = /jy_theme=(\w+)/.exec(request.headers.cookie ?? '')?.[1] ?? 'light';
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(SERVED[request.url]?.(theme) ?? '');
  });
  await new Promise((ready) => { server.listen(0, '127.0.0.1', ready); });
  const base = `http://127.0.0.1:${server.address().port}`;
  const found = await walk(browser, base, Object.keys(SERVED)).finally(() => {
    server.close();
    server.closeAllConnections();
  });
  const problems = WANTED.filter((want) => !found.problems.some((line) => line.startsWith(want)))
    .map((want) => `a bad page passed: ${want}`);
  problems.push(...found.problems.filter((line) => !line.startsWith('/bad ')
    && !WANTED.some((want) => line.startsWith(want))).map((line) => `a good page failed: ${line}`));
  return { problems, wanted: WANTED.length, found: found.problems.length };
}
