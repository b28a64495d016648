//! A portal of sample views: each name, reference and token shows one state. Nothing is stored.

use jiaoyi_app::admission::Party;
use jiaoyi_app::biller::access::{
    AccessAction, AccessAnswer, AccessProblem, AccessView, Acted, KeyView, OwnAction,
};
use jiaoyi_app::biller::{BillerReply, RawCall};
use jiaoyi_app::portal::*;
use jiaoyi_domain::channel::{ChannelCode, Method, PayForm};
use jiaoyi_domain::hook::{HookEvent, HookId, HookKind, HookState};
use jiaoyi_domain::institution::{DAY_MINUTES, Institution, InstitutionKey, KeyScheme};
use jiaoyi_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use jiaoyi_domain::{Bucket, Date, Fen, Instant};

/// 2026-11-22 10:00 in Beijing.
pub const NOW: Instant = Instant(1_795_312_800_000);
/// A voucher number with a good check character.
pub const VOUCHER: &str = "0ABCDEF12345678J";
/// Its check code.
pub const CHECK_CODE: &str = "7K3MQ9";

/// The portal of samples.
#[derive(Debug)]
pub struct Fake;

/// References of bills in each state.
pub const BILLS: [&str; 12] = [
    "payable",
    "late",
    "tiers",
    "zero",
    "mine",
    "locked",
    "displace",
    "paid",
    "notyet",
    "resting",
    "closed",
    "withdrawn",
];

/// Tokens of orders in each state and way of paying.
pub const ORDERS: [&str; 23] = [
    "topayqr",
    "topayalipayqr",
    "topaylink",
    "topayform",
    "topayjsapi",
    "confirming",
    "paid",
    "paidtwice",
    "paidtwiceback",
    "paidtwicemanual",
    "paidtwicetransferred",
    "cancelled",
    "expired",
    "failed",
    "refused",
    "channel-down_1",
    "abandoned",
    "refundpending",
    "refunded",
    "refundmanual",
    "refundtransferred",
    "returned",
    "disputed",
];

/// An institution's own page.
pub fn access(live: bool) -> AccessView {
    let key = |key_id: &str, from: i64, until: Option<i64>| KeyView {
        key: InstitutionKey {
            inst_id: "BANK01".to_owned(),
            key_id: key_id.to_owned(),
            scheme: KeyScheme::Rsa,
            public_key: Vec::new(),
            valid_from: NOW.plus_ms(from * DAY_MS),
            valid_until: until.map(|days| NOW.plus_ms(days * DAY_MS)),
            version: 1,
        },
        fingerprint: "0f1e2d3c".repeat(8),
    };
    let event = |state, log: &str| HookEvent {
        bucket: Bucket::default(),
        hook_id: HookId::new(NOW, Bucket::default(), [7; 16]),
        inst_id: "BANK01".to_owned(),
        kind: HookKind::Payment,
        body: String::new(),
        state,
        tries: 1,
        log: log.to_owned(),
        at: NOW.plus_ms(-HOUR_MS),
        ended_at: None,
        version: 1,
    };
    AccessView {
        institution: Institution {
            inst_id: "BANK01".to_owned(),
            name: "某某银行".to_owned(),
            front_ends: "A6;A7;A8".to_owned(),
            scopes: "query;pay;reverse;reconcile".to_owned(),
            addresses: "192.0.2.0/24".to_owned(),
            cut_over: 1380,
            hours_from: 0,
            hours_until: DAY_MINUTES,
            live,
            webhook: "https://bank.example/jiaoyi-events".to_owned(),
            created_at: NOW,
            version: 1,
        },
        keys: vec![
            key("k3", 2, None),
            key("k2", -3, None),
            key("k1", -400, Some(-1)),
        ],
        events: vec![
            event(
                HookState::Delivered,
                "2026-11-22T09:00:00+08:00 status 200 41 ms",
            ),
            event(
                HookState::Failed,
                "2026-11-22T09:00:00+08:00 status 503 41 ms",
            ),
            event(HookState::Waiting, ""),
        ],
        until: NOW.plus_ms(20 * DAY_MS),
        now: NOW,
    }
}

