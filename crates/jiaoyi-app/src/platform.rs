//! Everything a use case works with, put together once at start.

use crate::health::Health;
use crate::jobs::lanes::Lanes;
use crate::limits::Limits;
use crate::portal::{Announcement, PortalError, PortalErrorKind};
use crate::put_off::PutOff;
use crate::unsigned::Unsigned;
use jiaoyi_channels::{Channels, Gateway};
use jiaoyi_crypto::keyring::Keyring;
use jiaoyi_documents::Fonts;
use jiaoyi_domain::channel::{AttemptTerms, ChannelCode, Method, RefundTerms};
use jiaoyi_domain::decide::{Answer, Command, NotePutAside, Refusal, Renderer};
use jiaoyi_domain::due::{OrderId, RosterId};
use jiaoyi_domain::policy::{InForce, PolicySet};
use jiaoyi_domain::record::Value;
use jiaoyi_domain::region::RegionTable;
use jiaoyi_domain::roster::{PolicyPack, Roster, RosterState};
use jiaoyi_domain::{Bucket, Date, Instant};
use jiaoyi_store::{CallKey, Envelope, Store, StoreError, View};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// Tells the time, in milliseconds UTC. The demo shifts it for everything at once.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Fills bytes with randomness from the operating system.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// What an installation says of itself.
#[derive(Clone, Debug)]
pub struct PlatformConfig {
    /// `https://pay.example.gov.cn` without a slash at the end.
    pub public_url: String,
    /// Who issues vouchers, as printed on them.
    pub issuer: Arc<str>,
    /// A demo installation: 演示 on every voucher and in every message.
    pub demo: bool,
    /// Budgets against guessing names and documents.
    pub budgets: crate::limits::Budgets,
    /// Where bills of the channels are kept; without it none are fetched.
    pub bills: Option<PathBuf>,
}

/// The policies, and which packs they were read from.
#[derive(Default)]
struct Policies {
    versions: Vec<(String, u32)>,
    set: Arc<PolicySet>,
}

fn versions(packs: &[PolicyPack]) -> Vec<(String, u32)> {
    let version = |pack: &PolicyPack| (pack.pack_id.clone(), pack.version);
    packs.iter().map(version).collect()
}

/// The platform: the store, the keys, the channels, the reference data.
pub struct Platform {
    pub store: Store,
    pub keyring: Arc<Keyring>,
    pub channels: Channels,
    pub regions: Arc<RegionTable>,
    pub config: PlatformConfig,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) limits: Limits,
    pub(crate) health: Health,
    pub(crate) fonts: Fonts,
    pub(crate) refused: crate::notices::RefusedNotices,
    pub(crate) put_off: PutOff,
    pub(crate) lanes: Lanes,
    pub(crate) desk: crate::biller::Desk,
    pub(crate) unsigned: Unsigned,
    /// Hosts under which vouchers were signed before this start.
    pub(crate) former_hosts: Vec<String>,
    policies: RwLock<Policies>,
    news: RwLock<Vec<Announcement>>,
    /// Rosters that were seen active: no state follows that one, so it need not be read again.
    active: RwLock<BTreeSet<RosterId>>,
}

/// Why a platform cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a stored policy pack is not valid any more: {0}")]
    Policy(String),
    /// With other keys everybody known would become somebody new, and could pay once more.
    #[error(
        "these are not the keys that the database was filled with: what is sealed does not open"
    )]
    OtherKeys,
}

/// Whether keys are those that a database was filled with. `found` is what the query `any_sealed`
/// finds there.
#[must_use]
pub fn keys_fit(keyring: &Keyring, found: &[Vec<Value>]) -> bool {
    match found.first().and_then(|row| row.first()) {
        Some(Value::Bytes(sealed)) => keyring.open(sealed, place::NUMBER).is_ok(),
        _ => true,
    }
}

