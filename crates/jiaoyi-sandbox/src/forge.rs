//! Answers for: twenty kinds of forged notices, for tests of the merchant's door.
//!
//! `POST /_sandbox/fault {…,"at":"notify","do":"forge","variant":N}` sends forgery `N` as the next
//! delivery. None of them may be believed. `times` other deliveries follow by the schedule.
//!
//! UnionPay's twenty are listed at its function below.
//!
//! | N | WeChat | Alipay |
//! |---|---|---|
//! | 1 | a stranger's key under the real serial | a stranger's key |
//! | 2 | a stranger's key under an unknown serial | the `sign` parameter missing |
//! | 3 | no signature header | `sign` empty |
//! | 4 | empty signature | `sign` is not Base64 |
//! | 5 | a signature that is not Base64 | `sign` cut off after 100 characters |
//! | 6 | the signature cut off after 100 characters | two bytes of the signature swapped |
//! | 7 | no timestamp header | `total_amount` one fen higher after signing |
//! | 8 | a timestamp that is no number | `total_amount` written as `…0` after signing |
//! | 9 | a timestamp of 301 s ago, signed by a stranger | another `out_trade_no` after signing |
//! | 10 | the timestamp moved by a second after signing | another `trade_no` after signing |
//! | 11 | no nonce header | another `seller_id` after signing |
//! | 12 | another nonce after signing | another `app_id` after signing |
//! | 13 | no serial header | `trade_status` changed to TRADE_FINISHED after signing |
//! | 14 | another body under the old signature | a parameter added after signing |
//! | 15 | a blank added to the body | a parameter removed after signing |
//! | 16 | the content in clear instead of sealed, signed by a stranger | `sign_type` RSA, signed by a stranger |
//! | 17 | sealed with a stranger's APIv3 key, signed by a stranger | signed over URL-encoded values |
//! | 18 | the signature of an empty body | signed without sorting the names |
//! | 19 | the lines of the message joined without line feeds | the signature of an answer's JSON |
//! | 20 | an empty body with its stranger's signature | an empty form |

use crate::books::Notice;
use crate::config::UnionpayIdentity;
use crate::crypto::{SigningKey, random_hex};
use crate::delivery::Outgoing;
use crate::server::Sandbox;
use crate::unionpay::{self as acp, Fields};
use crate::{alipay, wechat};

/// How many kinds there are, numbered from 1.
pub const KINDS: u32 = 20;

fn stranger(sandbox: &Sandbox, message: &[u8]) -> String {
    sandbox
        .stranger_key()
        .map(|key| key.sign(message))
        .unwrap_or_default()
}