fn answer<'a, T: Send + 'a>(value: T) -> Answer<'a, T> {
    Box::pin(async move { Ok(value) })
}

fn failing<'a, T: Send + 'a>(kind: PortalErrorKind) -> Answer<'a, T> {
    let error = PortalError {
        code: "store.away",
        trace: "8f3k2aa17c".to_owned(),
        kind,
    };
    Box::pin(async move { Err(error) })
}

fn item(name_zh: &str, name_en: &str, yuan: u32) -> ItemView {
    ItemView {
        name_zh: name_zh.to_owned(),
        name_en: name_en.to_owned(),
        amount: Fen::from_yuan(yuan),
    }
}

/// The bill that a reference names.
pub fn bill(reference: &str) -> Option<BillView> {
    let state = match reference {
        "payable" | "tiers" | "payableagain" => BillState::Payable {
            late: false,
            waiting_zh: String::new(),
            waiting_en: String::new(),
        },
        "late" => BillState::Payable {
            late: true,
            waiting_zh: "缴费后满 3 个月起享受待遇。".to_owned(),
            waiting_en: "Cover begins 3 months after payment.".to_owned(),
        },
        "zero" => BillState::NothingToPay,
        "mine" => locked(Some("topaylink".to_owned()), false),
        "locked" => locked(None, false),
        "displace" => locked(None, true),
        "paid" => BillState::Paid {
            at: NOW.plus_ms(-20 * DAY_MS),
            channel: Some(ChannelCode::Wechat),
            voucher: Some("paid".to_owned()),
        },
        "paidelsewhere" => BillState::Paid {
            at: NOW.plus_ms(-20 * DAY_MS),
            channel: Some(ChannelCode::Alipay),
            voucher: None,
        },
        "notyet" => BillState::NotYet {
            opens_on: Date::constant(2026, 12, 1),
        },
        "resting" => BillState::Resting {
            opens_at: NOW.plus_ms(DAY_MS),
        },
        "closed" => BillState::Closed {
            closed_on: Date::constant(2026, 3, 31),
        },
        "withdrawn" => BillState::Withdrawn,
        _ => return None,
    };
    let zero = reference == "zero";
    let mut subsidies = Vec::new();
    if zero || reference == "tiers" {
        subsidies.push(SubsidyView {
            payer_zh: "医疗救助".to_owned(),
            payer_en: "Medical assistance".to_owned(),
            amount: Fen::from_yuan(if zero { 400 } else { 120 }),
        });
    }
    Some(BillView {
        bill_ref: reference.to_owned(),
        name: "王建国".to_owned(),
        document_masked: "9901************37".to_owned(),
        region: "990102".to_owned(),
        region_zh: "演示省 演示市 青山县".to_owned(),
        region_en: "Demo Province, Demo City, Qingshan County".to_owned(),
        benefit_year: 2027,
        category_zh: if zero { "特困人员" } else { "一般居民" }.to_owned(),
        category_en: if zero {
            "Extreme poverty"
        } else {
            "Ordinary resident"
        }
        .to_owned(),
        items: vec![item("基本医疗保险", "Basic medical insurance", 400)],
        subsidies,
        amount: Fen::from_yuan(match reference {
            "zero" => 0,
            "tiers" => 280,
            _ => 400,
        }),
        benefit_first: Date::constant(2027, 1, 1),
        benefit_last: Date::constant(2027, 12, 31),
        due_to: Date::constant(2027, 3, 31),
        state,
        resting: Vec::new(),
        source: "演示政策 2027".to_owned(),
        grade: "演示".to_owned(),
    })
}

fn locked(mine: Option<String>, may_displace: bool) -> BillState {
    BillState::Locked {
        mine,
        channel: ChannelCode::Alipay,
        since: NOW.plus_ms(-4 * MINUTE_MS),
        until: NOW.plus_ms(11 * MINUTE_MS),
        may_displace,
    }
}