impl Platform {
    /// Puts a platform together and reads its policies.
    ///
    /// # Errors
    ///
    /// [`StartError`] when the store cannot be read, the keys are not its own, or a stored pack is
    /// contradictory.
    pub async fn open(
        store: Store,
        keyring: Keyring,
        channels: Channels,
        regions: RegionTable,
        config: PlatformConfig,
        (clock, random): (Clock, Random),
        fonts: Fonts,
    ) -> Result<Platform, StartError> {
        if !keys_fit(&keyring, &store.query("any_sealed", &[]).await?) {
            return Err(StartError::OtherKeys);
        }
        let hosts = store.query("voucher_hosts", &[]).await?;
        let former_hosts = hosts.into_iter().flatten().filter_map(|value| match value {
            Value::Text(host) => Some(host),
            Value::Null | Value::Int(_) | Value::Bytes(_) => None,
        });
        let former_hosts = former_hosts.collect();
        let platform = Platform {
            former_hosts,
            store,
            keyring: Arc::new(keyring),
            channels,
            regions: Arc::new(regions),
            limits: Limits::new(config.budgets),
            health: Health::default(),
            config,
            clock,
            random,
            fonts,
            refused: crate::notices::RefusedNotices::default(),
            put_off: PutOff::default(),
            lanes: Lanes::default(),
            desk: crate::biller::Desk::default(),
            unsigned: Unsigned::default(),
            policies: RwLock::default(),
            news: RwLock::default(),
            active: RwLock::default(),
        };
        platform.reload_policies().await?;
        Ok(platform)
    }

    /// Reads the imported policy packs again.
    ///
    /// # Errors
    ///
    /// [`StartError`] when the store cannot be read or the packs contradict each other; then the
    /// policies stay as they are.
    pub async fn reload_policies(&self) -> Result<(), StartError> {
        let packs: Vec<PolicyPack> = self.store.all().await?;
        self.take_policies(&packs)
    }

    /// As [`Platform::reload_policies`], but only when another process has changed a pack since.
    ///
    /// # Errors
    ///
    /// As [`Platform::reload_policies`], once for each change.
    pub async fn refresh_policies(&self) -> Result<(), StartError> {
        let packs: Vec<PolicyPack> = self.store.all().await?;
        let known = self.read_policies().versions == versions(&packs);
        if known {
            return Ok(());
        }
        self.take_policies(&packs)
    }

    fn take_policies(&self, packs: &[PolicyPack]) -> Result<(), StartError> {
        let files = packs
            .iter()
            .map(|pack| (pack.file_name.as_str(), pack.text.as_str()));
        let loaded = PolicySet::load(files);
        let policies = self.policies.write();
        let mut policies = policies.unwrap_or_else(PoisonError::into_inner);
        policies.versions = versions(packs);
        policies.set = Arc::new(loaded.map_err(|problems| {
            let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
            StartError::Policy(texts.join("; "))
        })?);
        Ok(())
    }

    fn read_policies(&self) -> RwLockReadGuard<'_, Policies> {
        self.policies.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The policies as they are now.
    #[must_use]
    pub fn policies(&self) -> Arc<PolicySet> {
        Arc::clone(&self.read_policies().set)
    }

    /// Replaces what the office announces.
    pub fn announce(&self, news: Vec<Announcement>) {
        *self.news.write().unwrap_or_else(PoisonError::into_inner) = news;
    }

    /// What the office announces today, newest first.
    pub(crate) fn news(&self) -> Vec<Announcement> {
        let today = self.today();
        let news = self.news.read().unwrap_or_else(PoisonError::into_inner);
        let now = |item: &&Announcement| {
            item.on <= today && item.until.is_none_or(|until| today <= until)
        };
        let mut now: Vec<Announcement> = news.iter().filter(now).cloned().collect();
        now.sort_by_key(|item| std::cmp::Reverse(item.on));
        now
    }

    /// Whether the revisions of a roster count. For pages: a decision asserts it by itself.
    pub(crate) async fn is_active(
        &self,
        view: &View<'_>,
        roster: RosterId,
    ) -> Result<bool, StoreError> {
        let known = {
            let set = self.active.read().unwrap_or_else(PoisonError::into_inner);
            set.contains(&roster)
        };
        if known {
            return Ok(true);
        }
        let found: Option<Roster> = view.load(&(roster.0,)).await?;
        let active = found.is_some_and(|row| row.state == RosterState::Active);
        if active {
            let mut set = self.active.write().unwrap_or_else(PoisonError::into_inner);
            if set.len() >= ROSTERS_MAX {
                set.clear();
            }
            set.insert(roster);
        }
        Ok(active)
    }

