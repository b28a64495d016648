//! Who may call: each wrong has its own error, and none of them stores anything.

use super::{Bank, Forged, signer};
use crate::harness::{Channel, MINUTE, Payer, SECOND, Setup, World};
use jiaoyi_app::limits::Budgets;
use jiaoyi_crypto::CallScheme;
use jiaoyi_domain::decide::RevokeInstitutionKey;
use jiaoyi_domain::institution::Keeper;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn each_wrong_caller_hears_its_own_error_and_leaves_nothing() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let far = Bank::with(&world, "BANK02", CallScheme::Rsa, |terms| {
        terms.addresses = "192.0.2.0/24".to_owned();
    })
    .await;
    let reader = Bank::with(&world, "BANK03", CallScheme::Rsa, |terms| {
        terms.scopes = "query".to_owned();
    })
    .await;
    let live = Bank::with(&world, "BANK04", CallScheme::Rsa, |terms| terms.live = true).await;
    let mut sm2 = bank.clone();
    (sm2.scheme, sm2.signer) = (CallScheme::Sm2, signer(CallScheme::Sm2));
    let person = world.people[0].clone();
    let bill = bank.bill(&world, &person).await;
    let body = bank.pay_body(&world, &bill, "p1").to_string();
    let before = world.rows().await;
    let forged = |forged: Forged| bank.send(&world, "pay", body.clone(), forged);
    forged(Forged {
        later_s: -301,
        ..Forged::default()
    })
    .await
    .is_error(401, "TIMESTAMP_OUT_OF_RANGE");
    forged(Forged {
        later_s: 301,
        ..Forged::default()
    })
    .await
    .is_error(401, "TIMESTAMP_OUT_OF_RANGE");
    forged(Forged {
        key_id: Some("k9".to_owned()),
        ..Forged::default()
    })
    .await
    .is_error(401, "UNKNOWN_KEY");
    forged(Forged {
        body: Some(body.replace("40000", "1")),
        ..Forged::default()
    })
    .await
    .is_error(401, "SIGNATURE_WRONG");
    forged(Forged {
        signature: Some("AAAA".to_owned()),
        ..Forged::default()
    })
    .await
    .is_error(401, "SIGNATURE_WRONG");
    let nonce = Some("the-same-nonce".to_owned());
    let query = json!({ "orig_seq": "nothing" }).to_string();
    let once = Forged {
        nonce,
        ..Forged::default()
    };
    bank.send(&world, "status", query.clone(), once.clone())
        .await
        .decided();
    let again = bank.send(&world, "status", query, once).await;
    again.is_error(401, "NONCE_REUSED");
    far.pay(&world, &bill, "p1")
        .await
        .is_error(403, "ADDRESS_NOT_ALLOWED");
    reader
        .pay(&world, &bill, "p1")
        .await
        .is_error(403, "SCOPE_MISSING");
    live.pay(&world, &bill, "p1")
        .await
        .is_error(403, "TEST_ONLY");
    let unsigned = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let url = format!("{}/biller/v1/pay", world.portal);
    let answer = unsigned
        .post(url)
        .body(body.clone())
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status().as_u16(), 401);
    assert!(
        answer
            .text()
            .await
            .expect("a body")
            .contains("AUTH_MALFORMED")
    );
    // A header that names another scheme than the key's: not even a right SM2 signature helps.
    let mut wrong = sm2.clone();
    wrong.platform = std::sync::Arc::new(super::platform_key(&world.portal, CallScheme::Rsa).await);
    let reply = wrong.send_unchecked(&world, "pay", body.clone()).await;
    assert!(reply.contains("SIGNATURE_WRONG"), "{reply}");
    let mut after = world.rows().await;
    // The one status call that was right has its tombstone's event.
    after[6] -= 1;
    assert_eq!(before, after, "nothing was stored");
    assert!(!world.is_paid(&person).await);
    bank.pay(&world, &bill, "p1").await.accepted();
    world.settles().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_with_an_overlap() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let mut next = bank.clone();
    (next.scheme, next.signer) = (CallScheme::Sm2, signer(CallScheme::Sm2));
    next.key_id = "k2".to_owned();
    next.platform = std::sync::Arc::new(super::platform_key(&world.portal, CallScheme::Sm2).await);
    let person = world.people[0].clone();
    next.query(&world, &person)
        .await
        .is_error(401, "UNKNOWN_KEY");
    next.give_key(&world, "k2", None).await;
    let bill = bank.bill(&world, &person).await;
    let paid = bank.pay(&world, &bill, "p1").await;
    paid.accepted();
    // The new key signs the same institution's repeat: the serial is the institution's, not the
    // key's.
    assert_eq!(next.pay(&world, &bill, "p1").await.text, paid.text);
    let revoke = RevokeInstitutionKey {
        by: Keeper::Staff,
        inst_id: "BANK01".to_owned(),
        key_id: "k1".to_owned(),
        at: world.now().plus_ms(MINUTE),
    };
    world.platform.submit(revoke).await.expect("it ends");
    world.turn(3 * SECOND);
    assert_eq!(
        bank.status(&world, "p1").await,
        "SUCCESS",
        "it holds until its end"
    );
    world.turn(MINUTE);
    let ended = bank.query(&world, &person).await;
    ended.is_error(401, "UNKNOWN_KEY");
    assert!(!ended.signed, "whoever it is");
    assert_eq!(next.status(&world, "p1").await, "SUCCESS");
    world.settles().await;
}

