//! Scenes of paying: orders, vouchers, money that comes twice, messages of the channels.

use super::desk::*;
use crate::limits::Budgets;
use crate::portal::{
    BillState, BillView, Next, OrderView, Portal, RawNotice, RecordAnswer, StartAnswer,
    StartRequest, VerifyAnswer, VoucherAnswer, VoucherKey,
};
use crate::vouchers::voucher_content_hash;
use jiaoyi_crypto::Algorithm;
use jiaoyi_documents::PayerRelation;
use jiaoyi_domain::attempt::AttemptState;
use jiaoyi_domain::channel::{
    ChannelCode, CreateOutcome, Method, News, PayFailure, QueryOutcome, RefundOutcome,
};
use jiaoyi_domain::refund::Refund;
use jiaoyi_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use jiaoyi_domain::voucher::Voucher;
use jiaoyi_domain::{IdSource, VoucherNo};

pub fn start(bill: &BillView, method: Method, form_key: &str) -> StartRequest {
    StartRequest {
        bill_ref: bill.bill_ref.clone(),
        method,
        form_key: form_key.to_owned(),
        openid: None,
        relation: "self".to_owned(),
        displace: false,
    }
}

impl Desk {
    /// Somebody starts to pay; the token of the order.
    pub async fn started(&mut self, device: u8, number: u16, method: Method) -> String {
        let bill = self.bill(device, number, COUNTY).await;
        let form = format!("f{device}{}", self.platform.now().0);
        let request = start(&bill, method, &form);
        let answer = self
            .platform
            .start(&visitor(device), request)
            .await
            .unwrap();
        let (StartAnswer::Started { order, .. } | StartAnswer::ChannelDown { order: Some(order) }) =
            &answer
        else {
            panic!("{answer:?}");
        };
        let order = order.clone();
        self.tell("a payer starts", &answer);
        order
    }

    pub async fn order(&self, device: u8, token: &str) -> OrderView {
        let order = self.platform.order(&visitor(device), token).await.unwrap();
        order.unwrap()
    }

    async fn look(&mut self, what: &str, device: u8, token: &str) -> OrderView {
        let order = self.order(device, token).await;
        self.tell(what, &order);
        order
    }

    async fn refresh(&mut self, what: &str, device: u8, token: &str) {
        let order = self.platform.refresh(&visitor(device), token).await;
        self.tell(what, &order);
    }

    pub async fn notice(&mut self, channel: ChannelCode, id: &str, news: News) {
        let till = match channel {
            ChannelCode::Wechat => &self.wechat,
            ChannelCode::Alipay => &self.alipay,
            ChannelCode::Unionpay => &self.unionpay,
            ChannelCode::Inbound(front) => panic!("{front:?} has no till"),
            ChannelCode::Bank1 | ChannelCode::Bank2 => panic!("no bank stands at this desk"),
        };
        till.answers().news = news;
        let raw = RawNotice {
            headers: Vec::new(),
            body: id.as_bytes().to_vec(),
        };
        let reply = self.platform.receive_notice(channel, raw).await;
        self.tell(&format!("notice {id}"), &reply);
    }

    /// Person `number` is paid for at WeChat Pay and then, in its place, at Alipay: the first is surplus,
    /// which WeChat Pay confirms. The token of its order.
    pub async fn paid_twice(&mut self, number: u16) -> String {
        let device = u8::try_from(number).unwrap();
        let first = self.started(device, number, Method::WechatNative).await;
        self.turn(3 * MINUTE_MS);
        let payer = visitor(device + 100);
        let bill = self.bill(device + 100, number, COUNTY).await;
        let mut second = start(&bill, Method::AlipayWap, "second");
        second.displace = true;
        let _ = self.platform.start(&payer, second).await.unwrap();
        let (seen, late) = (self.seen(0).await, self.seen(1).await);
        self.wechat.answers().query = QueryOutcome::Paid(late.clone());
        let (alipay, wechat) = (format!("a{number}"), format!("w{number}"));
        self.notice(ChannelCode::Alipay, &alipay, News::Payment(seen))
            .await;
        self.notice(ChannelCode::Wechat, &wechat, News::Payment(late))
            .await;
        first
    }

