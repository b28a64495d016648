use super::*;
use proptest::prelude::*;

/// Bytes 1, 2, 3, … of a fixed stream: enough for tests, and the same on every run.
pub(crate) fn counted() -> impl FnMut(&mut [u8]) {
    let mut next = 0u8;
    move |bytes: &mut [u8]| {
        for byte in bytes {
            next = next.wrapping_mul(29).wrapping_add(71);
            *byte = next;
        }
    }
}

fn keyring(cipher: Cipher) -> Keyring {
    Keyring::generate_with(cipher, Algorithm::Es256, &mut counted())
}

#[test]
fn a_key_file_reads_back_as_the_same_keys() {
    for (cipher, algorithm) in [
        (Cipher::Aes256Gcm, Algorithm::Es256),
        (Cipher::Sm4Gcm, Algorithm::Sm2),
    ] {
        let keyring = Keyring::generate_with(cipher, algorithm, &mut counted());
        let text = keyring.to_toml();
        let again = Keyring::parse(&text).unwrap();
        assert_eq!(again.to_toml(), text);
        assert_eq!(again.doc_hmac("id", "x"), keyring.doc_hmac("id", "x"));
        assert_eq!(again.name_hmac("王"), keyring.name_hmac("王"));
        let sealed = keyring.seal(b"secret", b"person.name", [1; 12]);
        assert_eq!(again.open(&sealed, b"person.name").unwrap(), b"secret");
        let link = keyring.sign_link(b"L");
        assert_eq!(again.read_link(&link).unwrap(), b"L");
        assert_eq!(again.public_keys(), keyring.public_keys());
    }
}

#[test]
fn no_secret_is_printed() {
    let keyring = keyring(Cipher::Sm4Gcm);
    let shown = format!("{keyring:?} {:?}", keyring.voucher_key());
    let file: toml::Table = toml::from_str(&keyring.to_toml()).unwrap();
    let mut secrets: Vec<String> = ["bucket_key", "document_key", "name_key", "link_key"]
        .map(|key| file[key].as_str().unwrap().to_owned())
        .to_vec();
    secrets.push(keyring.audit.secret_hex());
    secrets.push(keyring.voucher_key().1.secret_hex());
    secrets.push(keyring.sealing[&1].secret.print());
    for secret in &secrets {
        assert!(!shown.contains(secret.as_str()), "{shown}");
        for broken in [
            keyring.to_toml().replace(secret.as_str(), &secret[1..]),
            keyring
                .to_toml()
                .replace(&format!("\"{secret}\""), &format!("[\"{secret}\"]")),
        ] {
            let error = Keyring::parse(&broken).unwrap_err().to_string();
            assert!(!error.contains(&secret[1..9]), "{error}");
        }
    }
}

#[test]
fn a_wrong_key_file_is_refused_by_field() {
    let good = keyring(Cipher::Aes256Gcm).to_toml();
    for (from, to, code, names) in [
        (
            "current = 1",
            "current = 2",
            "keyring.current",
            "sealing.current",
        ),
        (
            "current = \"v1\"",
            "current = \"v2\"",
            "keyring.current",
            "voucher.current",
        ),
        (
            "\nbucket_key = \"",
            "\nbucket_key = \"0",
            "keyring.key",
            "bucket_key",
        ),
        (
            "\nbucket_key",
            "\nbucket_kay",
            "keyring.shape",
            "bucket_kay",
        ),
        ("AES-256-GCM", "AES-GCM", "keyring.key", "sealing key 1"),
        (
            "public = \"04",
            "public = \"05",
            "keyring.key",
            "voucher key v1",
        ),
        ("[audit]", "[audit]\nextra = 1", "keyring.shape", "extra"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        let error = Keyring::parse(&bad).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(names), "{error}");
    }
    let entry = &good[good.find("[[sealing.keys]]").unwrap()..good.find("[voucher]").unwrap()];
    let twice = good.replace(entry, &entry.repeat(2));
    assert_eq!(
        Keyring::parse(&twice).unwrap_err().code(),
        "keyring.duplicate"
    );
}

