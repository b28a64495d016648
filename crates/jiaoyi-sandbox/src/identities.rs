//! Answers for: making the two halves of a demo's identities, the channels' and the merchant's.
//!
//! [`write_demo_identities`] fills one directory:
//!
//! | file | side | content |
//! |---|---|---|
//! | `sandbox.toml` | sandbox | see [`crate::SandboxConfig`] |
//! | `channels.toml` | merchant | see below |
//! | `wechat_merchant_key.pem`, `wechat_merchant_cert.pem` | merchant, sandbox | the merchant's API key (PKCS#8) and certificate |
//! | `wechat_platform_key.pem` | sandbox | what WeChat signs with |
//! | `wechat_platform_cert.pem`, `wechat_public_key.pem` | merchant | the two ways to know that key |
//! | `alipay_app_private_key.pem`, `alipay_app_public_key.pem`, `alipay_app_cert.pem` | merchant, sandbox | the app's key (PKCS#8), public half and certificate |
//! | `alipay_private_key.pem` | sandbox | what Alipay signs with |
//! | `alipay_public_key.pem`, `alipay_cert.pem`, `alipay_root_cert.pem` | merchant | the two ways to know that key |
//!
//! | `unionpay_merchant_key.pem`, `unionpay_merchant_cert.pem` | merchant, sandbox | the merchant's signing key (PKCS#8) and certificate |
//! | `unionpay_key.pem`, `unionpay_cert.pem` | sandbox | what UnionPay signs with, and the certificate that goes out with every message |
//! | `unionpay_middle_cert.pem`, `unionpay_root_cert.pem` | merchant | who signed that certificate |
//! | `front_a1_key.pem`, … | sandbox | what each institution of the front ends signs with, RSA or SM2 (PKCS#8) |
//! | `front_a1_public.pem`, … | platform | the public half, for `jiaoyi institution key add` |
//!
//! | `bank1_…`, `bank2_…` | merchant, sandbox | for each bank the keys of both sides, and `…_profile.toml`, how it wants to be spoken to |
//!
//! `channels.toml`, the merchant's side; file names relative to it, every address that of the
//! sandbox, so that nothing reaches the real channels by mistake:
//!
//! ```toml
//! [wechat]
//! mchid = "1900000001"
//! appid = "wx0123456789abcdef"
//! app_secret = "…"                                  # for the OAuth pair
//! apiv3_key = "…32 characters…"
//! merchant_serial = "…40 hex…"
//! merchant_key = "wechat_merchant_key.pem"
//! public_key_id = "PUB_KEY_ID_…"                    # public-key mode
//! public_key = "wechat_public_key.pem"
//! platform_cert = "wechat_platform_cert.pem"        # certificate mode; also at GET /v3/certificates
//! base_url = "http://127.0.0.1:9090"
//! oauth_base_url = "http://127.0.0.1:9090"
//!
//! [alipay]
//! app_id = "2026000000000001"
//! seller_id = "2088000000000001"
//! app_private_key = "alipay_app_private_key.pem"
//! alipay_public_key = "alipay_public_key.pem"       # key mode
//! app_cert = "alipay_app_cert.pem"                  # certificate mode
//! alipay_cert = "alipay_cert.pem"
//! alipay_root_cert = "alipay_root_cert.pem"
//! gateway_url = "http://127.0.0.1:9090/gateway.do"
//! v3_url = "http://127.0.0.1:9090"                  # called with api = "v3" alone
//!
//! [unionpay]
//! mer_id = "777290058110048"
//! signing_key = "unionpay_merchant_key.pem"
//! signing_cert = "unionpay_merchant_cert.pem"
//! middle_cert = "unionpay_middle_cert.pem"
//! root_cert = "unionpay_root_cert.pem"
//! gateway_url = "http://127.0.0.1:9090"
//! file_url = "http://127.0.0.1:9090/filedownload/"
//!
//! [sms]
//! key = "…"
//! base_url = "http://127.0.0.1:9090"
//! ```

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize, SerialNumber, date_time_ymd,
};

use crate::crypto::random_hex;
use crate::error::SandboxError;
use crate::front::catalog::INSTITUTIONS;
use crate::front::sign;
use crate::times::day;

