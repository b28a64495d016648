//! Answers for: a running sandbox with a clock of its own, a merchant's door for notices, and the
//! merchant's signatures, all written apart from the crate under test.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiaoyi_sandbox::{Running, SandboxConfig, serve, write_demo_identities};
use serde_json::Value;

/// 2026-11-22 10:00:00 in Beijing.
pub const NOW_MS: i64 = 1_795_312_800_000;

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A name that no other test uses.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}{:08}", COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// One directory of identities for all tests of this process.
pub fn identities() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ids-{}", std::process::id()));
        write_demo_identities(&dir, "http://127.0.0.1:9", NOW_MS).unwrap();
        dir
    })
}

pub fn merchant(section: &str, key: &str) -> String {
    let text = std::fs::read_to_string(identities().join("channels.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    table[section][key].as_str().unwrap().to_owned()
}

/// The text of an identity file.
pub fn pem(file: &str) -> String {
    std::fs::read_to_string(identities().join(file)).unwrap()
}

pub fn der(text: &str) -> Vec<u8> {
    let body: String = text
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    STANDARD.decode(body.trim()).unwrap()
}

pub fn sign(key_file: &str, message: &[u8]) -> String {
    let key = RsaKeyPair::from_pkcs8(&der(&pem(key_file))).unwrap();
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        message,
        &mut signature,
    )
    .unwrap();
    STANDARD.encode(signature)
}

pub fn verifies(public_key_der: &[u8], message: &[u8], signature: &str) -> bool {
    let Ok(signature) = STANDARD.decode(signature) else {
        return false;
    };
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key_der);
    key.verify(message, &signature).is_ok()
}

pub fn open_aes_gcm(nonce: &str, aad: &str, sealed: &str) -> Option<Vec<u8>> {
    let key = merchant("wechat", "apiv3_key");
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_bytes()).unwrap());
    let nonce = Nonce::try_assume_unique_for_key(nonce.as_bytes()).ok()?;
    let mut buffer = STANDARD.decode(sealed).ok()?;
    let plain = key
        .open_in_place(nonce, Aad::from(aad.as_bytes()), &mut buffer)
        .ok()?;
    Some(plain.to_vec())
}

/// A request that came to the merchant's door.
#[derive(Clone)]
pub struct Arrived {
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The merchant's door: keeps what comes and answers what it is told to.
pub struct Door {
    pub url: String,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    answer: Arc<Mutex<(u16, &'static str)>>,
}

impl Door {
    async fn open() -> Door {
        let arrived: Arc<Mutex<Vec<Arrived>>> = Arc::default();
        let answer = Arc::new(Mutex::new((200, "success")));
        let (list, say) = (arrived.clone(), answer.clone());
        let app = axum::Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
            list.lock().unwrap().push(Arrived { headers, body });
            let (status, text) = *say.lock().unwrap();
            async move { (StatusCode::from_u16(status).unwrap(), text) }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/notice", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Door {
            url,
            arrived,
            answer,
        }
    }

    pub fn say(&self, status: u16, text: &'static str) {
        *self.answer.lock().unwrap() = (status, text);
    }

    pub fn count(&self) -> usize {
        self.arrived.lock().unwrap().len()
    }

    /// Waits until `count` requests have come and gives the last of them.
    pub async fn wait(&self, count: usize) -> Arrived {
        for _ in 0..200 {
            if let Some(found) = self.arrived.lock().unwrap().get(count - 1) {
                return found.clone();
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{count} notices expected, {} came", self.count());
    }

    /// Makes sure that nothing more comes within a few ticks.
    pub async fn quiet(&self, count: usize) {
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert_eq!(self.count(), count, "notices at the door");
    }
}

/// A running sandbox whose clock stands at [`NOW_MS`] until a test shifts it.
pub struct World {
    pub base: String,
    pub door: Door,
    pub http: reqwest::Client,
    running: Running,
    offset_s: Mutex<i64>,
}

/// An answer with everything that its signature covers.
pub struct Told {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Told {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> String {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl World {
    pub async fn start() -> World {
        World::before("http://127.0.0.1:9").await
    }

    /// A sandbox whose front ends call a platform.
    pub async fn before(platform_url: &str) -> World {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut config = SandboxConfig::load(&identities().join("sandbox.toml")).unwrap();
        config.point_fronts_at(platform_url);
        let running = serve(listener, config, Arc::new(|| NOW_MS), base.clone())
            .await
            .unwrap();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        World {
            base,
            door: Door::open().await,
            http,
            running,
            offset_s: Mutex::new(0),
        }
    }

    pub async fn end(self) {
        drop(self.http);
        self.running.shutdown().await;
    }

    pub fn now_ms(&self) -> i64 {
        NOW_MS + *self.offset_s.lock().unwrap() * 1_000
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Told {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Told {
            status,
            headers,
            body: answer.bytes().await.unwrap().to_vec(),
        }
    }

    pub async fn get(&self, path: &str) -> Told {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.base)
        };
        self.send(self.http.get(url)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Told {
        self.send(
            self.http
                .post(format!("{}{path}", self.base))
                .body(body.to_string()),
        )
        .await
    }

    /// Presses a button of a wallet page.
    pub async fn press(&self, page: &str, act: &str) -> Told {
        let marker = "/_wallet/";
        let token = page
            .split("action=\"/_wallet/")
            .nth(1)
            .map(|rest| rest.split('/').next().unwrap());
        let token = token.unwrap_or_else(|| panic!("no form with {marker} in {page}"));
        let request = self
            .http
            .post(format!("{}{marker}{token}/act", self.base))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("do={act}"));
        self.send(request).await
    }

    pub async fn shift(&self, offset_s: i64) {
        let told = self
            .post(
                "/_sandbox/clock",
                serde_json::json!({ "offset_s": offset_s }),
            )
            .await;
        assert_eq!(told.status, 200);
        *self.offset_s.lock().unwrap() = offset_s;
    }

    pub async fn fault(&self, script: Value) -> u64 {
        let told = self.post("/_sandbox/fault", script).await;
        assert_eq!(told.status, 200, "{}", told.text());
        told.json()["id"].as_u64().unwrap()
    }

    pub async fn play(&self, channel: &str, out_trade_no: &str) -> Told {
        let body = serde_json::json!({ "channel": channel, "out_trade_no": out_trade_no });
        self.post("/_sandbox/pay", body).await
    }

    /// Waits until no notice of the order is under way.
    pub async fn settled(&self, out_trade_no: &str) {
        for _ in 0..200 {
            let entry = self.entry(out_trade_no).await;
            let notices = entry["notices"].as_array().unwrap();
            if notices.iter().all(|notice| notice["in_flight"] == false) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("a notice of {out_trade_no} is still under way");
    }

    /// The books' entry of one order.
    pub async fn entry(&self, out_trade_no: &str) -> Value {
        let books = self.get("/_sandbox/books").await.json();
        let list = books["transactions"].as_array().unwrap();
        list.iter()
            .find(|entry| entry["out_trade_no"] == out_trade_no)
            .cloned()
            .unwrap_or_default()
    }
}
