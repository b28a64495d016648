//! The two banks, each driven in its own words, charset and signature by the test's own code.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::{Encoding, GBK, UTF_8};
use sm2::dsa::signature::{Signer, Verifier};
use sm2::pkcs8::{DecodePrivateKey, DecodePublicKey};

use crate::world::{Told, World, der, merchant, pem, sign, unique, verifies};

type Fields = BTreeMap<String, String>;

/// What the test knows of a bank.
pub struct Bank {
    name: &'static str,
    encoding: &'static Encoding,
    sign: &'static str,
}

pub const FIRST: Bank = Bank {
    name: "bank1",
    encoding: GBK,
    sign: "SignMsg",
};
pub const SECOND: Bank = Bank {
    name: "bank2",
    encoding: UTF_8,
    sign: "signature",
};

impl Bank {
    fn text(&self, fields: &Fields) -> Vec<u8> {
        let kept = fields
            .iter()
            .filter(|(name, value)| *name != self.sign && !value.is_empty());
        let parts: Vec<String> = kept
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        self.encoding.encode(&parts.join("&")).0.into_owned()
    }

    /// A form with the merchant's signature.
    pub fn form(&self, pairs: &[(&str, &str)]) -> String {
        let mut fields: Fields = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let text = self.text(&fields);
        let key = format!("{}_merchant_key.pem", self.name);
        let made = if self.name == "bank1" {
            sign(&key, &text)
        } else {
            let key = sm2::SecretKey::from_pkcs8_pem(&pem(&key)).unwrap();
            let key = sm2::dsa::SigningKey::new("1234567812345678", &key).unwrap();
            let made: sm2::dsa::Signature = key.try_sign(&text).unwrap();
            STANDARD.encode(made.to_bytes())
        };
        fields.insert(self.sign.to_owned(), made);
        let parts = fields.iter().map(|(name, value)| {
            let bytes = self.encoding.encode(value).0;
            let value: String = form_urlencoded::byte_serialize(&bytes).collect();
            format!("{name}={value}")
        });
        parts.collect::<Vec<_>>().join("&")
    }

    /// The parameters, and whether the bank signed them.
    fn read(&self, body: &[u8]) -> (Fields, bool) {
        let fields: Fields = form_urlencoded::parse(body).into_owned().collect();
        let (text, made) = (self.text(&fields), &fields[self.sign]);
        let key = pem(&format!("{}_public_key.pem", self.name));
        let good = if self.name == "bank1" {
            verifies(&der(&key), &text, made)
        } else {
            let key = sm2::PublicKey::from_public_key_pem(&key).unwrap();
            let key = sm2::dsa::VerifyingKey::new("1234567812345678", key).unwrap();
            let made = sm2::dsa::Signature::from_slice(&STANDARD.decode(made).unwrap()).unwrap();
            key.verify(&text, &made).is_ok()
        };
        (fields, good)
    }

    /// Whether the bank signed it.
    pub fn is_signed(&self, body: &[u8]) -> bool {
        self.read(body).1
    }

    /// Reads what the bank signed.
    pub fn believed(&self, body: &[u8]) -> Fields {
        let (fields, good) = self.read(body);
        assert!(good, "{}", String::from_utf8_lossy(body));
        fields
    }

    pub async fn post(&self, world: &World, path: &str, form: &str) -> Told {
        let url = format!("{}/{}/{path}", world.base, self.name);
        let request = world.http.post(url).body(form.to_owned());
        world.send(request).await
    }

    pub async fn ask(&self, world: &World, path: &str, pairs: &[(&str, &str)]) -> Fields {
        let told = self.post(world, path, &self.form(pairs)).await;
        assert_eq!(told.status, 200);
        self.believed(&told.body)
    }
}

/// Brings an order of 400 yuan to the first bank, as a payer's browser does; its number.
pub async fn open_first(world: &World) -> String {
    let (merchant, number) = (merchant("bank1", "merchant"), unique("B"));
    let pay = FIRST.form(&[
        ("MerId", &merchant),
        ("OrderNo", &number),
        ("TranAmt", "400.00"),
        ("TranTime", "20261122100000"),
        ("InvalidTime", "20261122101500"),
        ("GoodsName", "居民医保"),
        ("MerUrl", &world.door.url),
        ("RetUrl", "http://127.0.0.1:1/back"),
    ]);
    let page = world.get(&format!("/bank1/MerPay?{pay}")).await;
    assert_eq!(page.status, 303, "{}", page.text());
    number
}

/// The same at the second.
pub async fn open_second(world: &World) -> String {
    let (merchant, number) = (merchant("bank2", "merchant"), unique("B"));
    let pay = SECOND.form(&[
        ("mch_id", &merchant),
        ("out_order", &number),
        ("total_fee", "40000"),
        ("expire_time", "2026-11-22 10:15:00"),
        ("body", "居民医保"),
        ("notify_url", &world.door.url),
        ("return_url", "http://127.0.0.1:1/back"),
    ]);
    let page = world.get(&format!("/bank2/api/pay?{pay}")).await;
    assert_eq!(page.status, 303, "{}", page.text());
    number
}

