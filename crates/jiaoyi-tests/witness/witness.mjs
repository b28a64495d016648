// What the JavaScript witnesses share: identities, the control interface, a notice receiver.
//
// Environment: SANDBOX_URL, IDENTITY_DIR (made by write_demo_identities) and WITNESS_NODE_DIR, the
// directory in which `npm install` put node_modules (default: the one of this file). Each finished
// step prints `ok <step>`; any failure ends with status 1.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export const sandbox = process.env.SANDBOX_URL.replace(/\/+$/, '');
const identities = process.env.IDENTITY_DIR;
const modules = process.env.WITNESS_NODE_DIR ?? import.meta.dirname;
export const load = createRequire(join(modules, 'package.json'));

// channels.toml holds nothing but sections and quoted texts.
export const merchant = {};
let section = merchant;
for (const line of readFileSync(join(identities, 'channels.toml'), 'utf8').split('\n')) {
  const head = /^\[(\w+)\]/.exec(line);
  const pair = /^(\w+) = "(.*)"/.exec(line);
  if (head) section = merchant[head[1]] = {};
  else if (pair) section[pair[1]] = pair[2];
}

export const file = (of, key) => join(identities, merchant[of][key]);
export const pem = (of, key) => readFileSync(file(of, key), 'utf8');
export const ok = (step) => console.log('ok', step);
export const number = (prefix) => `${prefix}${process.hrtime.bigint()}${process.pid}`;

export function need(condition, what) {
  if (!condition) throw new Error(what);
}

export async function control(path, body = {}) {
  const answer = await fetch(`${sandbox}/_sandbox/${path}`, { method: 'POST', body: JSON.stringify(body) });
  need(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer.json();
}

// A merchant's door. `check(headers, body)` gives the content, or nothing when it is not believed.
export async function receiver(check, yes, no) {
  const told = [];
  const waiting = [];
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    let content;
    try {
      content = (await check(request.headers, Buffer.concat(parts).toString('utf8'))) || null;
    } catch (error) {
      console.error('refused:', String(error).slice(0, 200));
      content = null;
    }
    const [status, text] = content ? yes : no;
    response.writeHead(status).end(text);
    const next = waiting.shift();
    if (next) next(content);
    else told.push(content);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const next = (what) => new Promise((resolve, reject) => {
    if (told.length > 0) resolve(told.shift());
    else {
      const timer = setTimeout(() => reject(new Error(`${what}: no notice came`)), 20_000);
      waiting.push((content) => { clearTimeout(timer); resolve(content); });
    }
  });
  return { url: `http://127.0.0.1:${server.address().port}/notice`, next, end: () => server.close() };
}

export async function main(run, modes) {
  try {
    for (const mode of modes) await run(mode);
    process.exit(0);
  } catch (error) {
    console.error('failed', error?.response?.data ?? error);
    process.exit(1);
  }
}
