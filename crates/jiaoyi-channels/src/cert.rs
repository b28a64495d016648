//! What is read from an X.509 certificate: its serial, its issuer and its public key.

use crate::crypto::KeyFault;
use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::{Decode, Encode};

/// The parts of a certificate that the channels use.
pub(crate) struct Certificate {
    /// The serial as upper-case hex without leading zeros: WeChat's name of the key.
    pub serial: String,
    /// Alipay's name of the certificate (`app_cert_sn`, `alipay_cert_sn`).
    pub alipay_sn: String,
    /// The serial in decimal: UnionPay's name of the key (`certId`).
    pub serial_decimal: String,
    /// Whether the certificate is signed with RSA.
    pub rsa_signed: bool,
    /// SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
}

impl Certificate {
    /// Reads one certificate from DER. Validity and chain are not checked: the file is trusted.
    pub fn parse(der: &[u8]) -> Result<Certificate, KeyFault> {
        let fault = |_| "this is no X.509 certificate";
        let certificate = CertificateInner::<Raw>::from_der(der).map_err(fault)?;
        let body = certificate.tbs_certificate();
        let serial = body.serial_number().as_bytes();
        let algorithm = certificate.signature_algorithm().oid.to_string();
        Ok(Certificate {
            serial: hex_serial(serial),
            serial_decimal: decimal(serial),
            alipay_sn: alipay_sn(&body.issuer().to_string(), serial),
            rsa_signed: algorithm.starts_with("1.2.840.113549.1.1"),
            public_key: body.subject_public_key_info().to_der().map_err(fault)?,
        })
    }

    /// Reads every certificate of a PEM bundle that can be read.
    ///
    /// Alipay's root bundle also holds SM2 certificates that X.509 readers may reject; they are
    /// not used with RSA and are skipped.
    pub fn parse_bundle(pem: &[u8]) -> Vec<Certificate> {
        CertificateDer::pem_slice_iter(pem)
            .filter_map(Result::ok)
            .filter_map(|der| Certificate::parse(&der).ok())
            .collect()
    }

    /// Reads the first certificate of a PEM file.
    pub fn parse_pem(pem: &[u8]) -> Result<Certificate, KeyFault> {
        let der = CertificateDer::from_pem_slice(pem).map_err(|_| "there is no certificate")?;
        Certificate::parse(&der)
    }
}

/// Alipay's name of a root bundle: the names of its RSA-signed certificates, joined.
pub(crate) fn alipay_root_sn(bundle: &[Certificate]) -> String {
    bundle
        .iter()
        .filter(|certificate| certificate.rsa_signed)
        .map(|certificate| certificate.alipay_sn.as_str())
        .collect::<Vec<_>>()
        .join("_")
}

/// md5 of the issuer, most specific part first, followed by the serial in decimal.
fn alipay_sn(issuer: &str, serial: &[u8]) -> String {
    HEXLOWER.encode(&Md5::digest(format!("{issuer}{}", decimal(serial))))
}

fn hex_serial(serial: &[u8]) -> String {
    let hex = data_encoding::HEXUPPER.encode(serial);
    hex.strip_prefix("00").map(str::to_owned).unwrap_or(hex)
}

/// A big-endian number in decimal.
fn decimal(bytes: &[u8]) -> String {
    let mut digits = vec![0_u8];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            let value = u32::from(*digit) * 256 + carry;
            *digit = u8::try_from(value % 10).unwrap_or(0);
            carry = value / 10;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 10).unwrap_or(0));
            carry /= 10;
        }
    }
    digits
        .iter()
        .rev()
        .map(|digit| char::from(b'0' + digit))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn big_numbers_are_printed_in_decimal() {
        for (bytes, text) in [
            (&[0_u8][..], "0"),
            (&[0, 255], "255"),
            (&[1, 0, 0, 0, 0], "4294967296"),
            (&[0x10, 0x02, 0x5a, 0x4e, 0x8d], "68758949517"),
        ] {
            assert_eq!(decimal(bytes), text);
        }
    }
}
