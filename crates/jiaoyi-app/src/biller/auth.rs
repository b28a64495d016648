//! Who calls: the header, the string that is signed, the institutions and their keys, nonces.
//!
//! Nonces are remembered by each process for itself, so a recorded request can be played again at another
//! process, or after a restart, while its time is fresh: 300 s, or 600 s if it was dated ahead. It has to
//! come from an address of the institution, and whoever recorded it has broken TLS. Nothing rests on the
//! nonce but the order of errors, for a replay is what a network may do anyway to a call whose answer was
//! lost:
//!
//! * `collect`, `release`, `pay`, `reverse` are decided once for (`inst_id`, `seq`): the same words again, or
//!   `TOMBSTONE`, and no lock is taken, prolonged or freed anew. A call that ended in an error has decided
//!   nothing, so its replay is the same call come late. Who has not asked `status` or reversed has been told
//!   that the outcome is open (5xx), or refused for a reason that holds for the replay too (4xx), unless
//!   staff change terms within those minutes.
//! * `status` buries a serial that we do not know. The first asking has done so, or has failed; and one who
//!   asks has given that serial up, or repeats it and then finds it decided or buried.
//! * `reconcile`: a file that is known gets its first answer and stays as old as it was, so that a replaced
//!   file does not come back. One whose first sending failed is a file come late; what it tells is booked once
//!   for each serial, as the institution had meant when it signed it.
//! * `query`, `events` read. Their answer goes to whoever plays the request; it holds masked names and a token
//!   that only the institution's key can use, and the request itself said the document and name in clear.
//!   A query counts against its budgets, which bounds how often.
//! * `replay` sends an event again that comes at least once anyway.
//! * `echo-signature` decides nothing and needs no signature.

use super::RawCall;
use crate::platform::{Platform, hash_parts};
use crate::sync::Mutex;
use data_encoding::BASE64;
use jiaoyi_crypto::calls::{CallScheme, CallVerifier, string_to_sign};
use jiaoyi_domain::Instant;
use jiaoyi_domain::institution::{Institution, InstitutionKey, KeyScheme, is_name};
use jiaoyi_domain::time::SECOND_MS;
use jiaoyi_store::StoreError;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

/// How far the caller's clock may be from ours.
const WINDOW_S: i64 = 300;

/// How old what we know of institutions may be.
const FRESH_MS: i64 = 2 * SECOND_MS;

/// Most nonces that are remembered.
const NONCES_MAX: usize = 2_000_000;

/// Longest path, timestamp or signature that is looked at.
const TEXT_MAX: usize = 2_048;

/// The `Authorization` header, read.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub scheme: KeyScheme,
    pub inst_id: String,
    pub key_id: String,
    /// As sent: it is part of what was signed.
    timestamp: String,
    pub nonce: String,
    pub signature: String,
}

impl Header {
    /// `SCHEME name="value",…`; `None` when something is missing, unknown, twice or misshaped.
    pub fn parse(text: &str) -> Option<Header> {
        let (scheme, rest) = text.trim().split_once(' ')?;
        let scheme = KeyScheme::from_code(scheme)?;
        let mut values: BTreeMap<&str, &str> = BTreeMap::new();
        for part in rest.split(',') {
            let (name, value) = part.trim().split_once('=')?;
            let value = value.strip_prefix('"')?.strip_suffix('"')?;
            if value.len() > TEXT_MAX || values.insert(name, value).is_some() {
                return None;
            }
        }
        let mut take = |name| values.remove(name).map(str::to_owned);
        let header = Header {
            scheme,
            inst_id: take("inst_id")?,
            key_id: take("key_id")?,
            timestamp: take("timestamp")?,
            nonce: take("nonce_str")?,
            signature: take("signature")?,
        };
        let digits = header.timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let shaped = is_name(&header.inst_id, 30)
            && is_name(&header.key_id, 30)
            && is_name(&header.nonce, 64)
            && header.nonce.len() >= 8
            && (1..=12).contains(&header.timestamp.len())
            && digits;
        (values.is_empty() && shaped).then_some(header)
    }

    /// The caller's clock less ours, in seconds.
    pub fn skew_s(&self, now: Instant) -> i64 {
        let told: i64 = self.timestamp.parse().unwrap_or(0);
        told.saturating_sub(now.0.div_euclid(SECOND_MS))
    }