    /// The pack that holds for a region and year.
    #[must_use]
    pub fn pack(&self, region: &str, benefit_year: i16) -> Option<InForce> {
        self.policies()
            .holding(&self.regions, region, benefit_year)
            .cloned()
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant((self.clock)())
    }

    /// The Beijing date now.
    #[must_use]
    pub fn today(&self) -> Date {
        self.now().date()
    }

    /// Random bytes.
    #[must_use]
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.random)(&mut bytes);
        bytes
    }

    /// A nonce for a channel: 32 letters and digits.
    #[must_use]
    pub fn nonce_text(&self) -> String {
        self.random::<16>()
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect()
    }

    /// The gateway of a channel.
    #[must_use]
    pub fn gateway(&self, channel: ChannelCode) -> Option<Arc<dyn Gateway>> {
        self.channels.gateway(channel)
    }

    /// The ways of paying that can be offered on a page: those of the configured channels.
    #[must_use]
    pub fn methods(&self) -> Vec<Method> {
        Method::ALL
            .into_iter()
            .filter(|method| method.in_browser() && self.gateway(method.channel()).is_some())
            .collect()
    }

    /// Decides and commits a command that has no key of its own.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn submit(&self, command: impl Command + 'static) -> Result<Answer, StoreError> {
        self.commit(self.envelope(command, None)).await
    }

    /// Commits a command; one that was put aside becomes a case for staff, one for each kind.
    async fn commit(&self, envelope: Envelope) -> Result<Answer, StoreError> {
        let command = envelope.command.kind();
        let answer = self.store.submit(envelope).await;
        if let Err(StoreError::Refused(Refusal::Poisoned { .. })) = &answer {
            let case = self.envelope(NotePutAside { command }, None);
            if let Err(error) = self.store.submit(case).await {
                tracing::error!(command, %error, "no case was opened for what was put aside");
            }
        }
        answer
    }

    /// Decides and commits a command under the key of a mutating call.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn submit_keyed(
        &self,
        command: impl Command + 'static,
        key: CallKey,
    ) -> Result<Answer, StoreError> {
        self.commit(self.envelope(command, Some(key))).await
    }

    pub(crate) fn envelope(
        &self,
        command: impl Command + 'static,
        key: Option<CallKey>,
    ) -> Envelope {
        Envelope {
            command: Box::new(command),
            at: self.now(),
            seed: self.random(),
            issuer: Arc::clone(&self.config.issuer),
            key,
        }
    }

    /// The bucket of a device's own list.
    #[must_use]
    pub fn device_bucket(&self, device: &[u8; 32]) -> Bucket {
        self.keyring.bucket_of_name(device)
    }

    /// The token of an order's page, which is also its receipt link.
    #[must_use]
    pub fn order_token(&self, bucket: Bucket, order: OrderId) -> String {
        order_token(&self.keyring, bucket, order)
    }

    /// The order that a token names; `None` when we did not make it.
    #[must_use]
    pub fn read_order_token(&self, token: &str) -> Option<(Bucket, OrderId)> {
        let payload = self.keyring.read_link(token).ok()?;
        let (kind, rest) = payload.split_first()?;
        if *kind != LINK_ORDER || rest.len() != 18 {
            return None;
        }
        let bucket = Bucket::try_new(u16::from_be_bytes(rest[..2].try_into().ok()?))?;
        Some((bucket, OrderId(rest[2..].try_into().ok()?)))
    }

    /// Renders requests for one channel, sealed where they are stored.
    pub(crate) fn renderer(&self, channel: ChannelCode) -> Option<Arc<dyn Renderer>> {
        Some(Arc::new(ChannelRenderer {
            gateway: self.gateway(channel)?,
            keyring: Arc::clone(&self.keyring),
            public_url: self.config.public_url.clone(),
            demo: self.config.demo,
        }))
    }

    /// A trace for the page and the log of one failed request.
    pub(crate) fn trace(&self) -> String {
        self.random::<4>()
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect()
    }

    /// What a page is told when the store could not answer; logged once, here.
    pub(crate) fn trouble(&self, error: &StoreError) -> PortalError {
        let trace = self.trace();
        let kind = match error {
            StoreError::Busy { retry_after_s } => PortalErrorKind::Busy {
                retry_after_s: *retry_after_s,
            },
            StoreError::Unavailable { .. } | StoreError::Stopped | StoreError::Open { .. } => {
                PortalErrorKind::Unavailable
            }
            StoreError::Refused(_) | StoreError::Damaged(_) | StoreError::Engine(_) => {
                PortalErrorKind::Internal
            }
        };
        tracing::error!(trace, code = error.code(), %error, "a request could not be answered");
        PortalError {
            code: error.code(),
            trace,
            kind,
        }
    }
}

