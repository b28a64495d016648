//! The configuration of the channels, `channels.toml`, as it is written in the file.
//!
//! Entries that name a key are PEM files relative to the folder of the configuration. The file is
//! opened by [`crate::Channels::load`].

use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// A secret from the configuration; never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// A secret of the given text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// All channels; a channel without a section is not offered.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelsConfig {
    /// Limits of every outbound call.
    pub http: HttpConfig,
    /// WeChat Pay API v3.
    pub wechat: Option<WechatConfig>,
    /// Alipay.
    pub alipay: Option<AlipayConfig>,
    /// UnionPay ACP 5.1.0.
    pub unionpay: Option<UnionpayConfig>,
    /// A bank's own gateway.
    pub bank1: Option<BankConfig>,
    /// Another bank's.
    pub bank2: Option<BankConfig>,
    /// Text messages.
    pub sms: Option<SmsConfig>,
    /// Telling institutions of events.
    pub webhooks: WebhookConfig,
}

/// Telling institutions of events, at addresses of their own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookConfig {
    /// Longest time of a call, in milliseconds.
    pub total_ms: u64,
    /// Private networks that may be called, such as `10.1.0.0/16`; all others are refused.
    pub private_networks: Vec<String>,
}

impl Default for WebhookConfig {
    fn default() -> WebhookConfig {
        WebhookConfig {
            total_ms: 10_000,
            private_networks: Vec::new(),
        }
    }
}

/// Limits of every outbound call.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Longest wait for a connection, in milliseconds.
    pub connect_ms: u64,
    /// Longest time of a call from start to last byte, in milliseconds.
    pub total_ms: u64,
    /// Proxy for outbound calls; the environment's proxy variables are not read.
    pub proxy: Option<String>,
}

impl Default for HttpConfig {
    fn default() -> HttpConfig {
        HttpConfig {
            connect_ms: 2_000,
            total_ms: 6_000,
            proxy: None,
        }
    }
}

/// WeChat Pay API v3. At least one of `public_key` and `platform_cert`, or `fetch_certificates`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WechatConfig {
    /// Merchant number (商户号).
    pub mchid: String,
    /// The app under which payments are placed.
    pub appid: String,
    /// 32 ASCII characters that decrypt notices and certificates.
    pub apiv3_key: Secret,
    /// Serial of the merchant certificate, upper-case hex.
    pub merchant_serial: String,
    /// PEM file of the merchant's private key.
    pub merchant_key: PathBuf,
    /// Where the API is; without a trailing slash.
    #[serde(default = "wechat_base_url")]
    pub base_url: String,
    /// `PUB_KEY_ID_…` of WeChat's public key (微信支付公钥).
    pub public_key_id: Option<String>,
    /// PEM file of WeChat's public key.
    pub public_key: Option<PathBuf>,
    /// PEM file of one or several platform certificates that are trusted from the start.
    pub platform_cert: Option<PathBuf>,
    /// Whether platform certificates are to be fetched; needed without a public key.
    #[serde(default)]
    pub fetch_certificates: bool,
    /// Secret of the app, for the exchange of a code for an openid.
    pub app_secret: Option<Secret>,
    /// One address for both halves of OAuth; without it WeChat's own two are used.
    pub oauth_base_url: Option<String>,
    /// Whether bills are asked for packed (GZIP).
    #[serde(default = "yes")]
    pub packed_bills: bool,
}

const fn yes() -> bool {
    true
}

fn wechat_base_url() -> String {
    "https://api.mch.weixin.qq.com".to_owned()
}

/// The version of Alipay's API that is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlipayApi {
    /// OpenAPI v2, `gateway.do`.
    #[default]
    V2,
    /// OpenAPI v3; links for browsers are still those of v2.
    V3,
}

