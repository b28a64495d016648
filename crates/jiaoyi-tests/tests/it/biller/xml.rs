//! The same calls in XML and GBK, by a bank whose documents are put together by hand.

use super::{Bank, Bill, Forged, Reply};
use crate::harness::{HOUR, Person, World};
use encoding_rs::GBK;
use jiaoyi_crypto::CallScheme;
use jiaoyi_domain::biller::{BillerCall, Claim};
use serde_json::Value;

const CONTENT: &str = "application/xml; charset=gbk";

impl Reply {
    /// The text of the first element of this name.
    fn element(&self, name: &str) -> &str {
        let after = self.text.split(&format!("<{name}>")).nth(1);
        let text = after.and_then(|text| text.split(&format!("</{name}>")).next());
        text.unwrap_or_else(|| panic!("no {name}: {}", self.text))
    }

    /// In XML and GBK, signed, with this text in this element.
    fn says(&self, status: u16, name: &str, text: &str) -> &Reply {
        let told = (self.status, self.content.as_str(), self.signed);
        assert_eq!(told, (status, CONTENT, true), "{}", self.text);
        let head = "<?xml version=\"1.0\" encoding=\"GBK\"?>\n<response>";
        assert!(self.text.starts_with(head), "{}", self.text);
        assert_eq!(self.element(name), text, "{}", self.text);
        self
    }
}

/// The fields of a JSON call as a document, line by line as old systems write it.
fn document(call: &Value) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"GBK\"?>\r\n<request>\r\n".to_owned();
    for (name, value) in call.as_object().expect("an object") {
        let value = value.as_str().map_or(value.to_string(), str::to_owned);
        text += &format!("  <{name}>{value}</{name}>\r\n");
    }
    text + "</request>\r\n"
}

fn gbk(text: &str) -> Vec<u8> {
    let (bytes, _, wrong) = GBK.encode(text);
    assert!(!wrong, "{text}");
    bytes.into_owned()
}

impl Bank {
    async fn say(&self, world: &World, verb: &str, text: &str) -> Reply {
        self.send_bytes(world, verb, gbk(text), CONTENT).await
    }

    async fn xml(&self, world: &World, verb: &str, call: &Value) -> Reply {
        self.say(world, verb, &document(call)).await
    }

