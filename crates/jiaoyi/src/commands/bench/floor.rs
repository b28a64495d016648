//! What no design can leave out, measured by itself in the same run: signatures, sealing, bare
//! exchanges, and exactly our rows written by bare prepared statements.

use super::process::{self, DatabaseServer, Side, thread_cpu_ns};
use super::world::Kept;
use crate::exit::{Exit, print};
use crate::serving::listen;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use jiaoyi_store::Database;
use jiaoyi_store::bare::{self, CommandRows};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// How fast this machine is at the two things that absolute goals hang on.
pub struct Machine {
    /// RSA-2048 signatures of one CPU-second, of the slower core while both work.
    pub signs_per_cpu_s: f64,
    /// Writing 4 KiB and flushing it, in milliseconds: the median.
    pub flush_ms: f64,
}

impl Machine {
    /// By how much an absolute goal is scaled: 1 when the machine reaches what the goals assume.
    pub fn scale(&self) -> f64 {
        (self.signs_per_cpu_s / 3_700.0)
            .min(0.5 / self.flush_ms)
            .min(1.0)
    }
}

/// CPU of the parts of one payment, in microseconds.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Floor {
    pub rsa_sign_us: f64,
    pub rsa_verify_us: f64,
    pub aes_gcm_us: f64,
    pub exchange_us: f64,
    pub outbound_us: f64,
    pub rows_us: f64,
    pub rows_per_payment: f64,
}

impl Floor {
    /// One signature, two verifications, one sealed message, three exchanges, one call out, our rows.
    pub fn sum_us(&self) -> f64 {
        self.rsa_sign_us
            + 2.0 * self.rsa_verify_us
            + self.aes_gcm_us
            + 3.0 * self.exchange_us
            + self.outbound_us
            + self.rows_us
    }
}

/// CPU of one call of `work`, in microseconds: the slower of all cores working at once.
fn cpu_of(seconds: f64, work: impl Fn() + Sync) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let each = || {
        let (begun, from) = (Instant::now(), thread_cpu_ns());
        let mut count = 0_u32;
        while begun.elapsed() < Duration::from_secs_f64(seconds) {
            for _ in 0..16 {
                work();
            }
            count += 16;
        }
        // Nanoseconds of a few seconds fit a float exactly enough.
        let used = u32::try_from((thread_cpu_ns() - from) / 1000).unwrap_or(u32::MAX);
        f64::from(used) / f64::from(count.max(1))
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(each)).collect();
        let all = threads.into_iter().filter_map(|thread| thread.join().ok());
        all.fold(0.0, f64::max)
    })
}

/// Fills in the parts that are computing only.
pub fn crypto(floor: &mut Floor, seconds: f64) -> Result<(), Exit> {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).map_err(Exit::unexpected)?;
    let public = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref())
        .map_err(Exit::unexpected)?;
    let random = SystemRandom::new();
    let message = vec![b'm'; 512];
    let sign = || {
        let mut signature = vec![0; key.public_modulus_len()];
        let done = key.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature);
        std::hint::black_box((done.is_ok(), &signature));
    };
    floor.rsa_sign_us = cpu_of(seconds, sign);
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature)
        .map_err(Exit::unexpected)?;
    floor.rsa_verify_us = cpu_of(seconds / 2.0, || {
        std::hint::black_box(public.verify_sig(&message, &signature).is_ok());
    });
    let sealing = UnboundKey::new(&AES_256_GCM, &[7; 32]).map_err(Exit::unexpected)?;
    let sealing = LessSafeKey::new(sealing);
    floor.aes_gcm_us = cpu_of(seconds / 4.0, || {
        let mut text = message.clone();
        let nonce = Nonce::assume_unique_for_key([1; 12]);
        let done = sealing.seal_in_place_append_tag(nonce, Aad::empty(), &mut text);
        std::hint::black_box((done.is_ok(), &text));
    });
    Ok(())
}