/// Alipay. Either `alipay_public_key` (key mode) or the three certificates.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlipayConfig {
    /// The app through which payments are placed.
    pub app_id: String,
    /// The account (PID) that receives the money.
    pub seller_id: String,
    /// PEM file of the app's private key.
    pub app_private_key: PathBuf,
    /// PEM file of Alipay's public key: key mode.
    pub alipay_public_key: Option<PathBuf>,
    /// Where the gateway is.
    #[serde(default = "alipay_gateway_url")]
    pub gateway_url: String,
    /// The version of the API that is called.
    #[serde(default)]
    pub api: AlipayApi,
    /// Where v3 is; without a trailing slash.
    #[serde(default = "alipay_v3_url")]
    pub v3_url: String,
    /// PEM file of the app's certificate: certificate mode.
    pub app_cert: Option<PathBuf>,
    /// PEM file of Alipay's certificate: certificate mode.
    pub alipay_cert: Option<PathBuf>,
    /// PEM file of Alipay's root certificates: certificate mode.
    pub alipay_root_cert: Option<PathBuf>,
}

fn alipay_gateway_url() -> String {
    "https://openapi.alipay.com/gateway.do".to_owned()
}

fn alipay_v3_url() -> String {
    "https://openapi.alipay.com".to_owned()
}

/// UnionPay ACP 5.1.0. `signing_key` is the PFX that CFCA hands out, with the certificate inside, or
/// a PEM key beside `signing_cert`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnionpayConfig {
    /// Merchant number (商户号), 15 characters.
    pub mer_id: String,
    /// PFX or PEM file of the merchant's signing key.
    pub signing_key: PathBuf,
    /// Password of the PFX, usually six digits.
    pub signing_key_password: Option<Secret>,
    /// PEM file of the signing certificate; a PFX holds its own.
    pub signing_cert: Option<PathBuf>,
    /// PEM file of the middle certificate that signs UnionPay's (`acp_prod_middle.cer`).
    pub middle_cert: PathBuf,
    /// PEM file of the root certificate that signs the middle one (`acp_prod_root.cer`).
    pub root_cert: PathBuf,
    /// Where the gateway is; without a trailing slash.
    #[serde(default = "unionpay_gateway_url")]
    pub gateway_url: String,
    /// Where the daily files are.
    #[serde(default = "unionpay_file_url")]
    pub file_url: String,
    /// UnionPay's test environment: its certificates bear another name and SHA-1 signatures.
    #[serde(default)]
    pub test_certificates: bool,
}

fn unionpay_gateway_url() -> String {
    "https://gateway.95516.com".to_owned()
}

fn unionpay_file_url() -> String {
    "https://filedownload.95516.com/".to_owned()
}

/// A bank's own gateway: how it speaks says its profile.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BankConfig {
    /// TOML file that says how the bank speaks.
    pub profile: PathBuf,
    /// Our number at the bank.
    pub merchant: String,
    /// Where the bank is; without a trailing slash. There is no default.
    pub url: String,
    /// PEM file of our private key, RSA or SM2 as the profile says.
    pub key: Option<PathBuf>,
    /// PEM file of the bank's public key.
    pub bank_key: Option<PathBuf>,
    /// The shared secret, where the profile signs by digest.
    pub secret: Option<Secret>,
}

/// The service that sends text messages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmsConfig {
    /// Where the service is; messages go to `{base_url}/sms/send`. There is no default.
    #[serde(default)]
    pub base_url: String,
    /// Key of the message signature (HMAC-SHA256), its UTF-8 bytes.
    pub key: Secret,
}

