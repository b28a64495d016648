//! What a payer can show afterwards: vouchers, receipts, notice links, public verification.

use crate::harness::{Channel, HOUR, Page, Payer, Person, Setup, World};
use jiaoyi_app::limits::Budgets;
use jiaoyi_crypto::sealing::Cipher;
use jiaoyi_crypto::voucher::verify_voucher;
use jiaoyi_crypto::{Algorithm, Keyring, PublicKeys};
use jiaoyi_documents::find_qr_text;
use jiaoyi_domain::due::Due;
use jiaoyi_domain::record::Record;
use jiaoyi_domain::roster::Person as PersonRow;

/// What stands on a voucher's page.
struct Shown {
    link: String,
    number: String,
    code: String,
    /// The order's page, which is also the receipt link.
    order: String,
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split(before).nth(1).unwrap_or_default();
    rest.split(after).next().unwrap_or_default()
}

async fn paid(world: &World, payer: &mut Payer, person: &Person) -> Shown {
    let order = payer.pay(world, person, Channel::Alipay).await;
    let link = order.link("/v/").expect("a link to the voucher");
    let voucher: Page = payer.get(&link).await;
    let code = between(&voucher.text, "data-check-code=\"", "\"").to_owned();
    assert!(!code.is_empty(), "{}", voucher.words());
    Shown {
        number: between(&link, "/v/", "?").to_owned(),
        code,
        order: order.url.clone(),
        link,
    }
}

async fn notice_link(world: &World, person: &Person) -> String {
    let due = world.due(person).await;
    format!("/k/{}", world.platform.notice_token(&due.key()))
}

async fn answer(payer: &mut Payer, page: &Page, month: i8, day: i8) -> Page {
    let mut form = page.need_form("/k/");
    form.set("month", &month.to_string());
    form.set("day", &day.to_string());
    payer.post(page, &form).await
}

/// The QR text of PDF and PNG verifies offline with the published keys, and not when it is changed.
#[tokio::test(flavor = "multi_thread")]
async fn voucher_verifies_online_and_offline() {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let shown = paid(&world, &mut payer, &person).await;
    let query = shown.link.split('?').nth(1).expect("a query");
    let (status, _, pdf) = payer
        .send(&format!("/v/{}/pdf?{query}", shown.number), None)
        .await;
    assert_eq!(status, 200);
    let (status, _, png) = payer
        .send(&format!("/v/{}/png?{query}", shown.number), None)
        .await;
    assert_eq!(status, 200);
    let text = find_qr_text(&pdf).expect("the PDF carries its text");
    assert_eq!(find_qr_text(&png).as_deref(), Some(text.as_str()));

    let keys = payer.get("/verify/keys").await;
    let keys = PublicKeys::parse(&keys.text).expect("published keys");
    let claims = verify_voucher(&text, &keys).expect("a true voucher");
    assert_eq!(claims.voucher_no.as_str(), shown.number);
    assert_eq!(claims.amount.get(), 40_000);
    let place = text.len() - 20;
    let other = if &text[place..=place] == "A" {
        "B"
    } else {
        "A"
    };
    let mut changed = text.clone();
    changed.replace_range(place..=place, other);
    assert!(
        verify_voucher(&changed, &keys).is_err(),
        "one character changed"
    );

    let scanned = text.split("/Q/").nth(1).expect("the text of the QR code");
    let mut anybody = Payer::new(&world);
    anybody.get(&format!("/Q/{scanned}")).await.says("真实有效");
    let scanned = changed
        .split("/Q/")
        .nth(1)
        .expect("the text of the QR code");
    anybody
        .get(&format!("/Q/{scanned}"))
        .await
        .says("不是真的凭证");
    world.settles().await;
}