fn status(token: &str) -> Option<OrderStatus> {
    Some(match token {
        "topayqr" | "topayalipayqr" | "topaylink" | "topayform" | "topayjsapi" => {
            OrderStatus::ToPay
        }
        "confirming" => OrderStatus::Confirming,
        "paid" | "paidtwice" | "paidtwiceback" | "paidtwicemanual" | "paidtwicetransferred" => {
            OrderStatus::Paid
        }
        "cancelled" => OrderStatus::Cancelled,
        "expired" => OrderStatus::Expired,
        "failed" | "refused" => OrderStatus::Failed,
        "channel-down_1" => OrderStatus::ChannelDown,
        "abandoned" => OrderStatus::Abandoned,
        "refundpending" => OrderStatus::RefundPending,
        "refunded" | "refundtransferred" => OrderStatus::Refunded,
        "refundmanual" => OrderStatus::RefundManual,
        "returned" => OrderStatus::Returned,
        "disputed" => OrderStatus::Disputed,
        _ => return None,
    })
}

fn method(token: &str) -> Method {
    match token {
        "topayqr" => Method::WechatNative,
        "topayalipayqr" => Method::AlipayPrecreate,
        "topayjsapi" => Method::WechatJsapi,
        "topaylink" => Method::WechatH5,
        "topayform" => Method::UnionpayWap,
        _ => Method::AlipayWap,
    }
}

/// The order that a token names.
pub fn order(token: &str) -> Option<OrderView> {
    let status = status(token)?;
    let refund = matches!(
        status,
        OrderStatus::RefundPending
            | OrderStatus::Refunded
            | OrderStatus::RefundManual
            | OrderStatus::Returned
    ) || token.starts_with("paidtwice");
    let took = refund || matches!(status, OrderStatus::Paid | OrderStatus::Disputed);
    Some(OrderView {
        order: token.to_owned(),
        order_no: "JO0AB7Q2M4K9T1X5Z8C3VN".to_owned(),
        status,
        method: method(token),
        amount: Fen::from_yuan(400),
        name_masked: "王*国".to_owned(),
        region_zh: "演示省 演示市 青山县".to_owned(),
        region_en: "Demo Province, Demo City, Qingshan County".to_owned(),
        benefit_year: 2027,
        benefit_first: Date::constant(2027, 1, 1),
        benefit_last: Date::constant(2027, 12, 31),
        created_at: NOW.plus_ms(-3 * MINUTE_MS),
        until: NOW.plus_ms(12 * MINUTE_MS),
        paid_at: took.then(|| NOW.plus_ms(-MINUTE_MS)),
        qr: match token {
            "topayqr" => Some("weixin://wxpay/bizpayurl?pr=Xk29sQaZz".to_owned()),
            "topayalipayqr" => {
                Some("https://qr.alipay.example/bax03431ljhokirwl38f0000".to_owned())
            }
            _ => None,
        },
        pay_url: ["topaylink", "failed"]
            .contains(&token)
            .then(|| "https://wallet.example/pay?prepay_id=wx2211&package=1".to_owned()),
        pay_form: (token == "topayform").then(|| PayForm {
            action: "https://wallet.example/gateway/api/frontTransReq.do".to_owned(),
            fields: vec![
                ("orderId".to_owned(), "JA0AB7Q2M4K9T1X5Z8C3VN".to_owned()),
                (
                    "riskRateInfo".to_owned(),
                    "{commodityName=\"城乡居民医保\"}".to_owned(),
                ),
            ],
        }),
        bridge: (token == "topayjsapi").then(|| Bridge {
            app_id: "wxdemo0000000001".to_owned(),
            time_stamp: "1795312800".to_owned(),
            nonce: "5K8264ILTKCH16CQ2502SI8ZNMTM67VS".to_owned(),
            package: "prepay_id=wx22100000000000".to_owned(),
            sign_type: "RSA".to_owned(),
            pay_sign: "c2lnbmF0dXJl".to_owned(),
        }),
        voucher_no: (status == OrderStatus::Paid).then(|| "0ABC-DEF1-2345-678J".to_owned()),
        refund: refund.then(|| RefundView {
            refund_no: "JR0AB7Q2M4K9T1X5Z8C3VP".to_owned(),
            amount: Fen::from_yuan(400),
            done_at: (matches!(status, OrderStatus::Refunded | OrderStatus::Returned)
                || token == "paidtwiceback")
                .then(|| NOW.plus_ms(HOUR_MS)),
            manual: status == OrderStatus::RefundManual || token == "paidtwicemanual",
            transfer: token.ends_with("transferred").then(|| TransferView {
                paid_on: NOW.date(),
                account_tail: Some("0042".to_owned()),
            }),
            held_until: (status == OrderStatus::RefundPending).then(|| NOW.plus_ms(14 * HOUR_MS)),
        }),
        failure: match token {
            "failed" => Some(FailReason::BalanceTooLow),
            "refused" => Some(FailReason::Refused),
            _ => None,
        },
        mine: true,
        resting: Vec::new(),
        trace: "8f3k2aa17c".to_owned(),
    })
}