const MCHID: &str = "1900000001";
const APP_ID: &str = "2026000000000001";
const SELLER_ID: &str = "2088000000000001";
const MER_ID: &str = "777290058110048";
/// Where `jiaoyi serve` listens unless it is told otherwise.
const PLATFORM_URL: &str = "http://127.0.0.1:8080";
const BANK1_MERCHANT: &str = "M0000001";
const BANK2_MERCHANT: &str = "8801990100001";
/// The name of UnionPay's certificate, by whose third part a merchant knows it.
const UNIONPAY_NAME: &str = "041@8310000000083040@中国银联股份有限公司@00016493";

/// Where [`write_demo_identities`] put the two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoIdentities {
    /// The sandbox's configuration.
    pub sandbox_toml: PathBuf,
    /// The merchant's configuration.
    pub channels_toml: PathBuf,
}

/// Makes new RSA-2048 keys and certificates, valid from the day before `now_ms` (UTC) for ten
/// years, and writes them with both configurations into `dir`, which is created when missing.
///
/// `base_url` is where the sandbox will listen, such as `http://127.0.0.1:9090`: the merchant's
/// configuration sends every call there.
///
/// # Errors
///
/// [`SandboxError::Write`] for a file, [`SandboxError::Identity`] for a key or certificate.
pub fn write_demo_identities(
    dir: &Path,
    base_url: &str,
    now_ms: i64,
) -> Result<DemoIdentities, SandboxError> {
    std::fs::create_dir_all(dir).map_err(|source| SandboxError::Write {
        path: dir.to_owned(),
        source,
    })?;
    let maker = Maker {
        dir,
        year: i32::from(day(now_ms).year()),
    };
    let wechat = maker.wechat()?;
    maker.alipay()?;
    maker.unionpay()?;
    maker.fronts()?;
    maker.banks()?;
    let sms_key = random_hex(32);
    let sandbox_toml = maker.write("sandbox.toml", &sandbox_text(&wechat, &sms_key))?;
    let base_url = base_url.trim_end_matches('/');
    let channels = channels_text(&wechat, &sms_key, base_url);
    let channels_toml = maker.write("channels.toml", &channels)?;
    Ok(DemoIdentities {
        sandbox_toml,
        channels_toml,
    })
}

struct WechatNames {
    appid: String,
    apiv3_key: String,
    merchant_serial: String,
    public_key_id: String,
}

fn sandbox_text(wechat: &WechatNames, sms_key: &str) -> String {
    let WechatNames {
        appid,
        apiv3_key,
        merchant_serial,
        public_key_id,
    } = wechat;
    let fronts: String = INSTITUTIONS
        .iter()
        .map(|own| format!("{} = \"{}\"\n", own.code, own.key_file("key")))
        .collect();
    format!(
        r#"# The sandbox's side of the demo's payment channels. Made by the demo; not real.
[wechat]
mchid = "{MCHID}"
appid = "{appid}"
apiv3_key = "{apiv3_key}"
merchant_serial = "{merchant_serial}"
merchant_cert = "wechat_merchant_cert.pem"
platform_key = "wechat_platform_key.pem"
platform_cert = "wechat_platform_cert.pem"
public_key_id = "{public_key_id}"

[alipay]
app_id = "{APP_ID}"
seller_id = "{SELLER_ID}"
app_public_key = "alipay_app_public_key.pem"
alipay_private_key = "alipay_private_key.pem"
app_cert = "alipay_app_cert.pem"
alipay_cert = "alipay_cert.pem"
alipay_root_cert = "alipay_root_cert.pem"

[unionpay]
mer_id = "{MER_ID}"
merchant_cert = "unionpay_merchant_cert.pem"
unionpay_key = "unionpay_key.pem"
unionpay_cert = "unionpay_cert.pem"
next_key = "unionpay_next_key.pem"
next_cert = "unionpay_next_cert.pem"

[bank1]
merchant = "{BANK1_MERCHANT}"
merchant_public_key = "bank1_merchant_public_key.pem"
bank_key = "bank1_key.pem"

[bank2]
merchant = "{BANK2_MERCHANT}"
merchant_public_key = "bank2_merchant_public_key.pem"
bank_key = "bank2_key.pem"

[sms]
key = "{sms_key}"

[front]
platform_url = "{PLATFORM_URL}"

[front.keys]
{fronts}"#
    )
}