/// Public verification by number and check code shows no document and no full name.
#[tokio::test(flavor = "multi_thread")]
async fn verification_by_number_and_code() {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let shown = paid(&world, &mut payer, &person).await;
    let mut anybody = Payer::new(&world);
    let asked = anybody.get("/verify").await;
    let mut form = asked.need_form("/verify/result");
    form.set("number", &shown.number);
    form.set("code", &shown.code);
    let told = anybody.post(&asked, &form).await;
    told.says("真实有效").says("400.00");
    assert!(!told.text.contains(&person.name));
    assert!(!told.text.contains(&person.id[..4]));
    form.set("code", "000000");
    anybody.post(&asked, &form).await.says("查不到这张凭证");
    // The voucher itself needs the code or the receipt link.
    let bare = anybody.get(&format!("/v/{}", shown.number)).await;
    assert!(!bare.text.contains("400.00"), "{}", bare.words());
    let by_code = anybody
        .get(&format!("/v/{}?c={}", shown.number, shown.code))
        .await;
    by_code.says("有效").says("400.00");
    world.settles().await;
}

/// Five wrong check codes an hour: then even the right one waits.
#[tokio::test(flavor = "multi_thread")]
async fn check_codes_cannot_be_guessed() {
    let mut world = World::with(Setup {
        budgets: Budgets {
            wrong_codes_per_number_hour: 5,
            ..Setup::default().budgets
        },
        ..Setup::default()
    })
    .await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let shown = paid(&world, &mut payer, &person).await;
    let mut anybody = Payer::new(&world);
    let path = |code: &str| format!("/v/{}?c={code}", shown.number);
    for guess in 0..5 {
        let page = anybody.get(&path(&format!("00000{guess}"))).await;
        assert_eq!(page.status, 404, "{}", page.words());
    }
    let refused = anybody.get(&path(&shown.code)).await;
    assert_eq!(refused.status, 429, "{}", refused.words());
    payer.get(&shown.link).await.says("有效");
    world.turn(2 * HOUR);
    anybody.get(&path(&shown.code)).await.says("有效");
    world.settles().await;
}

/// The receipt link on another device: the order and its voucher, but nothing to cancel.
#[tokio::test(flavor = "multi_thread")]
async fn receipt_link_on_another_device() {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let shown = paid(&world, &mut payer, &person).await;
    let mut other = Payer::new(&world);
    assert!(other.get("/records").await.link("/o/").is_none());
    let records = other.get("/records").await;
    let mut form = records.need_form("/records");
    form.set("receipt", &shown.order);
    let added = other.post(&records, &form).await;
    let link = added.link("/o/").expect("it is in the list now");
    other.get(&link).await.is("order.paid");
    form.set("receipt", "JO0000000000000000000X");
    let unknown = other.post(&records, &form).await;
    unknown.says("没有找到这笔缴费");
    world.settles().await;
}

/// A notice link asks for the birthday once on each device, then leads to the bill and the wallet.
#[tokio::test(flavor = "multi_thread")]
async fn notice_link_asks_for_the_birthday_once() {
    let mut world = World::new().await;
    let person = world.people[3].clone();
    let link = notice_link(&world, &person).await;
    let mut payer = Payer::new(&world);
    let asked = payer.get(&link).await;
    assert!(!asked.text.contains(&person.name) && !asked.text.contains("400.00"));
    let (month, day) = (person.birth.month(), person.birth.day());
    let wrong = answer(&mut payer, &asked, month % 12 + 1, day).await;
    assert!(!wrong.text.contains("400.00"), "{}", wrong.words());
    let bill = answer(&mut payer, &wrong, month, day).await;
    bill.says("400.00");
    assert!(!bill.text.contains(&person.name), "the name stays masked");
    payer.get(&link).await.says("400.00");
    Payer::new(&world).get(&link).await.need_form("/k/");
    let methods = payer.choose(&bill).await;
    let page = payer.start(&methods, Channel::Wechat).await;
    let wallet = world.wallet(page).await;
    payer.press(&wallet, "pay").await;
    payer.order(&wallet.order).await.is("order.paid");
    world.settles().await;
}

