//! Whose signatures are believed: the certificate that comes with every message of UnionPay, checked
//! against the two that the merchant was given.

use super::message::{Fields, SIGNATURE, digest_of};
use crate::crypto::{KeyFault, Verifier};
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaParameters, UnparsedPublicKey,
};
use jiaoyi_domain::channel::NoticeRefusal;
use jiaoyi_domain::time::Instant;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::{Decode, Encode, Reader, SliceReader};
use x509_cert::ext::pkix::BasicConstraints;

/// The owner that UnionPay's certificates name.
const OWNER: &str = "中国银联股份有限公司";
/// The owner that those of its test environment name.
const TEST_OWNER: &str = "00040000:SIGN";

/// What is read of a certificate to check a chain.
struct Link {
    /// The signed part, byte for byte.
    body: Vec<u8>,
    algorithm: String,
    signature: Vec<u8>,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    common_name: String,
    not_before_s: u64,
    not_after_s: u64,
    is_authority: bool,
    /// SubjectPublicKeyInfo, DER.
    public_key: Vec<u8>,
}

impl Link {
    fn parse_pem(pem: &[u8]) -> Result<Link, KeyFault> {
        let der = CertificateDer::from_pem_slice(pem).map_err(|_| "there is no certificate")?;
        Link::parse(&der).ok_or("this is no X.509 certificate")
    }

    fn parse(der: &[u8]) -> Option<Link> {
        let certificate = CertificateInner::<Raw>::from_der(der).ok()?;
        let signed = certificate.tbs_certificate();
        let validity = signed.validity();
        let common_name = signed.subject().common_name().ok()?;
        let constraints = signed.get_extension::<BasicConstraints>().ok()?;
        Some(Link {
            body: body_of(der)?,
            algorithm: certificate.signature_algorithm().oid.to_string(),
            signature: certificate.signature().as_bytes()?.to_vec(),
            subject: signed.subject().to_der().ok()?,
            issuer: signed.issuer().to_der().ok()?,
            common_name: common_name.map_or(String::new(), |name| name.value().into_owned()),
            not_before_s: validity.not_before.to_unix_duration().as_secs(),
            not_after_s: validity.not_after.to_unix_duration().as_secs(),
            is_authority: constraints.is_some_and(|(_, found)| found.ca),
            public_key: signed.subject_public_key_info().to_der().ok()?,
        })
    }

    /// Whether `issuer` signed this certificate.
    fn is_signed_by(&self, issuer: &Link, sha1: bool) -> bool {
        let Some(algorithm) = algorithm(&self.algorithm, sha1) else {
            return false;
        };
        issuer.is_authority
            && self.issuer == issuer.subject
            && UnparsedPublicKey::new(algorithm, &issuer.public_key)
                .verify(&self.body, &self.signature)
                .is_ok()
    }

    fn is_valid_at(&self, now: Instant) -> bool {
        let now_s = u64::try_from(now.0.div_euclid(1_000)).unwrap_or(0);
        (self.not_before_s..=self.not_after_s).contains(&now_s)
    }
}

/// The signed part of a certificate, which is its first member.
fn body_of(der: &[u8]) -> Option<Vec<u8>> {
    let mut reader = SliceReader::new(der).ok()?;
    let body = reader.sequence(|inner| {
        let body = inner.tlv_bytes()?.to_vec();
        while !inner.is_finished() {
            inner.tlv_bytes()?;
        }
        Ok::<_, x509_cert::der::Error>(body)
    });
    body.ok()
}

/// The algorithm that an identifier names. SHA-1 is let in only for the test environment.
fn algorithm(oid: &str, sha1: bool) -> Option<&'static RsaParameters> {
    match oid {
        "1.2.840.113549.1.1.11" => Some(&RSA_PKCS1_2048_8192_SHA256),
        "1.2.840.113549.1.1.12" => Some(&RSA_PKCS1_2048_8192_SHA384),
        "1.2.840.113549.1.1.13" => Some(&RSA_PKCS1_2048_8192_SHA512),
        "1.2.840.113549.1.1.5" if sha1 => Some(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
        _ => None,
    }
}

/// The middle and the root certificate, and which environment's messages they are for.
pub(super) struct Trust {
    middle: Link,
    root: Link,
    test: bool,
}

/// Why a pair of certificates cannot be used, and which of the two is at fault.
pub(super) enum TrustFault {
    Middle(KeyFault),
    Root(KeyFault),
}

impl Trust {
    /// Takes the PEM of the middle and the root certificate; the one must be signed by the other.
    pub fn open(middle: &[u8], root: &[u8], test: bool) -> Result<Trust, TrustFault> {
        let root = Link::parse_pem(root).map_err(TrustFault::Root)?;
        let middle = Link::parse_pem(middle).map_err(TrustFault::Middle)?;
        if !root.is_signed_by(&root, test) {
            return Err(TrustFault::Root("this is no root certificate"));
        }
        if !middle.is_signed_by(&root, test) || !middle.is_authority {
            return Err(TrustFault::Middle("it is not signed by root_cert"));
        }
        Ok(Trust { middle, root, test })
    }