    pub async fn work(&mut self, what: &str) {
        let worked = self.platform.work().await;
        self.tell(what, &worked);
    }
}

#[tokio::test]
async fn scenes_of_paying_by_code() {
    let mut desk = Desk::new("code", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY)]).await;
    let token = desk.started(1, 1, Method::WechatNative).await;
    desk.look("the payer's page", 1, &token).await;
    desk.look("a stranger's view of it", 2, &token).await;
    let locked = (
        desk.state(1, 1, COUNTY).await,
        desk.state(2, 1, COUNTY).await,
    );
    desk.tell("the bill, for the payer and another", &locked);
    desk.refresh("asked", 1, &token).await;
    desk.turn(2 * SECOND_MS - 1);
    desk.refresh("not asked again so soon", 1, &token).await;
    desk.turn(1);
    let seen = desk.seen(0).await;
    desk.wechat.answers().query = QueryOutcome::Paid(seen);
    desk.refresh("paid", 1, &token).await;
    desk.refresh("nothing is left to ask", 1, &token).await;
    let paid = (
        desk.state(1, 1, COUNTY).await,
        desk.state(2, 1, COUNTY).await,
    );
    desk.tell("the bill, for the payer and another", &paid);
    let bill = desk.bill(2, 1, COUNTY).await;
    desk.tell("what was paid", &bill);
    let again = start(&bill, Method::WechatNative, "again");
    let answer = desk.platform.start(&visitor(2), again).await;
    desk.tell("somebody would pay again", &answer);
    let records = desk.platform.records(&visitor(1)).await;
    desk.tell("the payer's receipts", &records);
    desk.work("messages and signatures").await;
    desk.work("nothing is left").await;
    desk.is("by_code");
}