/// Five wrong birthdays shut the link for everybody, also for the right one.
#[tokio::test(flavor = "multi_thread")]
async fn notice_link_shuts_after_five_wrong_birthdays() {
    let mut world = World::new().await;
    let person = world.people[3].clone();
    let link = notice_link(&world, &person).await;
    let mut payer = Payer::new(&world);
    let asked = payer.get(&link).await;
    let (month, day) = (person.birth.month(), person.birth.day());
    for _ in 0..5 {
        answer(&mut payer, &asked, month % 12 + 1, day).await;
    }
    let right = answer(&mut payer, &asked, month, day).await;
    assert!(!right.text.contains("400.00"), "{}", right.words());
    let other = Payer::new(&world).get(&link).await;
    assert!(other.form("/k/").is_none(), "{}", other.words());
    // The person page still pays.
    payer
        .pay(&world, &person, Channel::Alipay)
        .await
        .is("order.paid");
    world.settles().await;
}

/// A passport shows no birthday that could be asked for: the link alone opens nothing.
#[tokio::test(flavor = "multi_thread")]
async fn notice_link_without_a_birthday_opens_nothing() {
    let mut world = World::new().await;
    let text = "姓名,证件类型,身份证号,参保地,人员类别\r\n王国,护照,E99012345,990101,resident\r\n";
    let report = world.import_text(text, 2, false).await.expect("it reads");
    assert_eq!(report.rows_good, 1, "{report:?}");
    let people: Vec<PersonRow> = world.platform.store.all().await.expect("it reads");
    let person = people.iter().find(|row| row.birthday_hmac.is_none());
    let person = person.expect("the holder of the passport");
    let dues: Vec<Due> = world.platform.store.all().await.expect("it reads");
    let due = dues.iter().find(|due| due.person_id == person.person_id);
    let token = world.platform.notice_token(&due.expect("a due").key());
    let page = Payer::new(&world).get(&format!("/k/{token}")).await;
    assert_eq!(page.status, 404);
    page.says("可以用姓名和证件号码查");
    assert!(!page.text.contains("400.00") && !page.text.contains("王*"));
    world.settles().await;
}

/// A link that was cut or made up leads nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn made_up_links_lead_nowhere() {
    let mut world = World::new().await;
    let person = world.people[3].clone();
    let link = notice_link(&world, &person).await;
    let mut payer = Payer::new(&world);
    let last = link.chars().last().expect("a character");
    let other = if last == 'A' { 'B' } else { 'A' };
    let mut changed = link[..link.len() - 1].to_owned();
    changed.push(other);
    let page = payer.get(&changed).await;
    assert!(page.form("/k/").is_none(), "{}", page.words());
    let order = payer.get(&changed.replace("/k/", "/o/")).await;
    assert_eq!(order.status, 404);
    world.settles().await;
}

/// The signing key gives way to one of the other algorithm: what the old one signed stays genuine.
#[tokio::test(flavor = "multi_thread")]
async fn vouchers_of_a_retired_key_stay_genuine() {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let shown = paid(&world, &mut payer, &person).await;
    let query = shown.link.split('?').nth(1).expect("a query");
    let (_, _, pdf) = payer
        .send(&format!("/v/{}/pdf?{query}", shown.number), None)
        .await;
    let text = find_qr_text(&pdf).expect("the PDF carries its text");
    let scanned = text.split("/Q/").nth(1).expect("the text of the QR code");

    let file = world.file("keys.toml");
    let old = std::fs::read_to_string(&file).expect("the keys");
    let mut count = 0_u8;
    let mut fill = |bytes: &mut [u8]| {
        count += 1;
        bytes.fill(count);
    };
    let other = Keyring::generate_with(Cipher::Aes256Gcm, Algorithm::Sm2, &mut fill).to_toml();
    let added = between(&other, "[[voucher.keys]]", "[audit]").replace("\"v1\"", "\"v2\"");
    let new = old
        .replace("current = \"v1\"", "current = \"v2\"")
        .replace("[audit]", &format!("[[voucher.keys]]{added}[audit]"));
    std::fs::write(&file, new).expect("a file");
    world.restart().await;

    let mut anybody = Payer::new(&world);
    anybody.get(&format!("/Q/{scanned}")).await.says("真实有效");
    let newer = world.people[1].clone();
    paid(&world, &mut payer, &newer).await;
    world.settles().await;
}
