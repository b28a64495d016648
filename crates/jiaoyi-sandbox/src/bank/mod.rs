//! Answers for: two banks that speak in nothing alike: names, charset, signature, unit, times, codes,
//! file. A merchant comes with a signed link, asks, gives back, and fetches a file a day.

pub(crate) mod file;
pub(crate) mod keys;
pub(crate) mod notices;
pub(crate) mod orders;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use encoding_rs::{Encoding, GBK, UTF_8};

use crate::books::{Channel, Key};
use crate::config::BankIdentity;
use crate::faults::{Deed, Fault, Point};
use crate::server::Sandbox;
use crate::times::{compact, plain};
use crate::{page, payer};

const BODY_MAX: usize = 1 << 20;

/// Parameters by their names.
pub(crate) type Fields = BTreeMap<String, String>;

/// How a bank speaks.
pub(crate) struct Manner {
    pub(crate) channel: Channel,
    /// The first part of its addresses.
    place: &'static str,
    /// GBK and yuan, or UTF-8 and fen.
    old: bool,
    /// Paths of paying, asking, giving back, asking about that, and the file.
    paths: [&'static str; 5],
    pub(crate) names: Names,
    pub(crate) words: Words,
}

pub(crate) struct Names {
    pub(crate) merchant: &'static str,
    pub(crate) order: &'static str,
    pub(crate) amount: &'static str,
    pub(crate) expires: &'static str,
    pub(crate) text: &'static str,
    pub(crate) notify: &'static str,
    pub(crate) back: &'static str,
    sign: &'static str,
    pub(crate) txn: &'static str,
    pub(crate) state: &'static str,
    pub(crate) paid_at: &'static str,
    pub(crate) refund: &'static str,
    pub(crate) refund_amount: &'static str,
    pub(crate) refunded_at: &'static str,
    pub(crate) day: &'static str,
    pub(crate) content: &'static str,
}

pub(crate) struct Words {
    pub(crate) paid: &'static str,
    pub(crate) waiting: &'static str,
    pub(crate) hidden: &'static str,
    pub(crate) closed: &'static str,
    pub(crate) absent: &'static str,
    pub(crate) refunding: &'static str,
    pub(crate) refunded: &'static str,
    pub(crate) refused: &'static str,
    pub(crate) ready: &'static str,
    pub(crate) wrong: &'static str,
}

/// The two banks.
pub(crate) static BANKS: [Manner; 2] = [
    Manner {
        channel: Channel::Bank1,
        place: "bank1",
        old: true,
        paths: [
            "MerPay",
            "MerQuery",
            "MerRefund",
            "MerRefundQuery",
            "MerFile",
        ],
        names: Names {
            merchant: "MerId",
            order: "OrderNo",
            amount: "TranAmt",
            expires: "InvalidTime",
            text: "GoodsName",
            notify: "MerUrl",
            back: "RetUrl",
            sign: "SignMsg",
            txn: "BankSeq",
            state: "RespCode",
            paid_at: "PayTime",
            refund: "RefundNo",
            refund_amount: "RefundAmt",
            refunded_at: "RefundTime",
            day: "TranDate",
            content: "FileData",
        },
        words: Words {
            paid: "0000",
            waiting: "1001",
            hidden: "9999",
            closed: "1002",
            absent: "2001",
            refunding: "0100",
            refunded: "0200",
            refused: "3001",
            ready: "0000",
            wrong: "5001",
        },
    },
    Manner {
        channel: Channel::Bank2,
        place: "bank2",
        old: false,
        paths: [
            "api/pay",
            "api/order/query",
            "api/refund",
            "api/refund/query",
            "api/bill",
        ],
        names: Names {
            merchant: "mch_id",
            order: "out_order",
            amount: "total_fee",
            expires: "expire_time",
            text: "body",
            notify: "notify_url",
            back: "return_url",
            sign: "signature",
            txn: "trade_id",
            state: "status",
            paid_at: "finish_time",
            refund: "out_refund",
            refund_amount: "refund_fee",
            refunded_at: "refund_time",
            day: "bill_date",
            content: "bill_data",
        },
        words: Words {
            paid: "SUCCESS",
            waiting: "WAIT",
            hidden: "UNKNOWN",
            closed: "CLOSED",
            absent: "NOT_FOUND",
            refunding: "REFUNDING",
            refunded: "REFUNDED",
            refused: "REFUND_FAIL",
            ready: "READY",
            wrong: "SIGN_ERROR",
        },
    },
];

impl Manner {
    pub(crate) fn of(channel: Channel) -> Option<&'static Manner> {
        BANKS.iter().find(|manner| manner.channel == channel)
    }