#[tokio::test]
async fn scenes_of_a_voucher() {
    let mut desk = Desk::new("voucher", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY)]).await;
    let token = desk.started(1, 1, Method::AlipayWap).await;
    let seen = desk.seen(0).await;
    desk.notice(ChannelCode::Alipay, "n1", News::Payment(seen))
        .await;
    let number = desk.order(1, &token).await.voucher_no.unwrap();
    let receipt = VoucherKey::Order(token.clone());
    let voucher = desk.platform.voucher(&visitor(3), &number, &receipt).await;
    desk.tell("by the receipt link", &voucher);
    let Ok(VoucherAnswer::Shown(view)) = voucher else {
        panic!("{voucher:?}");
    };
    for (relation, told) in [
        ("self", PayerRelation::Insured),
        ("other", PayerRelation::Other),
        ("", PayerRelation::Unstated),
    ] {
        let mut view = view.clone();
        view.relation = relation.to_owned();
        assert_eq!(desk.platform.face(&view).relation, told);
    }
    let code = view.check_code.clone();
    let typed = number.replace('-', " ").to_lowercase();
    let known = desk
        .platform
        .verify_number(&visitor(4), &typed, &code)
        .await;
    desk.tell("anybody with the check code", &known);
    for (number, code) in [(number.as_str(), "2222"), ("0000", code.as_str())] {
        let answer = desk.platform.verify_number(&visitor(4), number, code).await;
        assert!(matches!(answer, Ok(VerifyAnswer::NotFound)), "{answer:?}");
    }
    let known = desk.platform.verify_text(&visitor(5), &view.qr_text).await;
    desk.tell("by the code on it", &known);
    let (_, body) = view.qr_text.split_once("/Q/").unwrap();
    let lower = desk
        .platform
        .verify_text(&visitor(5), &body.to_lowercase())
        .await;
    assert!(matches!(lower, Ok(VerifyAnswer::Known(_))), "{lower:?}");
    let place = body.len() / 2;
    let other = if body.as_bytes()[place] == b'A' {
        "B"
    } else {
        "A"
    };
    let mut forged = body.to_owned();
    forged.replace_range(place..=place, other);
    for text in [forged.as_str(), ""] {
        let answer = desk.platform.verify_text(&visitor(5), text).await;
        assert!(matches!(answer, Ok(VerifyAnswer::Forged)), "{answer:?}");
    }
    let code = VoucherKey::CheckCode(code);
    for (key, shown) in [
        (&receipt, true),
        (&code, true),
        (&VoucherKey::Order("abc".to_owned()), false),
        (&VoucherKey::CheckCode("2222".to_owned()), false),
    ] {
        let png = desk
            .platform
            .voucher_png(&visitor(6), &number, key)
            .await
            .unwrap();
        let pdf = desk
            .platform
            .voucher_pdf(&visitor(6), &number, key)
            .await
            .unwrap();
        match (png, pdf) {
            (VoucherAnswer::Shown(png), VoucherAnswer::Shown(pdf)) if shown => {
                assert!(png.starts_with(b"\x89PNG") && pdf.starts_with(b"%PDF"));
            }
            (VoucherAnswer::NotFound, VoucherAnswer::NotFound) if !shown => {}
            other => panic!("{key:?}: {other:?}"),
        }
    }
    // Five wrong codes an hour, whoever tries.
    for device in 10..15 {
        let wrong = desk
            .platform
            .verify_number(&visitor(device), &number, "2222")
            .await;
        let paused = matches!(wrong, Ok(VerifyAnswer::RateLimited { .. }));
        assert_eq!(paused, device >= 12, "{wrong:?}");
    }
    let links = [
        (
            format!(" https://pay.example.gov.cn/o/{token}?x#y "),
            RecordAnswer::Added,
        ),
        (format!("/o/{token}/back"), RecordAnswer::Added),
        (token, RecordAnswer::Added),
        (number, RecordAnswer::NotFound),
    ];
    for (text, added) in links {
        let answer = desk.platform.add_record(&visitor(7), &text).await.unwrap();
        assert_eq!(answer, added, "{text}");
    }
    let records = desk.platform.records(&visitor(7)).await;
    desk.tell("receipts of who was given the link", &records);
    for _ in 0..20 {
        let answer = desk.platform.verify_text(&visitor(8), "").await;
        assert!(matches!(answer, Ok(VerifyAnswer::Forged)), "{answer:?}");
    }
    let answer = desk.platform.verify_text(&visitor(8), "").await;
    assert!(
        matches!(answer, Ok(VerifyAnswer::RateLimited { .. })),
        "{answer:?}"
    );
    let keys = desk.platform.keys_json().await.unwrap();
    assert!(keys.contains(&view.key_id), "{keys}");
    desk.is("voucher");
}

#[tokio::test]
async fn scenes_of_a_bill_of_nothing() {
    let mut desk = Desk::new("zero", Budgets::default()).await;
    let mut free = row(3, "990501");
    free.aids = vec!["full".to_owned()];
    desk.roster(1, vec![free, row(1, COUNTY)]).await;
    let bill = desk.bill(1, 3, "990501").await;
    let paying = start(&bill, Method::AlipayWap, "f1");
    let answer = desk.platform.start(&visitor(1), paying).await;
    desk.tell("nothing can be paid", &answer);
    let (device, reference) = (visitor(1), bill.bill_ref.as_str());
    let answer = desk
        .platform
        .confirm_zero(&device, reference, "other", "f2")
        .await;
    desk.tell("confirmed", &answer);
    let Ok(StartAnswer::Started { order, .. }) = answer else {
        panic!("{answer:?}");
    };
    desk.look("the order", 1, &order).await;
    let answer = desk
        .platform
        .confirm_zero(&device, reference, "other", "f2")
        .await;
    desk.tell("the same form again", &answer);
    let answer = desk
        .platform
        .confirm_zero(&device, reference, "other", "f3")
        .await;
    desk.tell("another form", &answer);
    let priced = desk.bill(1, 1, COUNTY).await;
    let answer = desk
        .platform
        .confirm_zero(&device, &priced.bill_ref, "self", "f4")
        .await;
    desk.tell("a bill that has a price", &answer);
    let answer = desk
        .platform
        .confirm_zero(&device, "strange", "self", "f5")
        .await;
    desk.tell("no bill", &answer);
    desk.is("nothing");
}