    pub fn is_fresh(&self, now: Instant) -> bool {
        self.skew_s(now).abs() <= WINDOW_S
    }

    /// What has to be signed for this call.
    pub fn signed(&self, call: &RawCall) -> Vec<u8> {
        string_to_sign(
            ["POST", &call.path, &self.timestamp, &self.nonce],
            &call.body,
        )
    }
}

/// An institution that calls, with the key it signed with.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub institution: Arc<Institution>,
    pub scheme: KeyScheme,
    pub verifier: Arc<CallVerifier>,
}

#[derive(Default)]
struct Directory {
    read_at: Option<Instant>,
    institutions: BTreeMap<String, Arc<Institution>>,
    keys: BTreeMap<(String, String), (InstitutionKey, Arc<CallVerifier>)>,
}

#[derive(Default)]
struct Nonces {
    seen: HashSet<[u8; 16]>,
    /// In the order of arrival, with the moment from which its time is refused anyway.
    order: VecDeque<(i64, [u8; 16])>,
}

/// What a process knows of those who call.
#[derive(Default)]
pub(crate) struct Desk {
    directory: RwLock<Directory>,
    nonces: Mutex<Nonces>,
}

impl Desk {
    /// The institution and key that a header names, while the key holds.
    pub fn known(&self, header: &Header, now: Instant) -> Option<Known> {
        let directory = self
            .directory
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let institution = directory.institutions.get(&header.inst_id)?;
        let name = (header.inst_id.clone(), header.key_id.clone());
        let (key, verifier) = directory.keys.get(&name)?;
        key.holds(now).then(|| Known {
            institution: Arc::clone(institution),
            scheme: key.scheme,
            verifier: Arc::clone(verifier),
        })
    }

    pub fn institution(&self, inst_id: &str) -> Option<Arc<Institution>> {
        let directory = self
            .directory
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        directory.institutions.get(inst_id).cloned()
    }

    /// All institutions.
    pub fn institutions(&self) -> Vec<Arc<Institution>> {
        let directory = self
            .directory
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        directory.institutions.values().cloned().collect()
    }

    /// The scheme of an institution's newest key: what it can sign it can verify.
    pub fn scheme_of(&self, inst_id: &str, now: Instant) -> KeyScheme {
        let directory = self
            .directory
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let keys = directory.keys.values().map(|(key, _)| key);
        let holding = keys.filter(|key| key.inst_id == inst_id && key.holds(now));
        holding
            .max_by_key(|key| key.valid_from)
            .map_or(KeyScheme::Rsa, |key| key.scheme)
    }

    /// Whether a nonce was not seen before; it is remembered until its time would be refused.
    pub fn first_time(&self, header: &Header, now: Instant) -> bool {
        let hash = hash_parts(&[header.inst_id.as_bytes(), header.nonce.as_bytes()]);
        let mut name = [0; 16];
        name.copy_from_slice(&hash[..16]);
        let now_s = now.0.div_euclid(SECOND_MS);
        let until = now_s
            .saturating_add(header.skew_s(now))
            .saturating_add(WINDOW_S);
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((old, hash)) = nonces.order.front().copied()
            && (old < now_s || nonces.order.len() >= NONCES_MAX)
        {
            nonces.order.pop_front();
            nonces.seen.remove(&hash);
        }
        if !nonces.seen.insert(name) {
            return false;
        }
        nonces.order.push_back((until, name));
        true
    }
}

impl Platform {
    /// Reads institutions and keys again when what is known is not fresh.
    pub(super) async fn refresh_institutions(&self) -> Result<(), StoreError> {
        let now = self.now();
        let fresh = {
            let directory = self.desk.directory.read();
            let directory = directory.unwrap_or_else(PoisonError::into_inner);
            let age = directory.read_at.map(|at| now.since_ms(at));
            age.is_some_and(|age| (0..FRESH_MS).contains(&age))
        };
        if fresh {
            return Ok(());
        }
        self.reload_institutions().await
    }

