//! Scenes of institutions that call: every verb, who may call, and what is wrong with a call.

use super::desk::*;
use crate::biller::{BillerReply, Misread, Profile, RawCall};
use crate::limits::Budgets;
use crate::portal::BillState;
use crate::verify::tests::institutions::institution;
use crate::verify::tests::world::counted;
use data_encoding::{BASE64, HEXLOWER};
use jiaoyi_crypto::Keyring;
use jiaoyi_crypto::calls::{CallScheme, CallSigner, CallVerifier, string_to_sign};
use jiaoyi_domain::decide::{PutInstitution, PutInstitutionKey};
use jiaoyi_domain::fact::Fact;
use jiaoyi_domain::institution::{InstitutionKey, Keeper, KeyScheme};
use jiaoyi_domain::messages::Case;
use jiaoyi_domain::order::{OrderState, PayOrder};
use jiaoyi_domain::person::id_number;
use jiaoyi_domain::refund::{Refund, RefundState};
use jiaoyi_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A bank that signs its calls.
pub struct Bank {
    pub desk: Desk,
    signer: CallSigner,
    calls: u32,
}

/// What somebody on the way does to a call.
type Meddle<'m> = &'m dyn Fn(&mut RawCall);

impl Bank {
    pub async fn new(name: &str, budgets: Budgets) -> Bank {
        let mut keyring = Keyring::generate(&mut counted(9));
        keyring.add_answer_keys(&mut counted(10)).unwrap();
        let desk = Desk::with(name, budgets, keyring).await;
        let signer = CallSigner::draw(CallScheme::Sm2, &mut counted(11)).unwrap();
        let mut bank = institution("BANK01", START);
        bank.front_ends = "A5;A7".to_owned();
        bank.scopes = "query;pay;reverse;reconcile".to_owned();
        bank.addresses = "198.51.100.0/24".to_owned();
        let put = PutInstitution {
            institution: bank,
            change: false,
        };
        desk.platform.submit(put).await.unwrap();
        let public = CallVerifier::from_pem(&signer.public_pem()).unwrap();
        let key = InstitutionKey {
            inst_id: "BANK01".to_owned(),
            key_id: "k1".to_owned(),
            scheme: KeyScheme::Sm2,
            public_key: public.der().to_vec(),
            valid_from: START,
            valid_until: Some(START.plus_ms(30 * DAY_MS)),
            version: 1,
        };
        let by = Keeper::Staff;
        let put = PutInstitutionKey { key, by };
        desk.platform.submit(put).await.unwrap();
        Bank {
            desk,
            signer,
            calls: 0,
        }
    }

    /// A signed call with this body.
    fn signed(&mut self, verb: &str, content_type: &str, body: &[u8]) -> RawCall {
        self.calls += 1;
        let at = self.desk.platform.now().0.div_euclid(SECOND_MS).to_string();
        let nonce = format!("nonce{:08}", self.calls);
        let path = format!("/biller/v1/{verb}");
        let text = string_to_sign(["POST", &path, &at, &nonce], body);
        let signature = self.signer.sign(&text, &mut counted(12)).unwrap();
        let scheme = KeyScheme::Sm2.code();
        RawCall {
            verb: verb.to_owned(),
            path,
            authorization: Some(format!(
                "{scheme} inst_id=\"BANK01\",key_id=\"k1\",timestamp=\"{at}\",\
                 nonce_str=\"{nonce}\",signature=\"{signature}\""
            )),
            content_type: content_type.to_owned(),
            address: "198.51.100.7".to_owned(),
            body: body.to_vec(),
            ..RawCall::default()
        }
    }

    /// Sends a call and tells of its answer.
    async fn send(&mut self, what: &str, call: RawCall) -> Value {
        let path = call.path.clone();
        let reply = self.desk.platform.biller(call).await;
        self.check_signature(&path, &reply);
        let body = String::from_utf8(reply.body.clone()).unwrap();
        let retry = reply
            .headers
            .iter()
            .find(|(name, _)| *name == "retry-after");
        let retry = retry.map_or(String::new(), |(_, s)| format!(" again after {s} s"));
        let told = format!("{}{retry} {body}", reply.status);
        self.desk.tell(what, &format_args!("{told}"));
        serde_json::from_str(&body).unwrap_or(Value::Null)
    }

