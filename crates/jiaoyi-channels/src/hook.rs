//! Telling institutions of events: one signed POST to an address that they chose. An address that
//! somebody else chose must not lead into our own networks.

use crate::config::{ConfigError, HttpConfig, WebhookConfig};
use crate::http::Http;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// Longest address that is taken.
const URL_BYTES_MAX: usize = 1_024;

/// Why an address cannot be told anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookUrlError {
    #[error("it is no address such as https://bank.example/events")]
    Malformed,
    #[error("it must begin with https:// and hold no user, password or fragment")]
    NotHttps,
    #[error("it lies in a private network that channels.toml does not allow under [webhooks]")]
    Private,
}

/// An address of an institution that may be told of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookUrl(Url);

impl WebhookUrl {
    /// Path and query, as they are sent and signed.
    #[must_use]
    pub fn path(&self) -> String {
        let query = self.0.query().map(|query| format!("?{query}"));
        format!("{}{}", self.0.path(), query.unwrap_or_default())
    }

    /// The address as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Private networks that may be reached nevertheless, `ADDRESS/BITS`.
#[derive(Clone, Debug, Default)]
struct Networks(Vec<(IpAddr, u32)>);

impl Networks {
    fn parse(texts: &[String]) -> Result<Networks, ConfigError> {
        let read = |text: &String| {
            let (address, bits) = text.split_once('/')?;
            let (address, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
            let most = if address.is_ipv4() { 32 } else { 128 };
            (bits <= most).then_some((address, bits))
        };
        let networks: Option<Vec<_>> = texts.iter().map(read).collect();
        networks.map(Networks).ok_or(ConfigError::Incomplete {
            section: "webhooks",
            what: "private_networks takes networks such as 10.1.0.0/16",
        })
    }

    fn hold(&self, address: IpAddr) -> bool {
        self.0.iter().any(|(network, bits)| {
            let differing = match (address, *network) {
                (IpAddr::V4(a), IpAddr::V4(b)) => (u32::from(a) ^ u32::from(b)).leading_zeros(),
                (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b)).leading_zeros(),
                (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
            };
            differing >= *bits
        })
    }

    fn allow(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.hold(address)
    }
}

/// Whether an address is one of the public internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            let global = first & 0xe000 == 0x2000;
            // Teredo, documentation and 6to4 may lead to any IPv4 address, or nowhere.
            global && first != 0x2002 && !(first == 0x2001 && (second < 0x0200 || second == 0x0db8))
        }
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let special = a == 0 || a >= 240 || (a, b, c) == (192, 0, 0) || (a == 198 && b & 0xfe == 18);
    !(v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_documentation()
        || shared
        || special)
}

