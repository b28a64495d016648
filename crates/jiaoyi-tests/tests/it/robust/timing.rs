//! Equal answers: whoever looks up somebody who is not there learns nothing, not from the page and
//! not from the time it took.
//!
//! Three kinds of miss are asked strictly in turn. The pages must be the same but for the one-time
//! form key; the times are compared by the statistic of Kolmogorov and Smirnov, which sees any
//! difference between two distributions. The control is a portal that answers early for unknown
//! documents: it must fail the same comparison.

use super::browser::{Browser, client};
use super::chance::Chance;
use super::installation::{fill, now};
use super::people::{Form, Person, person, write_roster};
use anyhow::{Context, Result, ensure};
use jiaoyi_app::admission::Party;
use jiaoyi_app::biller::access::{AccessAction, AccessAnswer, Acted};
use jiaoyi_app::biller::{BillerReply, RawCall};
use jiaoyi_app::import::ImportRequest;
use jiaoyi_app::limits::Budgets;
use jiaoyi_app::platform::{Platform, PlatformConfig};
use jiaoyi_app::portal::{
    Announcement, Answer, BillView, LinkAnswer, LookupAnswer, LookupRequest, NoticeReply,
    OrderView, Portal, RawNotice, RecordAnswer, RecordView, RegionView, StartAnswer, StartRequest,
    VerifyAnswer, Visitor, VoucherAnswer, VoucherKey, VoucherView, WindowNote,
};
use jiaoyi_channels::Channels;
use jiaoyi_crypto::keyring::Keyring;
use jiaoyi_documents::Fonts;
use jiaoyi_documents::roster::Limits;
use jiaoyi_domain::channel::{ChannelCode, Method};
use jiaoyi_domain::decide::ImportPolicy;
use jiaoyi_domain::person::{Document, DocumentKind};
use jiaoyi_domain::policy::{Pack, demo_packs};
use jiaoyi_domain::region::RegionTable;
use jiaoyi_domain::roster::{Document as DocumentRow, PolicyPack};
use jiaoyi_store::Store;
use jiaoyi_web::{WebSettings, WebState, router};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// People in the database.
const PEOPLE: u32 = 3_000;
/// Where every second one is insured, and which region is typed in every look-up.
const REGION: &str = "990101";
/// Where the others are insured.
const OTHER_REGION: &str = "990102";

/// The three kinds of miss.
pub const KINDS: [&str; 3] = ["unknown document", "wrong name", "wrong region"];

/// What a comparison found.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The statistic of each pair of kinds, in ten-thousandths.
    pub statistic: [(&'static str, &'static str, u64); 3],
    /// The median time of each kind, in microseconds.
    pub medians_us: [u64; 3],
}

impl Compared {
    /// The largest of the three.
    pub fn largest(&self) -> u64 {
        let all = self.statistic.iter().map(|(_, _, value)| *value);
        all.max().unwrap_or(10_000)
    }
}

impl std::fmt::Display for Compared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (kind, median) in KINDS.iter().zip(self.medians_us) {
            writeln!(f, "{kind:<17} median {median} us")?;
        }
        for (one, other, value) in self.statistic {
            writeln!(f, "{one} / {other}: D = 0.{value:04}")?;
        }
        Ok(())
    }
}

/// The largest distance between the two distributions, in ten-thousandths.
pub fn kolmogorov_smirnov(a: &[u128], b: &[u128]) -> u64 {
    let (mut a, mut b) = (a.to_vec(), b.to_vec());
    a.sort_unstable();
    b.sort_unstable();
    let (mut i, mut j, mut largest) = (0usize, 0usize, 0u128);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let least = *x.min(y);
        while a.get(i).is_some_and(|value| *value <= least) {
            i += 1;
        }
        while b.get(j).is_some_and(|value| *value <= least) {
            j += 1;
        }
        let (left, right) = ((i * b.len()) as u128, (j * a.len()) as u128);
        largest = largest.max(left.abs_diff(right));
    }
    let whole = (a.len() * b.len()).max(1) as u128;
    u64::try_from(largest * 10_000 / whole).unwrap_or(u64::MAX)
}