impl ChannelsConfig {
    /// Reads the text of a `channels.toml`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Invalid`] with the place of the mistake; unknown keys are mistakes.
    pub fn parse(text: &str) -> Result<ChannelsConfig, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::Invalid {
            // The whole display would quote the line, which may hold a secret.
            what: match error.span() {
                Some(span) => {
                    let before = text.get(..span.start).unwrap_or_default();
                    let line = before.matches('\n').count() + 1;
                    format!("line {line}: {}", error.message())
                }
                None => error.message().to_owned(),
            },
        })
    }

    /// Reads a `channels.toml`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Unreadable`] and [`ConfigError::Invalid`].
    pub fn load(path: &Path) -> Result<ChannelsConfig, ConfigError> {
        let text = String::from_utf8(read_file(Path::new("."), path)?);
        ChannelsConfig::parse(&text.map_err(|_| ConfigError::Invalid {
            what: "the file is not UTF-8".to_owned(),
        })?)
    }

    /// Sends every call to one server that plays all channels, such as `http://127.0.0.1:9090`.
    pub fn point_at(&mut self, base_url: &str) {
        let base_url = base_url.trim_end_matches('/');
        if let Some(wechat) = &mut self.wechat {
            wechat.base_url = base_url.to_owned();
            wechat.oauth_base_url = Some(base_url.to_owned());
        }
        if let Some(alipay) = &mut self.alipay {
            alipay.gateway_url = format!("{base_url}/gateway.do");
            alipay.v3_url = base_url.to_owned();
        }
        if let Some(unionpay) = &mut self.unionpay {
            unionpay.gateway_url = base_url.to_owned();
            unionpay.file_url = format!("{base_url}/filedownload/");
        }
        let banks = [(&mut self.bank1, "bank1"), (&mut self.bank2, "bank2")];
        for (bank, place) in banks {
            if let Some(bank) = bank {
                bank.url = format!("{base_url}/{place}");
            }
        }
        if let Some(sms) = &mut self.sms {
            sms.base_url = base_url.to_owned();
        }
    }

    /// Whether every address is plain HTTP, as with the sandbox on this machine.
    pub(crate) fn plain_only(&self) -> bool {
        let wechat = self.wechat.iter().flat_map(|wechat| {
            let oauth = match (&wechat.app_secret, &wechat.oauth_base_url) {
                (None, _) => None,
                (Some(_), None) => Some("https:"),
                (Some(_), Some(url)) => Some(url.as_str()),
            };
            [Some(wechat.base_url.as_str()), oauth]
        });
        let alipay = self.alipay.iter().flat_map(|alipay| {
            let v3 = (alipay.api == AlipayApi::V3).then_some(alipay.v3_url.as_str());
            [Some(alipay.gateway_url.as_str()), v3]
        });
        let unionpay = self.unionpay.iter().flat_map(|unionpay| {
            [&unionpay.gateway_url, &unionpay.file_url].map(|url| Some(url.as_str()))
        });
        let banks = self.bank1.iter().chain(&self.bank2);
        let banks = banks.map(|bank| Some(bank.url.as_str()));
        let sms = self.sms.iter().map(|sms| Some(sms.base_url.as_str()));
        wechat
            .chain(alipay)
            .chain(unionpay)
            .chain(banks)
            .chain(sms)
            .flatten()
            .all(|url| url.starts_with("http://"))
    }
}

/// Why the channels cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read.
    #[error("reading {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The text is not a configuration.
    #[error("reading the channel configuration: {what}")]
    Invalid {
        /// The mistake and its place.
        what: String,
    },
    /// A key or certificate file holds something else.
    #[error("reading {entry} from {path}: {what}")]
    Key {
        /// The configuration entry.
        entry: &'static str,
        /// The file.
        path: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Entries that are needed together are not all there.
    #[error("the section [{section}] is incomplete: {what}")]
    Incomplete {
        /// The section.
        section: &'static str,
        /// What is missing.
        what: &'static str,
    },
    /// The HTTP client could not be made.
    #[error("preparing outbound connections: {what}")]
    Http {
        /// What went wrong.
        what: String,
    },
}

impl ConfigError {
    /// Stable code for metrics and tests.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            ConfigError::Unreadable { .. } => "channels.config.unreadable",
            ConfigError::Invalid { .. } => "channels.config.invalid",
            ConfigError::Key { .. } => "channels.config.key",
            ConfigError::Incomplete { .. } => "channels.config.incomplete",
            ConfigError::Http { .. } => "channels.config.http",
        }
    }
}