/// A channel that does not answer.
pub fn news() -> Vec<Announcement> {
    vec![Announcement {
        on: NOW.date(),
        until: None,
        title_zh: "微信支付现在可能用不了".to_owned(),
        title_en: "WeChat Pay may not work at the moment".to_owned(),
        body_zh: "可以换一种支付方式，或过一会儿再试。".to_owned(),
        body_en: "Pay another way, or try again later.".to_owned(),
        channel: Some(ChannelCode::Wechat),
    }]
}

/// The sample voucher in `status`.
pub fn voucher(status: VoucherStatus) -> VoucherView {
    VoucherView {
        number: "0ABC-DEF1-2345-678J".to_owned(),
        check_code: CHECK_CODE.to_owned(),
        status,
        name_masked: "王*国".to_owned(),
        document_masked: "9901************37".to_owned(),
        relation: "other".to_owned(),
        region_zh: "演示省 演示市 青山县".to_owned(),
        region_en: "Demo Province, Demo City, Qingshan County".to_owned(),
        benefit_year: 2027,
        period_first: Date::constant(2027, 1, 1),
        period_last: Date::constant(2027, 12, 31),
        items: vec![
            item("基本医疗保险", "Basic medical insurance", 380),
            item("大病保险", "Serious illness insurance", 20),
        ],
        subsidies: Vec::new(),
        amount: Fen::from_yuan(400),
        amount_capital: "人民币肆佰元整".to_owned(),
        paid_at: NOW.plus_ms(-MINUTE_MS),
        issued_at: NOW,
        channel: Some(ChannelCode::Wechat),
        channel_txn: "4200002461202611220123456789".to_owned(),
        issuer: "演示医保中心".to_owned(),
        key_id: "k2026-1".to_owned(),
        algorithm: "ES256".to_owned(),
        qr_text: format!(
            "HTTPS://DEMO.EXAMPLE/Q/{}",
            "2QVEGTKHMFYGC3TFNZ2GS3LFOQQGKZ".repeat(14)
        ),
        order: "paid".to_owned(),
    }
}

/// The public view of the sample voucher in `status`.
pub fn public(status: VoucherStatus) -> PublicVoucher {
    let view = voucher(status);
    PublicVoucher {
        number: view.number,
        status,
        name_masked: view.name_masked,
        region_zh: view.region_zh,
        region_en: view.region_en,
        benefit_year: view.benefit_year,
        amount: view.amount,
        paid_on: view.paid_at.date(),
        issued_at: view.issued_at,
        key_id: view.key_id,
        algorithm: view.algorithm,
    }
}

/// The regions of the samples: code, name, whole path, and whether it has regions below.
const REGIONS: [(&str, &str, &str, &str, bool); 8] = [
    ("990000", "演示省", "Demo Province", "演示省", true),
    ("990100", "演示市", "Demo City", "演示省 演示市", true),
    (
        "990101",
        "花园县",
        "Huayuan County",
        "演示省 演示市 花园县",
        false,
    ),
    (
        "990102",
        "青山县",
        "Qingshan County",
        "演示省 演示市 青山县",
        false,
    ),
    (
        "990103",
        "朝阳区",
        "Chaoyang District",
        "演示省 演示市 朝阳区",
        false,
    ),
    ("990200", "临江市", "Linjiang City", "演示省 临江市", true),
    (
        "990201",
        "朝阳县",
        "Chaoyang County",
        "演示省 临江市 朝阳县",
        false,
    ),
    (
        "990202",
        "临海县",
        "Linhai County",
        "演示省 临江市 临海县",
        false,
    ),
];

