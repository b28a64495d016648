//! How an institution keeps its own keys and webhook: through a link that the operator hands over
//! and that belongs to the device that opens it.

use super::auth::{call_scheme, key_scheme};
use super::reconcile::hex;
use crate::platform::{LINK_ACCESS, Platform};
use crate::portal::Visitor;
use jiaoyi_crypto::{CallKeyError, CallSigner, CallVerifier};
use jiaoyi_domain::decide::{
    Delivery, MakeAccessLink, OpenAccessLink, PutInstitutionKey, PutWebhook, Refusal, ReplayEvent,
    RevokeInstitutionKey,
};
use jiaoyi_domain::hook::{HookEvent, HookId};
use jiaoyi_domain::institution::{
    AccessLink, Institution, InstitutionKey, Keeper, KeyScheme, is_name,
};
use jiaoyi_domain::record::Record;
use jiaoyi_domain::time::DAY_MS;
use jiaoyi_domain::{Date, Instant};
use jiaoyi_store::StoreError;
use sha2::{Digest, Sha256};

/// A key for real money holds no sooner than so long after it was handed in: time for the operator
/// to compare its fingerprint.
const LIVE_WAIT_MS: i64 = DAY_MS;

/// How many keys of one institution may hold or begin to hold.
const KEYS_MAX: usize = 10;

/// How many events the page lists.
const EVENTS_SHOWN: u16 = 20;

/// What a link shows.
#[derive(Clone, Debug)]
pub enum AccessAnswer {
    /// No link of ours, or one that has ended.
    Gone,
    /// Nobody has opened it yet.
    Ask {
        name: String,
    },
    /// It was opened on another device.
    Elsewhere,
    Open(Box<AccessView>),
}

/// What an institution sees of itself.
#[derive(Clone, Debug)]
pub struct AccessView {
    pub institution: Institution,
    /// Newest first.
    pub keys: Vec<KeyView>,
    /// Newest first.
    pub events: Vec<HookEvent>,
    /// Until when the link opens.
    pub until: Instant,
    pub now: Instant,
}

/// One key of an institution.
#[derive(Clone, Debug)]
pub struct KeyView {
    pub key: InstitutionKey,
    /// SHA-256 of the public key (DER), hexadecimal.
    pub fingerprint: String,
}

/// What an institution does on its page.
#[derive(Clone, Debug)]
pub enum AccessAction {
    /// Opens the link on this device.
    Open,
    /// Everything else, for the device that holds the link.
    Own(OwnAction),
}

/// What the holder of a link does.
#[derive(Clone, Debug)]
pub enum OwnAction {
    /// Hands in a public key.
    AddKey {
        key_id: String,
        pem: String,
        /// From which day it holds; at once when empty.
        from: String,
    },
    /// Has a pair drawn, on a test installation.
    DrawKey {
        key_id: String,
        scheme: KeyScheme,
    },
    RevokeKey {
        key_id: String,
    },
    SetWebhook {
        url: String,
    },
    TestWebhook,
    Replay {
        event_id: String,
    },
}

/// What became of an action.
#[derive(Clone, Debug)]
pub enum Acted {
    Done,
    /// A pair was drawn; its private half is shown now and never again.
    Drawn {
        key_id: String,
        scheme: KeyScheme,
        private: String,
        public_pem: String,
    },
    /// The receiver took the test.
    Tested,
    Refused(AccessProblem),
    /// The link does not open for this device.
    Shut,
}

/// Why an action cannot be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessProblem {
    /// The id is not 1 to 30 of `0-9A-Za-z_-`.
    KeyId,
    /// The id was used before.
    KeyIdUsed,
    /// Not a public key in PEM, of RSA with 2048 bits or more or of SM2.
    Key,
    /// Another institution has this key.
    KeyOfAnother,
    /// A private key was pasted.
    PrivateKey,
    /// Not a day, or past.
    From,
    /// So many keys hold already.
    TooManyKeys { most: usize },
    /// Keys for real money are drawn by their owner.
    DrawnAtHome,
    /// No such key.
    NoKey,
    /// Not an address that we send to; why.
    Url(String),
    /// There is no webhook.
    NoWebhook,
    /// The receiver did not take the test; why.
    NotTaken(String),
    /// No such event.
    NoEvent,
}

