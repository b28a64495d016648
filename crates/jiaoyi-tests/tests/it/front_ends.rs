//! People at the front ends A1 to A8 and A12: pages of the sandbox, which call the platform's biller
//! API as institutions of their own. Two programs that share no code must agree on every fen.

use crate::harness::{Channel, HOUR, MINUTE, Page, Payer, Person, SECOND, World, identities};
use jiaoyi_crypto::{CallScheme, CallVerifier};
use jiaoyi_domain::books::Transfer;
use jiaoyi_domain::decide::{PutInstitution, PutInstitutionKey};
use jiaoyi_domain::institution::{
    DAY_MINUTES, Institution, InstitutionKey, Keeper, KeyScheme, Scope,
};
use jiaoyi_sandbox::{INSTITUTION_KEY_ID, INSTITUTIONS};
use serde_json::{Value, json};

/// Every front end; those of one code share an institution.
const FRONTS: [&str; 14] = [
    "a1",
    "a1-life",
    "a2",
    "a3",
    "a4",
    "a5",
    "a6-app",
    "a6-web",
    "a7-atm",
    "a7-kiosk",
    "a8",
    "a12-app",
    "a12-station",
    "a12-hotline",
];

/// A world whose platform knows the sandbox's institutions.
async fn world(people: u16) -> World {
    let setup = crate::harness::Setup {
        people,
        ..crate::harness::Setup::default()
    };
    let world = World::with(setup).await;
    let scopes: Vec<&str> = Scope::ALL.iter().map(|scope| scope.code()).collect();
    for own in INSTITUTIONS {
        let institution = Institution {
            inst_id: own.inst_id.to_owned(),
            name: own.name.to_owned(),
            front_ends: own.code.to_owned(),
            scopes: scopes.join(";"),
            addresses: String::new(),
            cut_over: own.cut_over_min.into(),
            hours_from: 0,
            hours_until: DAY_MINUTES,
            live: false,
            webhook: String::new(),
            created_at: world.now(),
            version: 1,
        };
        let change = false;
        let put = PutInstitution {
            institution,
            change,
        };
        world.platform.submit(put).await.expect("it is kept");
        let file = identities().join(own.public_key_file());
        let text = std::fs::read_to_string(file).expect("a public key");
        let key = CallVerifier::from_pem(&text).expect("a public key");
        let key = InstitutionKey {
            inst_id: own.inst_id.to_owned(),
            key_id: INSTITUTION_KEY_ID.to_owned(),
            scheme: match key.scheme() {
                CallScheme::Rsa => KeyScheme::Rsa,
                CallScheme::Sm2 => KeyScheme::Sm2,
            },
            public_key: key.der().to_vec(),
            valid_from: world.now(),
            valid_until: None,
            version: 1,
        };
        let put = PutInstitutionKey {
            key,
            by: Keeper::Staff,
        };
        world.platform.submit(put).await.expect("it is kept");
    }
    let read = world.platform.reload_institutions().await;
    read.expect("institutions are read");
    world
}

/// Somebody at one front end.
struct Guest {
    payer: Payer,
    address: String,
}

fn body(fields: &[(&str, &str)]) -> Option<String> {
    let mut body = form_urlencoded::Serializer::new(String::new());
    Some(body.extend_pairs(fields).finish())
}

impl Guest {
    /// Begins, logs in where one has to, and makes every tap.
    async fn arrive(world: &World, slug: &str) -> Guest {
        let mut payer = Payer::new(world);
        let start = format!("{}/front/{slug}", world.sandbox);
        payer.get(&start).await.says("演示环境：不是真的缴费");
        let fields = [
            ("do", "begin"),
            ("user", "13900000001"),
            ("caller", "演示来电人"),
            ("caller_phone", "13900000002"),
            ("consent", "yes"),
        ];
        let mut page = payer.go(&start, body(&fields)).await;
        let address = page.url.split('?').next().expect("an address").to_owned();
        while let Some(tap) = page
            .link(&format!("/front/{slug}/"))
            .filter(|link| link.contains("tap="))
        {
            page = payer.get(&format!("{}{tap}", world.sandbox)).await;
        }
        Guest { payer, address }
    }

    async fn act(&mut self, fields: &[(&str, &str)]) -> Page {
        self.payer.go(&self.address, body(fields)).await
    }

    async fn page(&mut self) -> Page {
        self.payer.get(&self.address).await
    }

    async fn find(&mut self, person: &Person) -> Page {
        let fields = [
            ("do", "find"),
            ("name", person.name.as_str()),
            ("id_no", &person.id),
            ("region", person.region),
            ("relation", "self"),
            ("kind", "城乡居民基本医疗保险"),
        ];
        self.act(&fields).await
    }