fn region_view(row: &(&str, &str, &str, &str, bool)) -> RegionView {
    let path_en: Vec<&str> = REGIONS
        .iter()
        .filter(|above| row.3.starts_with(above.3))
        .map(|above| above.2)
        .collect();
    RegionView {
        code: row.0.to_owned(),
        path_zh: row.3.to_owned(),
        path_en: path_en.join(", "),
        name_zh: row.1.to_owned(),
        name_en: row.2.to_owned(),
        selectable: !row.4,
        has_children: row.4,
    }
}

/// The regions below one, or the provinces.
pub fn below(code: Option<&str>) -> Vec<RegionView> {
    let depth = code.map_or(0, |code| path_of(code).split(' ').count());
    let path = code.map_or("", path_of);
    let fits = |row: &&(&str, &str, &str, &str, bool)| {
        row.3.starts_with(path) && row.3.split(' ').count() == depth + 1
    };
    REGIONS.iter().filter(fits).map(region_view).collect()
}

fn path_of(code: &str) -> &'static str {
    REGIONS
        .iter()
        .find(|row| row.0 == code)
        .map_or("?", |row| row.3)
}

/// The regions that a text names.
pub fn search(text: &str) -> Vec<RegionView> {
    let exact = |row: &&(&str, &str, &str, &str, bool)| {
        text == row.0 || text == row.1 || text == row.3 || region_view(row).path_en == text
    };
    let one: Vec<RegionView> = REGIONS.iter().filter(exact).map(region_view).collect();
    if one.len() == 1 {
        return one;
    }
    REGIONS
        .iter()
        .filter(|row| row.1.contains(text))
        .map(region_view)
        .collect()
}

/// What is wrong with a look-up as typed.
fn problems(request: &LookupRequest) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    if request.name.is_empty() {
        problems.push(FieldProblem::NameMissing);
    }
    let typed = u8::try_from(request.document.chars().count()).unwrap_or(u8::MAX);
    match typed {
        0 => problems.push(FieldProblem::DocumentMissing),
        18 => {}
        typed => problems.push(FieldProblem::DocumentLength { typed }),
    }
    problems
}

impl Portal for Fake {
    fn regions_search<'a>(&'a self, text: &'a str, limit: usize) -> Answer<'a, Vec<RegionView>> {
        answer(search(text).into_iter().take(limit).collect())
    }

    fn regions_children<'a>(&'a self, code: Option<&'a str>) -> Answer<'a, Vec<RegionView>> {
        answer(below(code))
    }

    fn region<'a>(&'a self, code: &'a str) -> Answer<'a, Option<RegionView>> {
        answer(REGIONS.iter().find(|row| row.0 == code).map(region_view))
    }

