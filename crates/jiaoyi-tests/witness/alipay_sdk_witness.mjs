// npm alipay-sdk (its v2 and its v3 part) against the sandbox, in key and certificate mode. Only the
// addresses are changed.

// The library writes local time into its requests; Alipay reads it as Beijing's.
process.env.TZ = 'Asia/Shanghai';

const {
  control, file, load, main, merchant, need, number, ok, pem, receiver, sandbox,
} = await import('./witness.mjs');
const { inflateRawSync } = await import('node:zlib');
const { AlipaySdk } = load('alipay-sdk');
const app = merchant.alipay;

// The files of a zip as text: name and offset stand in its directory at the end.
function unzipped(zip) {
  const texts = [];
  let at = zip.readUInt32LE(zip.lastIndexOf('PK\x05\x06') + 16);
  while (zip.toString('latin1', at, at + 4) === 'PK\x01\x02') {
    const [size, from] = [zip.readUInt32LE(at + 20), zip.readUInt32LE(at + 42)];
    const begin = from + 30 + zip.readUInt16LE(from + 26) + zip.readUInt16LE(from + 28);
    const raw = zip.subarray(begin, begin + size);
    const plain = zip.readUInt16LE(at + 10) === 8 ? inflateRawSync(raw) : raw;
    texts.push(new TextDecoder('gbk').decode(plain));
    at += 46 + zip.readUInt16LE(at + 28) + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return texts;
}

async function run(mode) {
  const keys = mode === 'key'
    ? { alipayPublicKey: pem('alipay', 'alipay_public_key').trim() }
    : {
      appCertPath: file('alipay', 'app_cert'),
      alipayPublicCertPath: file('alipay', 'alipay_cert'),
      alipayRootCertPath: file('alipay', 'alipay_root_cert'),
    };
  const pay = new AlipaySdk({
    appId: app.app_id,
    privateKey: pem('alipay', 'app_private_key').trim(),
    keyType: 'PKCS8',
    gateway: `${sandbox}/gateway.do`,
    endpoint: sandbox,
    ...keys,
  });
  const call = (method, bizContent, more = {}) => pay.exec(method, { bizContent, ...more }, { validateSign: true });

  const check = (_, body) => {
    const told = Object.fromEntries(new URLSearchParams(body));
    return pay.checkNotifySignV2({ ...told }) ? told : null;
  };
  const door = await receiver(check, [200, 'success'], [200, 'failure']);

  const [closing, paying, scanned] = [number('NA'), number('NB'), number('NC')];
  const goods = { subject: '居民医保 (演示)', total_amount: '400.00' };
  let told = await call('alipay.trade.query', { out_trade_no: closing });
  need(told.subCode === 'ACQ.TRADE_NOT_EXIST', 'query unknown');
  ok(`alipay-sdk ${mode} query unknown`);

  const page = pay.pageExecute('alipay.trade.page.pay', 'GET', {
    bizContent: { ...goods, out_trade_no: paying, product_code: 'FAST_INSTANT_TRADE_PAY' },
    returnUrl: 'http://127.0.0.1/back', notifyUrl: door.url,
  });
  const form = pay.pageExecute('alipay.trade.wap.pay', 'POST', {
    bizContent: { ...goods, out_trade_no: closing, product_code: 'QUICK_WAP_WAY' },
    returnUrl: 'http://127.0.0.1/back', notifyUrl: door.url,
  });
  const hidden = [...form.matchAll(/name="(\w+)" value="([^"]*)"/g)]
    .map(([, name, value]) => [name, value.replaceAll('&quot;', '"')]);
  const action = /action="([^"]*)"/.exec(form)[1];
  const cashiers = [await fetch(page), await fetch(action, { method: 'POST', body: new URLSearchParams(hidden) })];
  for (const cashier of cashiers) need((await cashier.text()).includes('400.00'), 'cashier');
  told = await call('alipay.trade.precreate', { ...goods, out_trade_no: scanned }, { notifyUrl: door.url });
  need(told.code === '10000' && told.qrCode.startsWith(sandbox), 'precreate');
  ok(`alipay-sdk ${mode} place wap, page, precreate`);

  told = await call('alipay.trade.query', { out_trade_no: closing });
  need(told.tradeStatus === 'WAIT_BUYER_PAY', 'query unpaid');
  ok(`alipay-sdk ${mode} query unpaid`);

  told = await call('alipay.trade.close', { out_trade_no: closing });
  need(told.code === '10000', 'close');
  told = await call('alipay.trade.query', { out_trade_no: closing });
  need(told.tradeStatus === 'TRADE_CLOSED', 'closed');
  ok(`alipay-sdk ${mode} close`);

  await control('fault', { channel: 'alipay', out_trade_no: paying, at: 'notify', do: 'forge' });
  const played = await control('pay', { channel: 'alipay', out_trade_no: paying });
  need(await door.next('forged') === null && !played.delivered, 'forged notice believed');
  ok(`alipay-sdk ${mode} forged notice refused`);

  told = await door.next('notice');
  need(told?.trade_no === played.transaction_id && told.total_amount === '400.00', 'notice');
  ok(`alipay-sdk ${mode} notice of payment verified`);

  told = await call('alipay.trade.query', { out_trade_no: paying });
  need(told.tradeStatus === 'TRADE_SUCCESS' && told.totalAmount === '400.00', 'query paid');
  ok(`alipay-sdk ${mode} query paid`);

  const refund = { out_trade_no: paying, out_request_no: number('ND') };
  told = await call('alipay.trade.refund', { ...refund, refund_amount: '1.00' });
  need(told.fundChange === 'Y' && told.refundFee === '1.00', 'refund');
  told = await call('alipay.trade.refund', { ...refund, refund_amount: '1.00' });
  need(told.fundChange === 'N' && told.refundFee === '1.00', 'refund again');
  ok(`alipay-sdk ${mode} refund once, however often asked`);

  told = await door.next('notice of refund');
  need(told?.out_biz_no === refund.out_request_no, 'notice of refund');
  ok(`alipay-sdk ${mode} notice of refund verified`);

  told = await call('alipay.trade.fastpay.refund.query', refund);
  need(told.refundStatus === 'REFUND_SUCCESS', 'refund query');
  ok(`alipay-sdk ${mode} refund query`);

  const day = new Date(Date.now() + 8 * 3600_000).toISOString().slice(0, 10);
  told = await call('alipay.data.dataservice.bill.downloadurl.query', { bill_type: 'trade', bill_date: day });
  const bill = await fetch(told.billDownloadUrl);
  need(bill.ok && new Uint8Array(await bill.arrayBuffer())[0] === 0x50, 'bill');
  ok(`alipay-sdk ${mode} bill fetched`);

  const rest = async (path, body) => (await pay.curl('POST', `/v3/alipay/trade/${path}`, { body })).data;
  const refused = async (code, path, body) => {
    const why = await rest(path, body).then(() => null, (error) => error);
    need(why?.code === code && why.responseHttpStatus === 400, `v3 ${path}: ${why?.code}`);
  };
  const [third, fourth] = [number('NE'), number('NF')];
  await refused('ACQ.TRADE_NOT_EXIST', 'query', { out_trade_no: third });
  for (const out_trade_no of [third, fourth]) {
    const placed = await rest('precreate', { ...goods, out_trade_no, notify_url: door.url });
    need(placed.qr_code.startsWith(sandbox), 'v3 precreate');
    const seen = await fetch(`${sandbox}/_wallet/scan?code=${encodeURIComponent(placed.qr_code)}`);
    need(seen.ok, 'v3 code scanned');
  }
  ok(`alipay-sdk ${mode} v3 precreate`);

  need((await rest('query', { out_trade_no: third })).trade_status === 'WAIT_BUYER_PAY', 'v3 unpaid');
  need((await rest('close', { out_trade_no: third })).out_trade_no === third, 'v3 close');
  need((await rest('query', { out_trade_no: third })).trade_status === 'TRADE_CLOSED', 'v3 closed');
  ok(`alipay-sdk ${mode} v3 query and close`);

  await control('pay', { channel: 'alipay', out_trade_no: fourth });
  told = await door.next('notice of v3');
  need(told?.out_trade_no === fourth, 'notice of an order placed by v3');
  need((await rest('query', { out_trade_no: fourth })).trade_status === 'TRADE_SUCCESS', 'v3 paid');
  ok(`alipay-sdk ${mode} v3 notice and query paid`);

  const back = { out_trade_no: fourth, out_request_no: number('NG') };
  told = await rest('refund', { ...back, refund_amount: '1.00' });
  need(told.fund_change === 'Y' && told.refund_fee === '1.00', 'v3 refund');
  told = await rest('refund', { ...back, refund_amount: '1.00' });
  need(told.fund_change === 'N' && told.refund_fee === '1.00', 'v3 refund again');
  await refused('ACQ.REFUND_AMT_NOT_EQUAL_TOTAL', 'refund', {
    ...back, out_request_no: number('NH'), refund_amount: '400.00',
  });
  told = await rest('fastpay/refund/query', back);
  need(told.refund_status === 'REFUND_SUCCESS', 'v3 refund query');
  ok(`alipay-sdk ${mode} v3 refund once, never too much, and its query`);

  for (const deed of ['corrupt', 'forge']) {
    await control('fault', { channel: 'alipay', out_trade_no: fourth, at: 'query', do: deed });
    const why = await rest('query', { out_trade_no: fourth }).then(() => null, (error) => error);
    need(/验签失败/.test(String(why?.message)), `v3 ${deed}: ${why?.message ?? 'believed'}`);
  }
  ok(`alipay-sdk ${mode} v3 altered and forged answers refused`);

  const path = '/v3/alipay/data/dataservice/bill/downloadurl/query';
  told = await pay.curl('GET', path, { query: { bill_type: 'trade', bill_date: day } });
  const zip = Buffer.from(await (await fetch(told.data.bill_download_url)).arrayBuffer());
  const details = unzipped(zip).find((text) => text.includes('业务明细列表结束'));
  for (const no of [fourth, back.out_request_no]) need(details?.includes(no), `v3 bill without ${no}`);
  ok(`alipay-sdk ${mode} v3 bill fetched`);
  door.end();
}

await main(run, ['key', 'certificate']);