/// Nobody, a wrong name and a wrong region are told apart by nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_no_oracle() {
    let mut world = World::with(Setup {
        budgets: Budgets {
            queries_per_document_minute: 10,
            ..Setup::default().budgets
        },
        ..Setup::default()
    })
    .await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let known = world.people[0].clone();
    let mut unnamed = known.clone();
    unnamed.name = "赵不知".to_owned();
    let mut moved = known.clone();
    moved.region = "990202";
    let nobody = crate::harness::person(77, known.region);
    let mut texts = Vec::new();
    for person in [&unnamed, &moved, &nobody] {
        let reply = bank.query(&world, person).await;
        reply.is_error(404, "NO_SUCH_PERSON");
        texts.push(reply.text);
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    let found = bank.query(&world, &known).await;
    let told = found.decided().to_string();
    assert!(
        !told.contains(&known.name) && !told.contains(&known.id),
        "{told}"
    );
    for _ in 0..7 {
        bank.query(&world, &known).await.decided();
    }
    let over = bank.query(&world, &known).await;
    over.is_error(429, "RATE_LIMITED");
    bank.query(&world, &world.people[1]).await.decided();
    world.turn(MINUTE);
    bank.query(&world, &known).await.decided();
    for (field, value) in [
        ("id_no", json!("990101195203041238")),
        ("id_type", json!("library_card")),
        ("pooling_region", json!("000000")),
        ("name", json!("")),
        ("relation", json!("cousin")),
    ] {
        let mut body = json!({
            "pooling_region": known.region, "id_type": "id_card", "id_no": known.id,
            "name": known.name, "relation": "self", "channel": "A7",
        });
        body[field] = value;
        let reply = bank.call(&world, "query", body).await;
        reply.is_error(400, "BAD_REQUEST");
        assert_eq!(reply.json["field"], field, "{}", reply.text);
    }
    world.settles().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn echo_signature_names_the_byte() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let at = world.now().0 / 1_000;
    let base64 = |text: &str| jiaoyi_crypto_base64(text.as_bytes());
    let echo = |told: Option<String>, signature: Option<String>| {
        let headers = told
            .map(|told| ("biller-string-to-sign", told))
            .into_iter()
            .collect();
        let forged = Forged {
            nonce: Some("echo-nonce".to_owned()),
            signature,
            headers,
            ..Forged::default()
        };
        bank.send(&world, "echo-signature", "{\"a\":1}".to_owned(), forged)
    };
    let right = format!("POST\n/biller/v1/echo-signature\n{at}\necho-nonce\n{{\"a\":1}}\n");
    let good = echo(Some(base64(&right)), None).await;
    assert_eq!(good.decided()["signature"], "ok");
    assert_eq!(good.json["string_differs_at"], json!(null));
    assert_eq!(good.text_of("string_to_sign"), base64(&right));
    let unended = right.trim_end().to_owned();
    let signed = bank.signer.sign(unended.as_bytes(), &mut |_| {});
    let wrong = echo(Some(base64(&unended)), signed).await;
    let told = wrong.decided();
    assert_eq!(told["signature"], "wrong");
    assert_eq!(told["string_differs_at"], unended.len());
    assert_eq!(
        (&told["line"], &told["line_name"]),
        (&json!(5), &json!("body"))
    );
    assert_eq!(told["signature_fits_your_string"], true);
    let other = echo(None, Some("AAAA".to_owned())).await;
    assert_eq!(other.decided()["signature"], "wrong");
    assert_eq!(other.json["signature_fits_your_string"], json!(null));
    world.settles().await;
}

