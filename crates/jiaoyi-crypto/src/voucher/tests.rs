use super::*;
use crate::keyring::Keyring;
use crate::public_keys::PublicKeyEntry;
use crate::record::HashAlgorithm;
use crate::sealing::Cipher;
use jiaoyi_domain::{Bucket, IdSource};
use proptest::prelude::*;

/// The entries of a payload's map.
type Entries = Vec<(Value, Value)>;

const HOST: &str = "pay.example:8443";
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Es256, Algorithm::Sm2];

fn stream(mut next: u8) -> impl FnMut(&mut [u8]) {
    move |bytes: &mut [u8]| {
        for byte in bytes {
            next = next.wrapping_mul(29).wrapping_add(71);
            *byte = next;
        }
    }
}

fn ring(algorithm: Algorithm, seed: u8) -> Keyring {
    Keyring::generate_with(Cipher::Aes256Gcm, algorithm, &mut stream(seed))
}

fn sample() -> VoucherClaims {
    VoucherClaims {
        version: VERSION,
        issuer: "演示市医疗保障局".to_owned(),
        voucher_no: VoucherNo::draw(Bucket::default(), &mut IdSource::new([5; 32], 0)),
        issued_at: Instant::parse("2026-11-22T10:00:00.123+08:00").unwrap(),
        benefit_year: 2027,
        region: "990100".to_owned(),
        name_masked: "王*国".to_owned(),
        amount: Fen::from_yuan(400),
        channel: "wechat".to_owned(),
        record_hash: HashAlgorithm::Sha256.digest(b"record"),
    }
}

fn signed(ring: &Keyring, claims: &VoucherClaims) -> String {
    let (id, key) = ring.voucher_key();
    let cose = sign_voucher(claims, HOST, id, key, &mut stream(9)).unwrap();
    qr_text(HOST, &cose).unwrap()
}

/// A COSE_Sign1 whose header and payload the test chooses, signed as it stands.
fn crafted(ring: &Keyring, protected: Header, payload: Vec<u8>) -> String {
    let prefix = prefix(HOST).unwrap();
    let cose = CoseSign1Builder::new()
        .protected(protected)
        .payload(payload)
        .try_create_signature(prefix.as_bytes(), |message| {
            ring.voucher_key()
                .1
                .sign(message, &mut stream(3))
                .map(Vec::from)
        })
        .unwrap()
        .build();
    qr_text(HOST, &cose.to_vec().unwrap()).unwrap()
}

#[test]
fn a_voucher_says_what_was_signed_in_the_alphabet_of_qr_codes() {
    for algorithm in ALGORITHMS {
        let ring = ring(algorithm, 0);
        let text = signed(&ring, &sample());
        let alphabet = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase() || "/:.-".contains(c);
        assert!(text.chars().all(alphabet), "{text}");
        assert!(text.starts_with("HTTPS://PAY.EXAMPLE:8443/Q/"), "{text}");
        assert!(text.len() < 420, "{} characters", text.len());
        assert_eq!(verify_voucher(&text, &ring.public_keys()), Ok(sample()));
        let published = PublicKeys::parse(&ring.public_keys().to_json()).unwrap();
        assert_eq!(published, ring.public_keys());
        assert_eq!(
            verify_voucher(&format!("  {text}\n"), &published),
            Ok(sample())
        );
    }
}

#[test]
fn every_changed_character_fails() {
    for algorithm in ALGORITHMS {
        let ring = ring(algorithm, 0);
        let (keys, text) = (ring.public_keys(), signed(&ring, &sample()));
        // SM2 in a debug build verifies about 100 a second, so it tries fewer letters a place.
        let letters = match algorithm {
            Algorithm::Es256 => "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ:/.-$ ah",
            Algorithm::Sm2 => "A7",
        };
        for place in 0..text.len() {
            for letter in letters.chars() {
                let mut changed = text.clone();
                changed.replace_range(place..=place, &letter.to_string());
                // White space around the text is no part of it, yet a cut end is a change.
                if changed != text {
                    assert!(verify_voucher(&changed, &keys).is_err(), "{place} {letter}");
                }
            }
            assert!(
                verify_voucher(&text[..place], &keys).is_err(),
                "cut at {place}"
            );
        }
        for tail in ["A", "AA", "AAAAAAAA", "=", "/"] {
            assert!(
                verify_voucher(&format!("{text}{tail}"), &keys).is_err(),
                "{tail}"
            );
        }
    }
}

