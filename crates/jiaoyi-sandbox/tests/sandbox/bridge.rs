//! The OAuth pair, the bridge's check of a page's parameters, and the SMS gateway.

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use crate::wechat::{place, state};
use crate::world::{Told, World, merchant, sign, unique};

async fn authorize(world: &World, cookie: Option<&str>) -> Told {
    let appid = merchant("wechat", "appid");
    let path = format!(
        "/connect/oauth2/authorize?appid={appid}&redirect_uri=http%3A%2F%2Fshop.test%2Fme%3Fa%3D1&response_type=code&scope=snsapi_base&state=s1"
    );
    let mut request = world.http.get(format!("{}{path}", world.base));
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    world.send(request).await
}

async fn exchange(world: &World, code: &str) -> Value {
    let appid = merchant("wechat", "appid");
    world.get(&format!("/sns/oauth2/access_token?appid={appid}&secret=any&code={code}&grant_type=authorization_code")).await.json()
}

#[tokio::test]
async fn a_code_gives_an_openid_once_and_a_browser_stays_the_same_person() {
    let world = World::start().await;
    let told = authorize(&world, None).await;
    assert_eq!(told.status, 302);
    let location = told.header("location");
    assert!(
        location.starts_with("http://shop.test/me?a=1&code=") && location.ends_with("&state=s1")
    );
    let code = |location: &str| {
        location
            .split("code=")
            .nth(1)
            .unwrap()
            .split('&')
            .next()
            .unwrap()
            .to_owned()
    };
    let first = exchange(&world, &code(&location)).await;
    assert_eq!(first["openid"].as_str().unwrap().len(), 28);
    assert_eq!(exchange(&world, &code(&location)).await["errcode"], 40163);
    let cookie = told.header("set-cookie");
    let again = authorize(&world, cookie.split(';').next())
        .await
        .header("location");
    assert_eq!(
        exchange(&world, &code(&again)).await["openid"],
        first["openid"]
    );
    let other = authorize(&world, None).await.header("location");
    world.shift(301).await;
    assert_eq!(exchange(&world, &code(&other)).await["errcode"], 42003);
    assert_eq!(exchange(&world, "nonsense").await["errcode"], 40029);
    assert_eq!(
        world
            .get("/connect/oauth2/authorize?appid=wx1")
            .await
            .status,
        400
    );
    world.end().await;
}

fn invocation(world: &World, prepay_id: &str) -> Value {
    let (appid, time) = (
        merchant("wechat", "appid"),
        (world.now_ms() / 1_000).to_string(),
    );
    let (nonce, package) = (unique("n"), format!("prepay_id={prepay_id}"));
    let message = format!("{appid}\n{time}\n{nonce}\n{package}\n");
    json!({
        "appId": appid, "timeStamp": time, "nonceStr": nonce, "package": package, "signType": "RSA",
        "paySign": sign("wechat_merchant_key.pem", message.as_bytes()),
    })
}

#[tokio::test]
async fn the_bridge_opens_a_wallet_only_for_signed_parameters() {
    let world = World::start().await;
    let (number, told) = place(&world, "jsapi").await;
    let proper = invocation(&world, told["prepay_id"].as_str().unwrap());
    for (name, value) in [
        ("appId", json!("wx1")),
        ("timeStamp", json!(1)),
        ("nonceStr", json!("other")),
        ("package", json!("prepay_id=wx1")),
        ("signType", json!("MD5")),
        ("paySign", json!("AAAA")),
    ] {
        let mut changed = proper.clone();
        changed[name] = value;
        let told = world
            .post("/_sandbox/jsbridge/invoke", changed)
            .await
            .json();
        assert_eq!(told["err_msg"], "get_brand_wcpay_request:fail", "{name}");
    }
    let opened = world.post("/_sandbox/jsbridge/invoke", proper).await;
    assert_eq!(opened.header("access-control-allow-origin"), "*");
    let wallet = opened.json()["wallet"].as_str().unwrap().to_owned();
    let request = world
        .http
        .post(format!("{wallet}/act"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/json")
        .body("do=pay");
    assert_eq!(world.send(request).await.json()["result"], "paid");
    assert_eq!(state(&world, &number).await, "SUCCESS");
    let (_, told) = place(&world, "native").await;
    let wrong = invocation(&world, told["code_url"].as_str().unwrap());
    assert!(world.post("/_sandbox/jsbridge/invoke", wrong).await.json()["wallet"].is_null());
    let script = world.get("/_sandbox/jsbridge.js").await.text();
    assert!(script.contains(&world.base) && !script.contains("{{"));
    world.end().await;
}

#[tokio::test]
async fn a_text_message_is_taken_once_and_only_with_its_signature() {
    let world = World::start().await;
    let send = async |body: &Value, key: &str| {
        let text = body.to_string();
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        let tag = hmac::sign(&key, text.as_bytes());
        let request = world
            .http
            .post(format!("{}/sms/send", world.base))
            .header(
                "x-sms-signature",
                data_encoding::HEXLOWER.encode(tag.as_ref()),
            )
            .body(text);
        world.send(request).await
    };
    let key = merchant("sms", "key");
    let body = json!({ "to": "13800001234", "text": "验证码 000000", "id": "m1" });
    assert_eq!(send(&body, "wrong").await.status, 401);
    for _ in 0..2 {
        assert_eq!(send(&body, &key).await.status, 200);
    }
    let other = json!({ "to": "13800001234", "text": "另一条", "id": "m1" });
    assert_eq!(send(&other, &key).await.status, 409);
    assert_eq!(
        send(&json!({ "to": "nobody", "text": "x", "id": "m2" }), &key)
            .await
            .status,
        400
    );
    assert_eq!(
        send(
            &json!({ "to": "13900005678", "text": "<b>新</b>", "id": "m3" }),
            &key
        )
        .await
        .status,
        200
    );
    let list = world.get("/_sandbox/sms.json").await.json();
    let texts: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["<b>新</b>", "验证码 000000"], "newest first");
    let page = world.get("/_sandbox/sms").await.text();
    assert!(page.contains("138****1234") && !page.contains("13800001234"));
    assert!(page.contains("&lt;b&gt;"), "escaped");
    world.end().await;
}
