// npm wechatpay-axios-plugin against the sandbox, in both key modes. Only baseURL is changed.

import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import {
  control, load, main, merchant, need, number, ok, pem, receiver, sandbox,
} from './witness.mjs';

const { Wechatpay, Aes, Formatter, Rsa } = load('wechatpay-axios-plugin');
const { X509Certificate } = await import('node:crypto');
const order = merchant.wechat;

async function run(mode) {
  const certificate = new X509Certificate(pem('wechat', 'platform_cert'));
  const [serial, key] = mode === 'pub'
    ? [order.public_key_id, pem('wechat', 'public_key')]
    : [certificate.serialNumber, pem('wechat', 'platform_cert')];
  const pay = new Wechatpay({
    baseURL: `${sandbox}/`,
    mchid: order.mchid,
    serial: order.merchant_serial,
    privateKey: pem('wechat', 'merchant_key'),
    certs: { [serial]: key },
    headers: { 'Wechatpay-Serial': serial },
  });

  const check = (headers, body) => {
    need(headers['wechatpay-serial'] === serial, 'another serial');
    const text = Formatter.joinedByLineFeed(headers['wechatpay-timestamp'], headers['wechatpay-nonce'], body);
    if (!Rsa.verify(text, headers['wechatpay-signature'], Rsa.from(key, Rsa.KEY_TYPE_PUBLIC))) return null;
    const { ciphertext, nonce, associated_data: aad } = JSON.parse(body).resource;
    return JSON.parse(Aes.AesGcm.decrypt(ciphertext, order.apiv3_key, nonce, aad));
  };
  const door = await receiver(check, [200, ''], [401, '{"code":"FAIL","message":"no"}']);

  const place = (product, out_trade_no, more) => pay.v3.pay.transactions[product].post({
    appid: order.appid, mchid: order.mchid, description: '居民医保 (演示)', out_trade_no,
    notify_url: door.url, amount: { total: 40000, currency: 'CNY' }, ...more,
  });
  const query = async (out_trade_no) => (await pay.v3.pay.transactions.outTradeNo.$out_trade_no$
    .get({ params: { mchid: order.mchid }, out_trade_no })).data;

  const [closing, paying] = [number('NW').slice(0, 32), number('NX').slice(0, 32)];
  const h5 = await place('h5', closing, { scene_info: { payer_client_ip: '127.0.0.1', h5_info: { type: 'Wap' } } });
  need(h5.data.h5_url, 'h5 link');
  need((await place('native', paying)).data.code_url, 'code url');
  need((await place('jsapi', number('NY').slice(0, 32), { payer: { openid: 'oWitness' } })).data.prepay_id, 'prepay id');
  ok(`wechatpay-axios-plugin ${mode} place h5, native, jsapi`);

  need((await query(closing)).trade_state === 'NOTPAY', 'query unpaid');
  ok(`wechatpay-axios-plugin ${mode} query unpaid`);

  const closed = await pay.v3.pay.transactions.outTradeNo.$out_trade_no$.close
    .post({ mchid: order.mchid }, { out_trade_no: closing });
  need(closed.status === 204, 'close');
  need((await query(closing)).trade_state === 'CLOSED', 'closed');
  ok(`wechatpay-axios-plugin ${mode} close`);

  await control('fault', { channel: 'wechat', out_trade_no: paying, at: 'notify', do: 'forge' });
  let played = await control('pay', { channel: 'wechat', out_trade_no: paying, serial: mode });
  need(await door.next('forged') === null && !played.delivered, 'forged notice believed');
  ok(`wechatpay-axios-plugin ${mode} forged notice refused`);

  played = await control('pay', { channel: 'wechat', out_trade_no: paying, serial: mode });
  let told = await door.next('notice');
  need(told?.out_trade_no === paying && told.amount.total === 40000 && played.delivered, 'notice');
  ok(`wechatpay-axios-plugin ${mode} notice of payment verified`);

  const paid = (await pay.v3.pay.transactions.id.$transaction_id$
    .get({ params: { mchid: order.mchid }, transaction_id: played.transaction_id })).data;
  need(paid.trade_state === 'SUCCESS' && paid.out_trade_no === paying, 'query paid');
  ok(`wechatpay-axios-plugin ${mode} query paid`);

  const out_refund_no = number('NR').slice(0, 64);
  const refund = await pay.v3.refund.domestic.refunds.post({
    out_trade_no: paying, out_refund_no, reason: '重复缴费', notify_url: door.url,
    amount: { refund: 100, total: 40000, currency: 'CNY' },
  });
  need(refund.data.status === 'PROCESSING', 'refund');
  ok(`wechatpay-axios-plugin ${mode} refund accepted`);

  told = await door.next('notice of refund');
  need(told?.refund_status === 'SUCCESS' && told.out_refund_no === out_refund_no, 'notice of refund');
  ok(`wechatpay-axios-plugin ${mode} notice of refund verified`);

  const asked = await pay.v3.refund.domestic.refunds.$out_refund_no$.get({ out_refund_no });
  need(asked.data.status === 'SUCCESS', 'refund query');
  ok(`wechatpay-axios-plugin ${mode} refund query`);

  const bill_date = new Date(Date.now() + 8 * 3600_000).toISOString().slice(0, 10);
  for (const kind of ['tradebill', 'fundflowbill']) {
    const offered = (await pay.v3.bill[kind].get({ params: { bill_date, tar_type: 'GZIP' } })).data;
    const params = Object.fromEntries(new URL(offered.download_url).searchParams);
    const { data: packed } = await pay.v3.billdownload.file.get({ params, responseType: 'arraybuffer' });
    const plain = gunzipSync(packed);
    need(createHash('sha1').update(plain).digest('hex') === offered.hash_value, `${kind} hash`);
    for (const no of [paying, out_refund_no]) need(plain.includes(no), `${kind} without ${no}`);
    ok(`wechatpay-axios-plugin ${mode} ${kind} fetched, its hash right`);
  }
  door.end();
}

await main(run, ['pub', 'cert']);
