//! Limits, headers, and everything that is refused.

use super::{Body, Client, PHONE, Verb, fake, site, site_with};
use axum::http::{Request, StatusCode};
use jiaoyi_app::admission::Bounds;
use std::time::Duration;
use tower::ServiceExt;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn pages_carry_the_headers_that_keep_others_out() {
    let mut client = Client::new(PHONE);
    for path in [
        "/",
        "/pay/person",
        "/o/paid",
        "/records",
        "/no-such-page",
        "/v/0ABCDEF12345678J?r=paid",
    ] {
        let seen = client.get(path).await;
        let policy = seen.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "style-src 'self'",
            "img-src 'self' data:",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'self' https://wallet.example",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(
            !policy.contains("script-src") && !policy.contains("unsafe"),
            "{path}"
        );
        assert_eq!(seen.header("cache-control"), "no-store", "{path}");
        assert_eq!(seen.header("x-content-type-options"), "nosniff");
        let want = if path.starts_with("/o/") {
            "strict-origin"
        } else {
            "no-referrer"
        };
        assert_eq!(seen.header("referrer-policy"), want, "{path}");
    }
}

#[tokio::test]
async fn the_device_cookie_is_set_once_and_safely() {
    let mut client = Client::new(PHONE);
    client.site = site(true);
    let first = client.get("/").await;
    let cookie = first.header("set-cookie").to_owned();
    assert!(
        cookie.starts_with("jy_device=") && cookie.contains("; Secure"),
        "{cookie}"
    );
    assert!(cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
    assert_eq!(
        first.header("strict-transport-security"),
        "max-age=31536000"
    );
    assert_eq!(client.get("/").await.header("set-cookie"), "");
    client
        .cookies
        .insert("jy_device".to_owned(), "chosen-by-somebody".to_owned());
    assert!(
        client
            .get("/")
            .await
            .header("set-cookie")
            .starts_with("jy_device=")
    );
}

#[tokio::test]
async fn methods_sizes_and_addresses_have_limits() {
    let mut client = Client::new(PHONE);
    let head = client.send(Verb::HEAD, "/", Body::empty(), &[]).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_ne!(head.header("content-length"), "0");
    for (verb, path) in [
        (Verb::DELETE, "/"),
        (Verb::PUT, "/pay/person"),
        (Verb::GET, "/pay/start"),
    ] {
        let seen = client.send(verb, path, Body::empty(), &[]).await;
        assert_eq!(seen.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert!(
            seen.header("allow")
                .contains(if path == "/" { "GET" } else { "POST" }),
            "{path}"
        );
    }
    let long = format!("/q/{}", "A".repeat(5_000));
    assert_eq!(client.get(&long).await.status, StatusCode::URI_TOO_LONG);
    let wide = "x".repeat(20_000);
    let seen = client
        .send(Verb::GET, "/", Body::empty(), &[("x-wide", &wide)])
        .await;
    assert_eq!(seen.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let body = format!("name={}", "x".repeat(70_000));
    let seen = client
        .send(Verb::POST, "/pay/person", Body::from(body), &[FORM])
        .await;
    assert_eq!(seen.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(seen.html().contains("没有扣款"));
    let seen = client
        .send(
            Verb::POST,
            "/pay/person",
            Body::from("{}"),
            &[("content-type", "text/json")],
        )
        .await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    assert_eq!(client.get("/o/%FF").await.status, StatusCode::BAD_REQUEST);
    for path in ["/o/a%2Fb", "/o/a%22b", "/k/a.b"] {
        assert_eq!(
            client.get(path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_form_from_another_site_is_refused() {
    let mut client = Client::new(PHONE);
    let foreign = [FORM, ("sec-fetch-site", "cross-site")];
    let seen = client
        .send(Verb::POST, "/o/topayqr/cancel", Body::empty(), &foreign)
        .await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    let own = [FORM, ("sec-fetch-site", "same-origin")];
    let seen = client
        .send(Verb::POST, "/o/topayqr/cancel", Body::empty(), &own)
        .await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER);
    let wallet = client
        .send(Verb::GET, "/o/topayqr/back", Body::empty(), &foreign)
        .await;
    assert_eq!(
        wallet.status,
        StatusCode::SEE_OTHER,
        "the wallet sends payers back"
    );
    // By a form as well, with which no cookie comes: the payer's own must stay.
    let mut stranger = Client::new(PHONE);
    let posted = stranger
        .send(Verb::POST, "/o/topayform/back", Body::empty(), &foreign)
        .await;
    assert_eq!(posted.status, StatusCode::SEE_OTHER);
    assert_eq!(posted.header("location"), "/o/topayform?n=1");
    assert_eq!(posted.header("set-cookie"), "");
    assert_ne!(stranger.get("/").await.header("set-cookie"), "");
}

#[tokio::test]
async fn a_way_that_no_browser_can_pay_is_not_started() {
    let mut client = Client::new(PHONE);
    for (method, status) in [
        ("unionpay_wap", StatusCode::SEE_OTHER),
        ("unionpay_app", StatusCode::BAD_REQUEST),
    ] {
        let fields = [
            ("bill_ref", "payable"),
            ("form_key", "k"),
            ("method", method),
        ];
        let seen = client.post("/pay/start", &fields).await;
        assert_eq!(seen.status, status, "{method}");
    }
}

#[tokio::test]
async fn failures_of_the_platform_become_pages() {
    let mut client = Client::new(PHONE);
    let person = |name: &'static str| {
        vec![
            ("name", name),
            ("document_kind", "id_card"),
            ("document", "990102195203041237"),
            ("pick", "990102"),
        ]
    };
    for (name, status, retry) in [
        ("busy", 503, "20"),
        ("away", 503, ""),
        ("defect", 500, ""),
        ("many", 429, "1800"),
        ("nobody", 200, ""),
        ("王建国", 303, ""),
    ] {
        let seen = client.post("/pay/person", &person(name)).await;
        assert_eq!(seen.status.as_u16(), status, "{name}");
        assert_eq!(seen.header("retry-after"), retry, "{name}");
        if status >= 400 {
            let html = seen.html();
            assert!(html.contains("没有扣款。"), "{name}");
            assert!(
                name == "many" || html.contains("store.away · 8f3k2aa17c"),
                "{name}"
            );
        }
    }
    for (path, status) in [("/o/broken", 500), ("/o/crowded", 503)] {
        let seen = client.get(path).await;
        assert_eq!(seen.status.as_u16(), status);
        let html = seen.html();
        assert!(
            html.contains("请不要再付一次") && !html.contains("没有扣款"),
            "near a payment nobody says that nothing was taken: {path}"
        );
    }
}

/// An order page of another device, and a form that lay open for long: a payment may have been made
/// meanwhile, so nobody says that nothing was taken.
#[tokio::test]
async fn a_form_that_is_too_old_does_not_deny_a_payment() {
    let mut client = Client::new(PHONE);
    for (path, reference) in [
        ("/o/elsewhere/switch", ""),
        ("/pay/start", "unknown"),
        ("/pay/start", "\u{0}"),
        ("/pay/zero", "unknown"),
    ] {
        let fields = [("bill_ref", reference), ("method", "alipay_wap")];
        let seen = client.post(path, &fields).await;
        assert_eq!(seen.status, StatusCode::GONE, "{path}");
        let html = seen.html();
        assert!(html.contains("钱不会丢。请不要再付一次"), "{path}");
        assert!(!html.contains("没有扣款"), "{path}");
    }
    let seen = client.get("/pay/check").await;
    assert!(seen.html().contains("没有扣款"), "a look-up takes nothing");
}

#[tokio::test]
async fn a_start_that_cannot_be_says_why() {
    let mut client = Client::new(PHONE);
    for (reference, status, words) in [
        ("paid", 409, "已缴，不用再付"),
        ("closed", 409, "缴费期已经结束"),
        ("locked", 409, "有人正在付这一笔"),
        ("withdrawn", 409, "这一笔不用缴了"),
        ("resting", 409, "起可以缴"),
        ("channelresting", 409, "微信支付现在不受理本地的缴费"),
        ("unknown", 410, "页面放得太久了"),
        ("toomany", 429, "没付完的太多"),
        ("down", 503, "支付平台连不上"),
        ("rush", 503, "现在办的人多"),
    ] {
        let fields = [
            ("bill_ref", reference),
            ("method", "alipay_wap"),
            ("form_key", "k"),
        ];
        let seen = client.post("/pay/start", &fields).await;
        assert_eq!(seen.status.as_u16(), status, "{reference}");
        let html = seen.html();
        let money = html.contains("扣") || html.contains("钱不会丢");
        assert!(html.contains(words) && money, "{reference}");
    }
    let fields = [("bill_ref", "downorder"), ("method", "alipay_wap")];
    assert_eq!(
        client.post("/pay/start", &fields).await.header("location"),
        "/o/channel-down_1"
    );
    let fields = [("bill_ref", "payable"), ("method", "gold")];
    assert_eq!(
        client.post("/pay/start", &fields).await.status,
        StatusCode::BAD_REQUEST
    );
    for path in ["/pay/check", "/pay/method"] {
        let mut fresh = Client::new(PHONE);
        assert_eq!(fresh.get(path).await.status, StatusCode::GONE, "{path}");
    }
    let zero = client
        .post("/pay/zero", &[("bill_ref", "zero"), ("form_key", "k")])
        .await;
    assert_eq!(zero.header("location"), "/o/paid");
}

#[tokio::test]
async fn vouchers_need_a_proof_and_files_have_their_types() {
    let mut client = Client::new(PHONE);
    let path = format!("/v/{}", fake::VOUCHER);
    assert!(client.get(&path).await.html().contains("name=\"c\""));
    assert_eq!(
        client.get(&format!("{path}?c=WRONG")).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        client.get("/v/NOSUCH?c=WRONG").await.status,
        StatusCode::NOT_FOUND
    );
    let opened = client.post(&path, &[("c", "7k3-mq9")]).await;
    let shown = client.get(opened.header("location")).await;
    let html = shown.html();
    assert!(html.contains("人民币肆佰元整") && html.contains("不是税收完税证明"));
    assert!(!html.contains("1952"), "no birth date");
    for (file, kind, start) in [
        ("png", "image/png", "\u{89}PNG"),
        ("pdf", "application/pdf", "%PDF"),
    ] {
        let seen = client.get(&format!("{path}/{file}?r=paid")).await;
        assert_eq!(seen.header("content-type"), kind);
        assert_eq!(seen.header("cache-control"), "no-store");
        let first: String = seen
            .body
            .iter()
            .take(4)
            .map(|byte| char::from(*byte))
            .collect();
        assert_eq!(first, start);
        assert_eq!(
            client.get(&format!("{path}/{file}")).await.status,
            StatusCode::NOT_FOUND
        );
    }
}

#[tokio::test]
async fn verification_answers_and_limits() {
    let mut client = Client::new(PHONE);
    for (number, code, status, words) in [
        ("0abc-def1-2345-678j", "7k3mq9", 200, "真实有效"),
        (fake::VOUCHER, "AAAA", 200, "查不到这张凭证"),
        ("0ABC-DEF1-2345-6780", "AAAA", 200, "凭证号不对"),
        (fake::VOUCHER, "", 200, "请输入校验码"),
        (fake::VOUCHER, "LIMIT", 429, "试的次数太多"),
    ] {
        let seen = client
            .post("/verify/result", &[("number", number), ("code", code)])
            .await;
        assert_eq!(seen.status.as_u16(), status, "{number} {code}");
        assert!(seen.html().contains(words), "{number} {code}");
    }
    assert!(client.get("/Q/VALID").await.html().contains("真实有效"));
    let keys = client.get("/verify/keys").await;
    assert_eq!(
        keys.header("content-type"),
        "application/json; charset=utf-8"
    );
}

#[tokio::test]
async fn records_take_receipts_and_settings_come_back() {
    let mut client = Client::new(PHONE);
    assert_eq!(
        client
            .post("/records", &[("receipt", " paid ")])
            .await
            .header("location"),
        "/records"
    );
    assert!(
        client
            .post("/records", &[("receipt", "x")])
            .await
            .html()
            .contains("没有找到这笔缴费")
    );
    assert_eq!(
        client
            .post("/records", &[("receipt", "many")])
            .await
            .status
            .as_u16(),
        429
    );
    let back = client
        .get("/prefs?size=xl&lang=en&theme=dark&back=/pay")
        .await;
    assert_eq!(back.header("location"), "/pay");
    let html = client.get("/pay").await.html();
    assert!(html.contains("<html lang=\"en\" data-size=\"xl\" data-theme=\"dark\">"));
    assert_eq!(
        client
            .get("/prefs?size=l&back=//evil.example")
            .await
            .header("location"),
        "/"
    );
    assert_eq!(client.get("/prefs?size=huge").await.status, StatusCode::OK);
}

#[tokio::test]
async fn machines_get_their_own_answers() {
    let mut client = Client::new(PHONE);
    let serial = [("Wechatpay-Serial", "A1")];
    for (path, body, headers, status, answer) in [
        (
            "/notify/wechat",
            "{}",
            serial.as_slice(),
            200,
            "{\"code\":\"SUCCESS\"}",
        ),
        ("/notify/wechat", "{}", &[], 401, "{\"code\":\"FAIL\"}"),
        ("/notify/alipay", "a=b", &[], 200, "success"),
        ("/notify/alipay", "", &[], 503, "fail"),
        ("/notify/gold", "{}", &[], 404, ""),
    ] {
        let seen = client
            .send(Verb::POST, path, Body::from(body), headers)
            .await;
        assert_eq!(
            (seen.status.as_u16(), seen.html().as_str()),
            (status, answer),
            "{path}"
        );
        assert_eq!(seen.header("set-cookie"), "", "no cookie for a channel");
    }
    let big = Body::from(vec![b'x'; 1024 * 1024 + 1]);
    let seen = client.send(Verb::POST, "/notify/alipay", big, &[]).await;
    assert_eq!(seen.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(client.get("/healthz").await.html(), "ok\n");
    assert_eq!(client.get("/readyz").await.html(), "{\"ready\":true}");
    assert!(
        client
            .get("/robots.txt")
            .await
            .html()
            .contains("Disallow: /o/")
    );
}

#[tokio::test]
async fn questions_are_turned_away_with_a_kind_page_while_payers_go_on() {
    let mut client = Client::new(PHONE);
    client.site = site_with(
        false,
        Bounds {
            questions: 0,
            ..Bounds::default()
        },
    );
    for (path, again) in [
        ("/", "href=\"/\""),
        ("/pay/person", "href=\"/pay/person\""),
        ("/v/0ABC?r=paid&x=1", "href=\"/v/0ABC?r=paid&amp;x=1\""),
    ] {
        let seen = client.get(path).await;
        assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(seen.header("retry-after"), "5", "{path}");
        assert_eq!(seen.header("cache-control"), "no-store", "{path}");
        assert!(seen.header("content-security-policy").contains("'none'"));
        assert!(seen.html().contains("没有扣款"), "{path}");
        assert!(seen.html().contains(again), "{path}: {}", seen.html());
    }
    let cookies = [("cookie", "jy_size=xl; jy_lang=en; jy_theme=dark")];
    let seen = client
        .send(Verb::GET, "/pay", Body::empty(), &cookies)
        .await;
    for sign in ["lang=\"en\"", "data-size=\"xl\"", "data-theme=\"dark\""] {
        assert!(seen.html().contains(sign), "{sign}");
    }
    let seen = client.send(Verb::HEAD, "/pay", Body::empty(), &[]).await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(seen.html(), "");
    let form = [("name", "x"), ("document", "y"), ("region", "z")];
    let seen = client.post("/pay/person", &form).await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(client.get("/o/paid").await.status, StatusCode::OK);
    let machine = client.get("/healthz").await;
    assert_eq!(machine.status, StatusCode::OK, "a probe is no visitor");
    client.site = site_with(
        false,
        Bounds {
            payments: 0,
            notices: 0,
            ..Bounds::default()
        },
    );
    assert_eq!(client.get("/").await.status, StatusCode::OK);
    let started = client.post("/pay/start", &[("method", "x")]).await;
    assert_eq!(started.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(started.html().contains("没有扣款"));
    let seen = client.get("/o/paid").await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!seen.html().contains("没有扣款"), "it may have been taken");
    let told = client.post("/notify/wechat", &[]).await;
    assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(told.header("retry-after"), "5", "the channel tells again");
}

#[tokio::test]
async fn whoever_is_answered_leaves_their_place_to_the_next() {
    let mut client = Client::new(PHONE);
    client.site = site_with(
        false,
        Bounds {
            questions: 1,
            payments: 1,
            ..Bounds::default()
        },
    );
    for _ in 0..3 {
        assert_eq!(client.get("/").await.status, StatusCode::OK);
        assert_eq!(client.get("/o/paid").await.status, StatusCode::OK);
        let pressed = client.post("/o/paid/cancel", &[]).await;
        assert_ne!(pressed.status, StatusCode::SERVICE_UNAVAILABLE);
    }
}

/// Who pressed has a turn, or waits at the door; while some wait nobody else is let in. A turn that
/// only waits for a channel is given up after a while.
#[tokio::test]
async fn payers_who_pressed_are_served_in_turn() {
    let mut client = Client::new(PHONE);
    client.site = site_with(
        false,
        Bounds {
            crowd: 2,
            ..Bounds::default()
        },
    );
    assert_eq!(client.get("/").await.status, StatusCode::OK);
    // More than there are turns; on a machine that stands still the first turns may be over when the
    // last begin, so there are some more to come.
    let (mut presses, mut turned_away) = (0, false);
    while presses < 3_600 && !turned_away {
        for _ in 0..20 {
            let press = Request::post("/o/hang/cancel").body(Body::empty()).unwrap();
            tokio::spawn(client.site.clone().oneshot(press));
            presses += 1;
        }
        tokio::task::yield_now().await;
        turned_away = client.get("/").await.status == StatusCode::SERVICE_UNAVAILABLE;
    }
    assert!(turned_away, "nobody waited for a turn");
    assert!(presses > 512, "{presses} are no more than there are turns");
    let served = async {
        while client.get("/").await.status != StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), served).await;
    assert!(in_time.is_ok(), "a channel that hangs keeps everybody out");
}
