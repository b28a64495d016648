//! Zip and gzip, unpacked piece by piece and within limits.

use super::{BillFault, Source};
use encoding_rs::GBK;
use flate2::Crc;
use flate2::read::{DeflateDecoder, MultiGzDecoder};
use std::io::{BufReader, Error, ErrorKind, Read, Seek, SeekFrom, Take};
use zip::{CompressionMethod, ZipArchive};

/// No bill unpacks to more: a day of several million transactions.
pub(super) const UNPACKED_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// No channel packs more files into one zip.
const ENTRIES_MAX: usize = 16;

/// One file in a zip.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub name: String,
    start: u64,
    packed: u64,
    plain: u64,
    crc: u32,
    deflated: bool,
}

/// The files of a zip.
pub(super) fn entries(file: &mut (impl Read + Seek)) -> Result<Vec<Entry>, BillFault> {
    let mut archive = ZipArchive::new(file).map_err(BillFault::packing)?;
    if archive.len() > ENTRIES_MAX {
        let what = format!("{} files are in the zip", archive.len());
        return Err(BillFault::packing(what));
    }
    let mut entries = Vec::new();
    let mut sum = 0_u64;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(BillFault::packing)?;
        let name = name_of(entry.name_raw());
        // Nothing is ever written under an entry's name; but no channel packs folders.
        if name.contains(['/', '\\', '\0']) {
            return Err(BillFault::packing(format!("{name:?} leads elsewhere")));
        }
        let deflated = match entry.compression() {
            CompressionMethod::Deflated => true,
            CompressionMethod::Stored => false,
            other => {
                let what = format!("{name} is packed by {other}");
                return Err(BillFault::packing(what));
            }
        };
        let start = entry.data_start().filter(|_| !entry.encrypted());
        sum = sum.saturating_add(entry.size());
        entries.push(Entry {
            start: start.ok_or_else(|| BillFault::packing(format!("{name} is encrypted")))?,
            packed: entry.compressed_size(),
            plain: entry.size(),
            crc: entry.crc32(),
            name,
            deflated,
        });
    }
    if sum > UNPACKED_BYTES_MAX {
        let what = format!("it would unpack to {sum} bytes");
        return Err(BillFault::packing(what));
    }
    Ok(entries)
}

/// Names are GBK without a mark; whoever packed again may have written UTF-8.
fn name_of(raw: &[u8]) -> String {
    match std::str::from_utf8(raw) {
        Ok(name) => name.to_owned(),
        Err(_) => GBK.decode(raw).0.into_owned(),
    }
}

/// The only entry that `is` describes.
pub(super) fn only<'a>(
    entries: &'a [Entry],
    what: &str,
    is: impl Fn(&str) -> bool,
) -> Result<&'a Entry, BillFault> {
    let mut found = entries.iter().filter(|entry| is(&entry.name));
    match (found.next(), found.next()) {
        (Some(entry), None) => Ok(entry),
        (None, _) => Err(BillFault::packing(format!("there is no {what} in the zip"))),
        (Some(_), Some(_)) => {
            let what = format!("there is more than one {what} in the zip");
            Err(BillFault::packing(what))
        }
    }
}

enum Packed<R> {
    Stored(Take<R>),
    Deflated(Box<DeflateDecoder<BufReader<Take<R>>>>),
}

/// An entry being unpacked: its length and checksum have to be those of the zip's directory.
pub(super) struct Unpacked<R> {
    packed: Packed<R>,
    left: u64,
    crc: Crc,
    expected: u32,
}

impl<R: Read + Seek> Unpacked<R> {
    /// Begins to unpack an entry of `file`.
    pub fn open(mut file: R, entry: &Entry) -> Result<Unpacked<R>, BillFault> {
        file.seek(SeekFrom::Start(entry.start))
            .map_err(BillFault::packing)?;
        let raw = file.take(entry.packed);
        Ok(Unpacked {
            packed: if entry.deflated {
                Packed::Deflated(Box::new(DeflateDecoder::new(BufReader::new(raw))))
            } else {
                Packed::Stored(raw)
            },
            left: entry.plain,
            crc: Crc::new(),
            expected: entry.crc,
        })
    }
}

impl<R: Read + Send + 'static> Unpacked<R> {
    pub fn boxed(self) -> Box<dyn Read + Send> {
        Box::new(self)
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = match &mut self.packed {
            Packed::Stored(raw) => raw.read(out)?,
            Packed::Deflated(raw) => raw.read(out)?,
        };
        let wrong = |what: &str| Err(Error::new(ErrorKind::InvalidData, what));
        let length = u64::try_from(count).unwrap_or(u64::MAX);
        let Some(left) = self.left.checked_sub(length) else {
            return wrong("the file is longer than the zip says");
        };
        self.left = left;
        self.crc.update(&out[..count]);
        if count == 0 && !out.is_empty() {
            if left > 0 {
                return wrong("the file is shorter than the zip says");
            }
            if self.crc.sum() != self.expected {
                return wrong("the file's checksum is wrong");
            }
        }
        Ok(count)
    }
}

/// Refuses to give more than a bill can be.
pub(super) struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R> Bounded<R> {
    pub const fn new(inner: R, most: u64) -> Bounded<R> {
        Bounded { inner, left: most }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(out)?;
        let length = u64::try_from(count).unwrap_or(u64::MAX);
        match self.left.checked_sub(length) {
            Some(left) => self.left = left,
            None => {
                let what = "the bill unpacks to more than a bill can be";
                return Err(Error::new(ErrorKind::InvalidData, what));
            }
        }
        Ok(count)
    }
}

/// The plain text of a file that is a gzip or plain.
pub(super) fn plain_or_gzip(
    mut file: impl Source,
    most: u64,
) -> Result<Box<dyn Read + Send>, BillFault> {
    let mut magic = [0; 2];
    let mut begin = || -> std::io::Result<bool> {
        file.rewind()?;
        let gzip = file.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
        file.rewind()?;
        Ok(gzip)
    };
    let gzip = begin().map_err(BillFault::packing)?;
    Ok(if gzip {
        let unpacked = MultiGzDecoder::new(BufReader::new(file));
        Box::new(Bounded::new(unpacked, most))
    } else {
        Box::new(Bounded::new(file, most))
    })
}
