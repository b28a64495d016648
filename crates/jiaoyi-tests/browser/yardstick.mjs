// Serves what the pages' speed is compared with, from a thread of its own, so that whoever measures
// does not delay it: a bare page, and our first page with something slow put in.
//
// Told as workerData: `base`, the server under test. Tells its own address.

import { createServer } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';

/// The slow parts: milliseconds that a script holds the page, bytes of a style sheet before it shows.
const SCRIPT_MS = 400;
const HEAVY_BYTES = 1_000_000;

const TEXT = '<p>缴费单以税务部门公布的标准为准，缴费完成后可查询凭证。</p>'.repeat(60);
const BARE = `<!DOCTYPE html><html lang="zh-CN"><head><meta charset="utf-8"><title>尺</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">
<link rel="stylesheet" href="/bare.css"></head><body><main><h1>尺</h1>${TEXT}</main></body></html>`;
const SCRIPT = `<script>for (const end = performance.now() + ${SCRIPT_MS}; performance.now() < end;);</script>`;
const STYLE = '<link rel="stylesheet" href="/heavy.css">';

/// Our own first page, with `part` at the end of its head.
async function spoiled(part) {
  const html = await (await fetch(`${workerData.base}/`)).text();
  if (!html.includes('</head>')) throw new Error('the first page has no head');
  return html.replace('</head>', `${part}</head>`);
}

async function answer(path) {
  switch (path) {
    case '/bare': return ['text/html; charset=utf-8', BARE];
    case '/bare.css': return ['text/css', 'body{font:1rem/1.6 sans-serif;margin:1rem;background:#fff;color:#000}'];
    case '/slow-script': return ['text/html; charset=utf-8', await spoiled(SCRIPT)];
    case '/slow-style': return ['text/html; charset=utf-8', await spoiled(STYLE)];
    case '/heavy.css': return ['text/css', `/*${'x'.repeat(HEAVY_BYTES)}*/`];
    default: {
      const passed = await fetch(workerData.base + path);
      return [passed.headers.get('content-type') ?? 'text/plain', Buffer.from(await passed.arrayBuffer())];
    }
  }
}

const server = createServer((request, response) => {
  answer(request.url).then(([type, body]) => {
    response.writeHead(200, { 'content-type': type });
    response.end(body);
  }, (error) => {
    response.writeHead(502, { 'content-type': 'text/plain' });
    response.end(`${error}`);
  });
});
server.listen(0, '127.0.0.1', () => parentPort.postMessage(`http://127.0.0.1:${server.address().port}`));
