//! An institution that calls us, as a client that knows docs/biller-api.md and nothing else: it makes
//! the string to sign itself and believes no answer whose signature is wrong.

use super::{Person, World};
use encoding_rs::GBK;
use jiaoyi_crypto::{CallScheme, CallSigner, CallVerifier};
use jiaoyi_domain::decide::{PutInstitution, PutInstitutionKey};
use jiaoyi_domain::institution::{Institution, InstitutionKey, Keeper, KeyScheme};
use jiaoyi_domain::{Date, Instant};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// The time by which an institution works.
pub trait Now: Sync {
    fn now(&self) -> Instant;

    /// Its accounting day.
    fn day(&self) -> Date {
        self.now().date()
    }
}

impl Now for World {
    fn now(&self) -> Instant {
        World::now(self)
    }
}

/// The institution's day ends at eleven in the evening.
pub const CUT_OVER: u32 = 23 * 60;

/// A private key of a scheme; drawn once for the whole process.
pub fn signer(scheme: CallScheme) -> Arc<CallSigner> {
    static KEYS: OnceLock<[Arc<CallSigner>; 2]> = OnceLock::new();
    let [rsa, sm2] = KEYS.get_or_init(|| {
        [CallScheme::Rsa, CallScheme::Sm2].map(|scheme| {
            let key = CallSigner::draw(scheme, &mut |bytes| bytes.fill(5));
            Arc::new(key.expect("a key is drawn"))
        })
    });
    Arc::clone(match scheme {
        CallScheme::Rsa => rsa,
        CallScheme::Sm2 => sm2,
    })
}

/// The public half of a scheme's key as an institution's own, with the times between which it holds.
pub fn key(
    inst_id: &str,
    key_id: &str,
    scheme: CallScheme,
    (valid_from, valid_until): (Instant, Option<Instant>),
) -> InstitutionKey {
    let public = CallVerifier::from_pem(&signer(scheme).public_pem()).expect("a key");
    InstitutionKey {
        inst_id: inst_id.to_owned(),
        key_id: key_id.to_owned(),
        scheme: match scheme {
            CallScheme::Rsa => KeyScheme::Rsa,
            CallScheme::Sm2 => KeyScheme::Sm2,
        },
        public_key: public.der().to_vec(),
        valid_from,
        valid_until,
        version: 1,
    }
}

/// What a call is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Content type.
    pub content: String,
    pub text: String,
    pub json: Value,
    /// Whether the answer was signed.
    pub signed: bool,
}

impl Reply {
    /// A decision, be it yes or no.
    pub fn decided(&self) -> &Value {
        assert_eq!((self.status, self.signed), (200, true), "{}", self.text);
        &self.json
    }

    pub fn accepted(&self) -> &Value {
        assert_eq!(self.decided()["state"], "ACCEPTED", "{}", self.text);
        &self.json
    }

    pub fn is_refused(&self, reason: &str) {
        assert_eq!(self.decided()["state"], "REFUSED", "{}", self.text);
        assert_eq!(self.json["reason"], reason, "{}", self.text);
    }

    pub fn is_error(&self, status: u16, code: &str) {
        let told = (self.status, self.json["code"].as_str().unwrap_or_default());
        assert_eq!(told, (status, code), "{}", self.text);
    }

    pub fn text_of(&self, field: &str) -> String {
        self.json[field].as_str().expect("a text").to_owned()
    }
}

/// One institution with one key.
#[derive(Clone)]
pub struct Bank {
    pub inst_id: String,
    pub key_id: String,
    pub scheme: CallScheme,
    pub signer: Arc<CallSigner>,
    pub portal: String,
    pub http: reqwest::Client,
    /// The platform's public key.
    pub platform: Arc<CallVerifier>,
    pub channel: &'static str,
    pub count: Arc<AtomicU64>,
}

/// What is changed in a request on its way, to see it refused.
#[derive(Clone, Debug, Default)]
pub struct Forged {
    pub later_s: i64,
    pub nonce: Option<String>,
    pub signature: Option<String>,
    pub key_id: Option<String>,
    /// Sent instead of what was signed.
    pub body: Option<String>,
    pub headers: Vec<(&'static str, String)>,
}

impl Bank {
    /// Makes an institution known and gives it a key.
    pub async fn new(world: &World, inst_id: &str, scheme: CallScheme) -> Bank {
        let change = |_: &mut Institution| {};
        Bank::with(world, inst_id, scheme, change).await
    }

    pub async fn with(
        world: &World,
        inst_id: &str,
        scheme: CallScheme,
        change: impl FnOnce(&mut Institution),
    ) -> Bank {
        let mut institution = Bank::terms(inst_id, world.now());
        change(&mut institution);
        let put = PutInstitution {
            institution,
            change: false,
        };
        world.platform.submit(put).await.expect("it is made known");
        let http = reqwest::Client::builder().no_proxy().build();
        let http = http.expect("a client");
        let bank = Bank::at(&world.portal, inst_id, scheme, http).await;
        bank.give_key(world, "k1", None).await;
        bank
    }