#[tokio::test]
async fn scenes_of_orders_that_end_without_money() {
    let mut desk = Desk::new("unpaid", Budgets::default()).await;
    desk.roster(1, (1..=7).map(|number| row(number, COUNTY)).collect())
        .await;
    desk.wechat.answers().create = Some(CreateOutcome::Refused {
        code: "NOAUTH".to_owned(),
        message: "no".to_owned(),
    });
    let token = desk.started(1, 1, Method::WechatNative).await;
    desk.look("refused", 1, &token).await;
    desk.wechat.answers().create = Some(CreateOutcome::Unknown {
        why: "timeout".to_owned(),
    });
    let token = desk.started(2, 2, Method::WechatH5).await;
    desk.look("no answer", 2, &token).await;
    desk.wechat.answers().create = None;
    let token = desk.started(3, 3, Method::WechatJsapi).await;
    desk.wechat.answers().query = QueryOutcome::NotPaid(Some(PayFailure::BalanceTooLow));
    desk.turn(SECOND_MS);
    desk.refresh("the wallet holds too little", 3, &token).await;
    desk.wechat.answers().query = QueryOutcome::NotPaid(Some(PayFailure::Other));
    desk.turn(2 * SECOND_MS);
    desk.refresh("the wallet refused", 3, &token).await;
    desk.wechat.answers().query = QueryOutcome::Unknown { why: String::new() };
    desk.turn(2 * SECOND_MS);
    desk.refresh("nobody knows", 3, &token).await;
    let cancelled = desk.platform.cancel(&visitor(4), &token).await;
    desk.tell("a stranger would cancel", &cancelled);
    let cancelled = desk.platform.cancel(&visitor(3), &token).await;
    desk.tell("the payer cancels", &cancelled);
    let none = desk.platform.cancel(&visitor(3), "strange").await;
    desk.tell("no order", &none);
    let token = desk.started(5, 5, Method::WechatH5).await;
    desk.wechat.answers().close = jiaoyi_domain::channel::CloseOutcome::Unknown {
        why: "timeout".to_owned(),
    };
    let cancelled = desk.platform.cancel(&visitor(5), &token).await;
    desk.tell("given up, the close is not answered", &cancelled);
    desk.wechat.answers().query = QueryOutcome::NotPaid(None);
    let token = desk.started(6, 6, Method::WechatNative).await;
    desk.turn(15 * MINUTE_MS);
    desk.look("its time is over", 6, &token).await;
    desk.wechat.answers().close = jiaoyi_domain::channel::CloseOutcome::Closed;
    desk.work("it is asked and closed").await;
    desk.turn(SECOND_MS);
    desk.work("what is left").await;
    desk.look("expired", 6, &token).await;
    let records = desk.platform.records(&visitor(6)).await;
    desk.tell("receipts", &records);
    desk.turn(10 * MINUTE_MS);
    desk.work("evidence of death").await;
    desk.turn(DAY_MS + 35 * MINUTE_MS);
    desk.work("the end of the watch").await;
    desk.is("unpaid");
}

