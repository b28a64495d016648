"""PyPI alipay-sdk-python, Alipay's own library, against the sandbox.

It cannot be told a port (it adds the number to a text) and connects to 80 whatever the address says, so
its connections are led to the sandbox; its requests stay as it writes them, with the whole address as
their target (`POST http://…/gateway.do?… HTTP/1.1`). It knows the key mode only: no certificates. It has
no function for a notice, but the two that its documentation names for it, which are used here.
"""

import os
import sys
import time

# The library writes local time into its requests; Alipay reads it as Beijing's.
os.environ["TZ"] = "Asia/Shanghai"
time.tzset()

from witness import MERCHANT, SANDBOX, Receiver, beijing_day, control, need, number, ok, pem

import base64
import http.client
import io
import json
import re
import urllib.request
import zipfile
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlencode, urlsplit

from cryptography.hazmat.primitives import serialization

# Its package bears the name of another library's, see requirements-alone.txt.
sys.path.insert(0, os.environ["WITNESS_ALONE_DIR"])
from alipay.aop.api.AlipayClientConfig import AlipayClientConfig
from alipay.aop.api.DefaultAlipayClient import DefaultAlipayClient
from alipay.aop.api.domain.AlipayDataDataserviceBillDownloadurlQueryModel import (
    AlipayDataDataserviceBillDownloadurlQueryModel,
)
from alipay.aop.api.domain.AlipayTradeCloseModel import AlipayTradeCloseModel
from alipay.aop.api.domain.AlipayTradeFastpayRefundQueryModel import (
    AlipayTradeFastpayRefundQueryModel,
)
from alipay.aop.api.domain.AlipayTradePagePayModel import AlipayTradePagePayModel
from alipay.aop.api.domain.AlipayTradePrecreateModel import AlipayTradePrecreateModel
from alipay.aop.api.domain.AlipayTradeQueryModel import AlipayTradeQueryModel
from alipay.aop.api.domain.AlipayTradeRefundModel import AlipayTradeRefundModel
from alipay.aop.api.domain.AlipayTradeWapPayModel import AlipayTradeWapPayModel
from alipay.aop.api.request.AlipayDataDataserviceBillDownloadurlQueryRequest import (
    AlipayDataDataserviceBillDownloadurlQueryRequest,
)
from alipay.aop.api.request.AlipayTradeCloseRequest import AlipayTradeCloseRequest
from alipay.aop.api.request.AlipayTradeFastpayRefundQueryRequest import (
    AlipayTradeFastpayRefundQueryRequest,
)
from alipay.aop.api.request.AlipayTradePagePayRequest import AlipayTradePagePayRequest
from alipay.aop.api.request.AlipayTradePrecreateRequest import AlipayTradePrecreateRequest
from alipay.aop.api.request.AlipayTradeQueryRequest import AlipayTradeQueryRequest
from alipay.aop.api.request.AlipayTradeRefundRequest import AlipayTradeRefundRequest
from alipay.aop.api.request.AlipayTradeWapPayRequest import AlipayTradeWapPayRequest
from alipay.aop.api.util import WebUtils
from alipay.aop.api.util.SignatureUtils import get_sign_content, verify_with_rsa

APP = MERCHANT["alipay"]
# Port 80 of a machine that is none; where it really leads, Led says.
GATEWAY = "http://openapi.alipay.test/gateway.do"
targets = []


class Led(http.client.HTTPConnection):
    """A connection to the sandbox, wherever the library wants to go."""

    def __init__(self, host, port, timeout):
        need(host == "openapi.alipay.test", f"a call to {host}")
        own = urlsplit(SANDBOX)
        super().__init__(own.hostname, own.port, timeout=timeout)

    def request(self, method, url, **more):
        targets.append(url)
        super().request(method, url, **more)


WebUtils.httplib = SimpleNamespace(HTTPConnection=Led)


def client():
    config = AlipayClientConfig()
    config.server_url = GATEWAY
    config.app_id = APP["app_id"]
    # It reads PKCS#1.
    key = serialization.load_pem_private_key(pem("alipay", "app_private_key").encode(), None)
    config.app_private_key = base64.b64encode(key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )).decode()
    config.alipay_public_key = "".join(pem("alipay", "alipay_public_key").split("\n")[1:-2])
    return DefaultAlipayClient(config), config


def model(kind, **fields):
    made = kind()
    for name, value in fields.items():
        need(hasattr(type(made), name), f"{kind.__name__} has no {name}")
        setattr(made, name, value)
    return made


