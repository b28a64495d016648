//! The front ends before a tiny platform: every step of each, and whose the money is in the end.

use serde_json::{Value, json};

use crate::platform::{AMOUNT_FEN, Platform};
use crate::world::{Told, World};

const FRONTS: [&str; 8] = [
    "a1",
    "a2",
    "a3",
    "a4",
    "a7-atm",
    "a7-kiosk",
    "a12-app",
    "a12-station",
];

/// A person before one front end.
pub struct Payer<'a> {
    world: &'a World,
    address: String,
}

impl Payer<'_> {
    async fn post(world: &World, path: &str, fields: &[(&str, &str)]) -> Told {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = world.http.post(format!("{}{path}", world.base));
        let kind = "application/x-www-form-urlencoded";
        world
            .send(request.header("content-type", kind).body(body))
            .await
    }

    /// Begins a visit and makes every tap.
    pub async fn arrive<'a>(world: &'a World, slug: &str) -> Payer<'a> {
        let start = world.get(&format!("/front/{slug}")).await;
        assert!(start.text().contains("演示环境：不是真的缴费"), "{slug}");
        let fields = [
            ("do", "begin"),
            ("user", "13900000001"),
            ("caller", "来电人"),
            ("caller_phone", "13900000002"),
            ("consent", "yes"),
        ];
        let begun = Payer::post(world, &format!("/front/{slug}"), &fields).await;
        assert_eq!(begun.status, 303, "{slug}: {}", begun.text());
        let mut next = begun.header("location");
        let address = next.split('?').next().unwrap().to_owned();
        loop {
            let page = world.get(&next).await;
            assert_eq!(page.status, 200, "{next}");
            let text = page.text();
            let Some(link) = text.split("?tap=").nth(1) else {
                return Payer { world, address };
            };
            next = format!("{address}?tap={}", link.split('"').next().unwrap());
        }
    }

    /// Does one thing and gives the page that follows.
    async fn act(&self, fields: &[(&str, &str)]) -> String {
        let done = Payer::post(self.world, &self.address, fields).await;
        assert_eq!(done.status, 303, "{fields:?}: {}", done.text());
        self.page().await
    }

    async fn page(&self) -> String {
        let page = self.world.get(&self.address).await;
        assert_eq!(page.status, 200, "{}", page.text());
        page.text()
    }

    async fn find(&self, name: &str) -> String {
        let kind = "城乡居民基本医疗保险";
        let fields = [
            ("do", "find"),
            ("name", name),
            ("id_no", "990101195001011239"),
            ("region", "990101"),
            ("relation", "other"),
            ("kind", kind),
        ];
        self.act(&fields).await
    }

    /// From the form to the button that pays.
    async fn reach(&self) -> String {
        let mut page = self.find("王桂兰").await;
        if page.contains("value=\"open\"") {
            page = self.act(&[("do", "open"), ("which", "0")]).await;
        }
        assert!(
            page.contains("400.00 元") && page.contains("王*兰"),
            "{page}"
        );
        if page.contains("value=\"collect\"") {
            page = self.act(&[("do", "collect")]).await;
            assert!(page.contains("账单已锁定到"), "{page}");
        }
        page
    }

    pub async fn pay(&self, mishap: &str) -> String {
        let page = self.reach().await;
        let means = page.split("name=\"means\" value=\"").nth(1).unwrap();
        let means = means.split('"').next().unwrap().to_owned();
        self.act(&[("do", "pay"), ("means", &means), ("mishap", mishap)])
            .await
    }
}

async fn totals(world: &World, inst_id: &str) -> Value {
    world.get("/_sandbox/front/books").await.json()["totals"][inst_id].clone()
}

