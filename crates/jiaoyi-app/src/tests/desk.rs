//! A platform over a database of its own, with two tills as channels and a clock that is turned.

use super::till::Till;
use crate::limits::Budgets;
use crate::made::MadeRoster;
use crate::platform::{Platform, PlatformConfig};
use crate::portal::{BillState, BillView, LookupAnswer, LookupRequest, Portal, Visitor};
use crate::verify::tests::world::{TempFile, counted};
use jiaoyi_channels::{Bills, Channels, ChannelsConfig, Gateway};
use jiaoyi_crypto::Keyring;
use jiaoyi_documents::Fonts;
use jiaoyi_documents::roster::CheckedRow;
use jiaoyi_domain::attempt::Attempt;
use jiaoyi_domain::channel::{ChannelCode, SeenPayment};
use jiaoyi_domain::decide::ImportPolicy;
use jiaoyi_domain::person::{Document, DocumentKind, PersonName, Phone, id_number};
use jiaoyi_domain::policy::{Pack, demo_packs};
use jiaoyi_domain::region::RegionTable;
use jiaoyi_domain::roster::PolicyPack;
use jiaoyi_domain::{Date, Instant};
use jiaoyi_store::Store;
use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

/// 2026-11-18, ten in the morning in Beijing.
pub const START: Instant = Instant(1_794_967_200_000);

/// The county whose window is open; others by their number: 990201 late, 990301 closed, 990501
/// with aid down to nothing, 990601 not open yet.
pub const COUNTY: &str = "990101";

pub struct Desk {
    pub platform: Arc<Platform>,
    pub wechat: Arc<Till>,
    pub alipay: Arc<Till>,
    pub unionpay: Arc<Till>,
    clock: Arc<AtomicI64>,
    text: String,
    names: BTreeMap<String, String>,
    _file: TempFile,
    /// Where bills are kept.
    pub bills: tempfile::TempDir,
}

/// The ID number of person `number`.
pub fn id_of(number: u16, county: &str) -> String {
    id_number(county, Date::constant(1980, 3, 7), number).unwrap()
}

/// A row of the roster.
pub fn row(number: u16, county: &str) -> CheckedRow {
    let id = id_of(number, county);
    CheckedRow {
        number: u64::from(number),
        name: PersonName::parse("王桂兰").unwrap(),
        document: Document::parse(DocumentKind::IdCard, &id, START.date()).unwrap(),
        region: county.to_owned(),
        category: "resident".to_owned(),
        tier: None,
        aids: Vec::new(),
        phone: Some(Phone::parse("13800130421").unwrap()),
        void_cause: None,
    }
}

/// Somebody with a device and an address.
pub fn visitor(device: u8) -> Visitor {
    Visitor {
        device: [device; 32],
        ip: format!("192.0.2.{device}"),
    }
}

impl Desk {
    pub async fn new(name: &str, budgets: Budgets) -> Desk {
        Desk::with(name, budgets, Keyring::generate(&mut counted(9))).await
    }

    pub async fn with(name: &str, budgets: Budgets, keyring: Keyring) -> Desk {
        Desk::open(name, budgets, keyring, "").await
    }

    /// With what a `channels.toml` says of anything but payment channels.
    pub async fn open(name: &str, budgets: Budgets, keyring: Keyring, toml: &str) -> Desk {
        let file = TempFile::new(&format!("desk-{name}"));
        let store = Store::open_file(&file.0, [1; 16], START).unwrap();
        let clock = Arc::new(AtomicI64::new(START.0));
        let turned = Arc::clone(&clock);
        let random = Mutex::new(counted(7));
        let till = |code| Arc::new(Till::new(code));
        let (wechat, alipay) = (till(ChannelCode::Wechat), till(ChannelCode::Alipay));
        let unionpay = till(ChannelCode::Unionpay);
        let tills = [&wechat, &alipay, &unionpay].map(|till| Arc::clone(till) as Arc<dyn Gateway>);
        let bills_of = vec![Arc::clone(&wechat) as Arc<dyn Bills>];
        let mut channels = Channels::over(tills.into()).with_bills(bills_of);
        let config = ChannelsConfig::parse(toml).unwrap();
        let others = Channels::open(config, Path::new(".")).unwrap();
        (channels.webhooks, channels.sms) = (others.webhooks, others.sms);
        let bills = tempfile::tempdir().unwrap();
        let config = PlatformConfig {
            public_url: "https://pay.example.gov.cn".to_owned(),
            issuer: "issuer".into(),
            demo: true,
            budgets,
            bills: Some(bills.path().to_owned()),
        };
        let platform = Platform::open(
            store,
            keyring,
            channels,
            RegionTable::with_demo(),
            config,
            (
                Arc::new(move || turned.load(Ordering::SeqCst)),
                Arc::new(move |bytes: &mut [u8]| (random.lock().unwrap())(bytes)),
            ),
            Fonts::committed(),
        );
        let desk = Desk {
            platform: Arc::new(platform.await.unwrap()),
            wechat,
            alipay,
            unionpay,
            clock,
            text: String::new(),
            names: BTreeMap::new(),
            _file: file,
            bills,
        };
        for (file_name, text) in demo_packs(START.date()) {
            desk.take_pack(file_name, text).await;
        }
        desk.platform.refresh_policies().await.unwrap();
        desk
    }