#[test]
fn another_key_or_host_fails() {
    for algorithm in ALGORITHMS {
        let (ours, theirs) = (ring(algorithm, 0), ring(algorithm, 1));
        let text = signed(&ours, &sample());
        let error = verify_voucher(&text, &theirs.public_keys()).unwrap_err();
        assert_eq!(error.code(), "voucher.signature");
        let error = verify_voucher(&text, &PublicKeys::default()).unwrap_err();
        assert_eq!(error.code(), "voucher.unknown_key");
        let elsewhere = text.replace("PAY.EXAMPLE:8443", "PAY.EXAMPLE.EVIL");
        let error = verify_voucher(&elsewhere, &ours.public_keys()).unwrap_err();
        assert_eq!(error.code(), "voucher.signature");
    }
}

#[test]
fn the_key_decides_the_algorithm() {
    for algorithm in ALGORITHMS {
        let ring = ring(algorithm, 0);
        let claimed = match algorithm {
            Algorithm::Es256 => Algorithm::Sm2,
            Algorithm::Sm2 => Algorithm::Es256,
        };
        let text = crafted(&ring, header(claimed, "v1"), payload(&sample()));
        let error = verify_voucher(&text, &ring.public_keys()).unwrap_err();
        assert_eq!(error.code(), "voucher.algorithm");
        let mut bare = header(algorithm, "v1");
        bare.alg = None;
        let text = crafted(&ring, bare, payload(&sample()));
        let error = verify_voucher(&text, &ring.public_keys()).unwrap_err();
        assert_eq!(error.code(), "voucher.algorithm");
        // A key list that gives our point another algorithm does not even load.
        let json = ring.public_keys().to_json();
        let swapped = json
            .replace(algorithm.name(), "X")
            .replace(algorithm.curve(), claimed.curve())
            .replace("\"X\"", &format!("\"{}\"", claimed.name()));
        assert_ne!(swapped, json);
        let error = PublicKeys::parse(&swapped).unwrap_err();
        assert_eq!(error.code(), "public_keys.key");
    }
}

#[test]
fn only_the_canonical_encoding_of_a_known_version_verifies() {
    let ring = ring(Algorithm::Es256, 0);
    let keys = ring.public_keys();
    let good = payload(&sample());
    let map = |change: &dyn Fn(&mut Entries)| {
        let mut entries = ciborium::from_reader::<Value, _>(good.as_slice())
            .unwrap()
            .into_map()
            .unwrap();
        change(&mut entries);
        encode(&Value::Map(entries))
    };
    let mut extra = header(Algorithm::Es256, "v1");
    extra.content_type = Some(coset::ContentType::Text("text/plain".to_owned()));
    for (header, payload, code) in [
        (
            header(Algorithm::Es256, "v1"),
            map(&|e| e.swap(1, 2)),
            "voucher.encoding",
        ),
        (
            header(Algorithm::Es256, "v1"),
            map(&|e| drop(e.pop())),
            "voucher.encoding",
        ),
        (
            header(Algorithm::Es256, "v1"),
            map(&|e| e.push((Value::from(11), Value::Null))),
            "voucher.encoding",
        ),
        (
            header(Algorithm::Es256, "v1"),
            map(&|e| e[0].1 = Value::from(2)),
            "voucher.version",
        ),
        (
            header(Algorithm::Es256, "v1"),
            map(&|e| e[7].1 = Value::from(-1)),
            "voucher.encoding",
        ),
        (
            header(Algorithm::Es256, "v1"),
            [good.clone(), vec![0]].concat(),
            "voucher.encoding",
        ),
        (extra, good.clone(), "voucher.encoding"),
    ] {
        let text = crafted(&ring, header, payload);
        assert_eq!(verify_voucher(&text, &keys).unwrap_err().code(), code);
    }
    assert!(verify_voucher(&crafted(&ring, header(Algorithm::Es256, "v1"), good), &keys).is_ok());

    // Bytes that no signature covers: the unprotected header, a tag around, a longer length form.
    let (host, cose) = parse_qr_text(&signed(&ring, &sample())).unwrap();
    let mut noted = CoseSign1::from_slice(&cose).unwrap();
    noted.unprotected.key_id = b"x".to_vec();
    let tagged = [&[0xd2], cose.as_slice()].concat();
    let longer = [&[0x98, 0x04], &cose[1..]].concat();
    for bytes in [noted.to_vec().unwrap(), tagged, longer] {
        let error = verify_cose(&host, &bytes, &keys).unwrap_err();
        assert_eq!(error.code(), "voucher.encoding");
    }
}