/// Reads `path`, taken relative to `dir`.
pub(crate) fn read_file(dir: &Path, path: &Path) -> Result<Vec<u8>, ConfigError> {
    let path = dir.join(path);
    std::fs::read(&path).map_err(|source| ConfigError::Unreadable {
        path: path.display().to_string(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open::Channels;
    use crate::testdata::{dir, file};

    fn sample() -> String {
        String::from_utf8(file("channels.toml")).unwrap()
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = ChannelsConfig::parse(&sample()).unwrap();
        let printed = format!("{config:?}");
        for secret in ["a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb", "not-a-secret"] {
            assert!(
                sample().contains(secret) && !printed.contains(secret),
                "{printed}"
            );
        }
    }

    #[test]
    fn a_mistake_is_named_with_its_line_and_without_the_value() {
        let text = sample().replace("apiv3_key =", "apiv3key =");
        let error = ChannelsConfig::parse(&text).unwrap_err();
        let message = error.to_string();
        assert_eq!(error.code(), "channels.config.invalid");
        assert!(
            message.contains("line 9") && message.contains("apiv3key"),
            "{message}"
        );
        assert!(!message.contains("a7cde1"), "{message}");
    }

    #[test]
    fn a_channel_that_cannot_work_is_not_opened() {
        let open = |from: &str, to: &str| {
            assert!(sample().contains(from), "{from}");
            let mut config = ChannelsConfig::parse(&sample().replace(from, to)).unwrap();
            config.point_at("http://127.0.0.1:9");
            Channels::open(config, &dir()).map(|_| ())
        };
        assert!(open("[http]", "[http]").is_ok());
        for (from, to, code) in [
            ("Gb\"", "G\"", "channels.config.incomplete"),
            (
                "public_key_id = \"PUB_KEY_ID_0119000000012026\"\n",
                "",
                "channels.config.incomplete",
            ),
            (
                "alipay_public_key = \"channel_public_key.pem\"",
                "",
                "channels.config.incomplete",
            ),
            (
                "merchant_key = \"merchant_key.pem\"",
                "merchant_key = \"none.pem\"",
                "channels.config.unreadable",
            ),
            (
                "merchant_key = \"merchant_key.pem\"",
                "merchant_key = \"merchant_cert.pem\"",
                "channels.config.key",
            ),
            (
                "platform_cert = \"channel_cert.pem\"",
                "platform_cert = \"merchant_key.pem\"",
                "channels.config.key",
            ),
            (
                "signing_key_password = \"000000\"",
                "",
                "channels.config.incomplete",
            ),
            (
                "signing_key_password = \"000000\"",
                "signing_key_password = \"000001\"",
                "channels.config.key",
            ),
            (
                "signing_key = \"acp_test_sign.pfx\"",
                "signing_key = \"merchant_key.pem\"",
                "channels.config.incomplete",
            ),
            (
                "signing_key = \"acp_test_sign.pfx\"",
                "signing_key = \"merchant_key.pem\"\nsigning_cert = \"acp_test_sign_cert.pem\"",
                "channels.config.key",
            ),
            (
                "signing_key = \"acp_test_sign.pfx\"",
                "signing_key = \"none.pfx\"",
                "channels.config.unreadable",
            ),
            (
                "middle_cert = \"acp_test_middle.cer\"",
                "middle_cert = \"channel_cert.pem\"",
                "channels.config.key",
            ),
            ("test_certificates = true", "", "channels.config.key"),
        ] {
            let error = open(from, to).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
        }
        let mut config = ChannelsConfig::parse(&sample()).unwrap();
        config.wechat = None;
        config.alipay = None;
        config.unionpay = None;
        let error = Channels::open(config, &dir()).map(|_| ()).unwrap_err();
        assert_eq!(error.code(), "channels.config.incomplete", "{error}");
    }
}