    pub(crate) fn encoding(&self) -> &'static Encoding {
        if self.old { GBK } else { UTF_8 }
    }

    pub(crate) fn amount(&self, fen: u64) -> String {
        if self.old {
            crate::money::yuan(fen)
        } else {
            fen.to_string()
        }
    }

    pub(crate) fn read_amount(&self, text: &str) -> Option<u64> {
        let fen = if self.old {
            crate::money::parse_yuan(text)?
        } else {
            text.parse().ok()?
        };
        (fen >= 1).then_some(fen)
    }

    pub(crate) fn time(&self, at_ms: i64) -> String {
        if self.old {
            compact(at_ms)
        } else {
            plain(at_ms)
        }
    }

    pub(crate) fn read_time(&self, text: &str) -> Option<i64> {
        if self.old {
            crate::unionpay::orders::parse_time(text)
        } else {
            crate::times::parse_plain(text)
        }
    }
}

/// A request that came with the merchant's valid signature.
pub(crate) struct Call {
    pub(crate) manner: &'static Manner,
    pub(crate) fields: Fields,
}

impl Call {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.fields.get(name).map(String::as_str);
        found.filter(|value| !value.is_empty())
    }
}

/// What is answered beside merchant and signature, or the word of a refusal.
pub(crate) type Reply = Result<Fields, &'static str>;

/// Everything under `/bank1/` and `/bank2/`.
pub(crate) async fn entry(State(sandbox): State<Arc<Sandbox>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().trim_start_matches('/').to_owned();
    let (place, service) = path.split_once('/').unwrap_or((&path, ""));
    let manner = BANKS.iter().find(|manner| manner.place == place);
    let known = manner.and_then(|manner| {
        let service = manner.paths.iter().position(|known| *known == service)?;
        Some((manner, service, sandbox.config.bank(manner.channel)?))
    });
    let Some((manner, service, identity)) = known else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let body = to_bytes(body, BODY_MAX).await.unwrap_or_default();
    let form = match parts.uri.query() {
        Some(query) => query.as_bytes().to_vec(),
        None => body.to_vec(),
    };
    let (reply, fault) = match check(manner, identity, &form) {
        Ok(call) => work(&sandbox, &call, service),
        Err(word) => (Err(word), None),
    };
    let deed = fault.as_ref().map(|fault| fault.deed);
    tracing::info!(place, service, fault = ?deed, refused = reply.as_ref().err(), "bank call");
    if deed == Some(Deed::Lose) {
        return page::broken();
    }
    if let (Some(Deed::Delay), Some(fault)) = (deed, &fault) {
        let seconds = fault.delay_s.unwrap_or(3).min(120);
        tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    }
    if service == 0 {
        return match reply {
            Ok(told) => {
                Redirect::to(told.get("location").map_or("/", String::as_str)).into_response()
            }
            Err(word) => page::message(
                StatusCode::BAD_REQUEST,
                "订单无法支付",
                "This order cannot be paid",
                word,
            ),
        };
    }
    let fields = reply.unwrap_or_else(|word| {
        let named = [manner.names.order, manner.names.refund, manner.names.day];
        let mut fields = repeated(manner, &form, &named);
        fields.insert(manner.names.state.to_owned(), word.to_owned());
        fields
    });
    let mut body = sealed(manner, identity, fields, deed);
    if deed == Some(Deed::Corrupt) {
        page::corrupt(&mut body);
    }
    let form = "application/x-www-form-urlencoded";
    ([(header::CONTENT_TYPE, form)], body).into_response()
}

/// What of a request is repeated in the answer to it.
fn repeated(manner: &Manner, form: &[u8], names: &[&str]) -> Fields {
    let pairs = pairs_of(form).into_iter();
    let texts = pairs.map(|(name, value)| {
        let text = |bytes: &[u8]| manner.encoding().decode(bytes).0.into_owned();
        (text(&name), text(&value))
    });
    texts
        .filter(|(name, _)| names.contains(&name.as_str()))
        .collect()
}