#[test]
fn a_retired_voucher_key_keeps_its_public_half() {
    let old = keyring(Cipher::Aes256Gcm);
    let mut random = counted();
    random(&mut [0; 7]);
    let new = SigningKey::generate(Algorithm::Sm2, &mut random);
    let (_, key) = old.voucher_key();
    let text = old
        .to_toml()
        .replace(&format!("secret = \"{}\"\n", key.secret_hex()), "")
        .replace("current = \"v1\"", "current = \"v2\"")
        .replace(
            "[audit]",
            &format!(
                "[[voucher.keys]]\nid = \"v2\"\nalgorithm = \"SM2\"\nsecret = \"{}\"\n\n[audit]",
                new.secret_hex()
            ),
        );
    let ring = Keyring::parse(&text).unwrap();
    assert_eq!(ring.voucher_key().0, "v2");
    assert_eq!(ring.public_keys().get("v1").unwrap().key, *key.public());
    assert!(!ring.to_toml().contains(&key.secret_hex()));
    let back = text.replace("current = \"v2\"", "current = \"v1\"");
    assert_eq!(Keyring::parse(&back).unwrap_err().code(), "keyring.current");
}

#[test]
fn private_keys_are_read_in_every_usual_form() {
    // Made with `openssl ecparam -genkey` and `openssl pkcs8 -topk8`, for this test alone.
    for (name, algorithm) in [("es256", Algorithm::Es256), ("sm2", Algorithm::Sm2)] {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/");
        let read = |form: &str| {
            let text = std::fs::read_to_string(format!("{folder}{name}_{form}.pem")).unwrap();
            SigningKey::parse(algorithm, &text).unwrap()
        };
        let (sec1, pkcs8) = (read("sec1"), read("pkcs8"));
        assert_eq!(sec1.public(), pkcs8.public());
        let hex = SigningKey::parse(algorithm, &sec1.secret_hex()).unwrap();
        assert_eq!(hex.public(), sec1.public());
        let other = match algorithm {
            Algorithm::Es256 => Algorithm::Sm2,
            Algorithm::Sm2 => Algorithm::Es256,
        };
        let text = std::fs::read_to_string(format!("{folder}{name}_pkcs8.pem")).unwrap();
        assert!(
            SigningKey::parse(other, &text).is_err(),
            "the curve is in the key"
        );
    }
    assert!(SigningKey::parse(Algorithm::Es256, &"0".repeat(64)).is_err());
    assert!(SigningKey::parse(Algorithm::Sm2, &"f".repeat(64)).is_err());
}

#[test]
fn hashes_of_different_keys_and_kinds_differ() {
    let ring = keyring(Cipher::Aes256Gcm);
    assert_ne!(ring.doc_hmac("id", "1"), ring.doc_hmac("passport", "1"));
    assert_ne!(ring.doc_hmac("id1", ""), ring.doc_hmac("id", "1"));
    assert_ne!(ring.doc_hmac("", "1"), ring.name_hmac("1"));
    let buckets: std::collections::BTreeSet<u16> = (0..2_000)
        .map(|n| ring.bucket_of("id", &n.to_string()).get())
        .collect();
    assert!(
        buckets.len() > 1_400,
        "2,000 documents fall into {} buckets",
        buckets.len()
    );
}

#[test]
fn a_checkpoint_signature_is_for_these_bytes_only() {
    let ring = keyring(Cipher::Aes256Gcm);
    let signature = ring.sign_checkpoint(b"chain 1: 7", &mut counted()).unwrap();
    let key = ring.audit_public();
    assert_eq!(verify_checkpoint(key, b"chain 1: 7", &signature), Ok(()));
    for (bytes, signature) in [
        (b"chain 1: 8".as_slice(), signature.to_vec()),
        (b"chain 1: 7", signature[..63].to_vec()),
        (b"chain 1: 7", [&signature[..], &[0]].concat()),
    ] {
        let error = verify_checkpoint(key, bytes, &signature).unwrap_err();
        assert_eq!(error.code(), "signing.mismatch");
    }
    let bare = key.verify(b"chain 1: 7", &signature);
    assert!(bare.is_err(), "the context is part of what is signed");
}