def run():
    pay, config = client()

    def call(request, kind, notify_url=None, **fields):
        asked = request(biz_model=model(kind, **fields))
        if notify_url:
            asked.notify_url = notify_url
        return json.loads(pay.execute(asked))

    def check(_, body):
        told = dict(parse_qsl(body.decode(), keep_blank_values=True))
        sign = told.pop("sign")
        text = {name: value for name, value in told.items() if name != "sign_type" and value}
        message = get_sign_content(text).encode()
        return told if verify_with_rsa(config.alipay_public_key, message, sign) else None

    receiver = Receiver(check, (200, b"success"), (200, b"failure"))
    query = lambda no: call(AlipayTradeQueryRequest, AlipayTradeQueryModel, out_trade_no=no)

    closing, paying, scanned = number("OA"), number("OB"), number("OC")
    told = query(closing)
    need(told["sub_code"] == "ACQ.TRADE_NOT_EXIST", f"query unknown {told}")
    need(targets[-1].startswith(GATEWAY + "?"), f"no absolute target: {targets[-1]}")
    ok("alipay-sdk-python query unknown, in absolute form")

    goods = {"subject": "居民医保 (演示)", "total_amount": "400.00"}

    def browser(request, kind, no, product, method):
        asked = request(biz_model=model(kind, out_trade_no=no, product_code=product, **goods))
        asked.notify_url, asked.return_url = receiver.url, "http://127.0.0.1/back"
        return pay.page_execute(asked, http_method=method)

    def open_cashier(address, form=None):
        need(address.startswith(GATEWAY + "?"), f"an address of its own: {address}")
        here = address.replace(GATEWAY, SANDBOX + "/gateway.do")
        data = urlencode(form).encode() if form else None
        with urllib.request.urlopen(here, data=data, timeout=20) as answer:
            need("400.00" in answer.read().decode(), "the cashier")

    link = browser(
        AlipayTradePagePayRequest, AlipayTradePagePayModel, paying, "FAST_INSTANT_TRADE_PAY", "GET"
    )
    open_cashier(link)
    page = browser(AlipayTradeWapPayRequest, AlipayTradeWapPayModel, closing, "QUICK_WAP_WAY", "POST")
    fields = re.findall(r'name="(\w+)" value="([^"]*)"', page)
    fields = [(name, value.replace("&quot;", '"')) for name, value in fields]
    open_cashier(re.search(r'action="([^"]*)"', page).group(1), fields)
    told = call(
        AlipayTradePrecreateRequest, AlipayTradePrecreateModel, receiver.url, out_trade_no=scanned, **goods
    )
    need(told["code"] == "10000" and told["qr_code"].startswith(SANDBOX), f"precreate {told}")
    ok("alipay-sdk-python place wap, page, precreate")

    need(query(closing)["trade_status"] == "WAIT_BUYER_PAY", "query unpaid")
    ok("alipay-sdk-python query unpaid")

    told = call(AlipayTradeCloseRequest, AlipayTradeCloseModel, out_trade_no=closing)
    need(told["code"] == "10000", f"close {told}")
    need(query(closing)["trade_status"] == "TRADE_CLOSED", "closed")
    ok("alipay-sdk-python close")

    control("fault", {"channel": "alipay", "out_trade_no": paying, "at": "notify", "do": "forge"})
    played = control("pay", {"channel": "alipay", "out_trade_no": paying})
    need(receiver.next("forged") is None and not played["delivered"], "forged notice believed")
    ok("alipay-sdk-python forged notice refused")

    told = receiver.next("notice")
    need(told and told["trade_no"] == played["transaction_id"], f"notice {told}")
    ok("alipay-sdk-python notice of payment verified")

    told = query(paying)
    need(told["trade_status"] == "TRADE_SUCCESS" and told["total_amount"] == "400.00", f"{told}")
    ok("alipay-sdk-python query paid")

    for deed in ("corrupt", "forge"):
        control("fault", {"channel": "alipay", "out_trade_no": paying, "at": "query", "do": deed})
        try:
            told = query(paying)
        except Exception as error:
            need("sign verify failed" in str(error), f"{deed} {error}")
        else:
            need(False, f"{deed}: an answer that must not be believed: {told}")
    ok("alipay-sdk-python altered and forged answers refused")

    refund = {"out_trade_no": paying, "out_request_no": number("OD")}
    for change in ("Y", "N"):
        told = call(AlipayTradeRefundRequest, AlipayTradeRefundModel, refund_amount="1.00", **refund)
        need(told["fund_change"] == change and told["refund_fee"] == "1.00", f"refund {told}")
    ok("alipay-sdk-python refund once, however often asked")

    told = receiver.next("notice of refund")
    need(told and told["out_biz_no"] == refund["out_request_no"], f"notice of refund {told}")
    ok("alipay-sdk-python notice of refund verified")

    told = call(AlipayTradeFastpayRefundQueryRequest, AlipayTradeFastpayRefundQueryModel, **refund)
    need(told["refund_status"] == "REFUND_SUCCESS", f"refund query {told}")
    ok("alipay-sdk-python refund query")

    told = call(
        AlipayDataDataserviceBillDownloadurlQueryRequest,
        AlipayDataDataserviceBillDownloadurlQueryModel,
        bill_type="trade",
        bill_date=beijing_day(),
    )
    need(told["code"] == "10000", f"bill {told}")
    # The library fetches no files.
    with urllib.request.urlopen(told["bill_download_url"], timeout=20) as answer:
        bill = zipfile.ZipFile(io.BytesIO(answer.read()), metadata_encoding="gbk")
    details = [name for name in bill.namelist() if name.endswith("_业务明细.csv")]
    need(len(details) == 1, f"the bill holds {bill.namelist()}")
    text = bill.read(details[0]).decode("gbk")
    need(paying in text and refund["out_request_no"] in text, f"bill {text}")
    need(all(target.startswith(GATEWAY + "?") for target in targets), "absolute targets")
    ok("alipay-sdk-python bill fetched")


run()
