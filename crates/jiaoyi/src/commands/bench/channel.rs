//! The other side of WeChat Pay for a bench: takes native orders and answers with what was signed
//! beforehand, so that the channel's own RSA is not measured as ours.
//!
//! An answer's signature covers time, nonce and body, nothing of the request, so it can be prepared
//! for five minutes; each order gets an answer and a QR text of its own. What cannot be prepared is
//! signed when it is needed and counted. Every 64th request's own signature is checked.

use crate::edge;
use crate::exit::{Exit, note, print};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

const NATIVE: &str = "/v3/pay/transactions/native";
/// One request in so many has its signature checked.
const CHECKED_EVERY: u64 = 64;

#[derive(Deserialize)]
struct File {
    wechat: Identity,
}

#[derive(Deserialize)]
struct Identity {
    mchid: String,
    appid: String,
    apiv3_key: String,
    public_key_id: String,
}

/// A body with the headers of its signature.
struct Signed {
    time: String,
    nonce: String,
    signature: String,
    body: String,
}

struct Order {
    out_trade_no: String,
    total: u64,
}

struct Channel {
    identity: Identity,
    key: RsaKeyPair,
    merchant: Vec<u8>,
    opener: LessSafeKey,
    ready: Mutex<Vec<Signed>>,
    orders: Mutex<Vec<Order>>,
    number: AtomicU64,
    live: AtomicU64,
    wrong: AtomicU64,
    /// Makes transaction ids of two runs on one database differ.
    run: u64,
}

fn key_of(path: &Path) -> Result<RsaKeyPair, Exit> {
    let der = PrivatePkcs8KeyDer::from_pem_file(path).map_err(Exit::unexpected)?;
    RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(Exit::unexpected)
}

impl Channel {
    fn open(folder: &Path) -> Result<Channel, Exit> {
        let text = std::fs::read_to_string(folder.join("sandbox.toml"));
        let file: File =
            toml::from_str(&text.map_err(Exit::unexpected)?).map_err(Exit::unexpected)?;
        let merchant = key_of(&folder.join("wechat_merchant_key.pem"))?;
        let opener = UnboundKey::new(&AES_256_GCM, file.wechat.apiv3_key.as_bytes());
        Ok(Channel {
            key: key_of(&folder.join("wechat_platform_key.pem"))?,
            merchant: merchant.public_key().as_ref().to_vec(),
            opener: LessSafeKey::new(opener.map_err(Exit::unexpected)?),
            identity: file.wechat,
            ready: Mutex::default(),
            orders: Mutex::default(),
            number: AtomicU64::new(0),
            live: AtomicU64::new(0),
            wrong: AtomicU64::new(0),
            run: u64::from_be_bytes(edge::random_bytes()) % 1_000_000_000,
        })
    }

    fn sign(&self, body: String) -> Signed {
        let time = (edge::system_now().0 / 1000).to_string();
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let nonce = format!("{:016X}{number:016X}", self.run);
        let message = format!("{time}\n{nonce}\n{body}\n");
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        let done = self.key.sign(
            &RSA_PKCS1_SHA256,
            &random,
            message.as_bytes(),
            &mut signature,
        );
        if done.is_err() {
            signature.clear();
        }
        Signed {
            time,
            nonce,
            signature: STANDARD.encode(signature),
            body,
        }
    }

    fn answer(&self) -> Signed {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let code = format!("{:09x}{number:09x}zz", self.run);
        self.sign(format!(
            "{{\"code_url\":\"weixin://wxpay/bizpayurl?pr={code}\"}}"
        ))
    }

    fn notice(&self, order: &Order) -> Signed {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let now = edge::system_now().rfc3339();
        let Identity { mchid, appid, .. } = &self.identity;
        let total = order.total;
        let plain = serde_json::json!({
            "mchid": mchid, "appid": appid, "out_trade_no": order.out_trade_no,
            "transaction_id": format!("4200{:09}{number:015}", self.run),
            "trade_type": "NATIVE", "trade_state": "SUCCESS", "trade_state_desc": "支付成功",
            "bank_type": "OTHERS", "attach": "", "success_time": now,
            "payer": { "openid": format!("oUpF8uMuAJO_M2pxb1Q9zNjW{number:04}") },
            "amount": { "total": total, "payer_total": total, "currency": "CNY", "payer_currency": "CNY" },
        });
        let nonce = format!("{:012}", number % 1_000_000_000_000);
        let mut text = plain.to_string().into_bytes();
        let sealed = Nonce::try_assume_unique_for_key(nonce.as_bytes()).and_then(|nonce| {
            let aad = Aad::from(b"transaction");
            self.opener.seal_in_place_append_tag(nonce, aad, &mut text)
        });
        if sealed.is_err() {
            text.clear();
        }
        let body = serde_json::json!({
            "id": format!("bench-{:09}-{number:012}", self.run),
            "create_time": now, "resource_type": "encrypt-resource",
            "event_type": "TRANSACTION.SUCCESS", "summary": "支付成功",
            "resource": {
                "original_type": "transaction", "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": STANDARD.encode(&text), "associated_data": "transaction",
                "nonce": nonce,
            },
        });
        self.sign(body.to_string())
    }