    async fn take_pack(&self, file_name: String, text: String) {
        let pack = Pack::parse(&file_name, &text).unwrap();
        let region = pack.region.clone().unwrap();
        let pack = PolicyPack {
            pack_id: format!("{region}:{}", pack.benefit_year),
            region,
            benefit_year: pack.benefit_year,
            status: pack.status.code().to_owned(),
            file_name,
            text,
            imported_on: START.date(),
            imported_at: START,
            version: 1,
        };
        let taken = self.platform.submit(ImportPolicy { pack }).await;
        taken.unwrap();
    }

    /// Gives the policy of a city with one part of its text replaced.
    pub async fn repack(&self, city: &str, old: &str, new: &str) {
        let packs = demo_packs(START.date());
        let of_city = packs.into_iter().find(|(name, _)| name.contains(city));
        let (file_name, text) = of_city.unwrap();
        assert!(text.contains(old), "{text}");
        self.take_pack(file_name, text.replacen(old, new, 1)).await;
        self.platform.reload_policies().await.unwrap();
    }

    /// Publishes rows as a roster that counts.
    pub async fn roster(&self, serial: i64, mut rows: Vec<CheckedRow>) {
        let made = MadeRoster {
            benefit_year: 2027,
            source: "county".to_owned(),
            serial,
            rows: i64::try_from(rows.len()).unwrap(),
        };
        rows.sort_by_key(|row| self.platform.place_of(&row.document));
        let published = self
            .platform
            .publish_made(&made, &mut || std::mem::take(&mut rows))
            .await;
        assert_eq!(published.unwrap(), made.rows);
    }

    pub fn turn(&self, ms: i64) {
        self.clock.fetch_add(ms, Ordering::SeqCst);
    }

    /// Tells of an answer and of what the channels were asked meanwhile.
    pub fn tell(&mut self, what: &str, answer: &(impl Debug + ?Sized)) {
        let ms = self.platform.now().since_ms(START);
        let _ = writeln!(self.text, "+{} s {what}", ms / 1000);
        let tills = [&self.wechat, &self.alipay, &self.unionpay];
        let asked = tills.map(|till| till.take_asked()).concat();
        let mut lines: Vec<String> = asked.iter().map(|line| self.named(line)).collect();
        // Of calls for the same moment the order follows drawn numbers.
        lines.sort();
        lines.push(self.named(&format!("{answer:?}")));
        for line in lines {
            let _ = writeln!(self.text, "  {line}");
        }
    }

    /// What was told so far.
    pub fn told(&self) -> &str {
        &self.text
    }

    /// Compares the whole with the text in `scenes/`.
    pub fn is(&self, name: &str) {
        let path = format!("{}/scenes/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("JIAOYI_TEST_ACCEPT").is_some() {
            std::fs::write(&path, &self.text).unwrap();
        }
        let wanted = std::fs::read_to_string(&path).unwrap();
        let mut lines = wanted.lines();
        for (number, line) in (1..).zip(self.text.lines()) {
            assert_eq!(Some(line), lines.next(), "{path}:{number}");
        }
        assert_eq!(lines.next(), None, "{path} goes on");
    }

    /// Numbers, tokens and signatures by names, moments from the beginning.
    fn named(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(length.max(letter.len_utf8()));
            rest = behind;
            let after = [
                "check_code: \"",
                "check_code\":\"",
                "trace: \"",
                "key_id: \"",
            ];
            let short = after.iter().any(|field| out.ends_with(field));
            let drawn = word.len() >= 16 && word.bytes().any(|byte| byte.is_ascii_digit());
            if word == "Instant"
                && let Some((ms, behind)) = rest.strip_prefix('(').and_then(|t| t.split_once(')'))
            {
                let at = Instant(ms.parse().unwrap());
                let _ = write!(out, "+{} ms", at.since_ms(START));
                rest = behind;
            } else if short || drawn {
                let next = format!("token{}", self.names.len() + 1);
                out += self.names.entry(word.to_owned()).or_insert(next);
            } else {
                out += word;
            }
        }
        out
    }

    /// The bill of somebody, as the one who looks it up sees it.
    pub async fn bill(&self, device: u8, number: u16, county: &str) -> BillView {
        let request = looking(number, county);
        let answer = self.platform.lookup(&visitor(device), request, "f").await;
        match answer.unwrap() {
            LookupAnswer::Found(mut bills) => bills.remove(0),
            other => panic!("{other:?}"),
        }
    }

    pub async fn state(&self, device: u8, number: u16, county: &str) -> BillState {
        self.bill(device, number, county).await.state
    }

    pub async fn attempts(&self) -> Vec<Attempt> {
        let mut all: Vec<Attempt> = self.platform.store.all().await.unwrap();
        all.sort_by_key(|row| (row.created_at, row.seq));
        all
    }

    /// A success of the newest attempt but `before`, as its channel tells it.
    pub async fn seen(&self, before: usize) -> SeenPayment {
        let attempts = self.attempts().await;
        let attempt = &attempts[attempts.len() - 1 - before];
        SeenPayment {
            attempt_no: attempt.attempt_no.to_string(),
            txn_id: format!("txn{}", attempts.len() - before),
            amount: attempt.amount,
            currency: "CNY".to_owned(),
            paid_at: self.platform.now(),
            merchant: "merchant".to_owned(),
            app: "app".to_owned(),
            refunded: false,
        }
    }
}

/// What the payer of person `number` types.
pub fn looking(number: u16, county: &str) -> LookupRequest {
    LookupRequest {
        name: "王桂兰".to_owned(),
        document_kind: "id_card".to_owned(),
        document: id_of(number, county),
        region: county.to_owned(),
    }
}