    /// Reads institutions and keys from the store.
    ///
    /// # Errors
    ///
    /// The store's trouble; then what was known stays.
    pub async fn reload_institutions(&self) -> Result<(), StoreError> {
        let now = self.now();
        let institutions: Vec<Institution> = self.store.all().await?;
        let keys: Vec<InstitutionKey> = self.store.all().await?;
        let mut read = Directory {
            read_at: Some(now),
            ..Directory::default()
        };
        for row in institutions {
            read.institutions.insert(row.inst_id.clone(), Arc::new(row));
        }
        for row in keys {
            let name = (row.inst_id.clone(), row.key_id.clone());
            match CallVerifier::from_der(&row.public_key) {
                Ok(verifier) => {
                    read.keys.insert(name, (row, Arc::new(verifier)));
                }
                Err(error) => {
                    tracing::error!(inst = row.inst_id, key = row.key_id, %error, "a key")
                }
            }
        }
        let mut directory = self
            .desk
            .directory
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *directory = read;
        Ok(())
    }
}

pub(super) const fn call_scheme(scheme: KeyScheme) -> CallScheme {
    match scheme {
        KeyScheme::Rsa => CallScheme::Rsa,
        KeyScheme::Sm2 => CallScheme::Sm2,
    }
}

pub(super) const fn key_scheme(scheme: CallScheme) -> KeyScheme {
    match scheme {
        CallScheme::Rsa => KeyScheme::Rsa,
        CallScheme::Sm2 => KeyScheme::Sm2,
    }
}

pub(super) fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// What the caller says it has signed.
pub(super) fn told_string(call: &RawCall) -> Option<Vec<u8>> {
    let told = call.signed_string.as_ref()?;
    BASE64.decode(told.trim().as_bytes()).ok()
}

/// Where two strings to sign first differ.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Differs {
    pub at: usize,
    /// From 1.
    pub line: usize,
    pub name: &'static str,
    pub theirs: String,
    pub ours: String,
}

/// The line of a text in which a byte stands, from 0, and its words.
fn line_at(text: &[u8], at: usize) -> (usize, String) {
    let before = text.get(..at.min(text.len())).unwrap_or(text);
    let line = before.iter().filter(|byte| **byte == b'\n').count();
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let rest = text.get(start..).unwrap_or_default();
    let end = rest
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(rest.len());
    let words = String::from_utf8_lossy(&rest[..end])
        .escape_debug()
        .to_string();
    (line, words.chars().take(256).collect())
}

/// The first difference; `None` when they are equal.
pub(super) fn differs(theirs: &[u8], ours: &[u8]) -> Option<Differs> {
    let same = theirs.iter().zip(ours).take_while(|(a, b)| a == b).count();
    if same == theirs.len() && same == ours.len() {
        return None;
    }
    let (line, words) = line_at(ours, same);
    let names = ["method", "path", "timestamp", "nonce"];
    Some(Differs {
        at: same,
        line: line + 1,
        name: names.get(line).copied().unwrap_or("body"),
        theirs: line_at(theirs, same).1,
        ours: words,
    })
}

/// Whether an address lies in one of these networks, joined by `;`; none means anywhere.
pub(super) fn address_allowed(networks: &str, address: &str) -> bool {
    let Ok(address) = address.parse::<IpAddr>() else {
        return networks.is_empty();
    };
    let address = address.to_canonical();
    networks.is_empty() || networks.split(';').any(|network| lies_in(address, network))
}

fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)) << 96, 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    }
}

/// Reads `ADDRESS` or `ADDRESS/BITS`; `None` when it is neither.
fn network(text: &str) -> Option<(u128, u32, u32)> {
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let (prefix, most) = bits(address.parse().ok()?);
    let length = if text.contains('/') {
        length.parse().ok().filter(|length| *length <= most)?
    } else {
        most
    };
    Some((prefix, most, length))
}

/// Whether a text names networks, joined by `;`.
pub fn are_networks(text: &str) -> bool {
    text.is_empty() || text.split(';').all(|part| network(part).is_some())
}