    /// Whether the merchant's signature over this request is right.
    fn is_signed(&self, headers: &HeaderMap, body: &[u8]) -> Option<()> {
        let text = headers.get("authorization")?.to_str().ok()?;
        let field = |name: &str| {
            let start = text.split(&format!("{name}=\"")).nth(1)?;
            start.split('"').next()
        };
        let (time, nonce) = (field("timestamp")?, field("nonce_str")?);
        let mut message = format!("POST\n{NATIVE}\n{time}\n{nonce}\n").into_bytes();
        message.extend_from_slice(body);
        message.push(b'\n');
        let signature = STANDARD.decode(field("signature")?).ok()?;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.merchant);
        key.verify(&message, &signature).ok()
    }
}

/// Makes `count` things on all cores.
fn on_all_cores<T: Send>(count: usize, make: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = count.div_ceil(cores).max(1);
    let make = &make;
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..cores)
            .map(|core| {
                let range = (core * share).min(count)..((core + 1) * share).min(count);
                scope.spawn(move || range.map(make).collect::<Vec<T>>())
            })
            .collect();
        let done = parts.into_iter().filter_map(|part| part.join().ok());
        done.flatten().collect()
    })
}

async fn native(State(channel): State<Arc<Channel>>, headers: HeaderMap, body: Bytes) -> Response {
    #[derive(Deserialize)]
    struct Amount {
        total: u64,
    }
    #[derive(Deserialize)]
    struct Request {
        out_trade_no: String,
        amount: Amount,
    }
    let Ok(request) = serde_json::from_slice::<Request>(&body) else {
        return axum::http::StatusCode::BAD_REQUEST.into_response();
    };
    let count = {
        let mut orders = channel
            .orders
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        orders.push(Order {
            out_trade_no: request.out_trade_no,
            total: request.amount.total,
        });
        orders.len() as u64
    };
    if count % CHECKED_EVERY == 1 && channel.is_signed(&headers, &body).is_none() {
        channel.wrong.fetch_add(1, Ordering::Relaxed);
    }
    let ready = channel
        .ready
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .pop();
    let signed = ready.unwrap_or_else(|| {
        channel.live.fetch_add(1, Ordering::Relaxed);
        channel.answer()
    });
    let headers = [
        ("content-type", "application/json; charset=utf-8".to_owned()),
        ("wechatpay-timestamp", signed.time),
        ("wechatpay-nonce", signed.nonce),
        ("wechatpay-signature", signed.signature),
        ("wechatpay-serial", channel.identity.public_key_id.clone()),
        (
            "wechatpay-signature-type",
            "WECHATPAY2-SHA256-RSA2048".to_owned(),
        ),
    ];
    (headers, signed.body).into_response()
}

/// `answers N` signs N answers; `notices FILE` signs a notice for each order since the last time
/// and writes them; `counts` tells orders signed live and requests with a wrong signature.
fn obey(channel: &Channel, line: &str) -> Result<serde_json::Value, Exit> {
    let mut words = line.split_whitespace();
    match (words.next(), words.next()) {
        (Some("answers"), Some(count)) => {
            let count: usize = count.parse().map_err(Exit::usage)?;
            let made = on_all_cores(count, |_| channel.answer());
            *channel.ready.lock().unwrap_or_else(PoisonError::into_inner) = made;
            Ok(serde_json::json!({ "answers": count }))
        }
        (Some("notices"), Some(path)) => {
            let orders = std::mem::take(
                &mut *channel
                    .orders
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            );
            let made = on_all_cores(orders.len(), |place| channel.notice(&orders[place]));
            let mut text = String::new();
            for Signed {
                time,
                nonce,
                signature,
                body,
            } in &made
            {
                let _ = writeln!(text, "{time}\t{nonce}\t{signature}\t{body}");
            }
            std::fs::write(path, text).map_err(Exit::unexpected)?;
            Ok(serde_json::json!({ "notices": made.len() }))
        }
        (Some("counts"), _) => Ok(serde_json::json!({
            "live": channel.live.load(Ordering::Relaxed),
            "wrong": channel.wrong.load(Ordering::Relaxed),
        })),
        _ => Err(Exit::usage("answers N, notices FILE or counts")),
    }
}

/// Serves until its input ends; the first line printed is its address.
pub async fn run(folder: &Path) -> Result<(), Exit> {
    let channel = Arc::new(Channel::open(folder)?);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await;
    let listener = listener.map_err(Exit::unexpected)?;
    print(listener.local_addr().map_err(Exit::unexpected)?);
    let app = Router::new()
        .route(NATIVE, post(native))
        .with_state(Arc::clone(&channel));
    let served = tokio::spawn(async move { axum::serve(listener, app).await });
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let channel = Arc::clone(&channel);
        let done = tokio::task::spawn_blocking(move || obey(&channel, &line)).await;
        match done.map_err(Exit::unexpected)? {
            Ok(answer) => print(answer),
            Err(exit) => note(&exit),
        }
    }
    served.abort();
    Ok(())
}