#[test]
fn a_key_signs_only_within_its_period() {
    let ring = ring(Algorithm::Es256, 0);
    let text = signed(&ring, &sample());
    let issued = sample().issued_at;
    for (from, to, valid) in [
        (None, None, true),
        (Some(issued), Some(issued.plus_ms(1)), true),
        (Some(issued.plus_ms(1)), None, false),
        (None, Some(issued), false),
    ] {
        let entry = ring.public_keys().get("v1").unwrap().clone();
        let keys = PublicKeys::new([PublicKeyEntry {
            valid_from: from,
            valid_to: to,
            ..entry
        }]);
        let want = if valid {
            Ok(sample())
        } else {
            Err(VoucherError::KeyPeriod("v1".to_owned()))
        };
        assert_eq!(verify_voucher(&text, &keys), want);
    }
}

#[test]
fn a_published_list_may_hold_keys_that_are_not_ours() {
    let ours = ring(Algorithm::Es256, 0).public_keys();
    let mut set: serde_json::Value = serde_json::from_str(&ours.to_json()).unwrap();
    let list = set["keys"].as_array_mut().unwrap();
    list.push(serde_json::json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}));
    let ours_again = list[0].clone();
    assert_eq!(PublicKeys::parse(&set.to_string()), Ok(ours));
    set["keys"].as_array_mut().unwrap().push(ours_again);
    let error = PublicKeys::parse(&set.to_string()).unwrap_err();
    assert_eq!(error.code(), "public_keys.duplicate");
    for bad in ["", "[]", "{}", "{\"keys\":{}}"] {
        assert_eq!(
            PublicKeys::parse(bad).unwrap_err().code(),
            "public_keys.shape"
        );
    }
}

#[test]
fn a_host_that_cannot_stand_in_the_text_is_refused() {
    for host in [
        "",
        "pay example",
        "支付.example",
        "pay.example/q",
        "a@b",
        "[::1]:8080",
    ] {
        assert_eq!(qr_text(host, &[1]), Err(VoucherError::Text), "{host}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_claims_come_back(
        issuer in ".{0,40}", name in ".{0,20}", region in "[0-9]{6}", channel in "[a-z]{0,12}",
        at: i64, year: i16, fen: u64, hash: [u8; 32], seed: [u8; 32],
    ) {
        let claims = VoucherClaims {
            issuer, region, channel,
            name_masked: name,
            issued_at: Instant(at),
            benefit_year: year,
            amount: Fen::new(fen),
            record_hash: hash,
            voucher_no: VoucherNo::draw(Bucket::default(), &mut IdSource::new(seed, 0)),
            ..sample()
        };
        let ring = ring(Algorithm::Es256, 0);
        prop_assert_eq!(verify_voucher(&signed(&ring, &claims), &ring.public_keys()), Ok(claims));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let keys = ring(Algorithm::Es256, 0).public_keys();
        prop_assert!(verify_cose(HOST, &bytes, &keys).is_err());
        prop_assert!(verify_voucher(&String::from_utf8_lossy(&bytes), &keys).is_err());
    }
}