#[tokio::test]
async fn scenes_of_changing_ones_mind() {
    let mut desk = Desk::new("switch", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY), row(2, COUNTY)]).await;
    let bill = desk.bill(1, 1, COUNTY).await;
    let request = start(&bill, Method::WechatNative, "form");
    let first = desk.platform.start(&visitor(1), request.clone()).await;
    desk.tell("a form", &first);
    let again = desk.platform.start(&visitor(1), request.clone()).await;
    desk.tell("sent twice", &again);
    let Ok(StartAnswer::Started { order, .. }) = first else {
        panic!("{first:?}");
    };
    let mut other = request.clone();
    other.method = Method::AlipayWap;
    desk.turn(SECOND_MS);
    let changed = desk.platform.start(&visitor(1), other).await;
    desk.tell("with another method", &changed);
    desk.turn(SECOND_MS);
    let back = desk.platform.start(&visitor(1), request).await;
    desk.tell("and the first again", &back);
    desk.turn(SECOND_MS);
    let (payer, method) = (visitor(1), Method::AlipayPrecreate);
    let switched = desk
        .platform
        .switch(&payer, &order, method, None, "s1")
        .await;
    desk.tell("switched on the order's page", &switched);
    desk.look("the order", 1, &order).await;
    let theirs = desk
        .platform
        .switch(&visitor(2), &order, method, None, "s2")
        .await;
    desk.tell("a stranger may not", &theirs);
    let none = desk
        .platform
        .switch(&payer, "strange", method, None, "s3")
        .await;
    desk.tell("no order", &none);
    desk.turn(SECOND_MS);
    let bill = desk.bill(2, 1, COUNTY).await;
    let mut second = start(&bill, Method::AlipayPage, "second");
    let locked = desk.platform.start(&visitor(2), second.clone()).await;
    desk.tell("somebody else meets the lock", &locked);
    desk.turn(3 * MINUTE_MS);
    let bill = desk.bill(2, 1, COUNTY).await;
    second.bill_ref = bill.bill_ref;
    second.displace = true;
    second.form_key = "third".to_owned();
    let displaced = desk.platform.start(&visitor(2), second).await;
    desk.tell("and displaces it", &displaced);
    desk.look("the first payer's page", 1, &order).await;
    desk.turn(SECOND_MS);
    let refused = desk
        .platform
        .switch(&payer, &order, method, None, "s4")
        .await;
    desk.tell("the first may not go on", &refused);
    let seen = desk.seen(0).await;
    desk.notice(ChannelCode::Alipay, "n1", News::Payment(seen))
        .await;
    let refused = desk
        .platform
        .switch(&payer, &order, method, None, "s5")
        .await;
    desk.tell("it is paid", &refused);
    desk.is("switch");
}

#[tokio::test]
async fn scenes_of_money_that_came_twice() {
    let mut desk = Desk::new("twice", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY)]).await;
    let first = desk.started(1, 1, Method::WechatNative).await;
    desk.turn(3 * MINUTE_MS);
    let bill = desk.bill(2, 1, COUNTY).await;
    let mut second = start(&bill, Method::AlipayWap, "second");
    second.displace = true;
    let answer = desk.platform.start(&visitor(2), second).await;
    desk.tell("a second payer displaces", &answer);
    let seen = desk.seen(0).await;
    desk.notice(ChannelCode::Alipay, "n1", News::Payment(seen))
        .await;
    let late = desk.seen(1).await;
    desk.wechat.answers().query = QueryOutcome::Paid(late.clone());
    desk.notice(ChannelCode::Wechat, "n2", News::Payment(late))
        .await;
    desk.look("the first payer's money is surplus", 1, &first)
        .await;
    desk.work("a query confirms, a message closes, the refund waits")
        .await;
    desk.turn(30 * SECOND_MS);
    desk.work("it is sent back").await;
    let refund = desk.order(1, &first).await.refund.unwrap();
    desk.tell("the refund", &refund);
    let told = |outcome| News::Refund {
        refund_no: refund.refund_no.clone(),
        outcome,
    };
    desk.wechat.answers().query_refund = RefundOutcome::NotFound;
    desk.turn(MINUTE_MS);
    desk.work("the channel does not know it: sent again").await;
    let done = told(RefundOutcome::Done {
        amount: refund.amount,
        at: desk.platform.now(),
    });
    desk.notice(ChannelCode::Wechat, "r1", done).await;
    desk.look("it has gone back", 1, &first).await;
    desk.turn(MINUTE_MS);
    desk.work("the payer is told").await;
    let ready = desk.platform.ready().await;
    desk.tell("ready", &ready);
    desk.is("twice");
}

