//! Institutions keep their own keys through a link (G4), in a browser that knows the pages only.

use super::Bank;
use crate::harness::{MINUTE, Page, Payer, SECOND, World, person};
use jiaoyi_crypto::{CallScheme, CallSigner};
use jiaoyi_domain::decide::CloseAccessLink;
use jiaoyi_domain::record::Record;
use jiaoyi_domain::time::DAY_MS;
use std::sync::Arc;

/// The page of an institution in the browser of one of its people.
pub(super) struct Desk {
    browser: Payer,
    path: String,
}

impl Desk {
    async fn open(world: &World, inst_id: &str) -> Desk {
        let link = world.platform.make_access_link(inst_id, 30).await;
        Desk::open_at(world, &link.expect("a link")).await
    }

    /// Opens the page on this device, which holds the link from then on.
    pub(super) async fn open_at(world: &World, link: &str) -> Desk {
        let path = link.strip_prefix(&world.portal).expect("of ours");
        let mut desk = Desk {
            browser: Payer::new(world),
            path: path.to_owned(),
        };
        desk.page().await.says("在这台设备上打开");
        desk.press("open", &[]).await;
        desk
    }

    pub(super) async fn page(&mut self) -> Page {
        self.browser.get(&self.path).await
    }

    /// Presses a button, with what was typed.
    pub(super) async fn press(&mut self, button: &str, typed: &[(&str, &str)]) -> Page {
        let page = self.page().await;
        let mut form = page.need_form(&self.path);
        form.fields.clear();
        form.set("do", button);
        for (name, value) in typed {
            form.set(name, value);
        }
        self.browser.post(&page, &form).await
    }
}

fn public_pem(scheme: CallScheme) -> (Arc<CallSigner>, String) {
    let drawn = CallSigner::draw(scheme, &mut |bytes| bytes.fill(9));
    let signer = Arc::new(drawn.expect("a key is drawn"));
    let pem = signer.public_pem();
    (signer, pem)
}