    /// Checks the signature of a message with the certificate that it carries.
    ///
    /// The certificate counts when its chain leads to ours, all three are valid at `now`, and it
    /// names UnionPay as its owner: CFCA signs merchants' certificates with the same key.
    ///
    /// # Errors
    ///
    /// [`NoticeRefusal`]: unsigned, a stranger's certificate, or a wrong signature.
    pub fn check(&self, fields: &Fields, now: Instant) -> Result<(), NoticeRefusal> {
        let signature = fields.get(SIGNATURE).ok_or(NoticeRefusal::Unsigned)?;
        let pem = fields
            .get("signPubKeyCert")
            .ok_or(NoticeRefusal::Unsigned)?;
        if fields.text("signMethod") != "01" {
            return Err(NoticeRefusal::BadSignature);
        }
        let key = self.key_of(pem, now).ok_or(NoticeRefusal::UnknownKey)?;
        let good = fields
            .signed_texts()
            .any(|text| key.verify(&digest_of(&text), signature));
        good.then_some(()).ok_or(NoticeRefusal::BadSignature)
    }

    fn key_of(&self, pem: &str, now: Instant) -> Option<Verifier> {
        let leaf = Link::parse_pem(pem.as_bytes()).ok()?;
        let chain = [&leaf, &self.middle, &self.root];
        let good = leaf.is_signed_by(&self.middle, self.test)
            && chain.iter().all(|link| link.is_valid_at(now))
            && self.names_unionpay(&leaf.common_name);
        good.then(|| Verifier::from_der(&leaf.public_key).ok())?
    }

    /// `041@8310000000083040@中国银联股份有限公司@00016493`: the third part is the owner.
    fn names_unionpay(&self, common_name: &str) -> bool {
        let owner = common_name.split('@').nth(2);
        owner == Some(OWNER) || (self.test && owner == Some(TEST_OWNER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdata::file;

    fn text(name: &str) -> String {
        String::from_utf8(file(name)).unwrap()
    }

    fn trust(test: bool) -> Result<Trust, TrustFault> {
        let (middle, root) = (file("acp_test_middle.cer"), file("acp_test_root.cer"));
        Trust::open(&middle, &root, test)
    }

    /// The official certificates of the test environment, which ended in 2017 and 2018.
    #[test]
    fn a_chain_counts_by_signature_time_and_owner() {
        let trust = trust(true).ok().unwrap();
        let unionpay = text("acp_test_enc.cer");
        let merchant = text("acp_test_sign_cert.pem");
        let at = |text| Instant::parse(text).unwrap();
        for (pem, now, good) in [
            (unionpay.clone(), "2016-06-01 12:00:00", true),
            (unionpay.clone(), "2015-12-15 17:11:34", false),
            (unionpay.clone(), "2017-12-15 17:11:36", false),
            (unionpay.clone(), "2026-11-22 12:00:00", false),
            // Signed by the same middle certificate, and not UnionPay's.
            (merchant, "2016-06-01 12:00:00", false),
            (text("acp_test_middle.cer"), "2016-06-01 12:00:00", false),
            (text("channel_cert.pem"), "2026-11-22 12:00:00", false),
            ("no certificate".to_owned(), "2016-06-01 12:00:00", false),
        ] {
            assert_eq!(trust.key_of(&pem, at(now)).is_some(), good, "{now} {pem}");
        }
        let production = Trust {
            test: false,
            ..trust
        };
        assert!(
            production
                .key_of(&unionpay, at("2016-06-01 12:00:00"))
                .is_none()
        );
        assert!(production.names_unionpay("041@8310000000083040@中国银联股份有限公司@00016493"));
        for wrong in [
            "中国银联股份有限公司",
            "041@中国银联股份有限公司@1",
            "041@1@00040000:SIGN@5",
        ] {
            assert!(!production.names_unionpay(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_pair_that_does_not_belong_together_is_refused() {
        assert!(trust(true).is_ok());
        assert!(
            matches!(trust(false), Err(TrustFault::Root(_))),
            "SHA-1 is for the test only"
        );
        let (middle, root) = (file("acp_test_middle.cer"), file("acp_test_root.cer"));
        let open = |middle: &[u8], root: &[u8]| Trust::open(middle, root, true);
        assert!(matches!(open(&middle, &middle), Err(TrustFault::Root(_))));
        assert!(matches!(open(&root, b""), Err(TrustFault::Root(_))));
        assert!(matches!(open(b"", &root), Err(TrustFault::Middle(_))));
        let leaf = file("acp_test_sign_cert.pem");
        assert!(matches!(open(&leaf, &root), Err(TrustFault::Middle(_))));
    }
}
