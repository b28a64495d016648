//! The merchant's own key and the certificate by which UnionPay knows it.

use super::fault;
use crate::cert::Certificate;
use crate::config::{ConfigError, UnionpayConfig, read_file};
use crate::crypto::{KeyFault, Signer, SigningThreads};
use p12_keystore::Pkcs12Archive;
use std::path::Path;
use std::sync::Arc;

/// What the merchant signs with.
pub(super) struct Merchant {
    pub signer: Signer,
    /// The decimal serial of the signing certificate: `certId`.
    pub cert_id: String,
}

impl Merchant {
    /// Reads the PFX, or the PEM key with the certificate beside it.
    pub fn open(
        config: &UnionpayConfig,
        dir: &Path,
        threads: Arc<SigningThreads>,
    ) -> Result<Merchant, ConfigError> {
        let bytes = read_file(dir, &config.signing_key)?;
        let key_fault = fault("unionpay.signing_key", &config.signing_key);
        let certificate = match &config.signing_cert {
            Some(path) => Some((
                path,
                Certificate::parse_pem(&read_file(dir, path)?)
                    .map_err(fault("unionpay.signing_cert", path))?,
            )),
            None => None,
        };
        if bytes.starts_with(b"-----BEGIN") {
            let (path, certificate) = certificate.ok_or(ConfigError::Incomplete {
                section: "unionpay",
                what: "a signing_key in PEM needs signing_cert",
            })?;
            let signer = Signer::parse(&bytes, threads).map_err(key_fault)?;
            if !signer.belongs_to(&certificate.public_key) {
                let what = "it is not the certificate of signing_key";
                return Err(fault("unionpay.signing_cert", path)(what));
            }
            return Ok(Merchant {
                signer,
                cert_id: certificate.serial_decimal,
            });
        }
        let password = config.signing_key_password.as_ref();
        let password = password.ok_or(ConfigError::Incomplete {
            section: "unionpay",
            what: "a signing_key in PFX needs signing_key_password",
        })?;
        let given = certificate.map(|(_, certificate)| certificate);
        open_pfx(&bytes, password.expose(), given, threads).map_err(key_fault)
    }
}

/// The key of a PFX, and the certificate inside or beside it that belongs to it.
fn open_pfx(
    bytes: &[u8],
    password: &str,
    given: Option<Certificate>,
    threads: Arc<SigningThreads>,
) -> Result<Merchant, KeyFault> {
    let archive = Pkcs12Archive::from_pkcs12(bytes, password)
        .map_err(|_| "this is no PFX, or the password is another")?;
    let [key] = archive.keys.as_slice() else {
        return Err("the PFX does not hold exactly one private key");
    };
    let signer = Signer::from_pkcs8(key.key.as_der(), threads)?;
    let inside = archive.certs.iter();
    let inside = inside.filter_map(|bag| Certificate::parse(bag.cert.as_der()).ok());
    let certificate = given
        .into_iter()
        .chain(inside)
        .find(|certificate| signer.belongs_to(&certificate.public_key))
        .ok_or("the PFX holds no certificate of its key")?;
    Ok(Merchant {
        signer,
        cert_id: certificate.serial_decimal,
    })
}
