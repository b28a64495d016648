"""PyPI wechatpayv3 against the sandbox, in both key modes. Only its gateway address is changed."""

from witness import MERCHANT, SANDBOX, Receiver, beijing_day, control, need, number, ok, pem

import gzip
import hashlib
import json

from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3.core import Core

ORDER = MERCHANT["wechat"]


# The library fetches certificates inside its constructor, so its private gateway attribute is set on
# the class before there is an object.
Core._gate_way = property(lambda core: SANDBOX, lambda core, address: None)


def client(mode):
    keys = {}
    if mode == "pub":
        keys = {"public_key": pem("wechat", "public_key"), "public_key_id": ORDER["public_key_id"]}
    return WeChatPay(
        wechatpay_type=WeChatPayType.NATIVE,
        mchid=ORDER["mchid"],
        private_key=pem("wechat", "merchant_key"),
        cert_serial_no=ORDER["merchant_serial"],
        apiv3_key=ORDER["apiv3_key"],
        appid=ORDER["appid"],
        timeout=(10, 30),
        **keys,
    )


def run(mode):
    pay = client(mode)
    receiver = Receiver(pay.callback, (200, b""), (401, b'{"code":"FAIL","message":"no"}'))
    amount = {"total": 40000, "currency": "CNY"}

    def place(order, kind, **more):
        code, text = pay.pay(
            description="居民医保 (演示)", out_trade_no=order, amount=amount,
            notify_url=receiver.url, attach="witness", pay_type=kind, **more,
        )
        need(code == 200, f"{mode} place {kind}: {code} {text}")
        return json.loads(text)

    closing, paying = number("WP"), number("WP")
    scene = {"payer_client_ip": "127.0.0.1", "h5_info": {"type": "Wap"}}
    need("h5_url" in place(closing, WeChatPayType.H5, scene_info=scene), f"{mode} h5 link")
    need("code_url" in place(paying, WeChatPayType.NATIVE), f"{mode} code url")
    prepay = place(number("WP"), WeChatPayType.JSAPI, payer={"openid": "oWitness"})
    need("prepay_id" in prepay, f"{mode} prepay id")
    ok(f"wechatpayv3 {mode} place h5, native, jsapi")

    code, text = pay.query(out_trade_no=closing)
    need(code == 200 and json.loads(text)["trade_state"] == "NOTPAY", f"{mode} query {text}")
    ok(f"wechatpayv3 {mode} query unpaid")

    for _ in range(2):
        code, text = pay.close(out_trade_no=closing)
        need(code == 204, f"{mode} close: {code} {text}")
    code, text = pay.query(out_trade_no=closing)
    need(json.loads(text)["trade_state"] == "CLOSED", f"{mode} closed {text}")
    ok(f"wechatpayv3 {mode} close twice")

    fault = {"channel": "wechat", "out_trade_no": paying, "at": "notify", "do": "forge"}
    control("fault", fault)
    played = control("pay", {"channel": "wechat", "out_trade_no": paying, "serial": mode})
    need(receiver.next(f"{mode} forged") is None and not played["delivered"], f"{mode} forged")
    ok(f"wechatpayv3 {mode} forged notice refused")

    played = control("pay", {"channel": "wechat", "out_trade_no": paying, "serial": mode})
    told = receiver.next(f"{mode} notice")
    need(told and played["delivered"], f"{mode} notice not believed: {played}")
    content = told["resource"]
    need(content["out_trade_no"] == paying and content["amount"]["total"] == 40000, f"{mode} {told}")
    need(content["transaction_id"] == played["transaction_id"], f"{mode} {told}")
    ok(f"wechatpayv3 {mode} notice of payment verified")

    code, text = pay.query(transaction_id=played["transaction_id"])
    need(code == 200 and json.loads(text)["trade_state"] == "SUCCESS", f"{mode} paid {text}")
    ok(f"wechatpayv3 {mode} query paid")

    refund_no = number("WR")
    code, text = pay.refund(
        out_refund_no=refund_no, out_trade_no=paying, reason="重复缴费", notify_url=receiver.url,
        amount={"refund": 100, "total": 40000, "currency": "CNY"},
    )
    need(code == 200 and json.loads(text)["status"] == "PROCESSING", f"{mode} refund {code} {text}")
    ok(f"wechatpayv3 {mode} refund accepted")

    told = receiver.next(f"{mode} notice of refund")
    need(told and told["resource"]["refund_status"] == "SUCCESS", f"{mode} refund notice {told}")
    ok(f"wechatpayv3 {mode} notice of refund verified")

    code, text = pay.query_refund(out_refund_no=refund_no)
    need(code == 200 and json.loads(text)["status"] == "SUCCESS", f"{mode} refund query {text}")
    code, text = pay.query(out_trade_no=paying)
    need(json.loads(text)["trade_state"] == "REFUND", f"{mode} state after refund {text}")
    ok(f"wechatpayv3 {mode} refund query")

    for kind, asked in (("trade", pay.trade_bill), ("fund flow", pay.fundflow_bill)):
        code, text = asked(beijing_day())
        need(code == 200, f"{mode} {kind} bill: {code} {text}")
        offered = json.loads(text)
        code, packed = pay.download_bill(offered["download_url"])
        need(code == 200, f"{mode} {kind} download: {code} {packed}")
        plain = gzip.decompress(packed)
        need(hashlib.sha1(plain).hexdigest() == offered["hash_value"], f"{mode} {kind} hash")
        rows = plain.decode("utf-8-sig").split("\r\n")
        need(any(paying in row for row in rows), f"{mode} {kind} payment in {rows}")
        need(any(refund_no in row for row in rows), f"{mode} {kind} refund in {rows}")
        ok(f"wechatpayv3 {mode} {kind} bill fetched, its hash right")


for key_mode in ("pub", "cert"):
    run(key_mode)
