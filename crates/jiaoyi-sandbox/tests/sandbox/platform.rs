//! A tiny platform at the other end of the biller API: one bill for each person, its own signatures,
//! no more memory than the contract's promises need.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::unionpay::sha256_hex;
use crate::world::{NOW_MS, der, pem, unique};

const SCHEME: &str = "BILLER1-RSA2048-SHA256";
pub const AMOUNT_FEN: u64 = 40_000;

/// What the platform holds.
#[derive(Default)]
struct Held {
    /// Bills by number: the `seq` that paid it.
    bills: BTreeMap<String, Option<String>>,
    locked: Vec<String>,
    /// Answers by `seq`.
    decided: BTreeMap<String, Value>,
    tombstones: Vec<String>,
    /// Every call with its serial number, if it has one.
    calls: Vec<(String, String)>,
}

pub struct Platform {
    pub url: String,
    held: Arc<Mutex<Held>>,
}

impl Platform {
    pub async fn open() -> Platform {
        let held: Arc<Mutex<Held>> = Arc::default();
        let app = Router::new()
            .route("/biller/v1/keys", get(keys))
            .route("/biller/v1/{verb}", post(entry))
            .with_state(held.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Platform { url, held }
    }

    /// How many bills are paid.
    pub fn paid(&self) -> usize {
        let held = self.held.lock().unwrap();
        held.bills.values().filter(|by| by.is_some()).count()
    }

    pub fn locked(&self) -> usize {
        self.held.lock().unwrap().locked.len()
    }

    /// The verbs that were called, each with its serial number.
    pub fn calls(&self) -> Vec<(String, String)> {
        self.held.lock().unwrap().calls.clone()
    }

    /// The bill that was asked for last.
    pub fn last_bill(&self) -> String {
        let held = self.held.lock().unwrap();
        held.bills.keys().next_back().unwrap().clone()
    }

    /// Somebody else pays a bill.
    pub fn pay_elsewhere(&self, bill_no: &str) {
        let mut held = self.held.lock().unwrap();
        held.bills
            .insert(bill_no.to_owned(), Some("ELSEWHERE".to_owned()));
    }
}

fn key() -> RsaKeyPair {
    RsaKeyPair::from_pkcs8(&der(&pem("wechat_platform_key.pem"))).unwrap()
}

async fn keys() -> String {
    let public = pem("wechat_public_key.pem");
    json!({ "keys": [{ "scheme": SCHEME, "key_id": "r1", "public_key": public }] }).to_string()
}

fn attribute(header: &str, name: &str) -> String {
    let from = header.split(&format!("{name}=\"")).nth(1).unwrap();
    from.split('"').next().unwrap().to_owned()
}

/// The institution's number when the request is signed by it and of now.
fn signer(headers: &HeaderMap, path: &str, body: &[u8]) -> Result<String, &'static str> {
    let header = headers["authorization"].to_str().unwrap();
    assert!(header.starts_with(SCHEME), "{header}");
    let inst = attribute(header, "inst_id");
    let (at, nonce) = (
        attribute(header, "timestamp"),
        attribute(header, "nonce_str"),
    );
    let text = format!("POST\n{path}\n{at}\n{nonce}\n");
    let text = [text.as_bytes(), body, b"\n"].concat();
    let code = inst.trim_start_matches("SIM-").to_ascii_lowercase();
    let public = RsaKeyPair::from_pkcs8(&der(&pem(&format!("front_{code}_key.pem")))).unwrap();
    let public = UnparsedPublicKey::new(
        &RSA_PKCS1_2048_8192_SHA256,
        public.public_key().as_ref().to_vec(),
    );
    let signature = STANDARD.decode(attribute(header, "signature")).unwrap();
    public
        .verify(&text, &signature)
        .map_err(|_| "SIGNATURE_WRONG")?;
    if (at.parse::<i64>().unwrap() - NOW_MS / 1_000).abs() > 300 {
        return Err("TIMESTAMP_OUT_OF_RANGE");
    }
    Ok(inst)
}

async fn entry(
    State(held): State<Arc<Mutex<Held>>>,
    Path(verb): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = format!("/biller/v1/{verb}");
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut held = held.lock().unwrap();
    let (status, told) = match signer(&headers, &path, &body) {
        Err(code) => (401, json!({ "code": code, "message": "…", "field": null })),
        Ok(_) if verb == "reconcile" => (200, reconcile(&held, &body)),
        Ok(_) => match decide(&mut held, &verb, &asked) {
            Ok(told) => (200, told),
            Err((status, code)) => (status, json!({ "code": code, "message": "…" })),
        },
    };
    let seq = asked["seq"].as_str().unwrap_or_default();
    held.calls.push((verb, seq.to_owned()));
    let header = headers["authorization"].to_str().unwrap();
    let nonce = attribute(header, "nonce_str");
    let (at, body) = ((NOW_MS / 1_000).to_string(), told.to_string());
    let text = format!("{status}\n{path}\n{at}\n{nonce}\n{body}\n");
    let mut signature = vec![0; key().public_modulus_len()];
    key()
        .sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            text.as_bytes(),
            &mut signature,
        )
        .unwrap();
    (
        StatusCode::from_u16(status).unwrap(),
        [
            ("biller-scheme", SCHEME.to_owned()),
            ("biller-key-id", "r1".to_owned()),
            ("biller-timestamp", at),
            ("biller-nonce", nonce),
            ("biller-signature", STANDARD.encode(signature)),
        ],
        body,
    )
        .into_response()
}