fn jiaoyi_crypto_base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|at| part.get(at).copied().unwrap_or(0));
        let bits = u32::from(a) << 16 | u32::from(b) << 8 | u32::from(c);
        for place in 0..4 {
            let letter = usize::try_from(bits >> (18 - 6 * place) & 63).expect("small");
            let there = place <= part.len();
            text.push(if there {
                char::from(LETTERS[letter])
            } else {
                '='
            });
        }
    }
    text
}

/// A terminal that may pay for oneself only, and a channel that the portal's payer sees.
#[tokio::test(flavor = "multi_thread")]
async fn capability_rows_are_enforced_and_readable() {
    let mut world = World::new().await;
    let mut mini = Bank::with(&world, "MINI01", CallScheme::Rsa, |terms| {
        terms.front_ends = "A4".to_owned();
    })
    .await;
    mini.channel = "A4";
    let person = world.people[0].clone();
    let refused = mini.query(&world, &person).await;
    refused.is_error(403, "CHANNEL_NOT_ALLOWED");
    assert_eq!(refused.json["field"], "relation");
    let rows = reqwest::get(format!("{}/biller/v1/channels", world.portal)).await;
    let rows = rows.expect("an answer").text().await.expect("a body");
    let rows: Value = serde_json::from_str(&rows).expect("JSON");
    let row = &rows["channels"][3];
    assert_eq!((&row["code"], &row["other"]), (&json!("A4"), &json!(false)));
    // A payer at the portal reads where somebody else is paying.
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let bill = bank.bill(&world, &person).await;
    bank.collect(&world, &bill, "c1").await.accepted();
    let page = Payer::new(&world).look_up(&person).await;
    page.says("ATM");
    bank.pay(&world, &bill, "p1").await.accepted();
    let page = Payer::new(&world).look_up(&person).await;
    page.says("ATM");
    let _ = Channel::Wechat;
    world.settles().await;
}

/// Nonces are forgotten when a process ends: whoever has recorded requests plays them again.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_before_a_restart_changes_nothing_after_it() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let (locked, paid) = (world.people[0].clone(), world.people[1].clone());
    let (lock, due) = (
        bank.bill(&world, &locked).await,
        bank.bill(&world, &paid).await,
    );
    let mut long = bank.collect_body(&world, &lock, "c1");
    let short = world.now().plus_ms(MINUTE).rfc3339();
    let mut tape = vec![
        ("query", bank.query_body(&locked)),
        ("collect", long.clone()),
    ];
    let release = json!({
        "seq": "r1", "trace_date": long["trace_date"], "bill_no": lock.no, "channel": "A7",
    });
    tape.push(("release", release));
    long["seq"] = json!("c2");
    long["until"] = json!(short);
    tape.push(("collect", long));
    tape.push(("pay", bank.pay_body(&world, &due, "p1")));
    tape.push(("reverse", bank.reverse_body(&world, "v1", "p1", 40_000)));
    tape.push(("pay", bank.pay_body(&world, &due, "p2")));
    tape.push(("status", json!({ "orig_seq": "p9" })));
    let play = async |world: &World, (n, (verb, body)): (usize, &(&str, Value))| {
        let nonce = Some(format!("recorded-{n}"));
        let forged = Forged {
            nonce,
            ..Forged::default()
        };
        bank.send(world, verb, body.to_string(), forged).await
    };
    let mut first = Vec::new();
    for call in tape.iter().enumerate() {
        let reply = play(&world, call).await;
        reply.decided();
        first.push(reply.text);
    }
    let seen = async |world: &World| {
        let bills = bank.query(world, &locked).await.json["bills"].clone();
        (bills, bank.query(world, &paid).await.json["bills"].clone())
    };
    let before = (world.rows().await, seen(&world).await);
    assert_eq!(before.1.0[0]["lock"]["until"], short);
    assert_eq!(before.1.1[0]["status"], "PAID");
    for call in tape.iter().enumerate() {
        play(&world, call).await.is_error(401, "NONCE_REUSED");
    }
    world.restart().await;
    for call in tape.iter().enumerate().rev() {
        let reply = play(&world, call).await;
        let was = &first[call.0];
        match call.1 {
            // The token in it is a new one.
            ("query", _) => assert_eq!(reply.decided()["bills"], before.1.0),
            ("pay", body) if body["seq"] == "p1" => reply.is_refused("TOMBSTONE"),
            _ => assert_eq!((reply.status, &reply.text), (200, was)),
        }
    }
    assert_eq!((world.rows().await, seen(&world).await), before);
    assert_eq!(bank.status(&world, "p2").await, "SUCCESS");
    world.holds().await;
}
