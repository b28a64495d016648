//! The key file of an installation: made once, read at every start, never overwritten.

use crate::config::hinted;
use crate::edge;
use crate::exit::Exit;
use jiaoyi_crypto::keyring::Keyring;
use jiaoyi_crypto::{Algorithm, Cipher};
use std::io::Write;
use std::path::Path;

/// Reads a key file.
pub fn load(path: &Path) -> Result<Keyring, Exit> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let missing = "restore it; for a new installation make it with `jiaoyi keys new`";
        Exit::unread_or(path, &error, missing)
    })?;
    Keyring::parse(&text)
        .map_err(|error| Exit::usage(hinted(&format!("{}: {error}", path.display()))))
}

/// Draws new keys and writes them where no file is yet, for the owner's eyes only: ES256 and AES,
/// or with `chinese` SM2 and SM4.
pub fn make(path: &Path, chinese: bool) -> Result<Keyring, Exit> {
    let (cipher, algorithm) = if chinese {
        (Cipher::Sm4Gcm, Algorithm::Sm2)
    } else {
        (Cipher::Aes256Gcm, Algorithm::Es256)
    };
    let random = edge::random();
    let keyring = Keyring::generate_with(cipher, algorithm, &mut |bytes| random(bytes));
    write_secret(path, &keyring.to_toml()).map_err(|error| Exit::unwritten(path, &error))?;
    Ok(keyring)
}

/// A key file's keys, with keys that sign answers to institutions if it has none yet.
pub fn with_answer_keys(path: &Path, mut keyring: Keyring) -> Result<Keyring, Exit> {
    if keyring.answer_keys().next().is_none() {
        let random = edge::random();
        let drawn = keyring.add_answer_keys(&mut |bytes| random(bytes));
        drawn.map_err(Exit::unexpected)?;
        replace(path, &keyring)?;
    }
    Ok(keyring)
}

/// Writes a changed key file in the place of the old one: whole, or not at all.
pub fn replace(path: &Path, keyring: &Keyring) -> Result<(), Exit> {
    let next = path.with_extension("toml.next");
    write_secret(&next, &keyring.to_toml()).map_err(|error| Exit::unwritten(&next, &error))?;
    std::fs::rename(&next, path).map_err(|error| Exit::unwritten(path, &error))
}

/// Writes a new file that its owner alone may read, and has it on disk: what is sealed with a key
/// that was lost cannot be read again.
fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