fn get(outgoing: &Outgoing, name: &str) -> String {
    let found = outgoing.headers.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

fn set(outgoing: &mut Outgoing, name: &'static str, value: String) {
    remove(outgoing, name);
    outgoing.headers.push((name, value));
}

fn remove(outgoing: &mut Outgoing, name: &str) {
    outgoing.headers.retain(|(key, _)| *key != name);
}

/// Turns a proper notice of WeChat into forgery `variant`.
pub(crate) fn wechat(sandbox: &Sandbox, notice: &Notice, outgoing: &mut Outgoing, variant: u32) {
    const SIGNATURE: &str = "wechatpay-signature";
    const TIMESTAMP: &str = "wechatpay-timestamp";
    const NONCE: &str = "wechatpay-nonce";
    const SERIAL: &str = "wechatpay-serial";
    let real = get(outgoing, SIGNATURE);
    let resign = |outgoing: &mut Outgoing| {
        let lines = format!("{}\n{}\n", get(outgoing, TIMESTAMP), get(outgoing, NONCE));
        let message = [lines.as_bytes(), &outgoing.body, b"\n"].concat();
        set(outgoing, SIGNATURE, stranger(sandbox, &message));
    };
    let own = |sandbox: &Sandbox, message: String| {
        sandbox.config.wechat.platform_key.sign(message.as_bytes())
    };
    let (timestamp, nonce) = (get(outgoing, TIMESTAMP), get(outgoing, NONCE));
    let seconds: i64 = timestamp.parse().unwrap_or_default();
    match variant {
        2 => {
            set(outgoing, SERIAL, random_hex(40).to_uppercase());
            resign(outgoing);
        }
        3 => remove(outgoing, SIGNATURE),
        4 => set(outgoing, SIGNATURE, String::new()),
        5 => set(outgoing, SIGNATURE, format!("!{real}")),
        6 => set(outgoing, SIGNATURE, real.chars().take(100).collect()),
        7 => remove(outgoing, TIMESTAMP),
        8 => set(outgoing, TIMESTAMP, "now".to_owned()),
        9 => {
            set(outgoing, TIMESTAMP, (seconds - 301).to_string());
            resign(outgoing);
        }
        10 => set(outgoing, TIMESTAMP, (seconds + 1).to_string()),
        11 => remove(outgoing, NONCE),
        12 => set(outgoing, NONCE, random_hex(32)),
        13 => remove(outgoing, SERIAL),
        14 => {
            let content = notice.content.clone();
            outgoing.body =
                wechat::notices::envelope(notice, &content, &sandbox.config.wechat.apiv3_key);
        }
        15 => outgoing.body.push(b' '),
        16 => {
            let clear = serde_json::json!({
                "id": notice.id, "resource_type": "encrypt-resource",
                "event_type": "TRANSACTION.SUCCESS", "resource": notice.content,
            });
            outgoing.body = clear.to_string().into_bytes();
            resign(outgoing);
        }
        17 => {
            outgoing.body = wechat::notices::envelope(
                notice,
                &notice.content,
                b"00000000000000000000000000000000",
            );
            resign(outgoing);
        }
        18 => set(
            outgoing,
            SIGNATURE,
            own(sandbox, format!("{timestamp}\n{nonce}\n\n")),
        ),
        19 => {
            let body = String::from_utf8_lossy(&outgoing.body).into_owned();
            set(
                outgoing,
                SIGNATURE,
                own(sandbox, format!("{timestamp}{nonce}{body}")),
            );
        }
        20 => {
            outgoing.body.clear();
            resign(outgoing);
        }
        _ => resign(outgoing),
    }
}

/// Turns the signed parameters of an Alipay notice into forgery `variant`.
pub(crate) fn alipay(sandbox: &Sandbox, form: &mut Vec<(String, String)>, variant: u32) {
    let real = form
        .iter()
        .find(|(name, _)| name == "sign")
        .map(|(_, v)| v.clone())
        .unwrap_or_default();
    let change = |form: &mut Vec<(String, String)>, name: &str, value: String| {
        form.retain(|(key, _)| key != name);
        form.push((name.to_owned(), value));
    };
    let value = |form: &[(String, String)], name: &str| {
        form.iter()
            .find(|(key, _)| key == name)
            .map(|(_, v)| v.clone())
            .unwrap_or_default()
    };
    match variant {
        2 => form.retain(|(name, _)| name != "sign"),
        3 => change(form, "sign", String::new()),
        4 => change(form, "sign", format!("!{real}")),
        5 => change(form, "sign", real.chars().take(100).collect()),
        6 => {
            let mut letters: Vec<char> = real.chars().collect();
            letters.swap(0, 171);
            letters[1] = if letters[1] == 'A' { 'B' } else { 'A' };
            change(form, "sign", letters.into_iter().collect());
        }
        7 => {
            let fen = crate::money::parse_yuan(&value(form, "total_amount")).unwrap_or_default();
            change(form, "total_amount", crate::money::yuan(fen + 1));
        }
        8 => {
            let amount = value(form, "total_amount");
            change(form, "total_amount", format!("{amount}0"));
        }
        9 => change(form, "out_trade_no", format!("X{}", random_hex(20))),
        10 => change(form, "trade_no", format!("2026{}", random_hex(24))),
        11 => change(form, "seller_id", "2088999999999999".to_owned()),
        12 => change(form, "app_id", "2026999999999999".to_owned()),
        13 => change(form, "trade_status", "TRADE_FINISHED".to_owned()),
        14 => change(form, "refund_fee", "0.00".to_owned()),
        15 => form.retain(|(name, _)| name != "gmt_payment"),
        16 => {
            change(form, "sign_type", "RSA".to_owned());
            resign_alipay(sandbox, form, false, true);
        }
        17 => resign_alipay(sandbox, form, true, true),
        18 => resign_alipay(sandbox, form, false, false),
        19 => {
            let sign = sandbox
                .config
                .alipay
                .alipay_key
                .sign(br#"{"code":"10000","msg":"Success"}"#);
            change(form, "sign", sign);
        }
        20 => form.clear(),
        _ => resign_alipay(sandbox, form, false, true),
    }
}

/// Signs by a stranger, or (encoded or unsorted) by the right key over the wrong text.
fn resign_alipay(sandbox: &Sandbox, form: &mut Vec<(String, String)>, encoded: bool, sorted: bool) {
    form.retain(|(name, _)| name != "sign");
    let mut pairs = form.clone();
    if encoded {
        for (_, value) in &mut pairs {
            *value = form_urlencoded::byte_serialize(value.as_bytes()).collect();
        }
    }
    if !sorted {
        pairs.sort();
        pairs.reverse();
    }
    let message = alipay::sign_text(&pairs, true, sorted);
    let own = &sandbox.config.alipay.alipay_key;
    let sign = if encoded || !sorted {
        own.sign(message.as_bytes())
    } else {
        stranger(sandbox, message.as_bytes())
    };
    form.push(("sign".to_owned(), sign));
}

/// Turns the signed parameters of a notice of UnionPay into forgery `variant`:
///
/// 1 a stranger's key under the real certificate; 2 `signature` missing, 3 empty, 4 no Base64, 5 cut
/// off, 6 written backwards; 7 `txnAmt` one fen higher, 8 another `orderId`, 9 `queryId`,
/// 10 `merId`, 11 `settleDate` after signing; 12 a parameter added, 13 one removed; 14 the certificate
/// missing, 15 a stranger's own with its good signature, 16 the merchant's with the merchant's name,
/// 17 no certificate; 18 hashed once only; 19 another `signMethod`; 20 an empty form.
pub(crate) fn unionpay(
    sandbox: &Sandbox,
    identity: &UnionpayIdentity,
    form: &mut Fields,
    variant: u32,
) {
    let own = &identity.unionpay_key;
    let real = acp::sign(own, form);
    match variant {
        2 => drop(form.remove("signature")),
        3 => put(form, "signature", String::new()),
        4 => put(form, "signature", format!("!{real}")),
        5 => put(form, "signature", real.chars().take(100).collect()),
        6 => {
            let turned = real.chars().rev().skip(2).collect::<String>() + "==";
            put(form, "signature", turned);
        }
        7 => {
            put(form, "signature", real);
            *form = acp::one_fen_more(std::mem::take(form));
        }
        8..=13 => {
            put(form, "signature", real);
            let (name, value) = match variant {
                8 => ("orderId", format!("X{}", random_hex(20))),
                9 => ("queryId", format!("2026{}", random_hex(17))),
                10 => ("merId", "999999999999999".to_owned()),
                11 => ("settleDate", "0101".to_owned()),
                12 => ("reserved", "{a=1}".to_owned()),
                _ => ("traceNo", String::new()),
            };
            put(form, name, value);
            form.retain(|_, value| !value.is_empty());
        }
        14 => {
            form.remove("signPubKeyCert");
            resign(form, own);
        }
        15 => {
            if let Some((key, certificate)) = sandbox.second_key() {
                put(form, "signPubKeyCert", certificate.pem.clone());
                resign(form, key);
            }
        }
        16 => {
            put(form, "signPubKeyCert", identity.merchant_cert_pem.clone());
            resign(form, own);
        }
        17 => {
            put(
                form,
                "signPubKeyCert",
                "-----BEGIN CERTIFICATE-----".to_owned(),
            );
            resign(form, own);
        }
        18 => {
            let once = own.sign(acp::sign_text(form).as_bytes());
            put(form, "signature", once);
        }
        19 => {
            put(form, "signMethod", "11".to_owned());
            resign(form, own);
        }
        20 => form.clear(),
        // Signed by a stranger as it came.
        _ => {}
    }
}

fn put(form: &mut Fields, name: &str, value: String) {
    form.insert(name.to_owned(), value);
}

fn resign(form: &mut Fields, key: &SigningKey) {
    let signature = acp::sign(key, form);
    put(form, "signature", signature);
}
