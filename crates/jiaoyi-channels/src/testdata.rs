//! Published vectors and the gateways that the tests of this crate talk through.

use crate::config::ChannelsConfig;
use crate::open::Channels;
use jiaoyi_domain::channel::{AttemptTerms, Method, RefundTerms};
use jiaoyi_domain::id::{AttemptNo, Bucket, IdSource, RefundNo};
use jiaoyi_domain::money::Fen;
use jiaoyi_domain::time::{Instant, MINUTE_MS};
use serde_json::Value;
use std::path::PathBuf;

/// The folder of the test data.
pub(crate) fn dir() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests-data"))
}

/// A file of the test data.
pub(crate) fn file(name: &str) -> Vec<u8> {
    std::fs::read(dir().join(name)).unwrap()
}

/// A published vector.
pub(crate) fn vector(id: &str) -> Value {
    let all: Vec<Value> = serde_json::from_slice(&file("vectors.json")).unwrap();
    all.into_iter().find(|vector| vector["id"] == id).unwrap()
}

/// The channels of `channels.toml`, all calls going to `base_url`.
pub(crate) fn channels(base_url: &str) -> Channels {
    let mut config = ChannelsConfig::load(&dir().join("channels.toml")).unwrap();
    config.point_at(base_url);
    Channels::open(config, &dir()).unwrap()
}

/// The moment at which the tests happen.
pub(crate) fn now() -> Instant {
    Instant::parse("2026-11-22T10:00:00+08:00").unwrap()
}

/// An attempt to pay 400.50 yuan.
pub(crate) fn terms(method: Method) -> AttemptTerms {
    let no = AttemptNo::draw(Bucket::default(), &mut IdSource::new([1; 32], 0));
    AttemptTerms {
        no,
        method,
        amount: Fen::new(40_050),
        description: "2027年度城乡居民医保 a/b=c&d".to_owned(),
        started_at: now(),
        expires_at: now().plus_ms(15 * MINUTE_MS),
        notify_url: "http://portal.test/notice".to_owned(),
        return_url: "http://portal.test/o/1?x=1&y=2".to_owned(),
        payer_ip: "192.0.2.7".to_owned(),
        openid: Some("oDemo".to_owned()),
    }
}

/// A refund of 100.05 of those 400.50 yuan.
pub(crate) fn refund_terms() -> RefundTerms {
    RefundTerms {
        no: RefundNo::draw(Bucket::default(), &mut IdSource::new([2; 32], 0)),
        attempt_no: terms(Method::WechatNative).no,
        txn_id: "412026112210000312345".to_owned(),
        paid_at: now(),
        asked_at: now().plus_ms(MINUTE_MS),
        retried: false,
        amount: Fen::new(10_005),
        total: Fen::new(40_050),
        reason: "重复缴费".to_owned(),
        notify_url: "http://portal.test/notice".to_owned(),
    }
}