    /// To the page with the button that pays; locked first where money is taken by hand.
    async fn reach(&mut self, person: &Person) -> Page {
        let mut page = self.find(person).await;
        if page.text.contains("value=\"open\"") {
            page = self.act(&[("do", "open"), ("which", "0")]).await;
        }
        page.says("400.00 元");
        if page.text.contains("value=\"collect\"") {
            page = self.act(&[("do", "collect")]).await;
        }
        page
    }

    /// Presses the button that pays.
    async fn press(&mut self, page: &Page, mishap: &str) -> Page {
        let means = page.text.split("name=\"means\" value=\"").nth(1);
        let means = means.and_then(|rest| rest.split('"').next());
        let means = means.unwrap_or_else(|| panic!("no way to pay in {}", page.words()));
        let fields = [("do", "pay"), ("means", means), ("mishap", mishap)];
        self.act(&fields).await
    }

    async fn pay(&mut self, person: &Person, mishap: &str) -> Page {
        let page = self.reach(person).await;
        self.press(&page, mishap).await
    }
}

async fn front_books(world: &World) -> Value {
    let url = format!("{}/_sandbox/front/books", world.sandbox);
    let page = Payer::new(world).get(&url).await;
    serde_json::from_str(&page.text).expect("JSON")
}

async fn fault(world: &World, code: &str, at: &str, deed: &str) {
    let script = json!({ "code": code, "at": at, "do": deed });
    let (status, told) = world.control("front/fault", script).await;
    assert_eq!(status, 200, "{told}");
}

/// What each institution owes by the platform's books is what it has taken and kept by its own.
async fn books_agree(world: &World) {
    let own = front_books(world).await;
    let rows: Vec<Transfer> = world.platform.store.all().await.expect("it reads");
    let mut held = 0;
    for institution in INSTITUTIONS {
        let account = format!("institution:{}:", institution.inst_id);
        let sum = |side: fn(&Transfer) -> &str| -> u64 {
            let there = rows.iter().filter(|row| side(row).starts_with(&account));
            there.map(|row| row.amount.get()).sum()
        };
        let owed = sum(|row| &row.debit) - sum(|row| &row.credit);
        let totals = &own["totals"][institution.inst_id];
        assert_eq!(totals["paid_fen"], owed, "{}: {own}", institution.inst_id);
        held += totals["held_fen"].as_u64().expect("fen");
    }
    assert_eq!(held, 0, "nobody's money hangs: {own}");
}

/// Ends a day once it is closed; the platform finds the same in the file as in its own books.
async fn day_ends(world: &World, code: &str, day: &str) -> Value {
    let (status, told) = world
        .control("front/day", json!({ "code": code, "day": day }))
        .await;
    assert_eq!(status, 200, "{code}: {told}");
    assert_eq!(told["answer"]["state"], "BALANCED", "{code}: {told}");
    told
}

/// From the first tap to the voucher, at every front end.
#[tokio::test(flavor = "multi_thread")]
async fn each_leads_from_the_first_tap_to_the_voucher() {
    let mut world = world(14).await;
    let people = world.people.clone();
    for (person, slug) in people.iter().zip(FRONTS) {
        let mut guest = Guest::arrive(&world, slug).await;
        let paid = guest.pay(person, "").await;
        paid.says("缴费成功").says("钱：已缴 400.00 元");
        assert!(world.is_paid(person).await, "{slug}");
        let voucher = paid.link(&format!("{}/v/", world.portal));
        let voucher = voucher.unwrap_or_else(|| panic!("{slug}: {}", paid.words()));
        let seen = Payer::new(&world).get(&voucher).await;
        assert_eq!(seen.status, 200, "{slug}: {}", seen.words());
    }
    // Somebody who looks elsewhere afterwards reads where it was paid.
    let mut guest = Guest::arrive(&world, "a5").await;
    guest.find(&people[8]).await.says("已缴：自助设备");
    books_agree(&world).await;
    world.turn(14 * HOUR + 11 * MINUTE);
    for institution in INSTITUTIONS {
        let told = day_ends(&world, institution.code, "2026-11-22").await;
        let fronts = FRONTS
            .iter()
            .filter(|slug| slug.split('-').next() == Some(&institution.code.to_ascii_lowercase()));
        assert_eq!(told["count"], fronts.count(), "{told}");
    }
    world.settles().await;
}

