//! The classes of forged notices, as data: whose, what is changed, and what the portal answers.
//!
//! One whose maker is the sandbox is made by the sandbox's own signature code before it is sent (see
//! `jiaoyi_sandbox::forge`), the others are made of notices that were truly sent.

use super::postman::Letter;
use crate::harness::Channel;
use std::collections::BTreeSet;

/// Who makes a forgery.
#[derive(Clone, Copy)]
pub enum Maker {
    /// The sandbox, as this kind.
    Sandbox(u32),
    /// The sandbox with its true key, while its clock is so many seconds off.
    Clock(i64),
    /// Made of a true notice, and of a true notice of another order.
    Changed(fn(Letter, &Letter) -> Letter),
    /// Made of a true notice, and of a true notice of another channel.
    Crossed(fn(Letter, &Letter) -> Letter),
}

/// One class at one channel.
#[derive(Clone, Copy)]
pub struct Forgery {
    pub channel: Channel,
    /// What is changed; the same at another channel is the same class.
    pub class: &'static str,
    pub maker: Maker,
    /// The status that it is answered with.
    pub answer: u16,
}

/// How many classes there are.
pub fn classes() -> usize {
    let names: BTreeSet<&str> = FORGERIES.iter().map(|forgery| forgery.class).collect();
    names.len()
}

/// The largest body that is read at all, and one byte more.
const TOO_LARGE: usize = 1024 * 1024 + 1;

const XML: &[u8] =
    b"<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>\
    <xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code>\
    <out_trade_no>&e;</out_trade_no><total_fee>40000</total_fee></xml>";

fn padded(letter: Letter, length: usize) -> Letter {
    let mut body = letter.body.clone();
    body.resize(length, b' ');
    letter.with_body(body)
}

fn large(own: Letter, _: &Letter) -> Letter {
    padded(own, TOO_LARGE - 1)
}

fn too_large(own: Letter, _: &Letter) -> Letter {
    padded(own, TOO_LARGE)
}

fn xml(own: Letter, _: &Letter) -> Letter {
    own.with_body(XML.to_vec())
}

fn cut(own: Letter, _: &Letter) -> Letter {
    let half = own.body.len() / 2;
    let body = own.body.get(..half).unwrap_or_default().to_vec();
    own.with_body(body)
}

fn flipped(own: Letter, _: &Letter) -> Letter {
    let mut body = own.body.clone();
    let middle = body.len() / 2;
    if let Some(byte) = body.get_mut(middle) {
        // A letter into another letter, a digit into another digit.
        *byte ^= 1;
    }
    own.with_body(body)
}

/// Another order's signature over this order's content.
fn borrowed_signature(own: Letter, other: &Letter) -> Letter {
    if own.to == "wechat" {
        let signed = other.headers.iter();
        let signed = signed.filter(|(name, _)| name.starts_with("wechatpay-"));
        return signed.fold(own, |letter, (name, value)| {
            letter.with_header(name, value.clone())
        });
    }
    let field = if own.to == "alipay" {
        "sign"
    } else {
        "signature"
    };
    let borrowed = value(&other.fields(), field);
    put(own, field, borrowed)
}

fn crossed(own: Letter, other: &Letter) -> Letter {
    Letter {
        to: own.to,
        ..other.clone()
    }
}

