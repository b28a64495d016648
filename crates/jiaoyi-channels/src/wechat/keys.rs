//! Which keys WeChat may sign with: its public key and any number of platform certificates.

use super::call::{self, Verb};
use super::{WechatGateway, fault};
use crate::cert::Certificate;
use crate::config::{ConfigError, WechatConfig, read_file};
use crate::crypto::Verifier;
use jiaoyi_domain::time::{HOUR_MS, Instant};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// How often certificates are fetched where the configuration asks for it.
const FETCH_EVERY_MS: i64 = 12 * HOUR_MS;
/// A time that has always come.
const NOW: i64 = i64::MIN;
/// A time that never comes.
const NEVER: i64 = i64::MAX;

/// Serial or public-key id → key.
type KeyMap = BTreeMap<String, Arc<Verifier>>;

/// The keys WeChat may sign with. A map, because several are valid at the same time.
pub(super) struct Keys {
    /// From the configuration; trusted for good.
    configured: KeyMap,
    /// From `/v3/certificates`; replaced as a whole at every refresh.
    fetched: RwLock<Fetched>,
    /// The key that the configuration prefers for answers.
    preferred: Option<String>,
    /// From when on certificates should be fetched, in milliseconds since 1970: [`NOW`] when none were
    /// yet or an unknown one was named.
    due_at: AtomicI64,
}

#[derive(Default)]
struct Fetched {
    keys: KeyMap,
    newest: Option<String>,
}

impl Keys {
    pub(super) fn open(config: &WechatConfig, dir: &Path) -> Result<Keys, ConfigError> {
        let mut configured = KeyMap::new();
        let mut preferred = None;
        if let Some(path) = &config.platform_cert {
            for certificate in Certificate::parse_bundle(&read_file(dir, path)?) {
                let key = Verifier::from_der(&certificate.public_key)
                    .map_err(fault("wechat.platform_cert", path))?;
                preferred = Some(certificate.serial.clone());
                configured.insert(certificate.serial, Arc::new(key));
            }
            if preferred.is_none() {
                return Err(fault("wechat.platform_cert", path)(
                    "there is no certificate",
                ));
            }
        }
        match (&config.public_key_id, &config.public_key) {
            (Some(id), Some(path)) => {
                let key = Verifier::parse(&read_file(dir, path)?)
                    .map_err(fault("wechat.public_key", path))?;
                configured.insert(id.clone(), Arc::new(key));
                preferred = Some(id.clone());
            }
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => {
                return Err(ConfigError::Incomplete {
                    section: "wechat",
                    what: "public_key_id and public_key go together",
                });
            }
        }
        if configured.is_empty() && !config.fetch_certificates {
            return Err(ConfigError::Incomplete {
                section: "wechat",
                what: "public_key, platform_cert or fetch_certificates = true is needed",
            });
        }
        Ok(Keys {
            configured,
            fetched: RwLock::default(),
            preferred,
            due_at: AtomicI64::new(if config.fetch_certificates {
                NOW
            } else {
                NEVER
            }),
        })
    }

    /// The key of a serial or public-key id.
    pub(super) fn get(&self, serial: &str) -> Option<Arc<Verifier>> {
        if let Some(key) = self.configured.get(serial) {
            return Some(Arc::clone(key));
        }
        let fetched = self.fetched.read().unwrap_or_else(PoisonError::into_inner);
        fetched.keys.get(serial).cloned()
    }

    /// Like [`Keys::get`]; remembers that a certificate was named that we do not know.
    pub(super) fn find(&self, serial: &str) -> Option<Arc<Verifier>> {
        let key = self.get(serial);
        if key.is_none() && !serial.starts_with("PUB_KEY_ID_") {
            self.due_at.store(NOW, Ordering::Relaxed);
        }
        key
    }