/// Whatever goes wrong on the wire, the money is the platform's or the payer's, and the page says
/// whose.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_the_payer_reads_whose_the_money_is() {
    // Front end, what goes wrong, what the page says, whether the premium is paid.
    let cases = [
        ("a4", "lose_answer", "钱：已缴", true),
        ("a4", "lose_request", "已原路退回", false),
        ("a2", "late", "已原路退回", false),
        ("a3", "forged_answer", "钱：已缴", true),
        ("a1", "clock_off", "已原路退回", false),
        ("a5", "duplicate", "钱：已缴", true),
        ("a6-app", "wrong_amount", "已原路退回", false),
        ("a7-atm", "lose_answer", "现金已当面退还", false),
        ("a7-atm", "lose_request", "现金已当面退还", false),
        ("a7-atm", "late", "现金已当面退还", false),
        ("a7-kiosk", "jam", "已原路退回", false),
        ("a8", "twice", "钱：已缴", true),
        ("a12-station", "lose_answer", "钱：已缴", true),
        ("a12-hotline", "twice", "钱：已缴", true),
    ];
    let mut world = world(14).await;
    let people = world.people.clone();
    for (person, (slug, mishap, words, paid)) in people.iter().zip(cases) {
        let mut guest = Guest::arrive(&world, slug).await;
        guest.pay(person, mishap).await.says(words);
        assert_eq!(world.is_paid(person).await, paid, "{slug} {mishap}");
        books_agree(&world).await;
        if mishap == "late" {
            // The original comes after its reversal, or after "not found": a tombstone refuses it.
            let before = front_books(&world).await["late_answers"]
                .as_array()
                .map_or(0, Vec::len);
            world.turn(MINUTE);
            world
                .until("the late request to arrive", async || {
                    let books = front_books(&world).await;
                    let answers = books["late_answers"].as_array().expect("a list");
                    let last = answers.get(before).map(Value::to_string);
                    last.is_some_and(|last| last.contains("TOMBSTONE"))
                })
                .await;
            assert!(!world.is_paid(person).await, "{slug} {mishap}");
        }
    }
    world.turn(15 * HOUR);
    for institution in INSTITUTIONS {
        day_ends(&world, institution.code, "2026-11-22").await;
    }
    world.settles().await;
}

/// A machine that hears neither of its payment nor of its reversal says so, asks again by itself,
/// and sends the same reversal.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_told_and_ends() {
    let mut world = world(2).await;
    let people = world.people.clone();
    for (person, deed) in people.iter().zip(["lose_answer", "duplicate"]) {
        fault(&world, "A7", "pay", "lose_answer").await;
        fault(&world, "A7", "reverse", "lose_answer").await;
        fault(&world, "A7", "reverse", deed).await;
        let mut guest = Guest::arrive(&world, "a7-atm").await;
        let page = guest.pay(person, "").await;
        page.says("还在确认").says("请不要再付一次");
        for asked in 1.. {
            assert!(asked < 4, "it never ends");
            world.turn(30 * SECOND);
            world
                .until("the machine to have asked again", async || {
                    let books = front_books(&world).await;
                    let payments = books["payments"].as_array().expect("a list");
                    let own = payments.iter().find(|own| own["returned_at_ms"].is_null());
                    books["under_way"] == 0
                        && own.is_none_or(|own| own["silences"].as_i64() > Some(asked))
                })
                .await;
            if !guest.page().await.text.contains("还在确认") {
                break;
            }
        }
        guest.page().await.says("现金已当面退还");
        assert!(!world.is_paid(person).await);
    }
    books_agree(&world).await;
    // Both can be paid elsewhere at once.
    for person in &people {
        let mut payer = Payer::new(&world);
        payer
            .pay(&world, person, Channel::Wechat)
            .await
            .is("order.paid");
    }
    world.settles().await;
}

/// A machine's lock keeps a wallet away until it is freed; what others have paid is not taken again.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_pays_what_another_is_paying_or_has_paid() {
    let mut world = world(2).await;
    let (first, second) = (world.people[0].clone(), world.people[1].clone());
    let mut machine = Guest::arrive(&world, "a7-atm").await;
    machine.reach(&first).await.says("账单已锁定到");
    let mut counter = Guest::arrive(&world, "a8").await;
    counter.find(&first).await.says("自助设备正在缴费");
    let check = Payer::new(&world).look_up(&first).await;
    assert!(check.form("/pay/method").is_none(), "{}", check.words());
    machine.act(&[("do", "cancel")]).await.says("已取消");
    counter.pay(&first, "").await.says("钱：已缴");

    // Online nothing is locked: two pay at once, and one gets the money back.
    let mut one = Guest::arrive(&world, "a1").await;
    let mut other = Guest::arrive(&world, "a3").await;
    let (at_one, at_other) = (one.reach(&second).await, other.reach(&second).await);
    one.press(&at_one, "").await.says("钱：已缴");
    let late = other.press(&at_other, "").await;
    late.says("已经有人缴过了").says("已原路退回");
    books_agree(&world).await;
    world.settles().await;
}