fn value(fields: &[(String, String)], name: &str) -> String {
    let found = fields.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

fn put(letter: Letter, name: &str, value: String) -> Letter {
    let mut fields = letter.fields();
    for (known, old) in &mut fields {
        if known == name {
            old.clone_from(&value);
        }
    }
    letter.with_fields(&fields)
}

fn less_yuan(own: Letter, _: &Letter) -> Letter {
    put(own, "total_amount", "399.99".to_owned())
}

fn less_fen(own: Letter, _: &Letter) -> Letter {
    put(own, "txnAmt", "39999".to_owned())
}

fn other_order(own: Letter, other: &Letter) -> Letter {
    let no = value(&other.fields(), "out_trade_no");
    let mut fields = own.fields();
    fields.push(("out_trade_no".to_owned(), no));
    own.with_fields(&fields)
}

fn no_algorithm(own: Letter, _: &Letter) -> Letter {
    let field = if own.to == "alipay" {
        "sign_type"
    } else {
        "signMethod"
    };
    put(own, field, "none".to_owned())
}

fn foreign_currency(own: Letter, _: &Letter) -> Letter {
    put(own, "currencyCode", "840".to_owned())
}

fn own_serial(own: Letter, _: &Letter) -> Letter {
    let zeros = "0".repeat(40);
    own.with_header("wechatpay-serial", zeros)
}

/// The first of two signatures is the one that counts.
fn two_signatures(mut own: Letter, other: &Letter) -> Letter {
    let borrowed = other.header("wechatpay-signature");
    own.headers
        .insert(0, ("wechatpay-signature".to_owned(), borrowed));
    own
}

const fn made(channel: Channel, class: &'static str, kind: u32) -> Forgery {
    Forgery {
        channel,
        class,
        maker: Maker::Sandbox(kind),
        answer: 400,
    }
}

const fn changed(
    channel: Channel,
    class: &'static str,
    change: fn(Letter, &Letter) -> Letter,
) -> Forgery {
    Forgery {
        channel,
        class,
        maker: Maker::Changed(change),
        answer: 400,
    }
}

const fn clocked(class: &'static str, offset_s: i64) -> Forgery {
    Forgery {
        channel: Channel::Wechat,
        class,
        maker: Maker::Clock(offset_s),
        answer: 400,
    }
}

const fn cross(channel: Channel) -> Forgery {
    Forgery {
        channel,
        class: "a true notice of another channel",
        maker: Maker::Crossed(crossed),
        answer: 400,
    }
}

const fn beyond(channel: Channel) -> Forgery {
    Forgery {
        answer: 413,
        ..changed(channel, "a body of more than 1 MiB", too_large)
    }
}

const W: Channel = Channel::Wechat;
const A: Channel = Channel::Alipay;
const U: Channel = Channel::Unionpay;

/// All of them.
pub const FORGERIES: &[Forgery] = &[
    made(W, "a stranger's key under the real name", 1),
    made(W, "a stranger's key under an unknown name", 2),
    made(W, "no signature", 3),
    made(W, "an empty signature", 4),
    made(W, "a signature that is not Base64", 5),
    made(W, "a signature cut off", 6),
    made(W, "no timestamp", 7),
    made(W, "a timestamp that is no number", 8),
    made(W, "an old timestamp, signed by a stranger", 9),
    made(W, "the timestamp moved after signing", 10),
    made(W, "no nonce", 11),
    made(W, "another nonce after signing", 12),
    made(W, "no serial", 13),
    made(W, "another body under the old signature", 14),
    made(W, "a blank added", 15),
    made(W, "the content in clear, signed by a stranger", 16),
    made(W, "sealed with a stranger's key", 17),
    made(W, "the signature of an empty body", 18),
    made(W, "signed over lines that are joined", 19),
    made(W, "an empty body", 20),
    made(A, "a stranger's key under the real name", 1),
    made(A, "no signature", 2),
    made(A, "an empty signature", 3),
    made(A, "a signature that is not Base64", 4),
    made(A, "a signature cut off", 5),
    made(A, "a signature whose bytes are swapped", 6),
    made(A, "one fen more after signing", 7),
    made(A, "the amount written otherwise after signing", 8),
    made(A, "another order after signing", 9),
    made(A, "another transaction after signing", 10),
    made(A, "another merchant after signing", 11),
    made(A, "another app after signing", 12),
    made(A, "another state after signing", 13),
    made(A, "a field added after signing", 14),
    made(A, "a field removed after signing", 15),
    made(A, "a weaker algorithm, signed by a stranger", 16),
    made(A, "signed over encoded values", 17),
    made(A, "signed in another order of fields", 18),
    made(A, "the signature of an answer", 19),
    made(A, "an empty body", 20),
    made(U, "a stranger's key under the real name", 1),
    made(U, "no signature", 2),
    made(U, "an empty signature", 3),
    made(U, "a signature that is not Base64", 4),
    made(U, "a signature cut off", 5),
    made(U, "a signature whose bytes are swapped", 6),
    made(U, "one fen more after signing", 7),
    made(U, "another order after signing", 8),
    made(U, "another transaction after signing", 9),
    made(U, "another merchant after signing", 10),
    made(U, "another clearing day after signing", 11),
    made(U, "a field added after signing", 12),
    made(U, "a field removed after signing", 13),
    made(U, "no certificate", 14),
    made(U, "a stranger's certificate with its good signature", 15),
    made(U, "the merchant's own certificate", 16),
    made(U, "a certificate that is none", 17),
    made(U, "hashed once instead of twice", 18),
    made(U, "a weaker algorithm", 19),
    made(U, "an empty body", 20),
    clocked("truly signed an hour ago", -3_600),
    clocked("truly signed for an hour ahead", 3_600),
    changed(W, "another order's signature", borrowed_signature),
    changed(A, "another order's signature", borrowed_signature),
    changed(U, "another order's signature", borrowed_signature),
    cross(W),
    cross(A),
    cross(U),
    changed(W, "a serial of zeros", own_serial),
    changed(W, "another signature before the true one", two_signatures),
    changed(A, "one fen less after signing", less_yuan),
    changed(U, "one fen less after signing", less_fen),
    changed(U, "another currency after signing", foreign_currency),
    changed(A, "a second order's number added", other_order),
    changed(A, "no algorithm", no_algorithm),
    changed(U, "no algorithm", no_algorithm),
    changed(W, "one bit flipped", flipped),
    changed(A, "one bit flipped", flipped),
    changed(U, "one bit flipped", flipped),
    changed(W, "cut in half", cut),
    changed(A, "cut in half", cut),
    changed(U, "cut in half", cut),
    changed(W, "XML with an entity of the file system", xml),
    changed(A, "XML with an entity of the file system", xml),
    changed(U, "XML with an entity of the file system", xml),
    changed(W, "padded to 1 MiB", large),
    changed(A, "padded to 1 MiB", large),
    changed(U, "padded to 1 MiB", large),
    beyond(W),
    beyond(A),
    beyond(U),
];