    /// What is signed is signed by the installation.
    fn check_signature(&self, path: &str, reply: &BillerReply) {
        let header = |name: &str| {
            let found = reply.headers.iter().find(|(of, _)| *of == name);
            found.map(|(_, value)| value.as_str())
        };
        let Some(signature) = header("biller-signature") else {
            assert!(matches!(reply.status, 401), "unsigned: {reply:?}");
            return;
        };
        let status = reply.status.to_string();
        let (at, nonce) = (header("biller-timestamp"), header("biller-nonce"));
        let lines = [&status, path, at.unwrap(), nonce.unwrap()];
        let keyring = &self.desk.platform.keyring;
        let (id, signer) = keyring.answer_key(CallScheme::Sm2).unwrap();
        assert_eq!(header("biller-key-id"), Some(id));
        let verifier = CallVerifier::from_pem(&signer.public_pem()).unwrap();
        assert!(verifier.verify(&string_to_sign(lines, &reply.body), signature));
    }

    pub async fn call(&mut self, what: &str, verb: &str, body: Value) -> Value {
        let call = self.signed(verb, "application/json", body.to_string().as_bytes());
        self.send(what, call).await
    }

    /// Asks for what person `number` owes.
    async fn query(&mut self, what: &str, number: u16, county: &str) -> Value {
        self.call(what, "query", asking(number, county)).await
    }

    /// The token for the bill of person `number`, and the bill.
    pub async fn bill_of(&mut self, number: u16) -> (Value, Value) {
        let answer = self.query("asks", number, COUNTY).await;
        (
            answer["query_token"].clone(),
            answer["bills"][0]["bill_no"].clone(),
        )
    }

    /// Lets the jobs do what is due, and what follows from it.
    async fn work(&mut self) {
        for _ in 0..3 {
            self.desk.platform.work().await.unwrap();
            self.desk.turn(MINUTE_MS);
        }
    }

    fn time(&self) -> String {
        self.desk.platform.now().rfc3339()
    }

    fn day(&self) -> String {
        self.desk.platform.now().date().to_string()
    }

    pub fn paying(&self, seq: &str, bill: &Value) -> Value {
        json!({"seq": seq, "trace_date": self.day(), "bill_no": bill, "amount_fen": 40_000,
               "paid_at": self.time(), "channel": "A7", "terminal": "T1"})
    }

    fn locking(&self, seq: &str, token: &Value, bill: &Value) -> Value {
        let until = self.desk.platform.now().plus_ms(2 * MINUTE_MS).rfc3339();
        json!({"seq": seq, "trace_date": self.day(), "query_token": token, "bill_no": bill,
               "until": until, "channel": "A7"})
    }

    fn releasing(&self, seq: &str, bill: &Value) -> Value {
        json!({"seq": seq, "trace_date": self.day(), "bill_no": bill, "channel": "A7"})
    }

    fn undoing(&self, seq: &str, of: &str) -> Value {
        json!({"seq": seq, "trace_date": self.day(), "orig_seq": of, "orig_date": self.day(),
               "amount_fen": 40_000, "reason": "CASH_FAILED"})
    }

    /// Sends the file of a day: rows without their date and time.
    async fn file(&mut self, what: &str, day: &str, rows: &[String]) -> Value {
        let lines = rows.iter().map(|row| format!("{day}|10:00:00|{row}\n"));
        let text: String = lines.collect();
        let sum: i64 = rows
            .iter()
            .map(|row| {
                let parts: Vec<&str> = row.split('|').collect();
                let fen: i64 = parts[2].parse().unwrap();
                if parts[4] == "P" { fen } else { -fen }
            })
            .sum();
        let hash = HEXLOWER.encode(&Sha256::digest(&text));
        let body = format!("BANK01|{day}|{}|{sum}|{hash}\n{text}", rows.len());
        let call = self.signed("reconcile", "text/plain; charset=utf-8", body.as_bytes());
        self.send(what, call).await
    }
}

fn asking(number: u16, county: &str) -> Value {
    json!({"pooling_region": county, "id_type": "id_card", "id_no": id_of(number, county),
           "name": "王桂兰", "relation": "other", "channel": "A7"})
}