    async fn query_xml(&self, world: &World, person: &Person) -> Reply {
        let call = serde_json::json!({
            "pooling_region": person.region, "id_type": "id_card", "id_no": person.id,
            "name": person.name, "relation": "other", "channel": self.channel, "terminal": "柜台一",
        });
        self.xml(world, "query", &call).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_in_gbk_from_the_query_to_the_day_file_in_both_schemes() {
    for scheme in [CallScheme::Rsa, CallScheme::Sm2] {
        let mut world = World::new().await;
        let bank = Bank::new(&world, "BANK01", scheme).await;
        let (person, next) = (world.people[0].clone(), world.people[1].clone());
        let found = bank.query_xml(&world, &person).await;
        found.says(200, "category_name", "城乡居民");
        found.says(200, "status", "PAYABLE").says(200, "lock", "");
        let bill = Bill {
            token: found.element("query_token").to_owned(),
            no: found.element("bill_no").to_owned(),
            amount_fen: found.element("amount_fen").parse().expect("fen"),
            status: "PAYABLE".to_owned(),
        };
        assert_eq!(bill.amount_fen, 40_000);
        let call = bank.pay_body(&world, &bill, "p1");
        let paid = bank.xml(&world, "pay", &call).await;
        paid.says(200, "state", "ACCEPTED");
        assert!(world.is_paid(&person).await);
        let again = bank.xml(&world, "pay", &call).await;
        assert_eq!(again.text, paid.text, "word for word");
        let told = bank
            .say(
                &world,
                "status",
                "<request><orig_seq>p1</orig_seq></request>",
            )
            .await;
        told.says(200, "state", "SUCCESS").says(200, "call", "pay");
        assert_eq!(told.element("receipt_no"), paid.element("receipt_no"));
        let mut other = call.clone();
        other["amount_fen"] = 39_000.into();
        let other = bank.xml(&world, "pay", &other).await;
        other.says(409, "code", "DUPLICATE_MISMATCH");

        // The other form of the same call is the same call.
        let json = bank.call(&world, "pay", call.clone()).await;
        assert_eq!(json.accepted()["receipt_no"], paid.element("receipt_no"));
        let first = bank.bill(&world, &next).await;
        let call = bank.pay_body(&world, &first, "p2");
        let by_json = bank.call(&world, "pay", call.clone()).await;
        let by_xml = bank.xml(&world, "pay", &call).await;
        by_xml.says(
            200,
            "receipt_no",
            by_json.accepted()["receipt_no"].as_str().expect("a text"),
        );
        let undo = bank.reverse_body(&world, "r2", "p2", 40_000);
        let undone = bank.xml(&world, "reverse", &undo).await;
        undone
            .says(200, "state", "REVERSED")
            .says(200, "undone", "true");
        let claims: Vec<Claim> = world.platform.store.all().await.expect("rows");
        assert_eq!(claims.len(), 3, "p1, p2 and the reversal");
        let calls: Vec<BillerCall> = world.platform.store.all().await.expect("rows");
        assert_eq!(calls.len(), 3);

        world.turn(14 * HOUR);
        let row = format!("2026-11-22|09:00:00|p1|{}|40000|柜台|P\n", bill.no);
        let rows = gbk(&row);
        let hash = super::day::hex(&<sha2::Sha256 as sha2::Digest>::digest(&rows));
        let mut file = format!("BANK01|2026-11-22|1|40000|{hash}\n").into_bytes();
        file.extend_from_slice(&rows);
        let forged = Forged {
            headers: vec![
                ("content-type", "text/plain; charset=gbk".to_owned()),
                ("accept", CONTENT.to_owned()),
            ],
            ..Forged::default()
        };
        let taken = bank.attempt(&world, "reconcile", file, forged, true).await;
        let taken = taken.expect("an answer");
        taken.says(200, "state", "BALANCED");
        assert_eq!(
            taken.element("ours"),
            "<count>1</count><amount_fen>40000</amount_fen>"
        );
        let asked = "<request><day>2026-11-22</day></request>";
        let result = bank.say(&world, "reconcile", asked).await;
        assert_eq!(result.content, "text/plain; charset=utf-8");
        let head = format!("BANK01|2026-11-22|0|{}\n", taken.element("file_hash"));
        assert_eq!(result.text, head);
        world.settles().await;
    }
}

/// Each wrong is told in XML, signed where the caller is known, and leaves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_call_is_refused_in_the_form_in_which_it_came() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let person = world.people[0].clone();
    let bill = bank.bill(&world, &person).await;
    let call = document(&bank.pay_body(&world, &bill, "p1"));
    let before = world.rows().await;
    for (from, to, field) in [
        (
            "<request>",
            "<!DOCTYPE request [<!ENTITY x SYSTEM \"file:///etc/hostname\">]><request>",
            "body",
        ),
        ("<seq>p1", "<seq>&x;", "seq"),
        ("<seq>p1", "<seq kind=\"x\">p1", "seq"),
        (
            "</request>",
            "<sub_channel>1</sub_channel></request>",
            "sub_channel",
        ),
        ("</request>", "<seq>p1</seq></request>", "seq"),
        ("40000", "400.00", "amount_fen"),
        ("encoding=\"GBK\"", "encoding=\"UTF-8\"", "encoding"),
    ] {
        let text = call.replace(from, to);
        assert_ne!(text, call, "{from}");
        let refused = bank.say(&world, "pay", &text).await;
        refused
            .says(400, "code", "BAD_REQUEST")
            .says(400, "field", field);
    }
    let cut = gbk(&call.replace("A7", "银"));
    let place = cut
        .iter()
        .position(|byte| !byte.is_ascii())
        .expect("a byte of 银");
    let cut = [&cut[..=place], &cut[place + 2..]].concat();
    let refused = bank.send_bytes(&world, "pay", cut, CONTENT).await;
    refused.says(400, "code", "BAD_REQUEST");
    let strange = bank
        .send_bytes(&world, "pay", gbk(&call), "text/xml; charset=big5")
        .await;
    assert_eq!(strange.content, "application/xml; charset=utf-8");
    assert_eq!(strange.element("field"), "content-type");
    // What was signed are the bytes, not the text.
    let forged = Forged {
        headers: vec![("content-type", CONTENT.to_owned())],
        body: Some(call.replace("\r\n", "\n")),
        ..Forged::default()
    };
    let changed = bank.send(&world, "pay", call.clone(), forged).await;
    changed.says(401, "code", "SIGNATURE_WRONG");
    let stranger = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let url = format!("{}/biller/v1/pay", world.portal);
    for (body, status, code) in [
        (gbk(&call), 401, "AUTH_MALFORMED"),
        (vec![b' '; 70_000], 413, "TOO_LARGE"),
    ] {
        let request = stranger
            .post(&url)
            .header("content-type", CONTENT)
            .body(body);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(answer.headers()["content-type"], CONTENT);
        let text = answer.text().await.expect("a body");
        assert!(text.contains(&format!("<code>{code}</code>")), "{text}");
    }
    assert_eq!(before, world.rows().await, "nothing was stored");

    // By their numbers, names come through as by their bytes.
    let digits: String = person
        .name
        .chars()
        .map(|c| format!("&#x{:X};", u32::from(c)))
        .collect();
    let mut numbered = person.clone();
    numbered.name = digits;
    bank.query_xml(&world, &numbered)
        .await
        .says(200, "status", "PAYABLE");
    world.settles().await;
}