/// Resolves names to addresses that may be reached: what was looked at is what is connected to.
struct Guarded(Networks);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (host, networks) = (name.as_str().to_owned(), self.0.clone());
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|found| networks.allow(found.ip())).collect();
            if allowed.is_empty() {
                return Err(WebhookUrlError::Private.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Sends events to institutions.
pub struct WebhookSender {
    http: Http,
    networks: Networks,
}

impl WebhookSender {
    pub(crate) fn open(
        config: &WebhookConfig,
        http: &HttpConfig,
        plain_only: bool,
    ) -> Result<WebhookSender, ConfigError> {
        let networks = Networks::parse(&config.private_networks)?;
        let limits = HttpConfig {
            total_ms: config.total_ms,
            ..http.clone()
        };
        // A proxy resolves names itself, and may lie in a private network.
        let guarded = http.proxy.is_none().then(|| Guarded(networks.clone()));
        let resolver = guarded.map(|guarded| Arc::new(guarded) as Arc<dyn Resolve>);
        let http = Http::open_with(&limits, plain_only, resolver)?;
        Ok(WebhookSender { http, networks })
    }

    /// Reads an address: https, or on a test installation http to this machine.
    ///
    /// # Errors
    ///
    /// [`WebhookUrlError`].
    pub fn url(&self, text: &str, test: bool) -> Result<WebhookUrl, WebhookUrlError> {
        let url: Url = text.parse().map_err(|_| WebhookUrlError::Malformed)?;
        let host = url.host_str().ok_or(WebhookUrlError::Malformed)?;
        let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        if text.len() > URL_BYTES_MAX {
            return Err(WebhookUrlError::Malformed);
        }
        let own = test && address.is_some_and(|address| address.is_loopback());
        let scheme = url.scheme() == "https" || (own && url.scheme() == "http");
        let plain = url.username().is_empty() && url.password().is_none();
        if !scheme || !plain || url.fragment().is_some() {
            return Err(WebhookUrlError::NotHttps);
        }
        // Names are judged by what they resolve to, when they are called.
        if !own && address.is_some_and(|address| !self.networks.allow(address)) {
            return Err(WebhookUrlError::Private);
        }
        Ok(WebhookUrl(url))
    }

    /// Sends one event; the status that it was answered.
    ///
    /// # Errors
    ///
    /// In words why there is no answer; it names no address.
    pub async fn send(
        &self,
        url: &WebhookUrl,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<u16, String> {
        let mut request = Request::new(Method::POST, url.0.clone());
        let mut sent = HeaderMap::new();
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                sent.insert(HeaderName::from_static(name), value);
            }
        }
        *request.headers_mut() = sent;
        *request.body_mut() = Some(body.into());
        self.http
            .status(request)
            .await
            .map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stub::{Play, Stub};

    fn sender(private: &[&str], total_ms: u64) -> WebhookSender {
        let config = WebhookConfig {
            total_ms,
            private_networks: private.iter().map(|text| (*text).to_owned()).collect(),
        };
        WebhookSender::open(&config, &HttpConfig::default(), true).unwrap()
    }

    #[test]
    fn only_addresses_that_may_be_told_are_taken() {
        let sender = sender(&["10.1.0.0/16"], 1_000);
        use WebhookUrlError::{Malformed, NotHttps, Private};
        for (text, test, refused) in [
            ("https://bank.example/events?a=1", false, None),
            ("https://203.0.114.7:8443/x", false, None),
            ("https://10.1.2.3/x", false, None),
            ("https://10.2.2.3/x", false, Some(Private)),
            ("https://127.0.0.1/x", false, Some(Private)),
            ("https://[::1]/x", false, Some(Private)),
            ("https://[::ffff:10.2.0.1]/x", false, Some(Private)),
            ("https://[fd00::1]/x", false, Some(Private)),
            ("https://169.254.169.254/latest", false, Some(Private)),
            ("https://0x7f.1/x", false, Some(Private)),
            ("http://127.0.0.1:81/x", false, Some(NotHttps)),
            ("http://127.0.0.1:81/x", true, None),
            ("http://[::1]:81/x", true, None),
            ("http://10.1.2.3/x", true, Some(NotHttps)),
            ("http://localhost/x", true, Some(NotHttps)),
            ("https://a:b@bank.example/x", false, Some(NotHttps)),
            ("https://bank.example/x#y", false, Some(NotHttps)),
            ("ftp://bank.example/x", false, Some(NotHttps)),
            ("events", false, Some(Malformed)),
        ] {
            assert_eq!(sender.url(text, test).err(), refused, "{text}");
        }
        let url = sender.url("https://bank.example/events?a=1", false);
        assert_eq!(url.unwrap().path(), "/events?a=1");
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_not_called() {
        let stub = Stub::start().await;
        stub.play(Play {
            status: 200,
            ..Play::default()
        });
        let named = stub.base_url.replace("127.0.0.1", "localhost");
        let url = WebhookUrl(named.parse().unwrap());
        let refused = sender(&[], 1_000).send(&url, &[], b"{}".to_vec()).await;
        assert!(refused.is_err(), "{refused:?}");
        let allowed = sender(&["127.0.0.0/8", "::1/128"], 1_000);
        assert_eq!(allowed.send(&url, &[], b"{}".to_vec()).await, Ok(200));
    }

    #[tokio::test]
    async fn an_answer_counts_by_its_status_and_redirects_lead_nowhere() {
        let stub = Stub::start().await;
        let sender = sender(&[], 300);
        let url = sender.url(&stub.base_url, true).unwrap();
        for status in [204, 302, 500] {
            stub.play(Play {
                status,
                headers: vec![("location", format!("{}/elsewhere", stub.base_url))],
                ..Play::default()
            });
            let headers = [("biller-nonce", "n".to_owned())];
            let sent = sender.send(&url, &headers, b"{}".to_vec()).await;
            assert_eq!(sent, Ok(status));
            let asked = stub.asked();
            assert_eq!((asked.target.as_str(), &asked.body[..]), ("/", &b"{}"[..]));
            assert_eq!(asked.headers["biller-nonce"], "n");
        }
        stub.play(Play {
            hang: true,
            ..Play::default()
        });
        let sent = sender.send(&url, &[], b"{}".to_vec()).await;
        assert_eq!(sent, Err("no answer in time".to_owned()));
    }
}