fn lies_in(address: IpAddr, text: &str) -> bool {
    let (told, kind) = bits(address);
    network(text).is_some_and(|(prefix, most, length)| {
        let differing = (told ^ prefix).leading_zeros();
        most == kind && differing >= length
    })
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use super::*;

    const GOOD: &str = r#"BILLER1-RSA2048-SHA256 inst_id="BANK01",key_id="k1",timestamp="1795744800",nonce_str="abcdefgh",signature="AA==""#;

    #[test]
    fn a_header_is_read_whole_or_not_at_all() {
        let header = Header::parse(GOOD).unwrap();
        assert_eq!(
            (header.inst_id.as_str(), header.key_id.as_str()),
            ("BANK01", "k1")
        );
        let moved = GOOD.replace(
            r#"inst_id="BANK01",key_id="k1""#,
            r#"key_id="k1", inst_id="BANK01""#,
        );
        assert!(Header::parse(&moved).is_some(), "in any order");
        for (from, to) in [
            ("BILLER1-RSA2048-SHA256", "BILLER1-MD5"),
            (r#"key_id="k1","#, ""),
            (r#"key_id="k1""#, r#"key_id="k1",key_id="k1""#),
            (r#"key_id="k1""#, r#"key_id="k1",more="x""#),
            (r#"key_id="k1""#, "key_id=k1"),
            ("1795744800", "-1"),
            ("1795744800", ""),
            ("abcdefgh", "abc"),
            ("BANK01", "BANK 01"),
        ] {
            assert!(
                Header::parse(&GOOD.replace(from, to)).is_none(),
                "{from} {to}"
            );
        }
        assert!(Header::parse("").is_none());
        for (length, read) in [(TEXT_MAX, true), (TEXT_MAX + 1, false)] {
            let long = GOOD.replace("AA==", &"A".repeat(length));
            assert_eq!(Header::parse(&long).is_some(), read, "{length}");
        }
        let now = Instant(1_795_744_800_000);
        for (later_s, fresh) in [(-301, false), (-300, true), (300, true), (301, false)] {
            assert_eq!(
                header.is_fresh(now.plus_ms(later_s * 1000)),
                fresh,
                "{later_s}"
            );
        }
    }

    #[test]
    fn a_nonce_counts_once_until_its_time_has_passed() {
        let desk = Desk::default();
        let header = Header::parse(GOOD).unwrap();
        let now = Instant(1_795_744_800_000);
        assert!(desk.first_time(&header, now));
        assert!(!desk.first_time(&header, now.plus_ms(300_000)));
        let mut other = header.clone();
        other.inst_id = "BANK02".to_owned();
        assert!(desk.first_time(&other, now), "another institution's");
        assert!(
            desk.first_time(&header, now.plus_ms(301_000)),
            "its time is refused now"
        );
    }

    #[test]
    fn addresses_lie_in_networks() {
        for (networks, address, allowed) in [
            ("", "192.0.2.1", true),
            ("", "nonsense", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("198.51.100.0/24;192.0.2.0/31", "192.0.2.1", true),
            ("198.51.100.0/24;192.0.2.0/31", "192.0.2.2", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "nonsense", false),
        ] {
            assert_eq!(
                address_allowed(networks, address),
                allowed,
                "{networks} {address}"
            );
        }
        assert!(are_networks("192.0.2.0/24;::1") && are_networks(""));
        for wrong in ["192.0.2.0/33", "192.0.2", ";", "192.0.2.0/"] {
            assert!(!are_networks(wrong), "{wrong}");
        }
    }

    #[test]
    fn the_first_byte_that_differs_is_found_with_its_line() {
        let ours = b"POST\n/biller/v1/pay\n12\nnonce\n{\"a\":1}\n";
        assert_eq!(differs(ours, ours), None);
        for (theirs, at, line, name, told) in [
            (
                &b"POST\n/biller/v1/pay\r\n12"[..],
                19,
                2,
                "path",
                "/biller/v1/pay\\r",
            ),
            (b"POST\n/biller/v1/pay\n13\n", 21, 3, "timestamp", "13"),
            (
                b"POST\n/biller/v1/pay\n12\nnonce\n{\"a\":2}\n",
                34,
                5,
                "body",
                "{\\\"a\\\":2}",
            ),
            (
                b"POST\n/biller/v1/pay\n12\nnonce\n{\"a\":1}",
                36,
                5,
                "body",
                "{\\\"a\\\":1}",
            ),
            (b"", 0, 1, "method", ""),
        ] {
            let found = differs(theirs, ours).unwrap();
            assert_eq!(
                (found.at, found.line, found.name),
                (at, line, name),
                "{told}"
            );
            assert_eq!(found.theirs, told);
        }
    }
}