#[tokio::test]
async fn scenes_of_queries() {
    let mut bank = Bank::new("queries", Budgets::default()).await;
    let mut free = row(3, "990501");
    free.aids = vec!["full".to_owned()];
    let mut rows = vec![row(1, COUNTY), free];
    rows.extend([row(7, "990301"), row(8, "990601"), row(9, COUNTY)]);
    bank.desk.roster(1, rows).await;
    let mut withdrawn = row(9, COUNTY);
    withdrawn.void_cause = Some("insured elsewhere".to_owned());
    bank.desk.roster(2, vec![withdrawn]).await;
    bank.query("nobody", 99, COUNTY).await;
    bank.query("can be paid", 1, COUNTY).await;
    bank.query("nothing to pay", 3, "990501").await;
    bank.query("over", 7, "990301").await;
    bank.query("not yet", 8, "990601").await;
    bank.query("withdrawn", 9, COUNTY).await;
    for (what, field, value) in [
        ("another name", "name", json!("王桂花")),
        ("another region", "pooling_region", json!("990201")),
        ("another year", "benefit_year", json!(2030)),
        ("the right year", "benefit_year", json!(2027)),
        ("no region", "pooling_region", json!("12")),
        ("no name", "name", json!("")),
        ("no document", "id_no", json!("123")),
        ("no kind", "id_type", json!("card")),
        ("no relation", "relation", json!("cousin")),
        ("no front end", "channel", json!("A99")),
        ("not its front end", "channel", json!("A8")),
        ("no text", "terminal", json!(7)),
        ("unknown field", "sum", json!(1)),
    ] {
        let mut body = asking(1, COUNTY);
        body[field] = value;
        bank.call(what, "query", body).await;
    }
    bank.desk.is("calls_query");
}

#[tokio::test]
async fn an_institution_may_ask_so_often() {
    let budgets = Budgets {
        queries_per_document_minute: 2,
        queries_per_institution_minute: 4,
        ..Budgets::default()
    };
    let mut bank = Bank::new("budgets", budgets).await;
    for (number, code) in [
        (1, "NO_SUCH_PERSON"),
        (1, "NO_SUCH_PERSON"),
        (1, "RATE_LIMITED"),
        (2, "NO_SUCH_PERSON"),
        (3, "RATE_LIMITED"),
    ] {
        let answer = bank.query("asks", number, COUNTY).await;
        assert_eq!(answer["code"], code, "{number}");
    }
}

/// Who asks for many that are not there raises the alarm; who finds those that he asks for does not.
#[tokio::test]
async fn an_institution_that_guesses_raises_the_alarm() {
    let mut bank = Bank::new("guesses", Budgets::OFF).await;
    bank.desk.roster(1, vec![row(1, COUNTY)]).await;
    for (number, alarm) in [(1, false), (2, true)] {
        for _ in 0..100 {
            bank.query("asks", number, COUNTY).await;
        }
        assert_eq!(bank.desk.platform.limits.guessing(), alarm);
    }
}