/// Percent-decoded names and values, in their order.
fn pairs_of(form: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let parts = form
        .split(|byte| *byte == b'&')
        .filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let mut halves = part.splitn(2, |byte| *byte == b'=');
            let (name, value) = (halves.next(), halves.next());
            (
                unescaped(name.unwrap_or_default()),
                unescaped(value.unwrap_or_default()),
            )
        })
        .collect()
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let pair = (digit(text.get(at + 1)), digit(text.get(at + 2)));
        match (byte, pair) {
            (b'%', (Some(high), Some(low))) => {
                plain.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 3;
            }
            (b'+', _) => {
                plain.push(b' ');
                at += 1;
            }
            _ => {
                plain.push(*byte);
                at += 1;
            }
        }
    }
    plain
}

/// The text that is signed: nothing empty, sorted by name, `k=v` joined by `&`.
fn sign_text(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut kept: Vec<Vec<u8>> = pairs
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| [name.as_slice(), b"=", value].concat())
        .collect();
    kept.sort();
    kept.join(&b'&')
}

fn check(
    manner: &'static Manner,
    identity: &BankIdentity,
    form: &[u8],
) -> Result<Call, &'static str> {
    let wrong = manner.words.wrong;
    let sign_name = manner.names.sign.as_bytes();
    let (sign, rest): (Vec<_>, Vec<_>) = pairs_of(form)
        .into_iter()
        .partition(|(name, _)| name == sign_name);
    let sign = sign.first().ok_or(wrong)?;
    let sign = std::str::from_utf8(&sign.1).map_err(|_| wrong)?;
    if !identity.keys.verifies(&sign_text(&rest), sign) {
        return Err(wrong);
    }
    let text = |bytes: &[u8]| manner.encoding().decode(bytes).0.into_owned();
    let fields: Fields = rest
        .iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect();
    if fields.get(manner.names.merchant) != Some(&identity.merchant) {
        return Err(wrong);
    }
    Ok(Call { manner, fields })
}

/// A signed form; `deed` may spoil the signature.
pub(crate) fn sealed(
    manner: &Manner,
    identity: &BankIdentity,
    mut fields: Fields,
    deed: Option<Deed>,
) -> Vec<u8> {
    let merchant = manner.names.merchant.to_owned();
    fields.insert(merchant, identity.merchant.clone());
    let encode = |text: &str| manner.encoding().encode(text).0.into_owned();
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = fields
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    let mut text = sign_text(&pairs);
    if matches!(deed, Some(Deed::Forge | Deed::OtherKey | Deed::Probe)) {
        text.push(b'!');
    }
    let sign = identity.keys.sign(&text);
    pairs.push((manner.names.sign.as_bytes().to_vec(), sign.into_bytes()));
    let escape = |bytes: &[u8]| -> String { form_urlencoded::byte_serialize(bytes).collect() };
    let parts: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect();
    parts.join("&").into_bytes()
}

fn work(sandbox: &Sandbox, call: &Call, service: usize) -> (Reply, Option<Fault>) {
    let point = match service {
        0 => Point::Create,
        1 | 3 => Point::Query,
        2 => Point::Refund,
        _ => Point::Bill,
    };
    let number = call.get(call.manner.names.order).unwrap_or_default();
    let channel = call.manner.channel;
    let fault = sandbox.strike(channel, point, number);
    let code = fault.as_ref().and_then(|fault| fault.code.as_deref());
    let usual = match point {
        Point::Bill => call.manner.words.absent,
        _ => call.manner.words.hidden,
    };
    // Words are static: those of a script are not needed beyond the usual one.
    let error = || match code {
        Some("CLOSED") => call.manner.words.refused,
        _ => usual,
    };
    let perform = |fault: Option<&Fault>| match service {
        0 => orders::pay(sandbox, call),
        1 => orders::query(sandbox, call, fault),
        2 => orders::refund(sandbox, call, fault),
        3 => orders::refund_query(sandbox, call),
        _ => file::fetch(sandbox, call, fault),
    };
    let reply = match fault.as_ref().map(|fault| fault.deed) {
        Some(Deed::ErrorBefore) => Err(error()),
        Some(Deed::ErrorAfter) => perform(None).and_then(|_| Err(error())),
        Some(Deed::Duplicate) => {
            let _first = perform(None);
            perform(None)
        }
        Some(Deed::PayAfterClose) => {
            let reply = perform(None);
            payer::arm(&mut sandbox.books(), &Key::new(channel, number));
            reply
        }
        Some(Deed::Contradict | Deed::WrongAmount | Deed::Truncate | Deed::LineTwice) => {
            perform(fault.as_ref())
        }
        _ => perform(None),
    };
    (reply, fault)
}