type Found = (Institution, AccessLink);

impl Platform {
    fn access_token(&self, link: &AccessLink) -> String {
        let name = format!("{}:{}", link.inst_id, link.link_id);
        self.keyring
            .sign_link(&[&[LINK_ACCESS], name.as_bytes()].concat())
    }

    /// Makes a link with which an institution keeps its own keys; its address.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] for an institution that is not known, or the store's trouble.
    pub async fn make_access_link(&self, inst_id: &str, days: u32) -> Result<String, StoreError> {
        let now = self.now();
        let link = AccessLink {
            inst_id: inst_id.to_owned(),
            link_id: hex(&self.random::<8>()),
            device: Vec::new(),
            made_at: now,
            valid_until: now.plus_ms(i64::from(days) * DAY_MS),
            version: 1,
        };
        let token = self.access_token(&link);
        self.submit(MakeAccessLink { link }).await?;
        Ok(format!("{}/access/{token}", self.config.public_url))
    }

    /// The links of an institution that still open.
    ///
    /// # Errors
    ///
    /// The store's trouble.
    pub async fn access_links(&self, inst_id: &str) -> Result<Vec<AccessLink>, StoreError> {
        let now = self.now();
        let mut links: Vec<AccessLink> = self.store.all().await?;
        links.retain(|link| link.inst_id == inst_id && now < link.valid_until);
        Ok(links)
    }

    async fn access_found(&self, token: &str) -> Result<Option<Found>, StoreError> {
        let Ok(payload) = self.keyring.read_link(token) else {
            return Ok(None);
        };
        let name = payload
            .strip_prefix(&[LINK_ACCESS])
            .and_then(|name| std::str::from_utf8(name).ok())
            .and_then(|name| name.split_once(':'));
        let Some((inst_id, link_id)) = name else {
            return Ok(None);
        };
        let key = (inst_id.to_owned(), link_id.to_owned());
        let link: Option<AccessLink> = self.store.load(&key).await?;
        let link = link.filter(|link| self.now() < link.valid_until);
        let institution = self.store.load(&(inst_id.to_owned(),)).await?;
        Ok(institution.zip(link))
    }

    /// What the link shows to a visitor.
    pub(crate) async fn access_shown(
        &self,
        visitor: &Visitor,
        token: &str,
    ) -> Result<AccessAnswer, StoreError> {
        let Some((institution, link)) = self.access_found(token).await? else {
            return Ok(AccessAnswer::Gone);
        };
        if link.device.is_empty() {
            let name = institution.name;
            return Ok(AccessAnswer::Ask { name });
        }
        if !link.is_held_by(&visitor.device) {
            return Ok(AccessAnswer::Elsewhere);
        }
        let view = AccessView {
            keys: self.keys_of(&institution.inst_id).await?,
            events: self
                .newest_events_of(&institution.inst_id, EVENTS_SHOWN)
                .await?,
            until: link.valid_until,
            now: self.now(),
            institution,
        };
        Ok(AccessAnswer::Open(Box::new(view)))
    }

    async fn keys_of(&self, inst_id: &str) -> Result<Vec<KeyView>, StoreError> {
        let keys: Vec<InstitutionKey> = self.store.all().await?;
        let own = keys.into_iter().filter(|key| key.inst_id == inst_id);
        let mut keys: Vec<KeyView> = own
            .map(|key| KeyView {
                fingerprint: hex(&Sha256::digest(&key.public_key)),
                key,
            })
            .collect();
        keys.sort_by_key(|view| std::cmp::Reverse(view.key.valid_from));
        Ok(keys)
    }

    /// Does what an institution asks on its page.
    pub(crate) async fn access_acted(
        &self,
        visitor: &Visitor,
        token: &str,
        action: AccessAction,
    ) -> Result<Acted, StoreError> {
        let Some((institution, link)) = self.access_found(token).await? else {
            return Ok(Acted::Shut);
        };
        let acted = match action {
            AccessAction::Open => return self.open_access(visitor, &link).await,
            _ if !link.is_held_by(&visitor.device) => return Ok(Acted::Shut),
            AccessAction::Own(action) => self.do_access(&institution, action).await?,
        };
        if !matches!(acted, Acted::Refused(_)) {
            self.reload_institutions().await?;
        }
        Ok(acted)
    }