fn decide(held: &mut Held, verb: &str, asked: &Value) -> Result<Value, (u16, &'static str)> {
    let field = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
    let (seq, bill_no) = (field("seq"), field("bill_no"));
    if let Some(told) = held.decided.get(&seq) {
        return Ok(told.clone());
    }
    let refused = |reason: &str| json!({ "seq": seq, "state": "REFUSED", "reason": reason });
    let told = match verb {
        "query" if field("name") == "无名" => return Err((404, "NO_SUCH_PERSON")),
        "query" => {
            let bill_no = unique("B");
            held.bills.insert(bill_no.clone(), None);
            return Ok(found(&bill_no));
        }
        "status" => return Ok(status(held, &field("orig_seq"))),
        "collect" if held.bills[&bill_no].is_some() => refused("ALREADY_PAID"),
        "collect" => {
            held.locked.push(bill_no);
            json!({ "seq": seq, "state": "ACCEPTED", "amount_fen": AMOUNT_FEN, "lock_until": asked["until"] })
        }
        "release" => {
            held.locked.retain(|other| *other != bill_no);
            json!({ "seq": seq, "state": "ACCEPTED", "released": true })
        }
        "pay" if held.tombstones.contains(&seq) => refused("TOMBSTONE"),
        "pay" if asked["amount_fen"] != AMOUNT_FEN => refused("AMOUNT_MISMATCH"),
        "pay" if held.bills[&bill_no].is_some() => refused("ALREADY_PAID"),
        "pay" => {
            held.locked.retain(|other| *other != bill_no);
            held.bills.insert(bill_no, Some(seq.clone()));
            json!({ "seq": seq, "state": "ACCEPTED", "receipt_no": format!("J{seq}"), "voucher_no": "V1", "check_code": "C1" })
        }
        "reverse" => {
            let orig = field("orig_seq");
            let undone = held
                .bills
                .values_mut()
                .find(|by| by.as_ref() == Some(&orig));
            let undone = undone.map(|by| *by = None).is_some();
            held.tombstones.push(orig.clone());
            json!({ "seq": seq, "state": "REVERSED", "orig_seq": orig, "undone": undone })
        }
        other => panic!("{other}"),
    };
    held.decided.insert(seq, told.clone());
    Ok(told)
}

fn found(bill_no: &str) -> Value {
    json!({
        "query_token": "T", "token_expires_at": "2026-11-22T10:10:00+08:00",
        "name_masked": "王*兰", "document_masked": "9901**********1237",
        "bills": [{
            "bill_no": bill_no, "benefit_year": 2027, "scheme": "resident_medical",
            "region": "990101", "category": "resident", "category_name": "城乡居民",
            "amount_fen": AMOUNT_FEN, "gross_fen": 107_000,
            "items": [{ "code": "medical", "name": "基本医疗", "amount_fen": 107_000 }],
            "due_to": "2027-02-28", "benefit_first": "2027-01-01", "benefit_last": "2027-12-31",
            "status": "PAYABLE", "lock": null, "paid": null,
        }],
    })
}

fn status(held: &mut Held, orig: &str) -> Value {
    let undone = held.tombstones.iter().any(|known| known == orig);
    let (state, answer) = match held.decided.get(orig) {
        Some(_) if undone => ("REVERSED", Value::Null),
        Some(told) if told["state"] == "REFUSED" => ("REFUSED", told.clone()),
        Some(told) => ("SUCCESS", told.clone()),
        None => {
            held.tombstones.push(orig.to_owned());
            ("NOT_FOUND", Value::Null)
        }
    };
    let reason = answer["reason"].clone();
    json!({ "orig_seq": orig, "state": state, "call": "pay", "reason": reason, "answer": answer })
}

/// Compares count and sum only.
fn reconcile(held: &Held, body: &[u8]) -> Value {
    let text = std::str::from_utf8(body).unwrap();
    let (first, rows) = text.split_once('\n').unwrap();
    let hash = sha256_hex(rows);
    let first: Vec<&str> = first.split('|').collect();
    assert_eq!(first[4], hash, "{text}");
    assert_eq!(
        first[2].parse::<usize>().unwrap(),
        rows.lines().count(),
        "{text}"
    );
    let fen: u64 = first[3].parse().unwrap();
    let paid = held.bills.values().filter(|by| by.is_some()).count() as u64;
    let (theirs, ours) = (fen / AMOUNT_FEN, paid);
    let state = if theirs == ours {
        "BALANCED"
    } else {
        "DIFFERENT"
    };
    json!({
        "day": first[1], "file_hash": hash, "state": state,
        "theirs": { "count": theirs, "amount_fen": fen },
        "ours": { "count": ours, "amount_fen": ours * AMOUNT_FEN },
        "long": 0, "short": 0, "amount_differs": 0, "state_differs": 0,
    })
}