fn channels_text(wechat: &WechatNames, sms_key: &str, base_url: &str) -> String {
    let WechatNames {
        appid,
        apiv3_key,
        merchant_serial,
        public_key_id,
    } = wechat;
    let app_secret = random_hex(32);
    format!(
        r#"# The merchant's side of the demo's payment channels. Made by the demo; not real.
[wechat]
mchid = "{MCHID}"
appid = "{appid}"
app_secret = "{app_secret}"
apiv3_key = "{apiv3_key}"
merchant_serial = "{merchant_serial}"
merchant_key = "wechat_merchant_key.pem"
public_key_id = "{public_key_id}"
public_key = "wechat_public_key.pem"
platform_cert = "wechat_platform_cert.pem"
base_url = "{base_url}"
oauth_base_url = "{base_url}"

[alipay]
app_id = "{APP_ID}"
seller_id = "{SELLER_ID}"
app_private_key = "alipay_app_private_key.pem"
alipay_public_key = "alipay_public_key.pem"
app_cert = "alipay_app_cert.pem"
alipay_cert = "alipay_cert.pem"
alipay_root_cert = "alipay_root_cert.pem"
gateway_url = "{base_url}/gateway.do"
v3_url = "{base_url}"

[unionpay]
mer_id = "{MER_ID}"
signing_key = "unionpay_merchant_key.pem"
signing_cert = "unionpay_merchant_cert.pem"
middle_cert = "unionpay_middle_cert.pem"
root_cert = "unionpay_root_cert.pem"
gateway_url = "{base_url}"
file_url = "{base_url}/filedownload/"

[bank1]
profile = "bank1_profile.toml"
merchant = "{BANK1_MERCHANT}"
key = "bank1_merchant_key.pem"
bank_key = "bank1_public_key.pem"
url = "{base_url}/bank1"

[bank2]
profile = "bank2_profile.toml"
merchant = "{BANK2_MERCHANT}"
key = "bank2_merchant_key.pem"
bank_key = "bank2_public_key.pem"
url = "{base_url}/bank2"

[sms]
key = "{sms_key}"
base_url = "{base_url}"
"#
    )
}

struct Maker<'a> {
    dir: &'a Path,
    year: i32,
}

