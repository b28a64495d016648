//! Signs a sample voucher under both algorithms and says what signing and verifying cost; with
//! `verify TEXT`, verifies a text read back from a picture against the same sample keys.
//!
//! `cargo run --release -p jiaoyi-crypto --example sign_voucher`

#![expect(clippy::print_stdout, reason = "an example prints")]

use jiaoyi_crypto::{
    Algorithm, Cipher, HashAlgorithm, Keyring, VoucherClaims, qr_text, sign_voucher, verify_voucher,
};
use jiaoyi_domain::{Bucket, Fen, IdSource, Instant, VoucherNo};
use std::time::Duration;

const HOST: &str = "pay.example:8443";

fn random() -> impl FnMut(&mut [u8]) {
    let mut ids = IdSource::new([42; 32], 0);
    move |bytes: &mut [u8]| {
        for chunk in bytes.chunks_mut(32) {
            chunk.copy_from_slice(&ids.draw()[..chunk.len()]);
        }
    }
}

/// CPU time of this thread so far, which other programs on the machine do not disturb; Linux only.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

fn main() {
    let claims = VoucherClaims {
        version: jiaoyi_crypto::voucher::VERSION,
        issuer: "演示市医疗保障局".to_owned(),
        voucher_no: VoucherNo::draw(Bucket::default(), &mut IdSource::new([5; 32], 0)),
        issued_at: Instant(1_795_312_801_000),
        benefit_year: 2027,
        region: "990100".to_owned(),
        name_masked: "王*国".to_owned(),
        amount: Fen::from_yuan(400),
        channel: "wechat".to_owned(),
        record_hash: HashAlgorithm::Sha256.digest(b"record"),
    };
    let asked: Vec<String> = std::env::args().skip(1).collect();
    for algorithm in [Algorithm::Es256, Algorithm::Sm2] {
        let mut random = random();
        let ring = Keyring::generate_with(Cipher::Aes256Gcm, algorithm, &mut random);
        let keys = ring.public_keys();
        if let [verb, text] = asked.as_slice()
            && verb == "verify"
        {
            println!("{}: {:?}", algorithm.name(), verify_voucher(text, &keys));
            continue;
        }
        let (id, key) = ring.voucher_key();
        let mut text = String::new();
        let rounds: u32 = 200;
        let start = cpu_time();
        for _ in 0..rounds {
            let cose = sign_voucher(&claims, HOST, id, key, &mut random).expect("the key signs");
            text = qr_text(HOST, &cose).expect("the host fits");
        }
        let signing = (cpu_time() - start) / rounds;
        let start = cpu_time();
        for _ in 0..rounds {
            verify_voucher(&text, &keys).expect("just signed");
        }
        let verifying = (cpu_time() - start) / rounds;
        println!("{} {text}", algorithm.name());
        println!(
            "  {} characters, CPU: sign {signing:?}, verify {verifying:?}",
            text.len()
        );
    }
}