    /// The usual terms of an institution of tests.
    pub fn terms(inst_id: &str, created_at: Instant) -> Institution {
        Institution {
            inst_id: inst_id.to_owned(),
            name: "演示银行".to_owned(),
            front_ends: "A6;A7;A8".to_owned(),
            scopes: "query;pay;reverse;reconcile".to_owned(),
            addresses: String::new(),
            cut_over: CUT_OVER,
            hours_from: 0,
            hours_until: 1_440,
            live: false,
            webhook: String::new(),
            created_at,
            version: 1,
        }
    }

    /// One that a portal knows, or will know before it calls.
    pub async fn at(
        portal: &str,
        inst_id: &str,
        scheme: CallScheme,
        http: reqwest::Client,
    ) -> Bank {
        Bank {
            inst_id: inst_id.to_owned(),
            key_id: "k1".to_owned(),
            scheme,
            signer: signer(scheme),
            portal: portal.to_owned(),
            http,
            platform: Arc::new(platform_key(portal, scheme).await),
            channel: "A7",
            count: Arc::default(),
        }
    }

    /// Gives the institution its key under one more id.
    pub async fn give_key(&self, world: &World, key_id: &str, until_ms: Option<i64>) {
        let until = until_ms.map(|ms| world.now().plus_ms(ms));
        let key = key(&self.inst_id, key_id, self.scheme, (world.now(), until));
        let put = PutInstitutionKey {
            key,
            by: Keeper::Staff,
        };
        world.platform.submit(put).await.expect("the key is taken");
        let known = world.platform.reload_institutions().await;
        known.expect("the institutions are read");
    }

    /// A serial that was not used before.
    pub fn seq(&self) -> String {
        let n = self.count.fetch_add(1, Ordering::SeqCst);
        format!("{}-{n:06}", self.inst_id)
    }

    pub async fn call(&self, world: &impl Now, verb: &str, body: Value) -> Reply {
        self.send(world, verb, body.to_string(), Forged::default())
            .await
    }

    /// As [`Bank::call`]; none when the connection ended without an answer.
    pub async fn try_call(&self, world: &impl Now, verb: &str, body: Value) -> Option<Reply> {
        let body = body.to_string().into_bytes();
        self.attempt(world, verb, body, Forged::default(), true)
            .await
    }

    pub async fn send(&self, world: &impl Now, verb: &str, body: String, forged: Forged) -> Reply {
        let reply = self
            .attempt(world, verb, body.into_bytes(), forged, true)
            .await;
        reply.expect("an answer")
    }

    pub async fn send_bytes(
        &self,
        world: &impl Now,
        verb: &str,
        body: Vec<u8>,
        content: &str,
    ) -> Reply {
        let forged = Forged {
            headers: vec![("content-type", content.to_owned())],
            ..Forged::default()
        };
        let reply = self.attempt(world, verb, body, forged, true).await;
        reply.expect("an answer")
    }

    /// The text of an answer whose signature is of another scheme.
    pub async fn send_unchecked(&self, world: &impl Now, verb: &str, body: String) -> String {
        let forged = Forged::default();
        let reply = self
            .attempt(world, verb, body.into_bytes(), forged, false)
            .await;
        reply.expect("an answer").text
    }

    /// Signs and sends; verifies whatever comes back signed.
    pub async fn attempt(
        &self,
        world: &impl Now,
        verb: &str,
        body: Vec<u8>,
        forged: Forged,
        checked: bool,
    ) -> Option<Reply> {
        let at = world.now().0.div_euclid(1_000) + forged.later_s;
        let n = self.count.fetch_add(1, Ordering::SeqCst);
        let nonce = forged
            .nonce
            .unwrap_or_else(|| format!("{}-nonce-{n}", self.inst_id));
        let path = format!("/biller/v1/{verb}");
        let mut text = format!("POST\n{path}\n{at}\n{nonce}\n").into_bytes();
        text.extend_from_slice(&body);
        text.push(b'\n');
        let signature = self.signer.sign(&text, &mut |bytes| bytes.fill(1));
        let signature = forged.signature.or(signature).expect("a signature");
        let scheme = match self.scheme {
            CallScheme::Rsa => "BILLER1-RSA2048-SHA256",
            CallScheme::Sm2 => "BILLER1-SM2-SM3",
        };
        let (inst, key) = (
            &self.inst_id,
            forged.key_id.as_ref().unwrap_or(&self.key_id),
        );
        let authorization = format!(
            "{scheme} inst_id=\"{inst}\",key_id=\"{key}\",timestamp=\"{at}\",nonce_str=\"{nonce}\",\
             signature=\"{signature}\""
        );
        let mut request = self
            .http
            .post(format!("{}{path}", self.portal))
            .header("authorization", authorization)
            .body(forged.body.map_or(body, String::into_bytes));
        let content = forged
            .headers
            .iter()
            .any(|(name, _)| *name == "content-type");
        if !content {
            request = request.header("content-type", "application/json; charset=utf-8");
        }
        for (name, value) in &forged.headers {
            request = request.header(*name, value);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let header = |name: &str| {
            let value = answer
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok());
            value.map(str::to_owned)
        };
        let signed = header("biller-signature")
            .filter(|_| checked)
            .map(|signature| {
                let at = header("biller-timestamp").expect("a time");
                assert_eq!(
                    header("biller-nonce").as_ref(),
                    Some(&nonce),
                    "of another request"
                );
                assert_eq!(header("biller-scheme").as_deref(), Some(scheme));
                (signature, at)
            });
        let content = header("content-type").unwrap_or_default();
        let bytes = answer.bytes().await.ok()?;
        let text = match content.ends_with("gbk") {
            true => GBK.decode_without_bom_handling_and_without_replacement(&bytes),
            false => std::str::from_utf8(&bytes).ok().map(Cow::Borrowed),
        };
        let text = text.expect("in its encoding").into_owned();
        if let Some((signature, at)) = &signed {
            let mut mine = format!("{status}\n{path}\n{at}\n{nonce}\n").into_bytes();
            mine.extend_from_slice(&bytes);
            mine.push(b'\n');
            let fits = self.platform.verify(&mine, signature);
            assert!(fits, "the answer's signature is wrong: {text}");
        }
        Some(Reply {
            status,
            content,
            json: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
            signed: signed.is_some(),
        })
    }