#[tokio::test]
async fn scenes_of_calls() {
    let mut free = row(3, "990501");
    free.aids = vec!["full".to_owned()];
    let mut bank = Bank::new("calls", Budgets::default()).await;
    bank.desk
        .roster(1, vec![row(1, COUNTY), row(2, COUNTY), free])
        .await;
    let (token, bill) = bank.bill_of(1).await;
    let lock = bank.locking("c1", &token, &bill);
    bank.call("locks", "collect", lock.clone()).await;
    bank.call("the same again", "collect", lock).await;
    bank.query("locked by itself", 1, COUNTY).await;
    let release = bank.releasing("r1", &bill);
    bank.call("frees", "release", release).await;
    let release = bank.releasing("r2", &bill);
    bank.call("there is no lock", "release", release).await;
    let mut pay = bank.paying("p1", &bill);
    pay["query_token"] = token.clone();
    bank.call("pays", "pay", pay.clone()).await;
    bank.desk.turn(20 * MINUTE_MS);
    bank.call("the same again, late", "pay", pay.clone()).await;
    pay["amount_fen"] = json!(39_999);
    bank.call("the same serial otherwise", "pay", pay).await;
    let again = bank.paying("p2", &bill);
    bank.call("pays again", "pay", again).await;
    let status = json!({"orig_seq": "p1"});
    bank.call("what became of it", "status", status.clone())
        .await;
    bank.call("of the other", "status", json!({"orig_seq": "p2"}))
        .await;
    bank.call("of none", "status", json!({"orig_seq": "p9"}))
        .await;
    let late = bank.paying("p9", &bill);
    bank.call("that one comes late", "pay", late).await;
    let mut undo = bank.undoing("u1", "p1");
    undo["amount_fen"] = json!(1);
    bank.call("another amount", "reverse", undo).await;
    let undo = bank.undoing("u2", "p1");
    bank.call("undoes", "reverse", undo.clone()).await;
    let mut changed = undo.clone();
    changed["reason"] = json!("OTHER");
    bank.call("the same serial otherwise", "reverse", changed)
        .await;
    bank.call("the same again", "reverse", undo).await;
    let never = bank.undoing("u3", "p8");
    bank.call("undoes what never was", "reverse", never).await;
    bank.call("undone", "status", status).await;
    bank.call(
        "of one that was undone first",
        "status",
        json!({"orig_seq": "p8"}),
    )
    .await;
    bank.query("free again", 1, COUNTY).await;
    let anew = bank.paying("p10", &bill);
    bank.call("paid anew", "pay", anew).await;
    bank.query("paid", 1, COUNTY).await;
    let undo = bank.undoing("u4", "p10");
    bank.call("undone again", "reverse", undo).await;
    let free = bank.query("asks", 3, "990501").await;
    let nothing = bank.paying("p11", &free["bills"][0]["bill_no"]);
    bank.call("nothing is to be paid", "pay", nothing).await;
    let old = bank.locking("c2", &token, &bill);
    bank.call("by an old token", "collect", old).await;
    let (other_token, _) = bank.bill_of(2).await;
    let other = bank.locking("c3", &other_token, &bill);
    bank.call("by the token of another bill", "collect", other)
        .await;
    bank.call("its events", "events", json!({"limit": 3})).await;
    let all = bank.call("all of them", "events", json!({})).await;
    let first = all["events"][0]["event"]["event_id"].clone();
    let since = json!({"since": first, "limit": 1});
    bank.call("the one after the first", "events", since).await;
    bank.call("since none", "events", json!({"since": "x"}))
        .await;
    bank.call("none", "events", json!({"limit": 0})).await;
    bank.call("too many", "events", json!({"limit": 201})).await;
    bank.call("sent anew", "replay", json!({"event_id": first}))
        .await;
    bank.call("unknown", "replay", json!({"event_id": "x"}))
        .await;
    bank.desk.is("calls");
}

