//! The key file's text: TOML, written by us and edited by an administrator to rotate keys.

use super::{Keyring, KeyringError, MacKey, VoucherKey};
use crate::calls::{CallScheme, CallSigner};
use crate::hex::Secret;
use crate::sealing::{Cipher, CipherKey};
use crate::signing::{Algorithm, PublicKey, SigningKey};
use crate::token::LinkKey;
use jiaoyi_domain::Instant;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    bucket_key: String,
    document_key: String,
    name_key: String,
    link_key: String,
    sealing: Sealing,
    voucher: Voucher,
    audit: Audit,
    /// Keys that sign answers to institutions; of each algorithm the last one by id signs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    answer: Vec<AnswerEntry>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct AnswerEntry {
    id: String,
    algorithm: String,
    secret: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Sealing {
    current: u16,
    keys: Vec<SealingEntry>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SealingEntry {
    id: u16,
    algorithm: String,
    secret: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Voucher {
    current: String,
    keys: Vec<VoucherEntry>,
}

/// A key that signs has `secret`; a retired one may keep `public` alone.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct VoucherEntry {
    id: String,
    algorithm: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_to: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Audit {
    secret: String,
}

const HEADING: &str = "\
# Keys of this installation. Whoever has this file can open every sealed value and sign vouchers.
# Keep it outside the database and its backups, readable by the service only, with a copy in a safe.
# bucket_key never changes. A retired voucher key keeps `public` (04, x, y) so that old vouchers verify.

";

pub(super) fn parse(text: &str) -> Result<Keyring, KeyringError> {
    let file: File = toml::from_str(text).map_err(|error| shape(text, &error))?;
    let mut sealing = BTreeMap::new();
    for entry in &file.sealing.keys {
        let field = format!("sealing key {}", entry.id);
        let cipher = Cipher::from_name(&entry.algorithm)
            .ok_or_else(|| KeyringError::Key(format!("algorithm of {field}")))?;
        let key = CipherKey::new(cipher, secret(&field, &entry.secret)?);
        if sealing.insert(entry.id, key).is_some() {
            return Err(KeyringError::Duplicate(field));
        }
    }
    if !sealing.contains_key(&file.sealing.current) {
        return Err(KeyringError::Current("sealing.current".to_owned()));
    }
    let mut voucher = BTreeMap::new();
    for entry in file.voucher.keys {
        let id = entry.id.clone();
        if voucher.insert(id.clone(), voucher_key(entry)?).is_some() {
            return Err(KeyringError::Duplicate(format!("voucher key {id}")));
        }
    }
    let signs = |key: &VoucherKey| key.signing.is_some();
    if !voucher.get(&file.voucher.current).is_some_and(signs) {
        return Err(KeyringError::Current("voucher.current".to_owned()));
    }
    let audit = SigningKey::parse(Algorithm::Es256, &file.audit.secret)
        .map_err(|_| KeyringError::Key("audit.secret".to_owned()))?;
    let mut answer = BTreeMap::new();
    for entry in file.answer {
        let field = format!("answer key {}", entry.id);
        let scheme = CallScheme::from_name(&entry.algorithm)
            .ok_or_else(|| KeyringError::Key(format!("algorithm of {field}")))?;
        let key = CallSigner::parse(scheme, &entry.secret)
            .map_err(|_| KeyringError::Key(format!("secret of {field}")))?;
        if answer.insert(entry.id, key).is_some() {
            return Err(KeyringError::Duplicate(field));
        }
    }
    Ok(Keyring {
        bucket: MacKey::new(secret("bucket_key", &file.bucket_key)?),
        document: MacKey::new(secret("document_key", &file.document_key)?),
        name: MacKey::new(secret("name_key", &file.name_key)?),
        link: LinkKey::new(secret("link_key", &file.link_key)?),
        sealing,
        sealing_current: file.sealing.current,
        voucher,
        voucher_current: file.voucher.current,
        audit,
        answer,
    })
}

/// The parser's own message without its excerpt of the file, which would print secrets.
fn shape(text: &str, error: &toml::de::Error) -> KeyringError {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    // A message may quote the offending value after "invalid type: string"; only its kind is kept.
    let kind = error.message().split(['`', '"', ':']).next().unwrap_or("");
    let field = error
        .message()
        .split('`')
        .nth(1)
        .filter(|name| name.len() < 20)
        .unwrap_or("");
    KeyringError::Shape(
        format!("line {line}: {} {field}", kind.trim())
            .trim_end()
            .to_owned(),
    )
}

fn secret(field: &str, text: &str) -> Result<Secret, KeyringError> {
    Secret::parse(text).ok_or_else(|| KeyringError::Key(field.to_owned()))
}

fn voucher_key(entry: VoucherEntry) -> Result<VoucherKey, KeyringError> {
    let field = format!("voucher key {}", entry.id);
    let refused = |part: &str| KeyringError::Key(format!("{part} of {field}"));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if entry.id.is_empty() || entry.id.len() > 32 || !entry.id.chars().all(plain) {
        return Err(refused("id"));
    }
    let algorithm = Algorithm::from_name(&entry.algorithm).ok_or_else(|| refused("algorithm"))?;
    let signing = entry
        .secret
        .map(|text| SigningKey::parse(algorithm, &text))
        .transpose()
        .map_err(|_| refused("secret"))?;
    let stated = entry
        .public
        .map(|text| PublicKey::from_hex(algorithm, &text))
        .transpose()
        .map_err(|_| refused("public"))?;
    let public = match (&signing, stated) {
        (Some(key), Some(public)) if *key.public() != public => return Err(refused("public")),
        (Some(key), _) => key.public().clone(),
        (None, Some(public)) => public,
        (None, None) => return Err(refused("secret")),
    };
    let instant = |text: Option<String>, part: &str| {
        text.map(|text| Instant::parse(&text).ok_or_else(|| refused(part)))
            .transpose()
    };
    Ok(VoucherKey {
        signing,
        public,
        valid_from: instant(entry.valid_from, "valid_from")?,
        valid_to: instant(entry.valid_to, "valid_to")?,
    })
}

pub(super) fn print(keyring: &Keyring) -> String {
    let sealing = keyring.sealing.iter().map(|(id, key)| SealingEntry {
        id: *id,
        algorithm: key.cipher().name().to_owned(),
        secret: key.secret.print(),
    });
    let voucher = keyring.voucher.iter().map(|(id, key)| VoucherEntry {
        id: id.clone(),
        algorithm: key.public.algorithm().name().to_owned(),
        secret: key.signing.as_ref().map(SigningKey::secret_hex),
        public: Some(key.public.to_hex()),
        valid_from: key.valid_from.map(Instant::rfc3339),
        valid_to: key.valid_to.map(Instant::rfc3339),
    });
    let file = File {
        bucket_key: keyring.bucket.secret.print(),
        document_key: keyring.document.secret.print(),
        name_key: keyring.name.secret.print(),
        link_key: keyring.link.secret.print(),
        sealing: Sealing {
            current: keyring.sealing_current,
            keys: sealing.collect(),
        },
        voucher: Voucher {
            current: keyring.voucher_current.clone(),
            keys: voucher.collect(),
        },
        audit: Audit {
            secret: keyring.audit.secret_hex(),
        },
        answer: keyring
            .answer_keys()
            .map(|(id, key)| AnswerEntry {
                id: id.to_owned(),
                algorithm: key.scheme().name().to_owned(),
                secret: key.secret().to_owned(),
            })
            .collect(),
    };
    let body = toml::to_string(&file).expect("the key file's shape has no map keys but text");
    format!("{HEADING}{body}")
}
