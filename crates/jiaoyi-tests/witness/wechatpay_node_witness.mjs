// npm wechatpay-node-v3 against the sandbox. It writes WeChat's address into each call; its own way to
// bring another HTTP client (createHttp) sends them to the sandbox, through the library's own client.
//
// It knows platform certificates only, and verifies what it is asked to, which is notices: answers it
// takes unverified. decipher_gcm reads without asking for the tag, so that a notice is verified first.
// It fetches plain bills alone: of a packed one it hands out nothing.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  control, file, load, main, merchant, need, number, ok, pem, receiver, sandbox,
} from './witness.mjs';

const Pay = load('wechatpay-node-v3');
const { PayRequest } = load('wechatpay-node-v3/dist/lib/pay-request.js');
const order = merchant.wechat;
const REAL = 'https://api.mch.weixin.qq.com';

function client() {
  const pay = new Pay({
    appid: order.appid,
    mchid: order.mchid,
    serial_no: order.merchant_serial,
    // Its certificate lies beside the merchant's key; only its number is in channels.toml.
    publicKey: readFileSync(file('wechat', 'merchant_key').replace('_key.', '_cert.')),
    privateKey: Buffer.from(pem('wechat', 'merchant_key')),
    key: order.apiv3_key,
  });
  const own = new PayRequest();
  const here = (url) => {
    need(url.startsWith(`${REAL}/v3/`), `an address of its own: ${url}`);
    return url.replace(REAL, sandbox);
  };
  pay.createHttp({
    get: (url, headers) => own.get(here(url), headers),
    post: (url, params, headers) => own.post(here(url), params, headers),
  });
  return pay;
}

async function run() {
  const pay = client();
  const check = async (headers, body) => {
    const believed = await pay.verifySign({
      timestamp: headers['wechatpay-timestamp'], nonce: headers['wechatpay-nonce'],
      serial: headers['wechatpay-serial'], signature: headers['wechatpay-signature'], body,
    });
    if (!believed) return null;
    const { ciphertext, nonce, associated_data: aad } = JSON.parse(body).resource;
    return pay.decipher_gcm(ciphertext, aad, nonce);
  };
  const door = await receiver(check, [200, ''], [401, '{"code":"FAIL","message":"no"}']);

  const goods = (out_trade_no) => ({
    description: '居民医保 (演示)', out_trade_no, notify_url: door.url, amount: { total: 40000, currency: 'CNY' },
  });
  const [closing, paying] = [number('NN').slice(0, 32), number('NO').slice(0, 32)];
  let told = await pay.query({ out_trade_no: closing });
  need(told.status === 404, `query unknown ${JSON.stringify(told)}`);
  ok('wechatpay-node-v3 query unknown');

  const scene_info = { payer_client_ip: '127.0.0.1', h5_info: { type: 'Wap', app_name: '演示', app_url: sandbox } };
  told = await pay.transactions_h5({ ...goods(closing), scene_info });
  need(told.data?.h5_url, `h5 ${JSON.stringify(told)}`);
  told = await pay.transactions_native(goods(paying));
  need(told.data?.code_url, `native ${JSON.stringify(told)}`);
  told = await pay.transactions_jsapi({ ...goods(number('NP').slice(0, 32)), payer: { openid: 'oWitness' } });
  need(told.data?.package?.startsWith('prepay_id=wx') && told.data.paySign, `jsapi ${JSON.stringify(told)}`);
  // What the bridge inside WeChat is handed is signed as the sandbox's WeChat expects it.
  const opened = await fetch(`${sandbox}/_sandbox/jsbridge/invoke`, {
    method: 'POST', body: JSON.stringify({ ...told.data, appId: order.appid }),
  });
  need((await opened.json()).wallet, 'jsapi sheet');
  ok('wechatpay-node-v3 place h5, native, jsapi');

  need((await pay.query({ out_trade_no: closing })).data.trade_state === 'NOTPAY', 'query unpaid');
  ok('wechatpay-node-v3 query unpaid');

  need((await pay.close(closing)).status === 204, 'close');
  need((await pay.query({ out_trade_no: closing })).data.trade_state === 'CLOSED', 'closed');
  ok('wechatpay-node-v3 close');

  await control('fault', { channel: 'wechat', out_trade_no: paying, at: 'notify', do: 'forge' });
  let played = await control('pay', { channel: 'wechat', out_trade_no: paying, serial: 'cert' });
  need(await door.next('forged') === null && !played.delivered, 'forged notice believed');
  ok('wechatpay-node-v3 forged notice refused');

  // The key changes: the library fetches the new one, whose certificate it did not know.
  await control('fault', { channel: 'wechat', out_trade_no: paying, at: 'notify', do: 'other_key' });
  played = await control('pay', { channel: 'wechat', out_trade_no: paying, serial: 'cert' });
  told = await door.next('notice under a new key');
  need(told?.out_trade_no === paying && played.delivered, 'notice under a new key');
  ok('wechatpay-node-v3 notice of payment verified, under a new key');

  told = await pay.query({ transaction_id: played.transaction_id });
  need(told.data.trade_state === 'SUCCESS' && told.data.amount.total === 40000, 'query paid');
  ok('wechatpay-node-v3 query paid');

  const out_refund_no = number('NQ').slice(0, 64);
  const refund = {
    out_trade_no: paying, out_refund_no, reason: '重复缴费', notify_url: door.url,
    amount: { refund: 100, total: 40000, currency: 'CNY' },
  };
  for (const _ of ['once', 'again']) {
    told = await pay.refunds(refund);
    need(told.status === 200 && told.data.amount.refund === 100, `refund ${JSON.stringify(told)}`);
  }
  ok('wechatpay-node-v3 refund accepted, however often asked');

  told = await door.next('notice of refund');
  need(told?.refund_status === 'SUCCESS' && told.out_refund_no === out_refund_no, 'notice of refund');
  ok('wechatpay-node-v3 notice of refund verified');

  told = await pay.find_refunds(out_refund_no);
  need(told.data.status === 'SUCCESS', 'refund query');
  ok('wechatpay-node-v3 refund query');

  const bill_date = new Date(Date.now() + 8 * 3600_000).toISOString().slice(0, 10);
  for (const [kind, ask] of [['trade', 'tradebill'], ['fund flow', 'fundflowbill']]) {
    const offered = (await pay[ask]({ bill_date })).data;
    need(offered?.hash_type === 'SHA1', `${kind} bill`);
    const got = await pay.downloadBill(offered.download_url.replace(sandbox, REAL));
    need(got.status === 200 && typeof got.data === 'string', `${kind} download ${got.status}`);
    need(createHash('sha1').update(got.data).digest('hex') === offered.hash_value, `${kind} hash`);
    for (const no of [paying, out_refund_no]) need(got.data.includes(no), `${kind} without ${no}`);
    ok(`wechatpay-node-v3 ${kind} bill fetched, its hash right`);
  }
  door.end();
}

await main(run, ['cert']);