#[tokio::test]
async fn scenes_of_fields_that_cannot_be_right() {
    let mut bank = Bank::new("fields", Budgets::default()).await;
    bank.desk.roster(1, vec![row(1, COUNTY)]).await;
    let (token, bill) = bank.bill_of(1).await;
    let unknown = json!("990101-1");
    // Branch, day and number: not taken for a document.
    let of_today = id_number(COUNTY, START.date(), 1).unwrap();
    let calls = [
        ("collect", bank.locking("c1", &token, &bill)),
        ("release", bank.releasing("r1", &bill)),
        ("pay", bank.paying("p1", &bill)),
        ("reverse", bank.undoing("u1", "p1")),
        (
            "status",
            json!({"orig_seq": "p1", "orig_date": "2026-11-18"}),
        ),
    ];
    for (field, values) in [
        (
            "seq",
            vec![
                json!(""),
                json!("a b"),
                json!("13800130421"),
                json!(id_of(1, COUNTY)),
                json!(of_today),
            ],
        ),
        ("orig_seq", vec![json!("a b")]),
        ("trace_date", vec![json!("20261118"), json!("2026-11-17")]),
        ("orig_date", vec![json!("2026-1-1"), json!("2026-11-17")]),
        ("bill_no", vec![json!("x"), unknown]),
        ("channel", vec![json!("A99"), json!("A8")]),
        (
            "terminal",
            vec![
                json!("a terminal with a name that is too long"),
                json!("a\nb"),
            ],
        ),
        (
            "until",
            vec![
                json!("2026-11-18 10:00:00"),
                json!("2026-11-18T09:59:59+08:00"),
            ],
        ),
        ("query_token", vec![json!("x")]),
        ("amount_fen", vec![json!(0), json!(-1), json!(39_999)]),
        (
            "paid_at",
            vec![json!("2026-11-18"), json!("2026-11-18T11:00:00+08:00")],
        ),
        (
            "account_masked",
            vec![json!("a masked number that is far too long")],
        ),
        ("reason", vec![json!("BECAUSE")]),
    ] {
        for (verb, good) in &calls {
            let optional = matches!((field, *verb), ("query_token" | "account_masked", "pay"));
            if good.get(field).is_none() && !optional {
                continue;
            }
            for value in &values {
                let mut body = good.clone();
                body[field] = value.clone();
                let what = format!("{verb} with {field} {value}");
                // Each serial is of one call.
                if body["seq"] == good["seq"] && good.get("seq").is_some() {
                    body["seq"] = json!(format!("{}{}", good["seq"].as_str().unwrap(), bank.calls));
                }
                bank.call(&what, verb, body).await;
            }
        }
    }
    let mut longest = bank.paying("p9", &bill);
    longest["terminal"] = json!("32 characters, and no more than.");
    bank.call("a terminal as long as may be", "pay", longest)
        .await;
    let mut own = bank.undoing("u9", "u9");
    bank.call("undoes itself", "reverse", own.clone()).await;
    own["orig_seq"] = json!("r1");
    bank.call("a verb that does not exist", "refund", own).await;
    bank.desk.is("calls_fields");
}

