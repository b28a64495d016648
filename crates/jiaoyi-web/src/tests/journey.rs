//! Journeys without scripts, counted in taps, typed fields and bytes.

use super::{ALIPAY, Client, PHONE, Seen, WECHAT};
use crate::assets;
use axum::http::StatusCode;

/// Presses a page's button: the form with this action, its hidden fields, and what was typed.
async fn press(client: &mut Client, page: &Seen, action: &str, typed: &[(&str, &str)]) -> Seen {
    let html = page.html();
    let start = html
        .find(&format!("action=\"{action}\""))
        .unwrap_or_else(|| panic!("{action}"));
    let form = &html[start..start + html[start..].find("</form>").unwrap()];
    let mut fields: Vec<(String, String)> = Vec::new();
    for input in form.split("<input ").skip(1) {
        let tag = &input[..input.find('>').unwrap()];
        let value = |name: &str| {
            let at = tag.find(&format!("{name}=\""))? + name.len() + 2;
            tag[at..].split('"').next().map(str::to_owned)
        };
        let kind = value("type").unwrap();
        if kind == "hidden" || (kind == "radio" && tag.ends_with(" checked")) {
            fields.push((value("name").unwrap(), value("value").unwrap()));
        }
    }
    fields.extend(
        typed
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    client.post(action, &fields).await
}

fn location(seen: &Seen) -> String {
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.html());
    seen.header("location").to_owned()
}

const PERSON: [(&str, &str); 4] = [
    ("name", "王建国"),
    ("document_kind", "id_card"),
    ("document", "990102195203041237"),
    ("region", "青山"),
];

#[tokio::test]
async fn from_home_to_the_wallet_in_five_taps() {
    let mut client = Client::new(PHONE);
    let mut taps = 0;
    let mut tap = || taps += 1;
    assert!(client.get("/").await.html().contains("href=\"/pay\""));
    tap();
    assert!(
        client
            .get("/pay")
            .await
            .html()
            .contains("action=\"/pay/person\" method=\"get\"")
    );
    tap();
    let person = client.get("/pay/person?relation=self").await;
    tap();
    let found = press(&mut client, &person, "/pay/person", &PERSON).await;
    assert_eq!(location(&found), "/pay/check");
    let check = client.get("/pay/check").await;
    assert!(check.html().contains("信息正确，去支付 400.00 元"));
    tap();
    let chosen = press(&mut client, &check, "/pay/method", &[]).await;
    assert_eq!(location(&chosen), "/pay/method");
    let method = client.get("/pay/method").await;
    tap();
    let wallet = press(&mut client, &method, "/pay/start", &[]).await;
    assert_eq!(location(&wallet), "https://wallet.example/pay");
    assert_eq!(
        wallet.header("referrer-policy"),
        "strict-origin",
        "WeChat H5 wants our host"
    );
    assert_eq!(taps, 5);
    let css = assets::CSS.gzip.len();
    assert!(
        client.bytes + css <= 60 * 1024,
        "{} bytes even uncompressed",
        client.bytes + css
    );
}

/// UnionPay takes a form: its page leads on by itself, or by one tap without a script.
#[tokio::test]
async fn the_form_to_a_cashier_goes_by_a_page_of_ours() {
    let mut client = Client::new(PHONE);
    let fields = [
        ("bill_ref", "payable"),
        ("form_key", "k"),
        ("method", "unionpay_wap"),
    ];
    let started = client.post("/pay/start", &fields).await;
    assert_eq!(location(&started), "/o/topayform/pay");
    let page = client.get("/o/topayform/pay").await;
    let html = page.html();
    assert!(
        html.contains("400.00 元") && html.contains("王*国"),
        "{html}"
    );
    assert!(html.contains(&format!("src=\"{}\"", assets::FORWARD.path)));
    assert!(
        page.header("content-security-policy")
            .contains("script-src 'self'")
    );
    let action = "https://wallet.example/gateway/api/frontTransReq.do";
    assert!(html.contains(&format!("action=\"{action}\" method=\"post\"")));
    assert!(
        html.contains("value=\"{commodityName=&quot;城乡居民医保&quot;}\""),
        "{html}"
    );
    // The order's page offers the same form again, and without one there is nothing to send.
    let order = client.get("/o/topayform").await.html();
    assert!(order.contains(&format!("action=\"{action}\" method=\"post\"")));
    assert_eq!(location(&client.get("/o/paid/pay").await), "/o/paid");
}