/// The median of 300 flushes of 4 KiB in `folder`, in milliseconds.
pub fn flush_ms(folder: &Path) -> Result<f64, Exit> {
    let path = folder.join("flush");
    let mut file = std::fs::File::create(&path).map_err(Exit::unexpected)?;
    let mut all = Vec::new();
    for _ in 0..300 {
        let begun = Instant::now();
        file.write_all(&[1; 4096]).map_err(Exit::unexpected)?;
        file.sync_data().map_err(Exit::unexpected)?;
        all.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    let _ = std::fs::remove_file(&path);
    all.sort_by(f64::total_cmp);
    Ok(all[all.len() / 2])
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Amount {
    total: u64,
    currency: String,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Bare {
    out_trade_no: String,
    amount: Amount,
    notify_url: String,
    name: String,
}

/// Reads typed JSON and writes it.
async fn echo(body: Bytes) -> Response {
    let written = serde_json::from_slice::<Bare>(&body).and_then(|read| serde_json::to_vec(&read));
    match written {
        Ok(text) => ([("content-type", "application/json")], text).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// A server that does nothing but read and write typed JSON; the first line printed is its address.
pub async fn bare_server() -> Result<(), Exit> {
    let listener = listen("127.0.0.1:0", "bench side-bare").await?;
    print(listener.local_addr().map_err(Exit::unexpected)?);
    let busy = || async {
        let retry = [("retry-after", "2")];
        (StatusCode::SERVICE_UNAVAILABLE, retry, "busy")
    };
    let app = Router::new()
        .route("/json", post(echo))
        .route("/busy", post(busy));
    axum::serve(listener, app).await.map_err(Exit::unexpected)
}

/// CPU of one exchange at the server and at a client on a kept connection, in microseconds, and
/// exchanges a second.
pub async fn exchange(kind: &str, payers: usize, seconds: f64) -> Result<(f64, f64, f64), Exit> {
    let mut bare = Side::start(&["bench", "side-bare"])?;
    let address = bare.line().await?;
    let from = process::cpu_us(bare.id);
    let (payers, seconds) = (payers.to_string(), seconds.to_string());
    let mut load = Side::start(&[
        "bench",
        "side-load",
        kind,
        "--address",
        &address,
        "--payers",
        &payers,
        "--seconds",
        &seconds,
        "--linger",
    ])?;
    let told: serde_json::Value =
        serde_json::from_str(&load.line().await?).map_err(Exit::unexpected)?;
    let (server, client) = (process::cpu_us(bare.id) - from, process::cpu_us(load.id));
    let good = told["good"].as_f64().unwrap_or(1.0).max(1.0);
    let rate = good / told["seconds"].as_f64().unwrap_or(1.0);
    let each = |us: u64| f64::from(u32::try_from(us).unwrap_or(u32::MAX)) / good;
    Ok((each(server), each(client), rate))
}

/// What writing rows cost, in microseconds of all of them.
pub struct Rows {
    /// Of the database's server too.
    pub cpu_us: f64,
    pub wall_us: f64,
    /// How many.
    pub count: f64,
}

/// On a thread of its own, which drives a database's connection itself.
fn apart<T: Send>(work: impl FnOnce() -> Result<T, Exit> + Send) -> Result<T, Exit> {
    let done = std::thread::scope(|scope| scope.spawn(work).join());
    done.map_err(|_| Exit::unexpected("a thread of the bench panicked"))?
}

/// What the first commands of kind `first`, and those of kinds `then` about the same, wrote.
pub fn commands(
    database: &Database,
    first: &str,
    then: &[&str],
    max: usize,
) -> Result<Vec<CommandRows>, Exit> {
    apart(|| bare::capture(database, first, then, max).map_err(Exit::unexpected))
}

/// Writes our rows again, `batch` commands a flush, into a copy of the database as it was.
pub fn rows(seed: &Database, commands: &[CommandRows], batch: usize) -> Result<Rows, Exit> {
    let copy = Kept(seed.beside("_bare"));
    bare::copy(seed, &copy.0).map_err(Exit::unexpected)?;
    let server = DatabaseServer::of(&copy.0)?;
    let used = || server.map_or(0, DatabaseServer::cpu_us);
    apart(|| {
        let (begun, from, server_from) = (Instant::now(), thread_cpu_ns(), used());
        let written = bare::replay(&copy.0, commands, batch).map_err(Exit::unexpected)?;
        let own = Duration::from_nanos(thread_cpu_ns() - from);
        let wall = begun.elapsed();
        let cpu = own + Duration::from_micros(used() - server_from);
        Ok(Rows {
            cpu_us: cpu.as_secs_f64() * 1e6,
            wall_us: wall.as_secs_f64() * 1e6,
            count: f64::from(u32::try_from(written).unwrap_or(u32::MAX)),
        })
    })
}