/// Money is the platform's, or the payer's again, or still held: nothing is lost between.
async fn adds_up(world: &World, platform: &Platform) {
    let books = world.get("/_sandbox/front/books").await.json();
    let sum = |name: &str| -> u64 {
        let all = books["totals"].as_object().unwrap().values();
        all.map(|own| own[name].as_u64().unwrap()).sum()
    };
    assert_eq!(
        sum("taken_fen"),
        sum("paid_fen") + sum("returned_fen") + sum("held_fen"),
        "{books}"
    );
    assert_eq!(
        sum("paid_fen"),
        platform.paid() as u64 * AMOUNT_FEN,
        "{books}"
    );
    assert_eq!(sum("held_fen"), 0, "{books}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_leads_from_the_first_tap_to_a_receipt() {
    let platform = Platform::open().await;
    let world = World::before(&platform.url).await;
    let index = world.get("/front").await.text();
    for (n, slug) in FRONTS.into_iter().enumerate() {
        assert!(index.contains(&format!("/front/{slug}\"")), "{slug}");
        let payer = Payer::arrive(&world, slug).await;
        let page = payer.pay("").await;
        assert!(
            page.contains("缴费成功") && page.contains("平台回执号"),
            "{slug}: {page}"
        );
        assert_eq!(platform.paid(), n + 1, "{slug}");
        assert_eq!(platform.locked(), 0, "{slug}");
    }
    adds_up(&world, &platform).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_the_money_is_in_one_place() {
    // Front end, mishap, what the page says, whether it is paid.
    let cases = [
        ("a4", "lose_answer", "缴费成功", true),
        ("a4", "lose_request", "以后也不会收", false),
        ("a4", "late", "以后也不会收", false),
        ("a4", "forged_answer", "缴费成功", true),
        ("a4", "clock_off", "以后也不会收", false),
        ("a4", "duplicate", "缴费成功", true),
        ("a7-atm", "lose_answer", "没有缴成，已冲正", false),
        ("a7-atm", "lose_request", "没有缴成，已冲正", false),
        ("a7-atm", "late", "没有缴成，已冲正", false),
        ("a7-atm", "jam", "没有缴成，已冲正", false),
        ("a12-station", "twice", "缴费成功", true),
        ("a12-station", "wrong_amount", "AMOUNT_MISMATCH", false),
    ];
    for (slug, mishap, words, paid) in cases {
        let platform = Platform::open().await;
        let world = World::before(&platform.url).await;
        let page = Payer::arrive(&world, slug).await.pay(mishap).await;
        assert!(page.contains(words), "{slug} {mishap}: {page}");
        assert_eq!(platform.paid(), usize::from(paid), "{slug} {mishap}");
        let back = page.contains("已原路退回") || page.contains("现金已当面退还");
        assert_eq!(back, !paid, "{slug} {mishap}: {page}");
        adds_up(&world, &platform).await;
        if mishap == "late" {
            world.shift(60).await;
            let arrived = async || {
                let books = world.get("/_sandbox/front/books").await.json();
                books["late_answers"].as_array().unwrap().first().cloned()
            };
            let answer = until(arrived).await;
            assert!(
                answer[1].as_str().unwrap().contains("TOMBSTONE"),
                "{answer}"
            );
            assert_eq!(platform.paid(), 0, "what was given back is never taken");
        }
        world.end().await;
    }
}

async fn until<T>(look: impl AsyncFn() -> Option<T>) -> T {
    for _ in 0..200 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("it never came");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_asked_about_until_it_is_known() {
    let platform = Platform::open().await;
    let world = World::before(&platform.url).await;
    for at in ["pay", "reverse"] {
        let fault = json!({ "code": "A7", "at": at, "do": "lose_answer" });
        assert_eq!(world.post("/_sandbox/front/fault", fault).await.status, 200);
    }
    let payer = Payer::arrive(&world, "a7-atm").await;
    let page = payer.pay("").await;
    assert!(
        page.contains("还在确认") && page.contains("请不要再付一次"),
        "{page}"
    );
    assert_eq!(totals(&world, "SIM-A7").await["held_fen"], AMOUNT_FEN);
    // The day does not end over it unless the machine is heard.
    let fault = json!({ "code": "A7", "at": "reverse", "do": "lose_request" });
    world.post("/_sandbox/front/fault", fault).await;
    let day = json!({ "code": "A7", "day": "2026-11-22" });
    let hangs = world.post("/_sandbox/front/day", day.clone()).await;
    assert_eq!(
        (hangs.status, hangs.code().as_str()),
        (409, "front.day_hangs")
    );
    world.shift(60).await;
    let page = until(async || {
        let page = payer.page().await;
        page.contains("已冲正").then_some(page)
    })
    .await;
    assert!(page.contains("现金已当面退还"), "{page}");
    // The same reversal each time, under one serial number.
    let calls = platform.calls();
    let verbs: Vec<&str> = calls.iter().map(|(verb, _)| verb.as_str()).collect();
    assert_eq!(verbs, ["query", "collect", "pay", "reverse", "reverse"]);
    assert_eq!(calls[3], calls[4]);
    adds_up(&world, &platform).await;
    let ended = world.post("/_sandbox/front/day", day).await;
    assert_eq!(
        ended.json()["answer"]["state"],
        "BALANCED",
        "{}",
        ended.text()
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bill_that_others_pay_meanwhile_costs_nothing_twice() {
    let platform = Platform::open().await;
    let world = World::before(&platform.url).await;
    for slug in ["a1", "a7-kiosk"] {
        let payer = Payer::arrive(&world, slug).await;
        let page = payer.find("王桂兰").await;
        let bill = platform.last_bill();
        platform.pay_elsewhere(&bill);
        let page = if page.contains("value=\"collect\"") {
            payer.act(&[("do", "collect")]).await
        } else {
            payer.act(&[("do", "pay"), ("means", "balance")]).await
        };
        assert!(page.contains("已经有人缴过了"), "{slug}: {page}");
    }
    assert_eq!(totals(&world, "SIM-A1").await["returned_fen"], AMOUNT_FEN);
    assert_eq!(
        totals(&world, "SIM-A7").await["taken_fen"],
        0,
        "no note was swallowed"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_remembered_and_callers_are_on_record() {
    let platform = Platform::open().await;
    let world = World::before(&platform.url).await;
    let payer = Payer::arrive(&world, "a4").await;
    assert!(payer.find("无名").await.contains("没有查到"));
    assert!(!payer.act(&[("do", "anew")]).await.contains("查询这个人"));
    payer.find("王桂兰").await;
    let again = Payer::arrive(&world, "a4").await;
    assert!(again.page().await.contains("查询这个人"));
    let page = again.act(&[("do", "bound"), ("which", "0")]).await;
    assert!(page.contains("应缴账单"), "{page}");

    let refused = [("do", "begin"), ("user", "S0001"), ("caller", "来电人")];
    let page = Payer::post(&world, "/front/a12-hotline", &refused).await;
    assert!(page.text().contains("CONSENT_MISSING"), "{}", page.text());
    Payer::arrive(&world, "a12-hotline").await.pay("").await;
    let office = world.get("/front/office/A12").await.text();
    assert!(office.contains("代 来电人 办理"), "{office}");
    let sms = world.get("/_sandbox/sms.json").await.text();
    assert!(sms.contains("13900000002") && sms.contains("已缴"), "{sms}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_payment_frees_the_bill_and_a_clerk_undoes_a_payment() {
    let platform = Platform::open().await;
    let world = World::before(&platform.url).await;
    let payer = Payer::arrive(&world, "a12-station").await;
    payer.reach().await;
    assert_eq!(platform.locked(), 1);
    let page = payer.act(&[("do", "cancel")]).await;
    assert!(page.contains("已取消"), "{page}");
    assert_eq!(platform.locked(), 0);
    // Who waits too long before the drawer locks it again; no money was taken.
    payer.reach().await;
    world.shift(601).await;
    let page = payer.act(&[("do", "pay"), ("means", "cash")]).await;
    assert!(page.contains("锁定已经到时"), "{page}");
    assert_eq!(totals(&world, "SIM-A12").await["taken_fen"], 0);
    world.shift(0).await;
    let page = payer.pay("").await;
    assert!(page.contains("缴费成功"), "{page}");
    let slip = world.get(&format!("{}?slip=1", payer.address)).await.text();
    assert!(
        slip.contains("缴费回单") && slip.contains("不作凭证"),
        "{slip}"
    );
    let page = payer.act(&[("do", "undo")]).await;
    assert!(
        page.contains("没有缴成，已冲正") && page.contains("现金已当面退还"),
        "{page}"
    );
    adds_up(&world, &platform).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_platform_nothing_is_taken() {
    let world = World::start().await;
    let payer = Payer::arrive(&world, "a3").await;
    let page = payer.find("王桂兰").await;
    assert!(
        page.contains("没有收钱") && page.contains("NO_ANSWER"),
        "{page}"
    );
    let other = world.get("/front/a3/nothing").await;
    assert_eq!(other.status, 410);
    world.end().await;
}