#[tokio::test]
async fn scenes_of_who_may_call() {
    let mut bank = Bank::new("callers", Budgets::default()).await;
    bank.desk.roster(1, vec![row(1, COUNTY)]).await;
    let body = asking(1, COUNTY).to_string();
    let replaced = |call: &mut RawCall, from: &str, to: &str| {
        let text = call.authorization.take().unwrap();
        assert!(text.contains(from), "{text}");
        call.authorization = Some(text.replacen(from, to, 1));
    };
    let meddled: [(&str, Meddle<'_>); 13] = [
        ("without a header", &|call| call.authorization = None),
        ("of another scheme", &|call| replaced(call, "SM2", "MD5")),
        ("without a nonce", &|call| {
            replaced(call, "nonce_str", "nonce")
        }),
        ("twice a name", &|call| replaced(call, "key_id", "inst_id")),
        ("a word more", &|call| {
            replaced(call, "key_id", "more=\"x\",key_id")
        }),
        ("not in quotation marks", &|call| {
            replaced(call, "\"k1\"", "k1")
        }),
        ("a short nonce", &|call| replaced(call, "nonce0000", "n")),
        ("no time", &|call| {
            replaced(call, "timestamp=\"1", "timestamp=\"x")
        }),
        ("of nobody", &|call| replaced(call, "BANK01", "BANK09")),
        ("with another key", &|call| {
            replaced(call, "\"k1\"", "\"k2\"")
        }),
        ("from elsewhere", &|call| {
            call.address = "192.0.2.1".to_owned()
        }),
        ("of another body", &|call| call.body.push(b' ')),
        ("to another path", &|call| call.path.push('?')),
    ];
    for (what, meddle) in meddled {
        let mut call = bank.signed("query", "application/json", body.as_bytes());
        meddle(&mut call);
        bank.send(what, call).await;
    }
    let call = bank.signed("query", "application/json", body.as_bytes());
    bank.send("good", call.clone()).await;
    bank.send("its nonce again", call).await;
    for (what, ms) in [("in time", 300 * SECOND_MS), ("too late", 301 * SECOND_MS)] {
        let call = bank.signed("query", "application/json", body.as_bytes());
        bank.desk.turn(ms);
        bank.send(what, call).await;
    }
    let call = bank.signed("query", "text/plain", body.as_bytes());
    bank.send("of another type", call).await;
    let call = bank.signed("query", "application/json", b"{");
    bank.send("no JSON", call).await;
    let mut call = bank.signed("echo-signature", "application/json", b"{}");
    bank.send("a signature that is right", call.clone()).await;
    call.signed_string = Some(BASE64.encode(b"POST\n/biller/v1/echo\n1\nx\n{}\n"));
    bank.send("what it signed is another string", call.clone())
        .await;
    call.body = b"{ }".to_vec();
    bank.send("of another body", call).await;
    let terms = |scopes: &str, live: bool| {
        let mut institution = institution("BANK01", START);
        institution.front_ends = "A7".to_owned();
        institution.scopes = scopes.to_owned();
        institution.live = live;
        let change = true;
        PutInstitution {
            institution,
            change,
        }
    };
    for (what, put) in [
        ("without the scope", terms("pay", false)),
        ("a live one", terms("query", true)),
    ] {
        bank.desk.platform.submit(put).await.unwrap();
        bank.desk.turn(2 * SECOND_MS);
        bank.query(what, 1, COUNTY).await;
    }
    bank.desk.turn(30 * DAY_MS);
    bank.query("when the key holds no longer", 1, COUNTY).await;
    bank.desk.is("calls_who");
}

/// What a file lists is compared at once, and what we had not is booked from it afterwards.
#[tokio::test]
async fn scenes_of_a_day_file() {
    let mut bank = Bank::new("day", Budgets::default()).await;
    let people = (1..=6).map(|number| row(number, COUNTY)).collect();
    bank.desk.roster(1, people).await;
    let mut bills = Vec::new();
    for number in 1..=6 {
        bills.push(bank.bill_of(number).await.1);
    }
    for (number, seq) in [(0, "p1"), (1, "p2"), (2, "p3"), (3, "p4")] {
        let pay = bank.paying(seq, &bills[number]);
        bank.call("pays", "pay", pay).await;
    }
    let again = bank.paying("p5", &bills[0]);
    bank.call("paid already", "pay", again).await;
    let undo = bank.undoing("u4", "p4");
    bank.call("undone", "reverse", undo).await;
    let day = bank.day();
    let bill = |number: usize| bills[number].as_str().unwrap().to_owned();
    let rows = [
        format!("p1|{}|40000|A7|P", bill(0)),
        format!("p2|{}|39999|A7|P", bill(1)),
        format!("p4|{}|40000|A7|P", bill(3)),
        format!("p5|{}|40000|A7|P", bill(0)),
        format!("p6|{}|40000|A7|P", bill(4)),
        format!("p7|{}|40000|A7|P", bill(5)),
        format!("p7|{}|40000|A7|R", bill(5)),
        "p8|990101-1|100|A7|P".to_owned(),
    ];
    bank.file("before its day is over", &day, &rows).await;
    let asked = json!({"day": day});
    bank.call("its result, before", "reconcile", asked.clone())
        .await;
    bank.desk.turn(15 * HOUR_MS);
    bank.file("the file", &day, &rows).await;
    bank.file("the same file again", &day, &rows).await;
    bank.call("its result", "reconcile", asked.clone()).await;
    bank.work().await;
    for number in [1, 5, 6] {
        bank.query("afterwards", number, COUNTY).await;
    }
    for seq in ["p5", "p6", "p7", "p8"] {
        bank.call("what became of it", "status", json!({"orig_seq": seq}))
            .await;
    }
    let refunds: Vec<Refund> = bank.desk.platform.store.all().await.unwrap();
    let states: Vec<RefundState> = refunds.iter().map(|row| row.state).collect();
    bank.desk.tell("asked back from the bank", &states);
    bank.call("its result, booked", "reconcile", asked.clone())
        .await;
    let mut later = rows.to_vec();
    later.push(format!("p5|{}|40000|A7|R", bill(0)));
    later.push(format!("p6|{}|40000|A7|R", bill(4)));
    bank.file("a file that replaces it", &day, &later).await;
    bank.work().await;
    bank.query("undone by the file", 5, COUNTY).await;
    bank.call("its result", "reconcile", asked).await;
    let cases: Vec<Case> = bank.desk.platform.store.all().await.unwrap();
    let mut told: Vec<String> = cases
        .iter()
        .map(|case| format!("{:?} {} {}", case.kind, case.subject, case.detail))
        .collect();
    told.sort();
    for line in told {
        bank.desk.tell("a case", &format_args!("{line}"));
    }
    bank.desk.is("calls_day");
}

/// Who looks the bill up sees the payment that counts, not one that was undone.
#[tokio::test]
async fn a_bill_shows_its_newest_payment() {
    let mut bank = Bank::new("anew", Budgets::default()).await;
    bank.desk.roster(1, vec![row(1, COUNTY)]).await;
    let (_, bill) = bank.bill_of(1).await;
    for round in 1..=2 {
        let pay = bank.paying(&format!("p{round}"), &bill);
        bank.call("pays", "pay", pay).await;
        let state = bank.desk.state(1, 1, COUNTY).await;
        assert!(matches!(state, BillState::Paid { .. }), "{state:?}");
        let undo = bank.undoing(&format!("u{round}"), &format!("p{round}"));
        bank.call("undoes", "reverse", undo).await;
        let state = bank.desk.state(1, 1, COUNTY).await;
        assert!(matches!(state, BillState::Payable { .. }), "{state:?}");
    }
}

/// Writes JSON with a mark in front of it.
#[derive(Debug)]
struct Marked;

impl Profile for Marked {
    fn to_json(&self, verb: &str, body: &[u8]) -> Result<Vec<u8>, Misread> {
        let json = body.strip_prefix(b"~").map(<[u8]>::to_vec);
        json.ok_or(Misread {
            field: verb.to_owned(),
            message: "it has no mark".to_owned(),
        })
    }

    fn of_json(&self, json: &[u8]) -> Vec<u8> {
        [b"~", json].concat()
    }

    fn content_type(&self) -> &'static str {
        "application/marked"
    }
}

