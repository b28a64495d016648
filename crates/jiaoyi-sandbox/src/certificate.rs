//! Answers for: what the sandbox reads out of X.509 certificates: serial numbers in both spellings,
//! public keys, and Alipay's certificate serials (`app_cert_sn`, `alipay_root_cert_sn`).

use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

use crate::crypto::{md5_hex, pem_blocks};

/// The RSA signature algorithms: the prefix of the certificates that count for the root serial.
const RSA_SIGNATURES: &str = "1.2.840.113549.1.1";

/// The parts of one certificate that the channels use.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    /// Upper-case hex, as WeChat writes it.
    pub(crate) serial_hex: String,
    /// Decimal, as UnionPay writes it.
    pub(crate) serial_decimal: String,
    /// md5 of the reversed issuer name and the decimal serial, as Alipay writes it.
    pub(crate) alipay_sn: String,
    /// SubjectPublicKeyInfo.
    pub(crate) public_key_der: Vec<u8>,
    /// RSAPublicKey, the inner part of the former.
    pub(crate) public_key_inner: Vec<u8>,
    pub(crate) pem: String,
    pub(crate) not_before_s: i64,
    pub(crate) not_after_s: i64,
}

impl Certificate {
    /// Reads the first certificate of a PEM text.
    pub(crate) fn from_pem(text: &str) -> Option<Certificate> {
        let der = pem_blocks(text, "CERTIFICATE").into_iter().next()?;
        let (_, parsed) = X509Certificate::from_der(&der).ok()?;
        let hex: String = parsed
            .raw_serial()
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        Some(Certificate {
            serial_hex: hex.strip_prefix("00").unwrap_or(&hex).to_owned(),
            serial_decimal: parsed.tbs_certificate.serial.to_string(),
            alipay_sn: alipay_sn(&parsed),
            public_key_der: parsed.public_key().raw.to_vec(),
            public_key_inner: parsed.public_key().subject_public_key.data.to_vec(),
            pem: text.to_owned(),
            not_before_s: parsed.validity().not_before.timestamp(),
            not_after_s: parsed.validity().not_after.timestamp(),
        })
    }
}

/// Alipay's root serial: those of all RSA-signed certificates of the bundle, joined by `_`.
/// Certificates that do not parse (the real bundle holds SM2 ones) are skipped.
pub(crate) fn alipay_root_sn(bundle: &str) -> Option<String> {
    let mut serials = Vec::new();
    for der in pem_blocks(bundle, "CERTIFICATE") {
        let Ok((_, parsed)) = X509Certificate::from_der(&der) else {
            continue;
        };
        if parsed
            .signature_algorithm
            .algorithm
            .to_id_string()
            .starts_with(RSA_SIGNATURES)
        {
            serials.push(alipay_sn(&parsed));
        }
    }
    (!serials.is_empty()).then(|| serials.join("_"))
}

fn alipay_sn(certificate: &X509Certificate<'_>) -> String {
    let text =
        reversed_name(certificate.issuer()) + &certificate.tbs_certificate.serial.to_string();
    md5_hex(text.as_bytes())
}

/// `CN=…,OU=…,O=…,C=…`: the issuer's attributes from last to first.
fn reversed_name(name: &X509Name<'_>) -> String {
    let mut parts = Vec::new();
    for attribute in name.iter_attributes() {
        let oid = attribute.attr_type().to_id_string();
        let short = match oid.as_str() {
            "2.5.4.3" => "CN",
            "2.5.4.6" => "C",
            "2.5.4.7" => "L",
            "2.5.4.8" => "ST",
            "2.5.4.10" => "O",
            "2.5.4.11" => "OU",
            other => other,
        };
        parts.push(format!(
            "{short}={}",
            attribute.as_str().unwrap_or_default()
        ));
    }
    parts.reverse();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{SigningKey, VerifyingKey};

    /// Expected values from alipay/alipay-sdk-nodejs-all@e167639, test/antcertutil.test.ts.
    #[test]
    fn alipay_serials_are_those_of_the_official_library() {
        let app = include_str!("../testdata/appCertPublicKey_2021001161683774.crt");
        let alipay = include_str!("../testdata/alipayCertPublicKey_RSA2.crt");
        let root = include_str!("../testdata/alipayRootCert.crt");
        let sn = |pem| Certificate::from_pem(pem).map(|certificate| certificate.alipay_sn);
        assert_eq!(sn(app).as_deref(), Some("866efef280dec9137a87d047ac446315"));
        assert_eq!(
            sn(alipay).as_deref(),
            Some("7513daaaa48aa3ba2e4018d84402479c")
        );
        let expected = "687b59193f3f462dd5336e5abf83c5d8_02941eef3187dddf3d3b83462e1dfcf6";
        assert_eq!(alipay_root_sn(root).as_deref(), Some(expected));
        assert_eq!(alipay_root_sn("no certificate"), None);
    }

    /// From wechatpay-apiv3/wechatpay-java@1dab7be, RSAVerifierTest.
    #[test]
    fn a_signature_of_the_official_java_library_is_made_and_verified_alike() {
        let text = include_str!("../testdata/wx-rsa-java.json");
        let vector: serde_json::Value = serde_json::from_str(text).unwrap();
        let field = |name: &str| vector[name].as_str().unwrap();
        let certificate = Certificate::from_pem(field("certificate")).unwrap();
        assert_eq!(certificate.serial_hex, field("certificate_serial_hex"));
        let key = VerifyingKey::from_der(&certificate.public_key_der).unwrap();
        let (message, signature) = (field("message").as_bytes(), field("signature"));
        assert!(key.verifies(message, signature));
        assert!(!key.verifies(b"massage", signature));
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            field("private_key_der_base64")
        );
        assert_eq!(SigningKey::from_pem(&pem).unwrap().sign(message), signature);
    }
}