/// Most rosters that are remembered as active.
const ROSTERS_MAX: usize = 10_000;

/// First byte of a signed link to an order.
pub(crate) const LINK_ORDER: u8 = 1;
/// First byte of a signed notice link to a due.
pub(crate) const LINK_DUE: u8 = 2;
/// First byte of a signed link through which an institution keeps its keys.
pub(crate) const LINK_ACCESS: u8 = 3;

fn order_token(keyring: &Keyring, bucket: Bucket, order: OrderId) -> String {
    let mut payload = vec![LINK_ORDER];
    payload.extend_from_slice(&bucket.get().to_be_bytes());
    payload.extend_from_slice(&order.0);
    keyring.sign_link(&payload)
}

/// What sealed values are bound to: the column they stand in.
pub(crate) mod place {
    pub const NAME: &[u8] = b"person.name";
    pub const PHONE: &[u8] = b"person.phone";
    pub const NUMBER: &[u8] = b"document.number";
    pub const REQUEST: &[u8] = b"attempt.request";
    pub const HANDOVER: &[u8] = b"attempt.handover";
    pub const INBOX: &[u8] = b"inbox.body";
}

struct ChannelRenderer {
    gateway: Arc<dyn Gateway>,
    keyring: Arc<Keyring>,
    public_url: String,
    demo: bool,
}

impl Renderer for ChannelRenderer {
    fn notify_url(&self) -> String {
        format!(
            "{}/notify/{}",
            self.public_url,
            self.gateway.channel().code()
        )
    }

    fn return_url(&self, bucket: Bucket, order: OrderId) -> String {
        format!(
            "{}/o/{}/back",
            self.public_url,
            order_token(&self.keyring, bucket, order)
        )
    }

    fn description(&self) -> String {
        let mark = if self.demo { "演示 " } else { "" };
        format!("{mark}城乡居民医保缴费")
    }

    fn attempt(&self, terms: &AttemptTerms, nonce: [u8; 12]) -> Vec<u8> {
        self.keyring
            .seal(&self.gateway.render(terms), place::REQUEST, nonce)
    }

    fn refund(&self, terms: &RefundTerms) -> Vec<u8> {
        self.gateway.render_refund(terms)
    }
}

/// SHA-256 over parts, each with its length: the hash of a key or of a request.
pub(crate) fn hash_parts(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::tests::world::counted;

    #[test]
    fn keys_fit_what_they_sealed() {
        let (ours, others) = (counted(1), counted(2));
        let [ours, others] = [ours, others].map(|mut random| Keyring::generate(&mut random));
        let sealed = |keyring: &Keyring| {
            let sealed = keyring.seal(b"number", place::NUMBER, [1; 12]);
            vec![vec![Value::Bytes(sealed)]]
        };
        assert!(keys_fit(&ours, &sealed(&ours)));
        assert!(!keys_fit(&ours, &sealed(&others)));
        assert!(keys_fit(&ours, &[]), "an empty database takes any keys");
    }
}
