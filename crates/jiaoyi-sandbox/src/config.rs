//! Answers for: `sandbox.toml`, the identities that the sandbox's channels know.
//!
//! ```toml
//! [wechat]
//! mchid = "1900000001"
//! appid = "wx0123456789abcdef"
//! apiv3_key = "32 ASCII characters"
//! merchant_serial = "40 upper-case hex characters"  # serial of the merchant's API certificate
//! merchant_cert = "wechat_merchant_cert.pem"        # CERTIFICATE, or a bare PUBLIC KEY
//! platform_key = "wechat_platform_key.pem"          # what WeChat signs with
//! platform_cert = "wechat_platform_cert.pem"        # certificate mode; may be left out
//! public_key_id = "PUB_KEY_ID_0119000000012026"     # public-key mode; may be left out
//!
//! [alipay]
//! app_id = "2026000000000001"
//! seller_id = "2088000000000001"
//! app_public_key = "alipay_app_public_key.pem"
//! alipay_private_key = "alipay_private_key.pem"     # what Alipay signs with
//! app_cert = "alipay_app_cert.pem"                  # certificate mode: all three or none
//! alipay_cert = "alipay_cert.pem"
//! alipay_root_cert = "alipay_root_cert.pem"
//!
//! [unionpay]                                        # may be left out: then its addresses answer 404
//! mer_id = "777290058110048"
//! merchant_cert = "unionpay_merchant_cert.pem"
//! unionpay_key = "unionpay_key.pem"                 # what UnionPay signs with
//! unionpay_cert = "unionpay_cert.pem"               # goes out with every message
//! next_key = "unionpay_next_key.pem"                # both may be left out: for `rotate_key`
//! next_cert = "unionpay_next_cert.pem"
//!
//! [bank1]                                           # these two may be left out as well
//! merchant = "M0000001"
//! merchant_public_key = "bank1_merchant_public_key.pem"
//! bank_key = "bank1_key.pem"                        # what the bank signs with: RSA, SM2 at the second
//!
//! [sms]                                             # may be left out: then /sms/send answers 404
//! key = "shared secret"
//!
//! [front]                                           # may be left out: then front ends hear nothing
//! platform_url = "http://127.0.0.1:8080"            # whose biller API they call
//! [front.keys]                                      # by channel code; RSA or SM2
//! A7 = "front_a7_key.pem"
//! ```
//!
//! File names are relative to the configuration. An unknown key is an error that lists the known
//! ones. WeChat needs at least one of `platform_cert` and `public_key_id`; both modes sign with
//! `platform_key`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::bank::keys::BankKeys;
use crate::books::Channel;
use crate::certificate::{Certificate, alipay_root_sn};
use crate::crypto::{SigningKey, VerifyingKey, pem_blocks};
use crate::error::SandboxError;
use crate::front::catalog::{INSTITUTIONS, Institution};
use crate::front::client::Link;
use crate::front::sign::Signer;
use crate::script::Script;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    wechat: WechatFile,
    alipay: AlipayFile,
    unionpay: Option<UnionpayFile>,
    bank1: Option<BankFile>,
    bank2: Option<BankFile>,
    sms: Option<SmsFile>,
    front: Option<FrontFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WechatFile {
    mchid: String,
    appid: String,
    apiv3_key: String,
    merchant_serial: String,
    merchant_cert: PathBuf,
    platform_key: PathBuf,
    platform_cert: Option<PathBuf>,
    public_key_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AlipayFile {
    app_id: String,
    seller_id: String,
    app_public_key: PathBuf,
    alipay_private_key: PathBuf,
    app_cert: Option<PathBuf>,
    alipay_cert: Option<PathBuf>,
    alipay_root_cert: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnionpayFile {
    mer_id: String,
    merchant_cert: PathBuf,
    unionpay_key: PathBuf,
    unionpay_cert: PathBuf,
    next_key: Option<PathBuf>,
    next_cert: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BankFile {
    merchant: String,
    merchant_public_key: PathBuf,
    bank_key: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SmsFile {
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontFile {
    platform_url: String,
    keys: BTreeMap<String, PathBuf>,
}

/// The parsed and checked `sandbox.toml`; see the module's header for its keys.
#[derive(Debug)]
pub struct SandboxConfig {
    pub(crate) wechat: WechatIdentity,
    pub(crate) alipay: AlipayIdentity,
    pub(crate) unionpay: Option<UnionpayIdentity>,
    pub(crate) bank1: Option<BankIdentity>,
    pub(crate) bank2: Option<BankIdentity>,
    pub(crate) sms_key: Option<String>,
    pub(crate) front: Option<Link>,
    /// What goes wrong from the start on.
    pub(crate) script: Option<Script>,
}

#[derive(Debug)]
pub(crate) struct BankIdentity {
    pub(crate) merchant: String,
    pub(crate) keys: BankKeys,
}

#[derive(Debug)]
pub(crate) struct WechatIdentity {
    pub(crate) mchid: String,
    pub(crate) appid: String,
    pub(crate) apiv3_key: [u8; 32],
    pub(crate) merchant_serial: String,
    pub(crate) merchant_key: VerifyingKey,
    pub(crate) platform_key: SigningKey,
    pub(crate) platform_cert: Option<Certificate>,
    pub(crate) public_key_id: Option<String>,
}

#[derive(Debug)]
pub(crate) struct AlipayIdentity {
    pub(crate) app_id: String,
    pub(crate) seller_id: String,
    pub(crate) app_key: VerifyingKey,
    pub(crate) alipay_key: SigningKey,
    pub(crate) certificates: Option<AlipayCertificates>,
}

#[derive(Debug)]
pub(crate) struct UnionpayIdentity {
    pub(crate) mer_id: String,
    pub(crate) merchant_key: VerifyingKey,
    /// The decimal serial of the merchant's certificate.
    pub(crate) merchant_cert_id: String,
    pub(crate) merchant_cert_pem: String,
    pub(crate) unionpay_key: SigningKey,
    pub(crate) unionpay_cert: Certificate,
    /// What it signs with after a change of its key.
    pub(crate) next: Option<(SigningKey, Certificate)>,
}

#[derive(Debug)]
pub(crate) struct AlipayCertificates {
    pub(crate) app_key: VerifyingKey,
    pub(crate) app_cert_sn: String,
    pub(crate) alipay_cert: Certificate,
    pub(crate) alipay_root_cert_sn: String,
}

impl SandboxConfig {
    /// Reads `sandbox.toml` and the PEM files it names.
    ///
    /// # Errors
    ///
    /// [`SandboxError::Read`] for a missing file, [`SandboxError::Config`] for text that is not the
    /// expected TOML, [`SandboxError::Setting`] for a value that cannot be used.
    pub fn load(path: &Path) -> Result<SandboxConfig, SandboxError> {
        let text = read(path)?;
        let file: File = toml::from_str(&text).map_err(|error| SandboxError::Config {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let sms_key = match file.sms {
            Some(sms) if sms.key.is_empty() => {
                return Err(setting("sms.key", "is empty"));
            }
            Some(sms) => Some(sms.key),
            None => None,
        };
        let bank = |file: Option<BankFile>| {
            let load = |file| load_bank(folder, file);
            file.map(load).transpose()
        };
        Ok(SandboxConfig {
            wechat: load_wechat(folder, file.wechat)?,
            alipay: load_alipay(folder, file.alipay)?,
            unionpay: file
                .unionpay
                .map(|own| load_unionpay(folder, own))
                .transpose()?,
            bank1: bank(file.bank1)?,
            bank2: bank(file.bank2)?,
            sms_key,
            front: file.front.map(|own| load_front(folder, own)).transpose()?,
            script: None,
        })
    }

    /// Takes a script of faults that begins when the sandbox does.
    ///
    /// # Errors
    ///
    /// [`SandboxError::Read`] for a missing file, [`SandboxError::Config`] for a wrong one, with the
    /// line and what is allowed there.
    pub fn load_faults(&mut self, path: &Path) -> Result<(), SandboxError> {
        let script = Script::parse_for(&read(path)?, self);
        self.script = Some(script.map_err(|message| SandboxError::Config {
            path: path.to_owned(),
            message,
        })?);
        Ok(())
    }

    /// The identity of a bank, if it is played.
    pub(crate) fn bank(&self, channel: Channel) -> Option<&BankIdentity> {
        match channel {
            Channel::Bank1 => self.bank1.as_ref(),
            Channel::Bank2 => self.bank2.as_ref(),
            Channel::Wechat | Channel::Alipay | Channel::Unionpay => None,
        }
    }

    /// Lets the front ends call the biller API at `platform_url`, whatever the file says.
    pub fn point_fronts_at(&mut self, platform_url: &str) {
        if let Some(link) = &mut self.front {
            link.platform_url = platform_url.trim_end_matches('/').to_owned();
        }
    }
}

fn load_front(folder: &Path, file: FrontFile) -> Result<Link, SandboxError> {
    let mut signers = BTreeMap::new();
    for (code, name) in file.keys {
        if Institution::by_code(&code).is_none() {
            let known: Vec<&str> = INSTITUTIONS.iter().map(|own| own.code).collect();
            let message = format!("{code} is none of {}", known.join(", "));
            return Err(setting("front.keys", &message));
        }
        let key = Signer::from_pem(&read(&folder.join(&name))?)
            .ok_or_else(|| setting("front.keys", "holds no RSA or SM2 private key"))?;
        signers.insert(code, key);
    }
    Ok(Link {
        platform_url: file.platform_url.trim_end_matches('/').to_owned(),
        signers,
        known: Default::default(),
    })
}

fn load_wechat(folder: &Path, file: WechatFile) -> Result<WechatIdentity, SandboxError> {
    let apiv3_key: [u8; 32] = file
        .apiv3_key
        .as_bytes()
        .try_into()
        .map_err(|_| setting("wechat.apiv3_key", "must have 32 ASCII characters"))?;
    let merchant = read(&folder.join(&file.merchant_cert))?;
    let merchant_key = match Certificate::from_pem(&merchant) {
        Some(certificate) => {
            if !certificate
                .serial_hex
                .eq_ignore_ascii_case(&file.merchant_serial)
            {
                return Err(setting(
                    "wechat.merchant_serial",
                    &format!(
                        "differs from the serial of merchant_cert, {}",
                        certificate.serial_hex
                    ),
                ));
            }
            VerifyingKey::from_der(&certificate.public_key_der)
        }
        None => public_key(&merchant),
    };
    let platform_key = private_key("wechat.platform_key", &folder.join(&file.platform_key))?;
    let platform_cert = match &file.platform_cert {
        Some(name) => {
            let cert = certificate("wechat.platform_cert", &folder.join(name))?;
            same_key("wechat.platform_cert", &cert, &platform_key)?;
            Some(cert)
        }
        None => None,
    };
    let public_key_id = file.public_key_id.filter(|id| !id.is_empty());
    if let Some(id) = &public_key_id
        && !id.starts_with("PUB_KEY_ID_")
    {
        return Err(setting(
            "wechat.public_key_id",
            "must begin with PUB_KEY_ID_",
        ));
    }
    if platform_cert.is_none() && public_key_id.is_none() {
        return Err(setting(
            "wechat.platform_cert",
            "give platform_cert, public_key_id or both",
        ));
    }
    Ok(WechatIdentity {
        mchid: file.mchid,
        appid: file.appid,
        apiv3_key,
        merchant_serial: file.merchant_serial,
        merchant_key: merchant_key
            .ok_or_else(|| setting("wechat.merchant_cert", "holds no RSA certificate or key"))?,
        platform_key,
        platform_cert,
        public_key_id,
    })
}

fn load_alipay(folder: &Path, file: AlipayFile) -> Result<AlipayIdentity, SandboxError> {
    let app_key = public_key(&read(&folder.join(&file.app_public_key))?)
        .ok_or_else(|| setting("alipay.app_public_key", "holds no RSA PUBLIC KEY"))?;
    let alipay_key = private_key(
        "alipay.alipay_private_key",
        &folder.join(&file.alipay_private_key),
    )?;
    let certificates = match (&file.app_cert, &file.alipay_cert, &file.alipay_root_cert) {
        (Some(app), Some(alipay), Some(root)) => {
            let app = certificate("alipay.app_cert", &folder.join(app))?;
            let alipay = certificate("alipay.alipay_cert", &folder.join(alipay))?;
            same_key("alipay.alipay_cert", &alipay, &alipay_key)?;
            Some(AlipayCertificates {
                app_key: VerifyingKey::from_der(&app.public_key_der)
                    .ok_or_else(|| setting("alipay.app_cert", "holds no RSA key"))?,
                app_cert_sn: app.alipay_sn,
                alipay_cert: alipay,
                alipay_root_cert_sn: alipay_root_sn(&read(&folder.join(root))?)
                    .ok_or_else(|| setting("alipay.alipay_root_cert", "holds no RSA root"))?,
            })
        }
        (None, None, None) => None,
        _ => {
            return Err(setting(
                "alipay.app_cert",
                "give app_cert, alipay_cert and alipay_root_cert together, or none of them",
            ));
        }
    };
    Ok(AlipayIdentity {
        app_id: file.app_id,
        seller_id: file.seller_id,
        app_key,
        alipay_key,
        certificates,
    })
}

fn load_unionpay(folder: &Path, file: UnionpayFile) -> Result<UnionpayIdentity, SandboxError> {
    let merchant = certificate("unionpay.merchant_cert", &folder.join(file.merchant_cert))?;
    let next = match (file.next_key, file.next_cert) {
        (Some(key), Some(own)) => {
            let key = private_key("unionpay.next_key", &folder.join(key))?;
            let own = certificate("unionpay.next_cert", &folder.join(own))?;
            same_key("unionpay.next_cert", &own, &key)?;
            Some((key, own))
        }
        (None, None) => None,
        _ => return Err(setting("unionpay.next_key", "goes together with next_cert")),
    };
    let own = certificate("unionpay.unionpay_cert", &folder.join(file.unionpay_cert))?;
    let key = private_key("unionpay.unionpay_key", &folder.join(file.unionpay_key))?;
    same_key("unionpay.unionpay_cert", &own, &key)?;
    Ok(UnionpayIdentity {
        mer_id: file.mer_id,
        merchant_key: VerifyingKey::from_der(&merchant.public_key_der)
            .ok_or_else(|| setting("unionpay.merchant_cert", "holds no RSA key"))?,
        merchant_cert_id: merchant.serial_decimal,
        merchant_cert_pem: merchant.pem,
        unionpay_key: key,
        unionpay_cert: own,
        next,
    })
}

fn load_bank(folder: &Path, file: BankFile) -> Result<BankIdentity, SandboxError> {
    let own = read(&folder.join(file.bank_key))?;
    let merchant = read(&folder.join(file.merchant_public_key))?;
    let keys = BankKeys::from_pem(&own, &merchant);
    Ok(BankIdentity {
        merchant: file.merchant,
        keys: keys.ok_or_else(|| setting("bank.bank_key", "these are no keys of a bank"))?,
    })
}

fn setting(key: &'static str, message: &str) -> SandboxError {
    SandboxError::Setting {
        key,
        message: message.to_owned(),
    }
}

fn read(path: &Path) -> Result<String, SandboxError> {
    std::fs::read_to_string(path).map_err(|source| SandboxError::Read {
        path: path.to_owned(),
        source,
    })
}

fn public_key(pem: &str) -> Option<VerifyingKey> {
    VerifyingKey::from_der(pem_blocks(pem, "PUBLIC KEY").first()?)
}

fn private_key(key: &'static str, path: &Path) -> Result<SigningKey, SandboxError> {
    SigningKey::from_pem(&read(path)?).ok_or_else(|| setting(key, "holds no RSA private key"))
}

fn certificate(key: &'static str, path: &Path) -> Result<Certificate, SandboxError> {
    Certificate::from_pem(&read(path)?).ok_or_else(|| setting(key, "holds no certificate"))
}

fn same_key(
    key: &'static str,
    certificate: &Certificate,
    private: &SigningKey,
) -> Result<(), SandboxError> {
    let public = private.public_der();
    if public == certificate.public_key_der || public == certificate.public_key_inner {
        return Ok(());
    }
    Err(setting(key, "is not the certificate of the private key"))
}