/// A button pressed twice by an impatient hand, both presses at the same moment.
#[tokio::test(flavor = "multi_thread")]
async fn two_presses_at_once_take_money_once() {
    let mut world = world(1).await;
    let person = world.people[0].clone();
    let mut teller = Guest::arrive(&world, "a8").await;
    let page = teller.reach(&person).await;
    let mut again = Guest {
        payer: Payer::new(&world),
        address: teller.address.clone(),
    };
    let (one, other) = tokio::join!(teller.press(&page, ""), again.press(&page, ""));
    for page in [one, other] {
        let told = page.text.contains("钱：已缴") || page.text.contains("还在确认");
        assert!(told, "{}", page.words());
    }
    teller.page().await.says("钱：已缴");
    let books = front_books(&world).await;
    assert_eq!(books["payments"].as_array().expect("a list").len(), 1);
    books_agree(&world).await;
    world.settles().await;
}

/// On its day a teller undoes a payment; after that only a refund does, and the page says it stands.
#[tokio::test(flavor = "multi_thread")]
async fn a_teller_undoes_a_payment_on_its_day_only() {
    let mut world = world(2).await;
    let (first, second) = (world.people[0].clone(), world.people[1].clone());
    let mut teller = Guest::arrive(&world, "a8").await;
    teller.pay(&first, "").await.says("钱：已缴");
    let undone = teller.act(&[("do", "undo")]).await;
    undone.says("没有缴成，已冲正").says("现金已当面退还");
    assert!(!world.is_paid(&first).await);

    let mut teller = Guest::arrive(&world, "a8").await;
    teller.pay(&second, "").await.says("钱：已缴");
    world.turn(13 * HOUR + 11 * MINUTE);
    let stands = teller.act(&[("do", "undo")]).await;
    stands.says("钱：已缴").says("不能冲正：USE_REFUND");
    assert!(world.is_paid(&second).await);
    let told = day_ends(&world, "A8", "2026-11-22").await;
    assert_eq!(
        (&told["count"], &told["amount_fen"]),
        (&json!(1), &json!(40_000))
    );
    books_agree(&world).await;
    world.settles().await;
}

/// Nobody learns from a front end who is insured where: a wrong name and a wrong region read alike.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_name_and_a_wrong_region_read_alike() {
    let mut world = world(1).await;
    let person = world.people[0].clone();
    let mut words = Vec::new();
    for (name, region) in [("王无名", person.region), (person.name.as_str(), "990201")] {
        let mut guest = Guest::arrive(&world, "a3").await;
        let wrong = Person {
            name: name.to_owned(),
            region,
            ..person.clone()
        };
        let page = guest.find(&wrong).await;
        page.says("没有收钱").says("NO_SUCH_PERSON");
        let told = page.text.split("role=\"alert\"").nth(1).expect("an alert");
        words.push(told.split("</div>").next().unwrap_or_default().to_owned());
    }
    assert_eq!(words[0], words[1]);
    world.settles().await;
}

/// Paid at a counter while an old wallet order pays too: the second money waits, because the first
/// can still be undone; when the teller undoes it, the waiting money is the premium.
#[tokio::test(flavor = "multi_thread")]
async fn money_that_waits_takes_the_place_of_what_a_teller_undoes() {
    let mut world = world(1).await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let wallet = payer.walk_to_wallet(&world, &person, Channel::Wechat).await;
    payer.press(&wallet, "pay_after_close").await;
    payer.cancel(&wallet.order).await;
    let mut teller = Guest::arrive(&world, "a8").await;
    teller.pay(&person, "").await.says("钱：已缴");
    world.pass(10 * SECOND).await;
    world.pass(10 * SECOND).await;
    assert_eq!(world.trade(&wallet).await["state"], "paid");
    assert_eq!(world.trade(&wallet).await["refunded_fen"], 0, "it waits");
    teller.act(&[("do", "undo")]).await.says("已冲正");
    assert!(world.is_paid(&person).await, "by the wallet now");
    payer.order(&wallet.order).await.is("order.paid");
    books_agree(&world).await;
    world.settles().await;
}