#[tokio::test]
async fn the_first_bank_speaks_gbk_yuan_and_rsa() {
    let world = World::start().await;
    let (merchant, number) = (merchant("bank1", "merchant"), unique("B"));
    let (own, order) = (("MerId", merchant.as_str()), ("OrderNo", number.as_str()));
    let asked = FIRST.ask(&world, "MerQuery", &[own, order]).await;
    assert_eq!(
        (asked["RespCode"].as_str(), asked["OrderNo"].as_str()),
        ("2001", &*number)
    );

    let pay = FIRST.form(&[
        own,
        order,
        ("TranAmt", "400.00"),
        ("TranTime", "20261122100000"),
        ("InvalidTime", "20261122101500"),
        ("GoodsName", "居民医保"),
        ("MerUrl", &world.door.url),
        ("RetUrl", "http://127.0.0.1:1/back"),
    ]);
    let page = world.get(&format!("/bank1/MerPay?{pay}")).await;
    let wallet = page.header("location");
    assert!(world.get(&wallet).await.text().contains("居民医保"));
    let asked = FIRST.ask(&world, "MerQuery", &[own, order]).await;
    assert_eq!(
        (asked["RespCode"].as_str(), asked.get("BankSeq")),
        ("1001", None)
    );

    world.play("bank1", &number).await;
    let notice = FIRST.believed(&world.door.wait(1).await.body);
    assert_eq!(
        (notice["RespCode"].as_str(), notice["TranAmt"].as_str()),
        ("0000", "400.00")
    );
    let refund = [
        own,
        order,
        ("BankSeq", notice["BankSeq"].as_str()),
        ("RefundNo", "R1"),
        ("RefundAmt", "100.05"),
        ("MerUrl", &world.door.url),
    ];
    for _ in 0..2 {
        assert_eq!(
            FIRST.ask(&world, "MerRefund", &refund).await["RespCode"],
            "0100"
        );
    }
    world.shift(3).await;
    let told = FIRST.believed(&world.door.wait(2).await.body);
    assert_eq!(
        (told["RefundNo"].as_str(), told["RespCode"].as_str()),
        ("R1", "0200")
    );

    let asked = [own, order, ("RefundNo", "R1")];
    let asked = FIRST.ask(&world, "MerRefundQuery", &asked).await;
    assert_eq!(
        (asked["RespCode"].as_str(), asked["RefundAmt"].as_str()),
        ("0200", "100.05")
    );
    let file = FIRST
        .ask(&world, "MerFile", &[own, ("TranDate", "20261122")])
        .await;
    let raw = STANDARD.decode(&file["FileData"]).unwrap();
    let (text, _, bad) = GBK.decode(&raw);
    assert!(
        !bad && text.ends_with("\r\n合计|2|400.00|100.05|0.00\r\n"),
        "{text}"
    );
    let none = FIRST
        .ask(&world, "MerFile", &[own, ("TranDate", "20261121")])
        .await;
    assert_eq!(none["RespCode"], "2001");
    world.end().await;
}

#[tokio::test]
async fn the_second_bank_speaks_utf8_fen_and_sm2() {
    let world = World::start().await;
    let (merchant, number) = (merchant("bank2", "merchant"), unique("B"));
    let (own, order) = (
        ("mch_id", merchant.as_str()),
        ("out_order", number.as_str()),
    );
    let pay = SECOND.form(&[
        own,
        order,
        ("total_fee", "40000"),
        ("expire_time", "2026-11-22 10:15:00"),
        ("body", "居民医保"),
        ("notify_url", &world.door.url),
        ("return_url", "http://127.0.0.1:1/back"),
    ]);
    let page = world.get(&format!("/bank2/api/pay?{pay}")).await;
    assert!(
        world
            .get(&page.header("location"))
            .await
            .text()
            .contains("居民医保")
    );
    world.play("bank2", &number).await;
    let notice = SECOND.believed(&world.door.wait(1).await.body);
    assert_eq!(
        (notice["status"].as_str(), notice["total_fee"].as_str()),
        ("SUCCESS", "40000")
    );
    assert_eq!(notice["finish_time"], "2026-11-22 10:00:00");
    let file = [own, ("bill_date", "2026-11-22")];
    let file = SECOND.ask(&world, "api/bill", &file).await;
    let text = String::from_utf8(STANDARD.decode(&file["bill_data"]).unwrap()).unwrap();
    assert!(text.starts_with("1,40000,0,0\r\n"), "{text}");
    assert!(
        text.contains(&format!("2026-11-22 10:00:00,{number},PAY,40000,0,")),
        "{text}"
    );
    world.end().await;
}

/// Whoever did not sign, or signed for another merchant, is told nothing but that.
#[tokio::test]
async fn only_the_merchant_is_listened_to() {
    let world = World::start().await;
    let (merchant, number) = (merchant("bank1", "merchant"), unique("B"));
    let good = FIRST.form(&[("MerId", &merchant), ("OrderNo", &number)]);
    let foreign = FIRST.form(&[("MerId", "M9"), ("OrderNo", &number)]);
    let unsigned = format!("MerId={merchant}&OrderNo={number}");
    for form in [
        good.replace(&number, "B0"),
        foreign,
        unsigned,
        String::new(),
    ] {
        let told = FIRST.post(&world, "MerQuery", &form).await;
        assert_eq!(FIRST.believed(&told.body)["RespCode"], "5001", "{form}");
    }
    assert_eq!(FIRST.post(&world, "Other", &good).await.status, 404);
    world.end().await;
}