impl Maker<'_> {
    fn wechat(&self) -> Result<WechatNames, SandboxError> {
        let root = rsa_key("the demo's WeChat root key")?;
        let root_name = [
            ("C", "CN"),
            ("O", "Jiaoyi Sandbox"),
            ("CN", "Jiaoyi Sandbox WeChat Root"),
        ];
        let root_params = self.params(&root_name, true);
        let issuer = Issuer::from_params(&root_params, root);

        let merchant = rsa_key("the demo's merchant key")?;
        let serial = self.leaf("wechat_merchant_cert.pem", MCHID, &merchant, &issuer)?;
        self.write("wechat_merchant_key.pem", &merchant.serialize_pem())?;

        let platform = rsa_key("the demo's platform key")?;
        self.leaf(
            "wechat_platform_cert.pem",
            "Jiaoyi Sandbox WeChat Pay",
            &platform,
            &issuer,
        )?;
        self.write("wechat_platform_key.pem", &platform.serialize_pem())?;
        self.write("wechat_public_key.pem", &platform.public_key_pem())?;
        Ok(WechatNames {
            appid: format!("wx{}", random_hex(16)),
            apiv3_key: random_hex(32),
            merchant_serial: serial,
            public_key_id: format!("PUB_KEY_ID_01{MCHID}{}00{}", self.year, random_hex(16)),
        })
    }

    fn alipay(&self) -> Result<(), SandboxError> {
        let root = rsa_key("the demo's Alipay root key")?;
        let root_name = |cn| {
            [
                ("C", "CN"),
                ("O", "Jiaoyi Sandbox"),
                ("OU", "CA"),
                ("CN", cn),
            ]
        };
        let root_params = self.params(&root_name("Jiaoyi Sandbox Alipay Root R1"), true);
        // Like the real bundle: a second RSA root, one whose signature is not RSA, and blank lines
        // between them, by which python-alipay-sdk tells them apart.
        let second = self.params(&root_name("Jiaoyi Sandbox Alipay Root R2"), true);
        let other = self.params(&root_name("Jiaoyi Sandbox Alipay Root E1"), true);
        let other_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .map_err(|error| identity("an elliptic root key", &error))?;
        let bundle = [
            self_signed(&root_params, &root)?,
            self_signed(&other, &other_key)?,
            self_signed(&second, &root)?,
        ];
        self.write("alipay_root_cert.pem", &bundle.join("\n"))?;
        let issuer = Issuer::from_params(&root_params, root);

        let app = rsa_key("the demo's app key")?;
        self.leaf("alipay_app_cert.pem", APP_ID, &app, &issuer)?;
        self.write("alipay_app_private_key.pem", &app.serialize_pem())?;
        self.write("alipay_app_public_key.pem", &app.public_key_pem())?;

        let alipay = rsa_key("the demo's Alipay key")?;
        self.leaf("alipay_cert.pem", "Jiaoyi Sandbox Alipay", &alipay, &issuer)?;
        self.write("alipay_private_key.pem", &alipay.serialize_pem())?;
        self.write("alipay_public_key.pem", &alipay.public_key_pem())?;
        Ok(())
    }

    /// Root, middle certificate and the two that it signs, as CFCA does for UnionPay and merchants.
    fn unionpay(&self) -> Result<(), SandboxError> {
        let name = |cn| [("C", "CN"), ("O", "Jiaoyi Sandbox"), ("CN", cn)];
        let (root, middle) = (
            rsa_key("the demo's CFCA root key")?,
            rsa_key("its middle key")?,
        );
        let root_params = self.params(&name("Jiaoyi Sandbox CFCA Root"), true);
        self.write("unionpay_root_cert.pem", &self_signed(&root_params, &root)?)?;
        let by_root = Issuer::from_params(&root_params, root);
        let middle_params = self.params(&name("Jiaoyi Sandbox CFCA OCA"), true);
        let certificate = middle_params
            .signed_by(&middle, &by_root)
            .map_err(|error| identity("a middle certificate", &error))?;
        self.write("unionpay_middle_cert.pem", &certificate.pem())?;
        let issuer = Issuer::from_params(&middle_params, middle);

        let merchant = rsa_key("the demo's UnionPay merchant key")?;
        self.leaf("unionpay_merchant_cert.pem", MER_ID, &merchant, &issuer)?;
        self.write("unionpay_merchant_key.pem", &merchant.serialize_pem())?;
        // The second pair is for a change of UnionPay's key.
        for name in ["unionpay", "unionpay_next"] {
            let own = rsa_key("the demo's UnionPay key")?;
            let file = format!("{name}_cert.pem");
            self.leaf(&file, UNIONPAY_NAME, &own, &issuer)?;
            self.write(&format!("{name}_key.pem"), &own.serialize_pem())?;
        }
        Ok(())
    }

    /// A key for each institution of the front ends.
    fn fronts(&self) -> Result<(), SandboxError> {
        for own in INSTITUTIONS {
            let (private, public) = if own.sm2 {
                sign::make_sm2().ok_or_else(|| SandboxError::Identity {
                    what: "an institution's SM2 key",
                    message: "the system has no random source".to_owned(),
                })?
            } else {
                let key = rsa_key("an institution's key")?;
                (key.serialize_pem(), key.public_key_pem())
            };
            self.write(&own.key_file("key"), &private)?;
            self.write(&own.key_file("public"), &public)?;
        }
        Ok(())
    }

    /// Two banks, the first with RSA, the second with SM2, and how a merchant has to speak to each.
    fn banks(&self) -> Result<(), SandboxError> {
        let (merchant, own) = (rsa_key("a bank's merchant key")?, rsa_key("a bank's key")?);
        let sm2 = || {
            crate::bank::keys::new_sm2().ok_or_else(|| SandboxError::Identity {
                what: "an SM2 key",
                message: "it could not be made".to_owned(),
            })
        };
        let first = (merchant.serialize_pem(), merchant.public_key_pem());
        let halves = [
            ("bank1", first, (own.serialize_pem(), own.public_key_pem())),
            ("bank2", sm2()?, sm2()?),
        ];
        for (bank, merchant, own) in halves {
            self.write(&format!("{bank}_merchant_key.pem"), &merchant.0)?;
            self.write(&format!("{bank}_merchant_public_key.pem"), &merchant.1)?;
            self.write(&format!("{bank}_key.pem"), &own.0)?;
            self.write(&format!("{bank}_public_key.pem"), &own.1)?;
        }
        self.write("bank1_profile.toml", include_str!("bank1_profile.toml"))?;
        self.write("bank2_profile.toml", include_str!("bank2_profile.toml"))?;
        Ok(())
    }

    fn params(&self, name: &[(&str, &str)], authority: bool) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in name {
            let kind = match *kind {
                "C" => DnType::CountryName,
                "O" => DnType::OrganizationName,
                "OU" => DnType::OrganizationalUnitName,
                _ => DnType::CommonName,
            };
            params.distinguished_name.push(kind, *value);
        }
        params.serial_number = Some(SerialNumber::from_slice(&serial_bytes()));
        // Whole years around "now", so that a clock shifted within the year stays inside.
        params.not_before = date_time_ymd(self.year - 1, 1, 1);
        params.not_after = date_time_ymd(self.year + 10, 1, 1);
        if authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        }
        params
    }

    /// Writes a certificate and returns its serial in upper-case hex.
    fn leaf(
        &self,
        file: &str,
        common_name: &str,
        key: &KeyPair,
        issuer: &Issuer<'_, KeyPair>,
    ) -> Result<String, SandboxError> {
        let params = self.params(
            &[("C", "CN"), ("O", "Jiaoyi Sandbox"), ("CN", common_name)],
            false,
        );
        let serial = params
            .serial_number
            .clone()
            .map(|serial| serial.to_bytes())
            .unwrap_or_default();
        let certificate = params
            .signed_by(key, issuer)
            .map_err(|error| identity("a certificate", &error))?;
        self.write(file, &certificate.pem())?;
        Ok(serial.iter().map(|byte| format!("{byte:02X}")).collect())
    }

    fn write(&self, file: &str, text: &str) -> Result<PathBuf, SandboxError> {
        let path = self.dir.join(file);
        std::fs::write(&path, text)
            .and_then(|()| restrict(&path))
            .map_err(|source| SandboxError::Write {
                path: path.clone(),
                source,
            })?;
        Ok(path)
    }
}