/// Fields are read and written as the call wants it; a file stays a file.
#[tokio::test]
async fn an_answer_is_written_as_the_call_wants_it() {
    let mut bank = Bank::new("marked", Budgets::default()).await;
    bank.desk.roster(1, vec![row(1, COUNTY)]).await;
    let profile = || Some(Arc::new(Marked) as Arc<dyn Profile>);
    let day = bank.day();
    bank.desk.turn(15 * HOUR_MS);
    bank.file("a file", &day, &[]).await;
    let asking = asking(1, COUNTY).to_string();
    let of_day = json!({"day": day}).to_string();
    for (verb, body, status, marked) in [
        ("query", format!("~{asking}"), 200, true),
        ("query", asking, 400, true),
        ("reconcile", format!("~{of_day}"), 200, false),
    ] {
        let mut call = bank.signed(verb, "application/marked", body.as_bytes());
        (call.body_in, call.answer_in) = (profile(), profile());
        let path = call.path.clone();
        let reply = bank.desk.platform.biller(call).await;
        bank.check_signature(&path, &reply);
        assert_eq!(reply.status, status, "{reply:?}");
        assert_eq!(reply.body.starts_with(b"~{"), marked, "{reply:?}");
        assert_eq!(reply.content_type == "application/marked", marked);
    }
}

/// What was paid on one day and stands in the file of another is no further money: there is a case.
#[tokio::test]
async fn a_payment_in_the_file_of_another_day_is_not_booked_again() {
    let mut bank = Bank::new("another-day", Budgets::default()).await;
    bank.desk.roster(1, vec![row(1, COUNTY)]).await;
    let (_, bill) = bank.bill_of(1).await;
    let pay = bank.paying("p1", &bill);
    bank.call("pays", "pay", pay).await;
    bank.desk.turn(DAY_MS);
    let day = bank.day();
    bank.desk.turn(15 * HOUR_MS);
    let bill = bill.as_str().unwrap();
    let rows = [("p1", 40_000), ("p9", 0)].map(|(seq, fen)| format!("{seq}|{bill}|{fen}|A7|P"));
    let answer = bank.file("the next day", &day, &rows).await;
    assert_eq!(answer["long"], 2, "{answer}");
    bank.work().await;
    let facts: Vec<Fact> = bank.desk.platform.store.all().await.unwrap();
    assert_eq!(facts.len(), 1);
    let cases: Vec<Case> = bank.desk.platform.store.all().await.unwrap();
    for (seq, why) in [
        ("p1", "taken on another day"),
        ("p9", "no bill of ours, or no money"),
    ] {
        let mut of_it = cases.iter().filter(|case| case.subject.ends_with(seq));
        assert!(of_it.any(|case| case.detail.contains(why)), "{cases:?}");
    }
    assert_eq!(cases.len(), 2);
}