#[tokio::test]
async fn scenes_of_messages_of_channels() {
    let mut desk = Desk::new("notices", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY)]).await;
    let token = desk.started(1, 1, Method::WechatNative).await;
    let mut differs = desk.seen(0).await;
    differs.amount = jiaoyi_domain::Fen::new(1);
    desk.notice(ChannelCode::Wechat, "n1", News::Payment(differs))
        .await;
    desk.look("the amount differs", 1, &token).await;
    let mut strange = desk.seen(0).await;
    strange.attempt_no = "strange".to_owned();
    desk.notice(ChannelCode::Wechat, "n2", News::Payment(strange))
        .await;
    let outcome = RefundOutcome::Processing;
    let refund = |refund_no: &str| News::Refund {
        refund_no: refund_no.to_owned(),
        outcome: outcome.clone(),
    };
    desk.notice(ChannelCode::Wechat, "n3", refund("strange"))
        .await;
    desk.notice(ChannelCode::Wechat, "n4", News::Other("closed".to_owned()))
        .await;
    let bad = RawNotice {
        headers: vec![("bad".to_owned(), String::new())],
        body: vec![0; 5_000],
    };
    for _ in 0..70 {
        let reply = desk
            .platform
            .receive_notice(ChannelCode::Wechat, bad.clone())
            .await;
        assert_eq!(reply.map(|reply| reply.status), Ok(401));
    }
    let cases: Vec<jiaoyi_domain::messages::Case> = desk.platform.store.all().await.unwrap();
    let mut told: Vec<String> = cases
        .iter()
        .map(|case| format!("{:?} {}", case.kind, case.detail))
        .collect();
    told.sort();
    desk.tell("cases", &told);
    let ready = desk.platform.ready().await;
    desk.tell("ready", &ready);
    desk.is("notices");
}

/// What was sent, and may have arrived, is asked about for ever and not sent once more after its window.
#[tokio::test]
async fn a_refund_is_not_sent_once_its_window_is_over() {
    let mut desk = Desk::new("over", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY)]).await;
    desk.paid_twice(1).await;
    let unknown = || RefundOutcome::Unknown {
        why: "timeout".to_owned(),
    };
    desk.wechat.answers().refund = unknown();
    desk.wechat.answers().query_refund = unknown();
    desk.work("a query confirms, the refund waits").await;
    desk.turn(30 * SECOND_MS);
    desk.work("it is sent, and not answered").await;
    let refunds: Vec<Refund> = desk.platform.store.all().await.unwrap();
    let no = refunds[0].refund_no.clone();
    desk.wechat.take_asked();
    let days = ChannelCode::Wechat.capability().refund.days.unwrap();
    let just_before = i64::from(days) * DAY_MS - MINUTE_MS;
    for (ms, asked) in [(just_before, "refund "), (2 * MINUTE_MS, "query refund ")] {
        desk.turn(ms);
        desk.platform.send_refund(&no, None).await.unwrap();
        let told = desk.wechat.take_asked();
        let begins = format!("wechat is asked to {asked}");
        assert!(told.len() == 1 && told[0].starts_with(&begins), "{told:?}");
    }
}

/// The payer gives up while the channel is asked for a code: nobody is handed one to pay with.
#[tokio::test]
async fn what_was_given_up_meanwhile_is_not_handed_out() {
    let desk = Desk::new("meanwhile", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY), row(2, COUNTY)]).await;
    for (device, gives_up) in [(1, true), (2, false)] {
        desk.turn(SECOND_MS);
        let bill = desk.bill(device, u16::from(device), COUNTY).await;
        desk.wechat.hang(true);
        let request = start(&bill, Method::WechatNative, "f");
        let payer = visitor(device);
        let starting = desk.platform.start(&payer, request);
        let waits = std::time::Duration::from_millis(200);
        assert!(tokio::time::timeout(waits, starting).await.is_err());
        desk.wechat.hang(false);
        let asked = desk.attempts().await.pop().unwrap();
        assert_eq!(asked.state, AttemptState::Drafted);
        if gives_up {
            let token = desk.platform.order_token(asked.bucket, asked.order_id);
            let order = desk.platform.cancel(&payer, &token).await.unwrap();
            assert!(order.is_some());
        }
        let handed = desk.platform.place_attempt(&asked, None).await.unwrap();
        assert_eq!(handed.is_none(), gives_up, "{handed:?}");
    }
}