/// Keys are for their owner's eyes, even those of a demo.
#[cfg(unix)]
fn restrict(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn restrict(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// A platform key and its certificate, made while the sandbox runs, to play a change of keys.
pub(crate) fn second_platform(now_ms: i64) -> Result<(String, String), SandboxError> {
    let maker = Maker {
        dir: Path::new("."),
        year: i32::from(day(now_ms).year()),
    };
    let key = rsa_key("a second platform key")?;
    let params = maker.params(
        &[("C", "CN"), ("O", "Jiaoyi Sandbox"), ("CN", "second")],
        false,
    );
    Ok((key.serialize_pem(), self_signed(&params, &key)?))
}

fn self_signed(params: &CertificateParams, key: &KeyPair) -> Result<String, SandboxError> {
    let certificate = params
        .self_signed(key)
        .map_err(|error| identity("a root certificate", &error))?;
    Ok(certificate.pem())
}

fn rsa_key(what: &'static str) -> Result<KeyPair, SandboxError> {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
        .map_err(|error| identity(what, &error))
}

fn identity(what: &'static str, error: &rcgen::Error) -> SandboxError {
    SandboxError::Identity {
        what,
        message: error.to_string(),
    }
}

/// 20 bytes, positive and without a leading zero, so that the hex form has 40 characters.
fn serial_bytes() -> Vec<u8> {
    let hex = format!("5{}", random_hex(39));
    data_encoding::HEXLOWER
        .decode(hex.as_bytes())
        .unwrap_or_default()
}