    pub fn query_body(&self, person: &Person) -> Value {
        json!({
            "pooling_region": person.region, "id_type": "id_card", "id_no": person.id,
            "name": person.name, "relation": "other", "channel": self.channel, "terminal": "T1",
        })
    }

    pub async fn query(&self, world: &impl Now, person: &Person) -> Reply {
        self.call(world, "query", self.query_body(person)).await
    }

    /// The bill of a person.
    pub async fn bill(&self, world: &impl Now, person: &Person) -> Bill {
        let found = self.query(world, person).await;
        Bill::read(found.decided()).expect("a bill")
    }

    pub fn pay_body(&self, world: &impl Now, bill: &Bill, seq: &str) -> Value {
        json!({
            "seq": seq, "trace_date": world.day().to_string(), "bill_no": bill.no,
            "query_token": bill.token, "amount_fen": bill.amount_fen,
            "paid_at": world.now().rfc3339(), "channel": self.channel,
            "account_masked": "6222****1234",
        })
    }

    pub async fn pay(&self, world: &impl Now, bill: &Bill, seq: &str) -> Reply {
        self.call(world, "pay", self.pay_body(world, bill, seq))
            .await
    }

    pub fn collect_body(&self, world: &impl Now, bill: &Bill, seq: &str) -> Value {
        json!({
            "seq": seq, "trace_date": world.day().to_string(), "bill_no": bill.no,
            "query_token": bill.token, "until": world.now().plus_ms(3_600_000).rfc3339(),
            "channel": self.channel,
        })
    }

    pub async fn collect(&self, world: &impl Now, bill: &Bill, seq: &str) -> Reply {
        self.call(world, "collect", self.collect_body(world, bill, seq))
            .await
    }

    pub fn reverse_body(&self, world: &impl Now, seq: &str, orig: &str, amount_fen: u64) -> Value {
        let today = world.day().to_string();
        json!({
            "seq": seq, "trace_date": today, "orig_seq": orig, "orig_date": today,
            "amount_fen": amount_fen, "reason": "CASH_FAILED",
        })
    }

    pub async fn reverse(&self, world: &impl Now, orig: &str, amount_fen: u64) -> Reply {
        let seq = self.seq();
        let body = self.reverse_body(world, &seq, orig, amount_fen);
        self.call(world, "reverse", body).await
    }

    pub async fn status(&self, world: &impl Now, orig: &str) -> String {
        let told = self
            .call(world, "status", json!({ "orig_seq": orig }))
            .await;
        told.decided();
        told.text_of("state")
    }
}

/// A bill as a query tells it.
#[derive(Clone, Debug)]
pub struct Bill {
    pub token: String,
    pub no: String,
    pub amount_fen: u64,
    pub status: String,
}

impl Bill {
    /// The first bill of an answer to a query.
    pub fn read(told: &Value) -> Option<Bill> {
        let bill = &told["bills"][0];
        Some(Bill {
            token: told["query_token"].as_str()?.to_owned(),
            no: bill["bill_no"].as_str()?.to_owned(),
            amount_fen: bill["amount_fen"].as_u64()?,
            status: bill["status"].as_str()?.to_owned(),
        })
    }
}

/// The key with which the platform signs its answers.
pub async fn platform_key(portal: &str, scheme: CallScheme) -> CallVerifier {
    let keys = reqwest::get(format!("{portal}/biller/v1/keys"))
        .await
        .expect("an answer");
    let keys: Value =
        serde_json::from_str(&keys.text().await.expect("a body")).expect("it is JSON");
    let name = match scheme {
        CallScheme::Rsa => "BILLER1-RSA2048-SHA256",
        CallScheme::Sm2 => "BILLER1-SM2-SM3",
    };
    let mut of = keys["keys"].as_array().expect("a list").iter();
    let key = of
        .rfind(|key| key["scheme"] == name)
        .expect("a key of this scheme");
    CallVerifier::from_pem(key["public_key"].as_str().expect("a text")).expect("a key")
}