    async fn open_access(&self, visitor: &Visitor, link: &AccessLink) -> Result<Acted, StoreError> {
        let open = OpenAccessLink {
            link: link.key(),
            device: visitor.device,
        };
        match self.submit(open).await {
            Ok(_) => Ok(Acted::Done),
            Err(StoreError::Refused(_)) => Ok(Acted::Shut),
            Err(error) => Err(error),
        }
    }

    async fn do_access(
        &self,
        institution: &Institution,
        action: OwnAction,
    ) -> Result<Acted, StoreError> {
        let (inst_id, by) = (institution.inst_id.clone(), Keeper::Institution);
        // Before anything is read or drawn: a pair costs much, and nobody may have it drawn for nothing.
        if let OwnAction::AddKey { key_id, .. } | OwnAction::DrawKey { key_id, .. } = &action
            && let Some(problem) = self.no_place(&inst_id, key_id).await?
        {
            return Ok(Acted::Refused(problem));
        }
        match action {
            OwnAction::AddKey { key_id, pem, from } => {
                match self.handed_in(institution, key_id, &pem, &from) {
                    Ok(key) => self.take_key(key, Acted::Done).await,
                    Err(problem) => Ok(Acted::Refused(problem)),
                }
            }
            OwnAction::DrawKey { key_id, scheme } => {
                match self.drawn(institution, key_id, scheme) {
                    Ok((key, drawn)) => self.take_key(key, drawn).await,
                    Err(problem) => Ok(Acted::Refused(problem)),
                }
            }
            OwnAction::RevokeKey { key_id } => {
                let at = self.now();
                let revoke = RevokeInstitutionKey {
                    by,
                    inst_id,
                    key_id,
                    at,
                };
                told(self.submit(revoke).await, AccessProblem::NoKey)
            }
            OwnAction::SetWebhook { url } => {
                let url = url.trim().to_owned();
                if let Some(sender) = self.channels.webhooks.as_ref().filter(|_| !url.is_empty())
                    && let Err(error) = sender.url(&url, self.config.demo)
                {
                    return Ok(Acted::Refused(AccessProblem::Url(error.to_string())));
                }
                self.submit(PutWebhook { by, inst_id, url }).await?;
                Ok(Acted::Done)
            }
            OwnAction::TestWebhook if institution.webhook.is_empty() => {
                Ok(Acted::Refused(AccessProblem::NoWebhook))
            }
            OwnAction::TestWebhook => Ok(match self.test_webhook(institution).await {
                Delivery::Delivered { .. } => Acted::Tested,
                Delivery::Missed { why } => Acted::Refused(AccessProblem::NotTaken(why)),
            }),
            OwnAction::Replay { .. } if institution.webhook.is_empty() => {
                Ok(Acted::Refused(AccessProblem::NoWebhook))
            }
            OwnAction::Replay { event_id } => {
                let event = HookId::parse(&event_id).and_then(|id| Some((id.bucket()?, id)));
                match event {
                    Some(event) => {
                        let replayed = self.submit(ReplayEvent { event, inst_id }).await;
                        told(replayed, AccessProblem::NoEvent)
                    }
                    None => Ok(Acted::Refused(AccessProblem::NoEvent)),
                }
            }
        }
    }

    /// Why an institution can have no further key of this id.
    async fn no_place(
        &self,
        inst_id: &str,
        key_id: &str,
    ) -> Result<Option<AccessProblem>, StoreError> {
        let (now, known) = (self.now(), self.keys_of(inst_id).await?);
        let open = known.iter().filter(|view| !is_over(&view.key, now));
        Ok(if !is_name(key_id, 30) {
            Some(AccessProblem::KeyId)
        } else if known.iter().any(|view| view.key.key_id == key_id) {
            Some(AccessProblem::KeyIdUsed)
        } else if open.count() >= KEYS_MAX {
            Some(AccessProblem::TooManyKeys { most: KEYS_MAX })
        } else {
            None
        })
    }

