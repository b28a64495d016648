//! Hashes of what is written, while it is written.

use super::packing::UNPACKED_BYTES_MAX;
use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use data_encoding::HEXLOWER;
use flate2::write::MultiGzDecoder;
use std::io::{Error, ErrorKind, Read, Write};

/// SHA-256 and length of what is read.
///
/// # Errors
///
/// What reading says.
pub fn hash_of(mut file: impl Read) -> std::io::Result<([u8; 32], u64)> {
    let mut hash = Context::new(&SHA256);
    let (mut chunk, mut length) = (vec![0; 64 * 1024], 0_u64);
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            let mut sha256 = [0; 32];
            sha256.copy_from_slice(hash.finish().as_ref());
            return Ok((sha256, length));
        }
        hash.update(&chunk[..count]);
        length += u64::try_from(count).unwrap_or(0);
    }
}

/// Hashes what is unpacked, and unpacks no more than a bill can be.
struct Hasher {
    hash: Context,
    left: u64,
}

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let left = self.left.checked_sub(length);
        self.left = left.ok_or_else(|| {
            let what = "the bill unpacks to more than a bill can be";
            Error::new(ErrorKind::InvalidData, what)
        })?;
        self.hash.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

enum Plain {
    Plain(Hasher),
    Gzip(Box<MultiGzDecoder<Hasher>>),
}

/// Passes a raw file on and makes the SHA-1 of its plain text, as WeChat Pay tells it.
pub(crate) struct PlainHash<'w> {
    raw: &'w mut (dyn Write + Send),
    plain: Plain,
}

impl<'w> PlainHash<'w> {
    pub fn new(raw: &'w mut (dyn Write + Send), gzip: bool) -> PlainHash<'w> {
        let hasher = Hasher {
            hash: Context::new(&SHA1_FOR_LEGACY_USE_ONLY),
            left: UNPACKED_BYTES_MAX,
        };
        let plain = if gzip {
            Plain::Gzip(Box::new(MultiGzDecoder::new(hasher)))
        } else {
            Plain::Plain(hasher)
        };
        PlainHash { raw, plain }
    }

    /// The hash in lower-case hex.
    pub fn finish(self) -> std::io::Result<String> {
        let hasher = match self.plain {
            Plain::Plain(hasher) => hasher,
            Plain::Gzip(decoder) => decoder.finish()?,
        };
        Ok(HEXLOWER.encode(hasher.hash.finish().as_ref()))
    }
}

impl Write for PlainHash<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.raw.write_all(bytes)?;
        match &mut self.plain {
            Plain::Plain(hasher) => hasher.write_all(bytes)?,
            Plain::Gzip(decoder) => decoder.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.raw.flush()
    }
}