/// Whether the institution's calls are answered.
async fn is_known(world: &World, bank: &Bank) -> bool {
    let reply = bank.query(world, &person(1, world.people[0].region)).await;
    assert!(
        matches!(
            (reply.status, reply.json["code"].as_str()),
            (200, _) | (401, Some("UNKNOWN_KEY"))
        ),
        "{}",
        reply.text
    );
    reply.status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_handed_in_and_ended_by_their_owner() {
    let world = World::new().await;
    let mut bank = Bank::new(&world, "BANK01", CallScheme::Sm2).await;
    let mut desk = Desk::open(&world, "BANK01").await;
    desk.page().await.says("演示银行").says("生效中");
    let (signer, pem) = public_pem(CallScheme::Sm2);
    bank.key_id = "k2".to_owned();
    bank.signer = signer;
    assert!(!is_known(&world, &bank).await);
    let done = desk.press("add", &[("key_id", "k2"), ("pem", &pem)]).await;
    done.says("公钥已登记").says("k2");
    assert!(
        is_known(&world, &bank).await,
        "at once on a test installation"
    );
    // Both hold: that is what rotation needs.
    let old = Bank {
        key_id: "k1".to_owned(),
        signer: super::signer(CallScheme::Sm2),
        ..bank.clone()
    };
    assert!(is_known(&world, &old).await);
    desk.press("revoke", &[("key_id", "k1")])
        .await
        .says("公钥已停用");
    assert!(!is_known(&world, &old).await && is_known(&world, &bank).await);
    world.holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drawn_pair_is_shown_once_and_signs() {
    let world = World::new().await;
    let mut bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let mut desk = Desk::open(&world, "BANK01").await;
    let typed = [("draw_id", "k2"), ("scheme", "BILLER1-RSA2048-SHA256")];
    let drawn = desk.press("draw", &typed).await;
    let private = drawn.text.split("-----BEGIN PRIVATE KEY-----").nth(1);
    let private = private.and_then(|rest| rest.split("-----END PRIVATE KEY-----").next());
    let private = format!(
        "-----BEGIN PRIVATE KEY-----{}-----END PRIVATE KEY-----\n",
        private.expect("it is shown")
    );
    let signer = CallSigner::parse(CallScheme::Rsa, &private);
    bank.signer = Arc::new(signer.expect("it can be read"));
    bank.key_id = "k2".to_owned();
    assert!(is_known(&world, &bank).await);
    assert!(!desk.page().await.text.contains("PRIVATE KEY"));
    // The button pressed twice draws nothing more.
    let again = desk.press("draw", &typed).await;
    again.says("用过了");
    assert!(!again.text.contains("PRIVATE KEY"));
    world.holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_key_is_refused_in_words() {
    let world = World::new().await;
    Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let mut desk = Desk::open(&world, "BANK01").await;
    let (signer, pem) = public_pem(CallScheme::Rsa);
    let yesterday = world.now().plus_ms(-DAY_MS).date().to_string();
    for (key_id, key, from, words) in [
        ("k2", "nonsense", "", "这不是公钥"),
        ("k2", signer.secret(), "", "这是私钥"),
        ("k 2", pem.as_str(), "", "密钥编号只能用"),
        ("", pem.as_str(), "", "密钥编号只能用"),
        ("k1", pem.as_str(), "", "用过了"),
        ("k2", pem.as_str(), "yesterday", "生效日期写成"),
        ("k2", pem.as_str(), yesterday.as_str(), "生效日期写成"),
    ] {
        let typed = [("key_id", key_id), ("pem", key), ("from", from)];
        let told = desk.press("add", &typed).await;
        told.says("请改正").says(words);
    }
    desk.press("revoke", &[("key_id", "k9")])
        .await
        .says("没有这个公钥");
    desk.press("test", &[]).await.says("还没有接收地址");
    let url = [("url", "http://192.0.2.7/events")];
    desk.press("webhook", &url).await.says("不能发到这个地址");
    let odd = desk.press("other", &[]).await;
    assert_eq!(odd.status, 400, "{}", odd.words());
    world.holds().await;
}

/// A signature does not name its institution: under two names one key would sign calls of both.
#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_another_institution_is_refused() {
    let world = World::new().await;
    Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    Bank::new(&world, "BANK02", CallScheme::Sm2).await;
    let mut desk = Desk::open(&world, "BANK02").await;
    let theirs = super::signer(CallScheme::Rsa).public_pem();
    let typed = [("key_id", "k2"), ("pem", theirs.as_str())];
    desk.press("add", &typed)
        .await
        .says("这个公钥属于另一家机构");
    assert!(!desk.page().await.text.contains("k2"));
    // Its own is taken again, under another id.
    let own = super::signer(CallScheme::Sm2).public_pem();
    let typed = [("key_id", "k2"), ("pem", own.as_str())];
    desk.press("add", &typed).await.says("公钥已登记");
    // What the other has ended is nobody's.
    let mut other = Desk::open(&world, "BANK01").await;
    other
        .press("revoke", &[("key_id", "k1")])
        .await
        .says("公钥已停用");
    world.turn(SECOND);
    let typed = [("key_id", "k3"), ("pem", theirs.as_str())];
    desk.press("add", &typed).await.says("公钥已登记");
    world.holds().await;
}

/// A link that says the same under another signature: its last letter but two is another.
fn with_another_end(path: &str) -> String {
    let (head, tail) = path.split_at(path.len() - 3);
    let other = if tail.starts_with('A') { "B" } else { "A" };
    format!("{head}{other}{}", &tail[1..])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_on_one_device_until_it_ends() {
    let world = World::new().await;
    Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let mut desk = Desk::open(&world, "BANK01").await;
    let mut other = Desk {
        browser: Payer::new(&world),
        path: desk.path.clone(),
    };
    let page = other.page().await;
    page.says("已在别的设备上打开");
    assert_eq!(page.status, 403);
    // Nor does a form sent without having seen the page.
    let (_, pem) = public_pem(CallScheme::Rsa);
    let (pem, path) = (
        form_urlencoded::byte_serialize(pem.as_bytes()).collect::<String>(),
        other.path.clone(),
    );
    for body in ["do=open".to_owned(), format!("do=add&key_id=k7&pem={pem}")] {
        let page = other.browser.go(&path, Some(body)).await;
        assert_eq!(page.status, 403, "{}", page.words());
    }
    assert!(!desk.page().await.text.contains("k7"));
    for link in world.platform.access_links("BANK01").await.expect("links") {
        let (link, at) = (link.key(), world.now());
        let closed = world.platform.submit(CloseAccessLink { link, at }).await;
        closed.expect("it ends");
    }
    world.turn(SECOND);
    assert_eq!(desk.page().await.status, 404);
    // Nor does a link past its time open, nor one that somebody made up.
    let mut late = Desk::open(&world, "BANK01").await;
    world.turn(30 * DAY_MS + MINUTE);
    assert_eq!(late.page().await.status, 404);
    let known = Desk::open(&world, "BANK01").await.path;
    for forged in [format!("{known}x"), with_another_end(&known)] {
        let page = late.browser.get(&forged).await;
        assert_eq!(page.status, 404, "{forged}: {}", page.words());
    }
    world.holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_for_real_money_wait_a_day() {
    let world = World::new().await;
    let live = |row: &mut jiaoyi_domain::institution::Institution| row.live = true;
    Bank::with(&world, "BANK02", CallScheme::Rsa, live).await;
    let mut desk = Desk::open(&world, "BANK02").await;
    let typed = [("draw_id", "k2"), ("scheme", "BILLER1-SM2-SM3")];
    desk.press("draw", &typed).await.says("请自己生成");
    let (_, pem) = public_pem(CallScheme::Sm2);
    let done = desk.press("add", &[("key_id", "k2"), ("pem", &pem)]).await;
    done.says("公钥已登记").says("未到生效时间");
    world.turn(DAY_MS - MINUTE);
    desk.page().await.says("未到生效时间");
    world.turn(2 * MINUTE);
    let later = desk.page().await;
    assert!(!later.text.contains("未到生效时间"), "{}", later.words());
    world.holds().await;
}