/// One device may have ten payments under way, and no eleventh until one of them has ended.
#[tokio::test]
async fn who_has_ten_payments_under_way_ends_one_first() {
    let mut desk = Desk::new("ten", Budgets::OFF).await;
    desk.roster(1, (1..=11).map(|number| row(number, COUNTY)).collect())
        .await;
    let mut tokens = Vec::new();
    for number in 1..=10 {
        tokens.push(desk.started(1, number, Method::WechatNative).await);
    }
    for device in [1, 2] {
        let bill = desk.bill(device, 11, COUNTY).await;
        let request = start(&bill, Method::WechatNative, "eleventh");
        let mut held = request.clone();
        held.form_key = format!("f{device}");
        let answer = desk.platform.start(&visitor(device), held).await;
        if device == 1 {
            assert!(matches!(answer, Ok(StartAnswer::TooMany)), "{answer:?}");
            let given_up = desk.platform.cancel(&visitor(1), &tokens[0]).await;
            assert!(given_up.unwrap().is_some());
            let answer = desk.platform.start(&visitor(1), request).await;
            let Ok(StartAnswer::Started { order, .. }) = answer else {
                panic!("{answer:?}");
            };
            desk.platform.cancel(&visitor(1), &order).await.unwrap();
        } else {
            let begun = matches!(answer, Ok(StartAnswer::Started { .. }));
            assert!(begun, "another device: {answer:?}");
        }
    }
}

/// What others have begun and what was begun long ago is nobody's burden.
#[tokio::test]
async fn only_own_payments_of_the_last_hour_count() {
    let mut desk = Desk::new("own", Budgets::OFF).await;
    desk.roster(1, (1..=13).map(|number| row(number, COUNTY)).collect())
        .await;
    for number in 1..=10 {
        let token = desk.started(1, number, Method::WechatNative).await;
        let added = desk.platform.add_receipt(&visitor(2), &token).await;
        assert!(matches!(added, Ok(RecordAnswer::Added)), "{added:?}");
    }
    // Ten receipts of another's payments.
    desk.started(2, 11, Method::WechatNative).await;
    let begins = async |number: u16, form: &str| {
        let bill = desk.bill(1, number, COUNTY).await;
        let request = start(&bill, Method::WechatNative, form);
        let answer = desk.platform.start(&visitor(1), request).await.unwrap();
        assert!(
            matches!(answer, StartAnswer::Started { .. } | StartAnswer::TooMany),
            "{answer:?}"
        );
        matches!(answer, StartAnswer::Started { .. })
    };
    desk.turn(HOUR_MS);
    assert!(!begins(12, "an hour").await);
    desk.turn(1);
    assert!(begins(12, "more than an hour").await);
}

/// The form that began an order leads to it even when it can no longer be paid.
#[tokio::test]
async fn a_form_sent_again_leads_to_what_became_of_its_order() {
    let desk = Desk::new("again", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY)]).await;
    let bill = desk.bill(1, 1, COUNTY).await;
    let request = start(&bill, Method::WechatNative, "form");
    let first = desk.platform.start(&visitor(1), request.clone()).await;
    let Ok(StartAnswer::Started { order, .. }) = first else {
        panic!("{first:?}");
    };
    desk.platform.cancel(&visitor(1), &order).await.unwrap();
    let again = desk.platform.start(&visitor(1), request).await;
    let Ok(StartAnswer::Started { order: told, next }) = again else {
        panic!("{again:?}");
    };
    assert_eq!(told, order);
    assert!(matches!(next, Next::Page), "{next:?}");
}

