"""PyPI python-alipay-sdk against the sandbox, in key and certificate mode. Only its gateway
address is changed."""

import os
import time

# The library writes local time into its requests; Alipay reads it as Beijing's.
os.environ["TZ"] = "Asia/Shanghai"
time.tzset()

from witness import MERCHANT, SANDBOX, Receiver, beijing_day, control, need, number, ok, pem

import io
import urllib.request
import zipfile
from urllib.parse import parse_qsl

from alipay import AliPay, DCAliPay

APP = MERCHANT["alipay"]


def client(mode):
    if mode == "key":
        pay = AliPay(
            appid=APP["app_id"],
            app_private_key_string=pem("alipay", "app_private_key"),
            alipay_public_key_string=pem("alipay", "alipay_public_key"),
        )
    else:
        pay = DCAliPay(
            appid=APP["app_id"],
            app_private_key_string=pem("alipay", "app_private_key"),
            app_public_key_cert_string=pem("alipay", "app_cert"),
            alipay_public_key_cert_string=pem("alipay", "alipay_cert"),
            alipay_root_cert_string=pem("alipay", "alipay_root_cert"),
        )
    pay._gateway = SANDBOX + "/gateway.do"
    return pay


def run(mode):
    pay = client(mode)

    def check(_, body):
        told = dict(parse_qsl(body.decode(), keep_blank_values=True))
        sign = told.pop("sign")
        return told if pay.verify(dict(told), sign) else None

    receiver = Receiver(check, (200, b"success"), (200, b"failure"))

    closing, paying, scanned = number("AP"), number("AP"), number("AP")
    told = pay.api_alipay_trade_query(out_trade_no=closing)
    need(told["sub_code"] == "ACQ.TRADE_NOT_EXIST", f"{mode} query unknown {told}")
    ok(f"python-alipay-sdk {mode} query unknown")

    def open_cashier(query):
        with urllib.request.urlopen(SANDBOX + "/gateway.do?" + query, timeout=20) as answer:
            page = answer.read().decode()
        need("400.00" in page, f"{mode} cashier {page[:500]}")

    wap = pay.api_alipay_trade_wap_pay(
        subject="居民医保 (演示)", out_trade_no=closing, total_amount="400.00",
        return_url="http://127.0.0.1/back", notify_url=receiver.url,
    )
    open_cashier(wap)
    open_cashier(pay.api_alipay_trade_page_pay(
        subject="居民医保 (演示)", out_trade_no=paying, total_amount="400.00",
        return_url="http://127.0.0.1/back", notify_url=receiver.url,
    ))
    told = pay.api_alipay_trade_precreate(
        subject="居民医保 (演示)", out_trade_no=scanned, total_amount="400.00",
        notify_url=receiver.url,
    )
    need(told["code"] == "10000" and told["qr_code"].startswith(SANDBOX), f"{mode} {told}")
    ok(f"python-alipay-sdk {mode} place wap, page, precreate")

    told = pay.api_alipay_trade_query(out_trade_no=closing)
    need(told["trade_status"] == "WAIT_BUYER_PAY", f"{mode} query {told}")
    ok(f"python-alipay-sdk {mode} query unpaid")

    told = pay.api_alipay_trade_close(out_trade_no=closing)
    need(told["code"] == "10000", f"{mode} close {told}")
    told = pay.api_alipay_trade_query(out_trade_no=closing)
    need(told["trade_status"] == "TRADE_CLOSED", f"{mode} closed {told}")
    ok(f"python-alipay-sdk {mode} close")

    fault = {"channel": "alipay", "out_trade_no": paying, "at": "notify", "do": "forge"}
    control("fault", fault)
    played = control("pay", {"channel": "alipay", "out_trade_no": paying})
    need(receiver.next(f"{mode} forged") is None and not played["delivered"], f"{mode} forged")
    ok(f"python-alipay-sdk {mode} forged notice refused")

    told = receiver.next(f"{mode} notice")
    need(told and told["total_amount"] == "400.00", f"{mode} notice {told}")
    need(told["trade_no"] == played["transaction_id"], f"{mode} notice {told}")
    ok(f"python-alipay-sdk {mode} notice of payment verified")

    told = pay.api_alipay_trade_query(out_trade_no=paying)
    need(told["trade_status"] == "TRADE_SUCCESS", f"{mode} paid {told}")
    ok(f"python-alipay-sdk {mode} query paid")

    refund = {"out_trade_no": paying, "out_request_no": number("AR")}
    told = pay.api_alipay_trade_refund(refund_amount="1.00", **refund)
    need(told["fund_change"] == "Y" and told["refund_fee"] == "1.00", f"{mode} refund {told}")
    told = pay.api_alipay_trade_refund(refund_amount="1.00", **refund)
    need(told["fund_change"] == "N" and told["refund_fee"] == "1.00", f"{mode} again {told}")
    ok(f"python-alipay-sdk {mode} refund once, however often asked")

    told = receiver.next(f"{mode} notice of refund")
    need(told and told["out_biz_no"] == refund["out_request_no"], f"{mode} refund notice {told}")
    ok(f"python-alipay-sdk {mode} notice of refund verified")

    told = pay.api_alipay_trade_fastpay_refund_query(**refund)
    need(told["refund_status"] == "REFUND_SUCCESS", f"{mode} refund query {told}")
    ok(f"python-alipay-sdk {mode} refund query")

    told = pay.server_api(
        "alipay.data.dataservice.bill.downloadurl.query",
        {"bill_type": "trade", "bill_date": beijing_day()},
    )
    need(told["code"] == "10000", f"{mode} bill {told}")
    with urllib.request.urlopen(told["bill_download_url"], timeout=20) as answer:
        bill = zipfile.ZipFile(io.BytesIO(answer.read()), metadata_encoding="gbk")
    details = [name for name in bill.namelist() if name.endswith("_业务明细.csv")]
    need(len(details) == 1, f"{mode} bill holds {bill.namelist()}")
    text = bill.read(details[0]).decode("gbk")
    need(paying in text and refund["out_request_no"] in text, f"{mode} bill {text}")
    ok(f"python-alipay-sdk {mode} bill fetched")


for key_mode in ("key", "certificate"):
    run(key_mode)