#[test]
fn sm4_gcm_matches_rfc_8998() {
    let hex = |text: &str| crate::hex::decode(text).unwrap();
    let mut secret = [0; 32];
    secret[..16].copy_from_slice(&hex("0123456789abcdeffedcba9876543210"));
    let key = CipherKey::new(Cipher::Sm4Gcm, Secret(secret));
    let nonce = hex("00001234567800000000abcd").try_into().unwrap();
    let aad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    let plain = hex(concat!(
        "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd",
        "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa"
    ));
    let want = hex(concat!(
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735",
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d",
        "83de3541e4c2b58177e065a9bf7b62ec"
    ));
    assert_eq!(key.encrypt(nonce, &aad, &plain).unwrap(), want);
    assert_eq!(key.decrypt(nonce, &aad, &want).unwrap(), plain);
}

#[test]
fn shangmi_vectors_hold() {
    use sm4::cipher::{BlockCipherEncrypt, KeyInit};
    let text = include_str!("../../testdata/sm_vectors.json");
    let vectors: serde_json::Value = serde_json::from_str(text).unwrap();
    let field = |name: &str| vectors[name].as_str().unwrap();
    let (message, hex) = (field("msg").as_bytes(), crate::hex::decode);

    let sm3 = crate::record::HashAlgorithm::Sm3.digest(message);
    assert_eq!(sm3.to_vec(), hex(field("sm3")).unwrap());

    let public = PublicKey::from_hex(Algorithm::Sm2, field("pk")).unwrap();
    let signature = hex(field("sig")).unwrap();
    assert_eq!(public.verify(message, &signature), Ok(()));
    assert!(public.verify(&message[1..], &signature).is_err());
    let private = SigningKey::parse(Algorithm::Sm2, field("sk")).unwrap();
    assert_eq!(*private.public(), public);

    let key: [u8; 16] = field("key").as_bytes().try_into().unwrap();
    let cipher = sm4::Sm4::new(&key.into());
    let mut body = field("body").as_bytes().to_vec();
    let pad = 16 - body.len() % 16;
    body.resize(body.len() + pad, u8::try_from(pad).unwrap());
    let enc: Vec<u8> = body
        .chunks(16)
        .flat_map(|chunk| {
            let mut block = <[u8; 16]>::try_from(chunk).unwrap().into();
            cipher.encrypt_block(&mut block);
            block.to_vec()
        })
        .collect();
    assert_eq!(enc, hex(field("enc")).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_sealed_opens_only_whole_and_in_its_place(
        plain in proptest::collection::vec(any::<u8>(), 0..80),
        aad in proptest::collection::vec(any::<u8>(), 0..20),
        nonce: [u8; 12], at: prop::sample::Index, bit in 0..8u32, sm4: bool,
    ) {
        let ring = keyring(if sm4 { Cipher::Sm4Gcm } else { Cipher::Aes256Gcm });
        let sealed = ring.seal(&plain, &aad, nonce);
        prop_assert_eq!(&ring.open(&sealed, &aad).unwrap(), &plain);
        let mut changed = sealed.clone();
        changed[at.index(sealed.len())] ^= 1 << bit;
        prop_assert!(ring.open(&changed, &aad).is_err());
        prop_assert!(ring.open(&sealed[..at.index(sealed.len())], &aad).is_err());
        prop_assert!(ring.open(&sealed, &[&aad[..], b"x"].concat()).is_err());
    }

    #[test]
    fn tokens_and_links_open_only_whole_and_for_their_purpose(
        payload in proptest::collection::vec(any::<u8>(), 0..60),
        nonce: [u8; 12], at: prop::sample::Index, letter in "[A-Za-z0-9_-]",
    ) {
        let ring = keyring(Cipher::Aes256Gcm);
        let token = ring.seal_token(&payload, "bill", nonce);
        let link = ring.sign_link(&payload);
        prop_assert_eq!(&ring.open_token(&token, "bill").unwrap(), &payload);
        prop_assert_eq!(&ring.read_link(&link).unwrap(), &payload);
        prop_assert!(ring.open_token(&token, "cookie").is_err());
        prop_assert!(ring.read_link(&token).is_err() && ring.open_token(&link, "bill").is_err());
        let place = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(place..=place, &letter);
        prop_assert!(changed == token || ring.open_token(&changed, "bill").is_err());
        let place = at.index(link.len());
        let mut changed = link.clone();
        changed.replace_range(place..=place, &letter);
        prop_assert!(changed == link || ring.read_link(&changed).is_err());
        prop_assert!(ring.read_link(&link[..place]).is_err());
    }
}