/// A platform with people, in this process.
pub struct World {
    folder: PathBuf,
    pub platform: Arc<Platform>,
}

impl World {
    /// Opens a platform over a new folder and imports its people.
    pub async fn new(name: &str) -> Result<World> {
        let folder = std::env::temp_dir().join(format!("jiaoyi-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let mut chain = [0; 16];
        fill(&mut chain);
        let store = Store::open_file(&folder.join("jiaoyi.db"), chain, now())?;
        let config = PlatformConfig {
            public_url: "http://127.0.0.1".to_owned(),
            issuer: "演示医保局".into(),
            demo: true,
            budgets: Budgets::OFF,
            bills: None,
        };
        let platform = Platform::open(
            store,
            Keyring::generate(&mut fill),
            Channels::default(),
            RegionTable::with_demo(),
            config,
            (Arc::new(|| now().0), Arc::new(fill)),
            Fonts::new(Box::new(|_| None)),
        )
        .await?;
        let world = World {
            folder,
            platform: Arc::new(platform),
        };
        world.policies().await?;
        world.people().await?;
        Ok(world)
    }

    async fn policies(&self) -> Result<()> {
        for (file, text) in demo_packs(now().date()) {
            let pack = Pack::parse(&file, &text)
                .map_err(|problems| anyhow::anyhow!("{file}: {problems:?}"))?;
            let region = pack.region.clone().unwrap_or_default();
            let row = PolicyPack {
                pack_id: format!("{region}:{}:{}", pack.benefit_year, pack.scheme.code()),
                region,
                benefit_year: pack.benefit_year,
                status: pack.status.code().to_owned(),
                file_name: file,
                text,
                imported_on: now().date(),
                imported_at: now(),
                version: 1,
            };
            self.platform.submit(ImportPolicy { pack: row }).await?;
        }
        self.platform.reload_policies().await?;
        Ok(())
    }

    async fn people(&self) -> Result<()> {
        let path = self.folder.join("roster.csv");
        write_roster(&path, Form::Utf8, (0..PEOPLE).map(insured))?;
        let request = ImportRequest {
            path,
            region: None,
            benefit_year: now().date().year() + 1,
            source: "test".to_owned(),
            serial: 1,
            older_confirmed: false,
            dry_run: false,
            all_or_nothing: true,
            limits: Limits::default(),
        };
        let report = self
            .platform
            .import_roster(&request, &mut |_, _, _| {})
            .await?;
        ensure!(report.rows_bad == 0, "{:?}", report.problems.first());
        Ok(())
    }

    /// Closes the store and removes the folder.
    pub fn remove(self) -> Result<()> {
        self.platform.store.close();
        std::fs::remove_dir_all(&self.folder).context("remove the folder")
    }
}

/// Serves a portal on a free port; its address.
pub async fn serve(portal: Arc<dyn Portal>) -> Result<String> {
    let state = WebState {
        portal,
        clock: Arc::new(|| now().0),
        random: Arc::new(fill),
        settings: Arc::new(WebSettings {
            demo: true,
            https: false,
            ..WebSettings::default()
        }),
    };
    let app = router(state);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let _ = axum::serve(listener, app).await;
    });
    Ok(address)
}

/// Person `n` where this person is insured.
fn insured(n: u32) -> Person {
    let region = if n.is_multiple_of(2) {
        REGION
    } else {
        OTHER_REGION
    };
    person(n, region)
}

/// What is typed: a person who is there, changed in one way. The region typed is always the same.
fn miss(kind: usize, chance: &mut Chance) -> Person {
    let known = u32::try_from(2 * chance.below(u64::from(PEOPLE / 2))).unwrap_or(0);
    let other = u32::try_from(1 + chance.below(11)).unwrap_or(1);
    let mut asked = match kind {
        // Numbers beyond those in the database.
        0 => insured(PEOPLE + known),
        1 => Person {
            name: person(known + other, REGION).name,
            ..insured(known)
        },
        _ => insured(known + 1),
    };
    asked.region = REGION.to_owned();
    asked
}