/// A file that only undoes what was paid before is acted upon too.
#[tokio::test]
async fn a_file_that_only_undoes_is_booked() {
    let mut bank = Bank::new("only-undone", Budgets::default()).await;
    bank.desk.roster(1, vec![row(1, COUNTY)]).await;
    let (_, bill) = bank.bill_of(1).await;
    let pay = bank.paying("p1", &bill);
    bank.call("pays", "pay", pay).await;
    let day = bank.day();
    bank.desk.turn(15 * HOUR_MS);
    let bill = bill.as_str().unwrap();
    let rows = ["P", "R"].map(|side| format!("p1|{bill}|40000|A7|{side}"));
    bank.file("undone", &day, &rows).await;
    bank.work().await;
    let state = bank.desk.state(1, 1, COUNTY).await;
    assert!(matches!(state, BillState::Payable { .. }), "{state:?}");
}

/// Once a file has undone what an earlier one told, no later one brings it back: its result says so.
#[tokio::test]
async fn what_a_file_has_undone_stays_undone() {
    let mut bank = Bank::new("told-undone", Budgets::default()).await;
    bank.desk.roster(1, vec![row(1, COUNTY)]).await;
    let (_, bill) = bank.bill_of(1).await;
    let bill = bill.as_str().unwrap();
    let day = bank.day();
    bank.desk.turn(15 * HOUR_MS);
    let [paid, undone] = ["P", "R"].map(|side| format!("p1|{bill}|40000|A7|{side}"));
    for (rows, end) in [
        (vec![paid.clone()], Some("PREMIUM")),
        (vec![paid.clone(), undone], None),
        (
            vec![paid, "x1|990101-1|100|A7|P".to_owned()],
            Some("UNDONE"),
        ),
    ] {
        bank.file("the day", &day, &rows).await;
        bank.work().await;
        let of_day = json!({"day": day}).to_string();
        let call = bank.signed("reconcile", "application/json", of_day.as_bytes());
        let reply = bank.desk.platform.biller(call).await;
        let result = String::from_utf8(reply.body).unwrap();
        let line = result.lines().find(|line| line.starts_with("LONG|p1|"));
        let told = line.and_then(|line| line.rsplit('|').nth(1));
        assert_eq!(told, end, "{result}");
    }
    let state = bank.desk.state(1, 1, COUNTY).await;
    assert!(matches!(state, BillState::Payable { .. }), "{state:?}");
}

/// A file of nothing but nonsense does not bury the staff: its result names every row all the same.
#[tokio::test]
async fn a_file_opens_a_thousand_cases_and_no_more() {
    let mut bank = Bank::new("nonsense", Budgets::default()).await;
    let day = bank.day();
    bank.desk.turn(15 * HOUR_MS);
    let rows: Vec<String> = (0..1_001)
        .map(|number| format!("x{number:04}|990101-1|100|A7|P"))
        .collect();
    let answer = bank.file("of nobody", &day, &rows).await;
    assert_eq!(answer["long"], 1_001, "{answer}");
    bank.work().await;
    let cases: Vec<Case> = bank.desk.platform.store.all().await.unwrap();
    assert_eq!(cases.len(), 1_000);
}

#[tokio::test]
async fn a_lock_whose_time_is_over_is_ended_by_the_jobs() {
    let mut bank = Bank::new("lapsed", Budgets::default()).await;
    bank.desk.roster(1, vec![row(1, COUNTY)]).await;
    let (token, bill) = bank.bill_of(1).await;
    let lock = bank.locking("c1", &token, &bill);
    bank.call("locks", "collect", lock).await;
    for (wait_ms, state) in [
        (2 * MINUTE_MS - 1, OrderState::Placed),
        (2, OrderState::Closed),
    ] {
        bank.desk.turn(wait_ms);
        let worked = bank.desk.platform.work().await.unwrap();
        assert_eq!(worked.asked, u32::from(state == OrderState::Closed));
        let orders: Vec<PayOrder> = bank.desk.platform.store.all().await.unwrap();
        assert_eq!(orders[0].state, state);
    }
}