#[tokio::test]
async fn the_first_page_is_small() {
    let mut client = Client::new(PHONE);
    let gzip = [("accept-encoding", "gzip, br")];
    let page = client
        .send(super::Verb::GET, "/", super::Body::empty(), &gzip)
        .await;
    assert_eq!(page.header("content-encoding"), "gzip");
    let css = client
        .send(
            super::Verb::GET,
            &assets::CSS.path,
            super::Body::empty(),
            &gzip,
        )
        .await;
    assert_eq!(
        css.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    let manifest = &assets::MANIFEST;
    let bytes = page.body.len() + css.body.len() + manifest.gzip.len();
    assert!(bytes <= 20 * 1024);
    let html = client.get("/").await.html();
    assert_eq!(
        html.matches("<link").count() + html.matches("<script").count(),
        3,
        "CSS, empty icon, manifest"
    );
}

/// What a browser wants before it offers to install: a name, a start inside the scope, a display of
/// its own, and an icon that is there.
#[tokio::test]
async fn the_portal_can_be_installed() {
    let mut client = Client::new(PHONE);
    let html = client.get("/").await.html();
    assert!(html.contains(&format!(
        r#"rel="manifest" href="{}""#,
        assets::MANIFEST.path
    )));
    let seen = client.get(&assets::MANIFEST.path).await;
    assert_eq!(seen.header("content-type"), "application/manifest+json");
    let told: serde_json::Value = serde_json::from_str(&seen.html()).unwrap();
    assert_eq!(told["display"], "standalone");
    assert_eq!(told["start_url"], "/");
    assert!(!told["name"].as_str().unwrap().is_empty());
    let icon = told["icons"][0]["src"].as_str().unwrap();
    let icon = client.get(icon).await;
    assert_eq!(icon.header("content-type"), "image/svg+xml");
    assert!(icon.html().contains("<svg"));
}

#[tokio::test]
async fn a_notice_link_needs_one_more_tap_in_alipay_and_two_in_a_browser() {
    let mut client = Client::new(ALIPAY);
    let check = client.get("/k/bill").await;
    let wallet = press(&mut client, &check, "/pay/start", &[]).await;
    assert_eq!(location(&wallet), "https://wallet.example/pay");

    let mut client = Client::new(PHONE);
    let check = client.get("/k/bill").await;
    assert!(check.html().contains("value=\"unstated\""));
    let chosen = press(&mut client, &check, "/pay/method", &[]).await;
    let method = client.get(&location(&chosen)).await;
    let wallet = press(&mut client, &method, "/pay/start", &[]).await;
    assert_eq!(location(&wallet), "https://wallet.example/pay");
}

#[tokio::test]
async fn a_notice_link_asks_the_birthday() {
    let mut client = Client::new(PHONE);
    let ask = client.get("/k/ask").await;
    assert!(ask.html().contains("王*国"));
    let wrong = press(&mut client, &ask, "/k/ask", &[("month", "5"), ("day", "6")]).await;
    assert!(wrong.html().contains("还可以试 4 次"));
    let slip = press(&mut client, &ask, "/k/ask", &[("month", "x"), ("day", "6")]).await;
    assert!(slip.html().contains("还可以试 5 次"), "a slip is no try");
    let right = press(
        &mut client,
        &ask,
        "/k/ask",
        &[("month", "3月"), ("day", "０4")],
    )
    .await;
    assert_eq!(location(&right), "/k/ask");
    assert_eq!(client.get("/k/shut").await.status, StatusCode::FORBIDDEN);
    assert_eq!(client.get("/k/gone").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn inside_wechat_the_openid_comes_without_a_tap_and_the_bridge_pays() {
    let mut client = Client::new(WECHAT);
    let away = client.get("/k/bill").await;
    let back = location(&away);
    assert!(back.starts_with("/wechat/back?code=code1&state="), "{back}");
    let forged = client.get("/wechat/back?code=code1&state=other").await;
    assert_eq!(forged.status, StatusCode::BAD_REQUEST);
    assert_eq!(location(&client.get(&back).await), "/k/bill");
    let check = client.get("/k/bill").await;
    let started = press(&mut client, &check, "/pay/start", &[]).await;
    assert_eq!(location(&started), "/o/topayjsapi");
    let order = client.get("/o/topayjsapi").await;
    let html = order.html();
    assert!(html.contains(&assets::BRIDGE.path) && html.contains("data-pay-sign=\"c2lnbmF0dXJl\""));
    assert!(
        order
            .header("content-security-policy")
            .contains("script-src 'self'")
    );
    let fallback = press(&mut client, &order, "/o/topayjsapi/switch", &[]).await;
    assert_eq!(
        location(&fallback),
        "/o/topayqr",
        "without the script the button leads to the QR code"
    );
}

#[tokio::test]
async fn a_region_with_several_hits_is_one_more_tap_in_the_same_form() {
    let mut client = Client::new(PHONE);
    let person = client.get("/pay/person").await;
    let mut fields = PERSON;
    fields[3] = ("region", "朝阳");
    let hits = press(&mut client, &person, "/pay/person", &fields).await;
    let html = hits.html();
    assert!(html.contains("value=\"990103\"") && html.contains("value=\"990201\""));
    assert!(html.contains("value=\"王建国\"") && html.contains("value=\"990102195203041237\""));
    let mut picked = fields.to_vec();
    picked.push(("pick", "990201"));
    let found = press(&mut client, &hits, "/pay/person", &picked).await;
    assert_eq!(location(&found), "/pay/check");

    let mut browse = fields.to_vec();
    browse.push(("browse", ""));
    let provinces = press(&mut client, &person, "/pay/person", &browse)
        .await
        .html();
    assert!(provinces.contains("name=\"browse\" value=\"990000\""));
    browse[4] = ("browse", "990100");
    let counties = press(&mut client, &person, "/pay/person", &browse)
        .await
        .html();
    assert!(counties.contains("name=\"pick\" value=\"990102\""));
    assert!(
        counties.contains("value=\"王建国\""),
        "nothing typed is lost"
    );
}

#[tokio::test]
async fn coming_back_to_change_keeps_name_and_region_but_not_the_document() {
    let mut client = Client::new(PHONE);
    let person = client.get("/pay/person").await;
    press(&mut client, &person, "/pay/person", &PERSON).await;
    let html = client.get("/pay/person?change=1").await.html();
    assert!(html.contains("value=\"王建国\"") && html.contains("value=\"演示省 演示市 青山县\""));
    assert!(!html.contains("990102195203041237") && html.contains("证件号码要再输一次"));
}

#[tokio::test]
async fn the_waiting_page_loads_itself_and_rests_after_a_minute() {
    let mut client = Client::new(PHONE);
    let mut path = "/o/confirming".to_owned();
    let mut waits = Vec::new();
    loop {
        let page = client.get(&path).await;
        assert!(
            !page.html().contains("http-equiv"),
            "by header, so that readers can stop it"
        );
        let refresh = page.header("refresh");
        if refresh.is_empty() {
            assert!(page.html().contains("已停止自动更新"));
            break;
        }
        let (after, next) = refresh.split_once("; url=").unwrap();
        waits.push(after.parse::<u32>().unwrap());
        path = next.to_owned();
    }
    assert_eq!(waits, [[3; 10].as_slice(), [10; 3].as_slice()].concat());
    assert_eq!(
        location(&client.get("/o/topaylink/back?total_amount=9").await),
        "/o/topaylink?n=1"
    );
    assert!(
        client
            .get("/o/topaylink?n=1")
            .await
            .html()
            .contains("还没有收到付款结果")
    );
}