/// Asks each kind of miss `rounds` times, in turn, over one connection.
pub async fn compare(portal: &str, rounds: usize, seed: u64) -> Result<Compared> {
    let mut browser = Browser::new(&client()?, portal);
    let mut chance = Chance::new(seed);
    browser.get("/pay/person").await?;
    let mut times: [Vec<u128>; 3] = Default::default();
    let mut page: Option<String> = None;
    let warm = rounds / 20 + 20;
    for round in 0..rounds + warm {
        // Which kind comes first changes, so that no kind always follows the same one.
        for place in 0..3 {
            let kind = (place + round) % 3;
            let asked = miss(kind, &mut chance);
            let key = chance.form_key();
            let fields = asked.form(&key);
            let begun = Instant::now();
            let reply = browser.post("/pay/person", &fields).await?;
            let took = begun.elapsed().as_nanos();
            let shown = same_for_all(&reply.text(), &reply.field("form_key"), &asked);
            ensure!(
                reply.status == 200,
                "{} answered {}",
                KINDS[kind],
                reply.status
            );
            match &page {
                Some(page) => ensure!(*page == shown, "{}: another page\n{shown}", KINDS[kind]),
                None => page = Some(shown),
            }
            if round >= warm {
                times[kind].push(took);
            }
        }
    }
    let statistic = [(0, 1), (0, 2), (1, 2)].map(|(one, other)| {
        let value = kolmogorov_smirnov(&times[one], &times[other]);
        (KINDS[one], KINDS[other], value)
    });
    let medians_us = times.map(|mut times| {
        times.sort_unstable();
        let middle = times.get(times.len() / 2).copied().unwrap_or(0);
        u64::try_from(middle / 1_000).unwrap_or(0)
    });
    Ok(Compared {
        statistic,
        medians_us,
    })
}

/// The page without the one-time key and without what the asker typed, which is shown again.
fn same_for_all(page: &str, form_key: &Option<String>, asked: &Person) -> String {
    let key = form_key.clone().unwrap_or_default();
    page.replace(&key, "KEY")
        .replace(&asked.name, "NAME")
        .replace(&asked.id_number, "DOCUMENT")
}

/// A portal that gives away who is known: it answers for an unknown document before it looks
/// anything else up. Everything but the look-up is the real portal's.
pub struct Early(pub Arc<Platform>);

impl Early {
    async fn is_known(&self, request: &LookupRequest) -> bool {
        let kind = DocumentKind::from_code(&request.document_kind);
        let kind = kind.unwrap_or(DocumentKind::IdCard);
        let Ok(document) = Document::parse(kind, &request.document, self.0.today()) else {
            return true;
        };
        let (kind, text) = (document.kind().code(), document.index_text());
        let key = (
            self.0.keyring.bucket_of(kind, &text),
            self.0.keyring.doc_hmac(kind, &text),
        );
        let found: Result<Option<DocumentRow>, _> = self.0.store.load(&key).await;
        !matches!(found, Ok(None))
    }
}

macro_rules! passed_on {
    ($(fn $name:ident($($given:ident: $kind:ty),*) -> $answer:ty;)*) => {
        $(fn $name<'a>(&'a self, $($given: $kind),*) -> Answer<'a, $answer> {
            Portal::$name(&*self.0, $($given),*)
        })*
    };
}