    /// Whether another institution has the same public key, and has not ended it. What is signed names
    /// no institution, so a call of one could be played again as the other's.
    ///
    /// # Errors
    ///
    /// The store's trouble.
    pub async fn is_key_of_another(&self, key: &InstitutionKey) -> Result<bool, StoreError> {
        let now = self.now();
        let keys: Vec<InstitutionKey> = self.store.all().await?;
        let mut others = keys.iter().filter(|row| row.inst_id != key.inst_id);
        Ok(others.any(|row| row.public_key == key.public_key && !is_over(row, now)))
    }

    /// Keeps a key; `kept` when that went well.
    async fn take_key(&self, key: InstitutionKey, kept: Acted) -> Result<Acted, StoreError> {
        if self.is_key_of_another(&key).await? {
            return Ok(Acted::Refused(AccessProblem::KeyOfAnother));
        }
        let by = Keeper::Institution;
        match self.submit(PutInstitutionKey { key, by }).await {
            Ok(_) => Ok(kept),
            Err(StoreError::Refused(Refusal::KeyReused)) => {
                Ok(Acted::Refused(AccessProblem::KeyIdUsed))
            }
            Err(error) => Err(error),
        }
    }

    /// The key that was handed in, as a row.
    fn handed_in(
        &self,
        institution: &Institution,
        key_id: String,
        pem: &str,
        from: &str,
    ) -> Result<InstitutionKey, AccessProblem> {
        if pem.contains("PRIVATE KEY") {
            return Err(AccessProblem::PrivateKey);
        }
        let read = |_: CallKeyError| AccessProblem::Key;
        let verifier = CallVerifier::from_pem(pem.trim()).map_err(read)?;
        let from = match from.trim() {
            "" => self.now(),
            text => {
                let day: Date = text.parse().map_err(|_| AccessProblem::From)?;
                if day < self.today() {
                    return Err(AccessProblem::From);
                }
                Instant::start_of(day)
            }
        };
        Ok(self.key_row(institution, key_id, &verifier, from))
    }

    fn drawn(
        &self,
        institution: &Institution,
        key_id: String,
        scheme: KeyScheme,
    ) -> Result<(InstitutionKey, Acted), AccessProblem> {
        if institution.live {
            return Err(AccessProblem::DrawnAtHome);
        }
        let draw = CallSigner::draw(call_scheme(scheme), &mut |bytes| (self.random)(bytes));
        let signer = draw.map_err(|_| AccessProblem::Key)?;
        let public_pem = signer.public_pem();
        let verifier = CallVerifier::from_pem(&public_pem).map_err(|_| AccessProblem::Key)?;
        let key = self.key_row(institution, key_id, &verifier, self.now());
        let drawn = Acted::Drawn {
            key_id: key.key_id.clone(),
            scheme,
            private: signer.secret().to_owned(),
            public_pem,
        };
        Ok((key, drawn))
    }

    fn key_row(
        &self,
        institution: &Institution,
        key_id: String,
        verifier: &CallVerifier,
        from: Instant,
    ) -> InstitutionKey {
        let wait_ms = if institution.live { LIVE_WAIT_MS } else { 0 };
        InstitutionKey {
            inst_id: institution.inst_id.clone(),
            key_id,
            scheme: key_scheme(verifier.scheme()),
            public_key: verifier.der().to_vec(),
            valid_from: from.max(self.now().plus_ms(wait_ms)),
            valid_until: None,
            version: 1,
        }
    }
}

/// Whether a key holds no more and never will.
fn is_over(key: &InstitutionKey, now: Instant) -> bool {
    key.valid_until.is_some_and(|until| until <= now)
}

fn told<T>(done: Result<T, StoreError>, unknown: AccessProblem) -> Result<Acted, StoreError> {
    match done {
        Ok(_) => Ok(Acted::Done),
        Err(StoreError::Refused(Refusal::NotFound { .. })) => Ok(Acted::Refused(unknown)),
        Err(error) => Err(error),
    }
}