    /// The key with which answers should be signed.
    pub(super) fn preferred(&self) -> Option<String> {
        let fetched = self.fetched.read().unwrap_or_else(PoisonError::into_inner);
        self.preferred.clone().or_else(|| fetched.newest.clone())
    }
}

/// Why the platform certificates were not refreshed. The old ones stay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// WeChat did not hand out certificates.
    #[error("fetching the platform certificates: {why}")]
    Unavailable {
        /// What happened instead.
        why: String,
    },
    /// The answer is not one that the holder of the APIv3 key made.
    #[error("fetching the platform certificates: the answer cannot be trusted")]
    Untrusted,
}

impl RefreshError {
    /// Stable code for metrics and tests.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            RefreshError::Unavailable { .. } => "channels.wechat.certificates.unavailable",
            RefreshError::Untrusted => "channels.wechat.certificates.untrusted",
        }
    }
}

#[derive(Deserialize)]
struct Listed {
    data: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    serial_no: String,
    #[serde(default)]
    effective_time: String,
    encrypt_certificate: Sealed,
}

#[derive(Deserialize)]
struct Sealed {
    nonce: String,
    #[serde(default)]
    associated_data: String,
    ciphertext: String,
}

impl WechatGateway {
    /// Whether the platform certificates should be fetched now: one was named that we do not know, or
    /// the configuration has them fetched and it is half a day ago that they were.
    ///
    /// A job asks once a minute, so that forged serials cannot cause more than that.
    #[must_use]
    pub fn certificates_due(&self, now: Instant) -> bool {
        now.0 >= self.keys.due_at.load(Ordering::Relaxed)
    }

    /// Fetches the platform certificates and replaces those of the last time; returns how many.
    ///
    /// The very answer may be signed by a certificate that it carries: that it decrypts under the
    /// APIv3 key is the proof.
    ///
    /// # Errors
    ///
    /// [`RefreshError`]; the certificates known so far stay trusted.
    pub async fn refresh_certificates(
        &self,
        now: Instant,
        nonce: String,
    ) -> Result<usize, RefreshError> {
        let reply = self
            .send(Verb::Get, "/v3/certificates", Vec::new(), now, &nonce)
            .await
            .map_err(|why| RefreshError::Unavailable { why })?;
        if reply.status != 200 {
            return Err(RefreshError::Unavailable {
                why: format!("status {}", reply.status),
            });
        }
        let listed: Listed =
            serde_json::from_slice(&reply.body).map_err(|_| RefreshError::Untrusted)?;
        let mut fetched = Fetched::default();
        let mut newest_time = String::new();
        for entry in &listed.data {
            let key = self.open_entry(entry).ok_or(RefreshError::Untrusted)?;
            fetched.keys.insert(entry.serial_no.clone(), Arc::new(key));
            if entry.effective_time >= newest_time {
                newest_time.clone_from(&entry.effective_time);
                fetched.newest = Some(entry.serial_no.clone());
            }
        }
        let count = fetched.keys.len();
        let find = |serial: &str| {
            let own = fetched.keys.get(serial).cloned();
            own.or_else(|| self.keys.get(serial))
        };
        if count == 0 || call::verify_reply(&reply, find, now).is_err() {
            return Err(RefreshError::Untrusted);
        }
        let mut slot = self
            .keys
            .fetched
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *slot = fetched;
        let next = if self.config.fetch_certificates {
            now.plus_ms(FETCH_EVERY_MS).0
        } else {
            NEVER
        };
        self.keys.due_at.store(next, Ordering::Relaxed);
        Ok(count)
    }

    fn open_entry(&self, entry: &Entry) -> Option<Verifier> {
        let sealed = &entry.encrypt_certificate;
        let pem = self
            .opener
            .open(&sealed.nonce, &sealed.associated_data, &sealed.ciphertext)?;
        let certificate = Certificate::parse_pem(&pem).ok()?;
        (certificate.serial == entry.serial_no)
            .then(|| Verifier::from_der(&certificate.public_key).ok())
            .flatten()
    }
}