impl Portal for Early {
    fn lookup<'a>(
        &'a self,
        visitor: &'a Visitor,
        request: LookupRequest,
        form_key: &'a str,
    ) -> Answer<'a, LookupAnswer> {
        Box::pin(async move {
            if !self.is_known(&request).await {
                return Ok(LookupAnswer::Miss);
            }
            self.0.lookup(visitor, request, form_key).await
        })
    }

    fn wechat_authorize_url(&self, state: &str) -> Option<String> {
        self.0.wechat_authorize_url(state)
    }

    fn caller(&self, authorization: Option<&str>) -> Party {
        self.0.caller(authorization)
    }

    fn biller_keys(&self) -> String {
        self.0.biller_keys()
    }

    fn channels_json(&self, region: Option<&str>) -> String {
        self.0.channels_json(region)
    }

    passed_on! {
        fn regions_search(text: &'a str, limit: usize) -> Vec<RegionView>;
        fn regions_children(code: Option<&'a str>) -> Vec<RegionView>;
        fn region(code: &'a str) -> Option<RegionView>;
        fn window_notes() -> Vec<WindowNote>;
        fn announcements() -> Vec<Announcement>;
        fn bill(visitor: &'a Visitor, bill_ref: &'a str) -> Option<BillView>;
        fn start(visitor: &'a Visitor, request: StartRequest) -> StartAnswer;
        fn confirm_zero(
            visitor: &'a Visitor, bill_ref: &'a str, relation: &'a str, form_key: &'a str
        ) -> StartAnswer;
        fn order(visitor: &'a Visitor, token: &'a str) -> Option<OrderView>;
        fn refresh(visitor: &'a Visitor, token: &'a str) -> Option<OrderView>;
        fn cancel(visitor: &'a Visitor, token: &'a str) -> Option<OrderView>;
        fn switch(
            visitor: &'a Visitor, token: &'a str, method: Method, openid: Option<String>,
            form_key: &'a str
        ) -> StartAnswer;
        fn voucher(visitor: &'a Visitor, number: &'a str, key: &'a VoucherKey) -> VoucherAnswer<VoucherView>;
        fn voucher_png(visitor: &'a Visitor, number: &'a str, key: &'a VoucherKey) -> VoucherAnswer<Vec<u8>>;
        fn voucher_pdf(visitor: &'a Visitor, number: &'a str, key: &'a VoucherKey) -> VoucherAnswer<Vec<u8>>;
        fn verify_number(visitor: &'a Visitor, number: &'a str, check_code: &'a str) -> VerifyAnswer;
        fn verify_text(visitor: &'a Visitor, text: &'a str) -> VerifyAnswer;
        fn keys_json() -> String;
        fn records(visitor: &'a Visitor) -> Vec<RecordView>;
        fn add_record(visitor: &'a Visitor, text: &'a str) -> RecordAnswer;
        fn open_link(visitor: &'a Visitor, token: &'a str) -> LinkAnswer;
        fn answer_link(visitor: &'a Visitor, token: &'a str, month: u8, day: u8) -> LinkAnswer;
        fn wechat_openid(code: &'a str) -> Option<String>;
        fn biller_call(call: RawCall) -> BillerReply;
        fn access(visitor: &'a Visitor, token: &'a str) -> AccessAnswer;
        fn access_act(visitor: &'a Visitor, token: &'a str, action: AccessAction) -> Acted;
        fn receive_notice(channel: ChannelCode, notice: RawNotice) -> NoticeReply;
        fn ready() -> String;
    }
}

/// Compares the real portal and the control, one after the other over the same people.
pub async fn both(name: &str, rounds: usize, seed: u64) -> Result<(Compared, Compared)> {
    let world = World::new(name).await?;
    let real = serve(Arc::clone(&world.platform) as Arc<dyn Portal>).await?;
    let early = serve(Arc::new(Early(Arc::clone(&world.platform)))).await?;
    let honest = compare(&real, rounds, seed).await?;
    let control = compare(&early, rounds, seed + 1).await?;
    world.remove()?;
    Ok((honest, control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statistic_is_the_largest_distance() {
        assert_eq!(kolmogorov_smirnov(&[1, 2, 3, 4], &[1, 2, 3, 4]), 0);
        assert_eq!(kolmogorov_smirnov(&[1, 2], &[3, 4]), 10_000);
        // Below 3 lie three quarters of the one and a quarter of the other.
        assert_eq!(kolmogorov_smirnov(&[1, 2, 2, 9], &[2, 5, 6, 7]), 5_000);
    }

    /// With 1,500 of each kind, chance alone exceeds 0.072 once in a thousand comparisons.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn time_and_page_tell_nothing_about_who_is_known() {
        let (honest, control) = both("timing", 1_500, 7).await.unwrap();
        assert!(honest.largest() < 800, "{honest}");
        assert!(control.largest() > 1_500, "the control passed:\n{control}");
    }
}