/// Whoever goes back and forth with one form pays as he pressed last.
#[tokio::test]
async fn a_form_pays_by_the_method_that_was_pressed_last() {
    let desk = Desk::new("forth", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY)]).await;
    let bill = desk.bill(1, 1, COUNTY).await;
    let (qr, wap) = (Method::WechatNative, Method::AlipayWap);
    for method in [qr, wap, qr, wap, qr] {
        let request = start(&bill, method, "form");
        let answer = desk.platform.start(&visitor(1), request).await;
        let started = matches!(answer, Ok(StartAnswer::Started { .. }));
        assert!(started, "{method:?}: {answer:?}");
        let newest = desk.attempts().await.pop().unwrap();
        assert_eq!(newest.method, method);
        assert!(newest.is_payable(), "{newest:?}");
        desk.turn(SECOND_MS);
    }
    assert_eq!(desk.attempts().await.len(), 5);
}

/// Alipay begins at eleven here; WeChat has no hours of its own.
#[tokio::test]
async fn a_channel_that_rests_is_told_apart_from_a_bill_that_cannot_be_paid() {
    let mut desk = Desk::new("rests", Budgets::default()).await;
    desk.repack(
        "990100",
        "[benefit]",
        "[[calendar]]\nchannel = \"alipay\"\nhours = [\"11:00\", \"15:00\"]\n[benefit]",
    )
    .await;
    desk.roster(1, vec![row(1, COUNTY), row(2, COUNTY)]).await;
    let opens = START.plus_ms(HOUR_MS);
    let rests = |answer: &StartAnswer| match answer {
        StartAnswer::Resting { channel, opens_at } => {
            (*channel, *opens_at) == (ChannelCode::Alipay, opens)
        }
        _ => false,
    };
    let bill = desk.bill(1, 1, COUNTY).await;
    let request = start(&bill, Method::AlipayWap, "f1");
    let answer = desk.platform.start(&visitor(1), request).await.unwrap();
    assert!(rests(&answer), "{answer:?}");
    let order = desk.started(1, 1, Method::WechatNative).await;
    let (payer, method) = (visitor(1), Method::AlipayWap);
    let switched = desk.platform.switch(&payer, &order, method, None, "s1");
    let answer = switched.await.unwrap();
    assert!(rests(&answer), "{answer:?}");
    let seen = desk.seen(0).await;
    desk.notice(ChannelCode::Wechat, "n1", News::Payment(seen))
        .await;
    let bill = desk.bill(2, 1, COUNTY).await;
    let request = start(&bill, Method::AlipayWap, "f2");
    let answer = desk.platform.start(&visitor(2), request).await.unwrap();
    let StartAnswer::NotPayable(bill) = &answer else {
        panic!("it is paid, whoever rests: {answer:?}");
    };
    assert!(matches!(bill.state, BillState::Paid { .. }), "{bill:?}");
    desk.turn(HOUR_MS - MINUTE_MS);
    let order = desk.started(1, 2, Method::WechatNative).await;
    desk.turn(MINUTE_MS);
    let switched = desk.platform.switch(&payer, &order, method, None, "s2");
    let answer = switched.await.unwrap();
    assert!(matches!(answer, StartAnswer::Started { .. }), "{answer:?}");
}

/// What a signature states changes with everything that is printed.
#[tokio::test]
async fn the_hash_of_a_voucher_is_of_everything_on_it() {
    let desk = Desk::new("hash", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY)]).await;
    let document = row(1, COUNTY).document;
    let paid = desk.platform.pay_made(&document, "txn1".to_owned()).await;
    assert!(paid.unwrap());
    let voucher = desk
        .platform
        .store
        .all::<Voucher>()
        .await
        .unwrap()
        .remove(0);
    let changes: [fn(&mut Voucher); 4] = [
        |row| row.voucher_no = VoucherNo::draw(row.bucket, &mut IdSource::new([1; 32], 0)),
        |row| row.check_code.push('2'),
        |row| row.issued_at = row.issued_at.plus_ms(1),
        |row| row.content.push(' '),
    ];
    let hash_of = |row: &Voucher| voucher_content_hash(Algorithm::Es256, row);
    assert_eq!(hash_of(&voucher), hash_of(&voucher.clone()));
    let mut hashes = vec![hash_of(&voucher)];
    for change in changes {
        let mut other = voucher.clone();
        change(&mut other);
        hashes.push(hash_of(&other));
    }
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 5);
}