    fn window_notes(&self) -> Answer<'_, Vec<WindowNote>> {
        answer(vec![WindowNote {
            benefit_year: 2027,
            first: Date::constant(2026, 10, 1),
            last: Date::constant(2027, 3, 31),
            open: true,
        }])
    }

    fn announcements(&self) -> Answer<'_, Vec<Announcement>> {
        answer(vec![Announcement {
            on: Date::constant(2026, 10, 1),
            until: None,
            title_zh: "2027 年度居民医保开始缴费".to_owned(),
            title_en: "Payment for benefit year 2027 has opened".to_owned(),
            body_zh: "缴费期为 2026 年 10 月 1 日至 2027 年 3 月 31 日。\n\n建议年底前缴清。"
                .to_owned(),
            body_en: "The period runs to 31 March 2027.\n\nPlease pay before the year ends."
                .to_owned(),
            channel: None,
        }])
    }

    fn lookup<'a>(
        &'a self,
        _: &'a Visitor,
        request: LookupRequest,
        _: &'a str,
    ) -> Answer<'a, LookupAnswer> {
        let problems = problems(&request);
        if !problems.is_empty() {
            return answer(LookupAnswer::Invalid(problems));
        }
        match request.name.as_str() {
            "busy" => failing(PortalErrorKind::Busy { retry_after_s: 20 }),
            "away" => failing(PortalErrorKind::Unavailable),
            "defect" => failing(PortalErrorKind::Internal),
            "many" => answer(LookupAnswer::RateLimited {
                retry_after_s: 1800,
            }),
            "two" => answer(LookupAnswer::Found(
                ["paid", "payable"].into_iter().filter_map(bill).collect(),
            )),
            "王建国" => answer(LookupAnswer::Found(bill("payable").into_iter().collect())),
            name => answer(match bill(name) {
                Some(bill) => LookupAnswer::Found(vec![bill]),
                None => LookupAnswer::Miss,
            }),
        }
    }

    fn bill<'a>(&'a self, _: &'a Visitor, bill_ref: &'a str) -> Answer<'a, Option<BillView>> {
        answer(bill(bill_ref))
    }

    fn start<'a>(&'a self, _: &'a Visitor, request: StartRequest) -> Answer<'a, StartAnswer> {
        let started = |order: &str, next| StartAnswer::Started {
            order: order.to_owned(),
            next,
        };
        answer(match request.bill_ref.as_str() {
            "payable" | "late" | "tiers" | "displace" => match request.method {
                Method::WechatNative => started("topayqr", Next::Page),
                Method::AlipayPrecreate => started("topayalipayqr", Next::Page),
                Method::WechatJsapi => started("topayjsapi", Next::Page),
                Method::WechatH5
                | Method::AlipayWap
                | Method::AlipayPage
                | Method::Bank1Page
                | Method::Bank2Page => started(
                    "topaylink",
                    Next::Redirect("https://wallet.example/pay".to_owned()),
                ),
                Method::UnionpayWap | Method::UnionpayPage => started("topayform", Next::Form),
                Method::UnionpayApp | Method::Inbound(_) => started("topayform", Next::Page),
            },
            "toomany" => StartAnswer::TooMany,
            "channelresting" => StartAnswer::Resting {
                channel: ChannelCode::Wechat,
                opens_at: NOW.plus_ms(DAY_MS),
            },
            "down" => StartAnswer::ChannelDown { order: None },
            "downorder" => StartAnswer::ChannelDown {
                order: Some("channel-down_1".to_owned()),
            },
            "rush" => StartAnswer::Busy { retry_after_s: 20 },
            reference => match bill(reference) {
                Some(bill) => StartAnswer::NotPayable(Box::new(bill)),
                None => StartAnswer::Expired,
            },
        })
    }

    fn confirm_zero<'a>(
        &'a self,
        _: &'a Visitor,
        bill_ref: &'a str,
        _: &'a str,
        _: &'a str,
    ) -> Answer<'a, StartAnswer> {
        answer(match bill_ref {
            "zero" => StartAnswer::Started {
                order: "paid".to_owned(),
                next: Next::Page,
            },
            _ => StartAnswer::Expired,
        })
    }

    fn order<'a>(&'a self, _: &'a Visitor, token: &'a str) -> Answer<'a, Option<OrderView>> {
        match token {
            "broken" => failing(PortalErrorKind::Internal),
            "crowded" => failing(PortalErrorKind::Busy { retry_after_s: 20 }),
            token => answer(order(token)),
        }
    }

    fn refresh<'a>(&'a self, _: &'a Visitor, token: &'a str) -> Answer<'a, Option<OrderView>> {
        answer(order(token))
    }

    fn cancel<'a>(&'a self, _: &'a Visitor, token: &'a str) -> Answer<'a, Option<OrderView>> {
        if token == "hang" {
            return Box::pin(std::future::pending());
        }
        answer(order(token))
    }

    fn switch<'a>(
        &'a self,
        visitor: &'a Visitor,
        token: &'a str,
        method: Method,
        openid: Option<String>,
        form_key: &'a str,
    ) -> Answer<'a, StartAnswer> {
        if order(token).is_none() {
            return answer(StartAnswer::Expired);
        }
        let request = StartRequest {
            bill_ref: "payable".to_owned(),
            method,
            form_key: form_key.to_owned(),
            openid,
            relation: "self".to_owned(),
            displace: false,
        };
        self.start(visitor, request)
    }

    fn voucher<'a>(
        &'a self,
        _: &'a Visitor,
        _: &'a str,
        key: &'a VoucherKey,
    ) -> Answer<'a, VoucherAnswer<VoucherView>> {
        answer(shown(key).map_or(VoucherAnswer::NotFound, |status| {
            VoucherAnswer::Shown(voucher(status))
        }))
    }

    fn voucher_png<'a>(
        &'a self,
        _: &'a Visitor,
        _: &'a str,
        key: &'a VoucherKey,
    ) -> Answer<'a, VoucherAnswer<Vec<u8>>> {
        answer(shown(key).map_or(VoucherAnswer::NotFound, |_| {
            VoucherAnswer::Shown(b"\x89PNG\r\n\x1a\n".to_vec())
        }))
    }

    fn voucher_pdf<'a>(
        &'a self,
        _: &'a Visitor,
        _: &'a str,
        key: &'a VoucherKey,
    ) -> Answer<'a, VoucherAnswer<Vec<u8>>> {
        answer(shown(key).map_or(VoucherAnswer::NotFound, |_| {
            VoucherAnswer::Shown(b"%PDF-1.7\n".to_vec())
        }))
    }

    fn verify_number<'a>(
        &'a self,
        _: &'a Visitor,
        _: &'a str,
        check_code: &'a str,
    ) -> Answer<'a, VerifyAnswer> {
        answer(match check_code {
            CHECK_CODE => VerifyAnswer::Known(Box::new(public(VoucherStatus::Valid))),
            "LIMIT" => VerifyAnswer::RateLimited {
                retry_after_s: 3600,
            },
            _ => VerifyAnswer::NotFound,
        })
    }

    fn verify_text<'a>(&'a self, _: &'a Visitor, text: &'a str) -> Answer<'a, VerifyAnswer> {
        answer(match text {
            "VALID" => VerifyAnswer::Known(Box::new(public(VoucherStatus::Valid))),
            "REFUNDED" => VerifyAnswer::Known(Box::new(public(VoucherStatus::Refunded))),
            "SUPERSEDED" => VerifyAnswer::Known(Box::new(public(VoucherStatus::Superseded))),
            "UNKNOWN" => VerifyAnswer::NotFound,
            _ => VerifyAnswer::Forged,
        })
    }

    fn keys_json(&self) -> Answer<'_, String> {
        answer("{\"keys\":[]}".to_owned())
    }

    fn channels_json(&self, _: Option<&str>) -> String {
        "{\"channels\":[],\"levy\":[]}".to_owned()
    }

    fn records<'a>(&'a self, _: &'a Visitor) -> Answer<'a, Vec<RecordView>> {
        let list = ["paid", "confirming", "cancelled", "refunded"]
            .into_iter()
            .filter_map(order);
        answer(
            list.map(|order| RecordView {
                order: order.order,
                status: order.status,
                name_masked: order.name_masked,
                benefit_year: order.benefit_year,
                amount: order.amount,
                at: order.created_at,
                voucher_no: order.voucher_no,
            })
            .collect(),
        )
    }

    fn add_record<'a>(&'a self, _: &'a Visitor, text: &'a str) -> Answer<'a, RecordAnswer> {
        answer(match text {
            "paid" => RecordAnswer::Added,
            "many" => RecordAnswer::RateLimited { retry_after_s: 600 },
            _ => RecordAnswer::NotFound,
        })
    }

    fn open_link<'a>(&'a self, _: &'a Visitor, token: &'a str) -> Answer<'a, LinkAnswer> {
        answer(match token {
            "ask" => LinkAnswer::AskBirthday {
                name_masked: "王*国".to_owned(),
                wrong: false,
                tries_left: 5,
            },
            "bill" => bill("payable").map_or(LinkAnswer::Gone, |mut bill| {
                bill.name = "王*国".to_owned();
                LinkAnswer::Bill(Box::new(bill))
            }),
            "shut" => LinkAnswer::Shut,
            _ => LinkAnswer::Gone,
        })
    }

    fn answer_link<'a>(
        &'a self,
        _: &'a Visitor,
        token: &'a str,
        month: u8,
        day: u8,
    ) -> Answer<'a, LinkAnswer> {
        answer(match (token, month, day) {
            ("ask", 3, 4) => {
                bill("payable").map_or(LinkAnswer::Gone, |bill| LinkAnswer::Bill(Box::new(bill)))
            }
            ("ask", _, _) => LinkAnswer::AskBirthday {
                name_masked: "王*国".to_owned(),
                wrong: true,
                tries_left: 4,
            },
            _ => LinkAnswer::Gone,
        })
    }

    fn wechat_authorize_url(&self, state: &str) -> Option<String> {
        Some(format!("/wechat/back?code=code1&state={state}"))
    }

    fn wechat_openid<'a>(&'a self, code: &'a str) -> Answer<'a, Option<String>> {
        answer((code == "code1").then(|| "oDemoOpenid0000000000000001".to_owned()))
    }

    fn biller_call(&self, _call: RawCall) -> Answer<'_, BillerReply> {
        answer(BillerReply {
            status: 404,
            content_type: "application/json; charset=utf-8",
            headers: Vec::new(),
            body: Vec::new(),
        })
    }

    fn access<'a>(&'a self, _: &'a Visitor, token: &'a str) -> Answer<'a, AccessAnswer> {
        answer(match token {
            "ask" => AccessAnswer::Ask {
                name: "某某银行".to_owned(),
            },
            "elsewhere" => AccessAnswer::Elsewhere,
            "live" => AccessAnswer::Open(Box::new(access(true))),
            "test" => AccessAnswer::Open(Box::new(access(false))),
            _ => AccessAnswer::Gone,
        })
    }

    fn access_act<'a>(
        &'a self,
        _: &'a Visitor,
        token: &'a str,
        action: AccessAction,
    ) -> Answer<'a, Acted> {
        answer(match (token, action) {
            ("ask" | "live" | "test", AccessAction::Own(OwnAction::AddKey { .. })) => {
                Acted::Refused(AccessProblem::Key)
            }
            ("ask" | "live" | "test", _) => Acted::Done,
            _ => Acted::Shut,
        })
    }

    fn caller(&self, _: Option<&str>) -> Party {
        Party::Strangers
    }

    fn biller_keys(&self) -> String {
        "{}".to_owned()
    }

    fn receive_notice(&self, channel: ChannelCode, notice: RawNotice) -> Answer<'_, NoticeReply> {
        if notice.body.is_empty() {
            return failing(PortalErrorKind::Unavailable);
        }
        let named = notice
            .headers
            .iter()
            .any(|(name, _)| name == "wechatpay-serial");
        answer(match (channel, named) {
            (ChannelCode::Wechat, true) => NoticeReply {
                status: 200,
                content_type: "application/json",
                body: "{\"code\":\"SUCCESS\"}".to_owned(),
            },
            (ChannelCode::Wechat, false) => NoticeReply {
                status: 401,
                content_type: "application/json",
                body: "{\"code\":\"FAIL\"}".to_owned(),
            },
            (_, _) => NoticeReply {
                status: 200,
                content_type: "text/plain",
                body: "success".to_owned(),
            },
        })
    }

    fn ready(&self) -> Answer<'_, String> {
        answer("{\"ready\":true}".to_owned())
    }
}

fn shown(key: &VoucherKey) -> Option<VoucherStatus> {
    match key {
        VoucherKey::Order(token) if token == "paid" => Some(VoucherStatus::Valid),
        VoucherKey::Order(token) if token == "refunded" => Some(VoucherStatus::Refunded),
        VoucherKey::CheckCode(code) if code == CHECK_CODE => Some(VoucherStatus::Valid),
        VoucherKey::Order(_) | VoucherKey::CheckCode(_) => None,
    }
}
