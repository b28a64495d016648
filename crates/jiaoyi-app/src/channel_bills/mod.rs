//! Bills of the channels (渠道账单): fetched once, kept raw with their hash, and read again when they
//! are needed.
//!
//! The raw file lies in the folder of bills; the row [`KeptBill`] holds its SHA-256. The row is
//! written after the file, so a process that dies between them fetches again.

mod compare;

pub use compare::{BillDifference, BillReport, Differs};

use crate::platform::Platform;
use futures_util::FutureExt;
use jiaoyi_channels::{BillFault, BillOutcome, BillReader, Bills, hash_of};
use jiaoyi_domain::bill::{BillName, BillSort, BillTotals, KeptBill, RawFile};
use jiaoyi_domain::channel::{ChannelCode, channel_day};
use jiaoyi_domain::time::{DAY_MS, Date, HOUR_MS, Instant};
use jiaoyi_store::StoreError;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

/// How many days back the daily job looks for bills that are not here yet.
const DAYS_BACK: i64 = 7;
/// A bill that is absent so long after the channel's hour will never be there.
const ABSENT_FOR_GOOD_MS: i64 = DAY_MS;
/// Lines that are read before others get their turn.
const LINES_AT_ONCE: usize = 1_000;
/// How put-off work of this kind is named.
const WORK: &str = "bill";

/// What came of asking for a bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchedBill {
    /// Fetched now, or the channel says now that there is none.
    Now(KeptBill),
    /// Kept before; nothing was fetched.
    Before(KeptBill),
    /// The channel has not made it yet.
    NotYet,
}

/// Why there is no bill.
#[derive(Debug, thiserror::Error)]
pub enum BillError {
    /// This installation keeps no bills.
    #[error("no folder for bills is configured")]
    NoFolder,
    /// The channel is not configured.
    #[error("the channel {} is not configured", .0.code())]
    NoChannel(ChannelCode),
    /// The channel's day is not over.
    #[error("the day {0} is not over at the channel")]
    NotOver(Date),
    /// The channel gave no usable answer.
    #[error("fetching the bill: {why}")]
    Unavailable {
        /// What happened instead.
        why: String,
    },
    /// The bill is not to be believed; it lies aside, to be looked at.
    #[error("{}: {fault}", path.display())]
    Refused {
        /// Where it lies.
        path: PathBuf,
        /// What is wrong.
        fault: BillFault,
    },
    /// The kept file is not the one that was fetched.
    #[error("{}: this is not the file that was fetched; bring it back from a backup", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The store's trouble.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BillError {
    /// Stable code for metrics and tests.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            BillError::NoFolder => "bill.no_folder",
            BillError::NoChannel(_) => "bill.no_channel",
            BillError::NotOver(_) => "bill.not_over",
            BillError::Unavailable { .. } => "bill.unavailable",
            BillError::Refused { .. } => "bill.refused",
            BillError::Changed { .. } => "bill.changed",
            BillError::File { .. } => "bill.file",
            BillError::Store(_) => "bill.store",
        }
    }

    fn file(path: &Path) -> impl FnOnce(io::Error) -> BillError + '_ {
        |source| BillError::File {
            path: path.to_owned(),
            source,
        }
    }
}

/// A file that is being fetched, and the hash of what has come.
struct Incoming {
    path: PathBuf,
    file: File,
    hash: Sha256,
    bytes: u64,
    /// The first bytes tell the packing.
    magic: Vec<u8>,
}

impl Incoming {
    fn create(path: PathBuf) -> Result<Incoming, BillError> {
        let file = File::create_new(&path).map_err(BillError::file(&path))?;
        Ok(Incoming {
            path,
            file,
            hash: Sha256::new(),
            bytes: 0,
            magic: Vec::new(),
        })
    }

    const fn extension(&self) -> &'static str {
        match self.magic.as_slice() {
            [0x1f, 0x8b] => "csv.gz",
            [b'P', b'K'] => "zip",
            _ => "csv",
        }
    }
}

impl Write for Incoming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.bytes += u64::try_from(count).unwrap_or(0);
        let missing = 2_usize.saturating_sub(self.magic.len());
        let first = bytes[..count].iter().take(missing);
        self.magic.extend(first);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// When a day's bill can be there.
fn ready_at(bills: &dyn Bills, day: Date) -> Instant {
    Instant::end_of(day).plus_ms(bills.ready_hour() * HOUR_MS)
}

fn plus_days(day: Date, days: i64) -> Date {
    Instant::start_of(day).plus_ms(days * DAY_MS).date()
}

impl Platform {
    /// Fetches a bill and keeps it, unless it is kept already.
    ///
    /// # Errors
    ///
    /// [`BillError`]; nothing is kept then.
    pub async fn fetch_bill(
        &self,
        channel: ChannelCode,
        sort: BillSort,
        day: Date,
    ) -> Result<FetchedBill, BillError> {
        let folder = self.config.bills.as_ref().ok_or(BillError::NoFolder)?;
        let bills = self.channels.bills(channel);
        let bills = bills.ok_or(BillError::NoChannel(channel))?;
        let now = self.now();
        if day >= channel_day(channel, now) {
            return Err(BillError::NotOver(day));
        }
        let name = BillName {
            channel,
            merchant: bills.merchant().to_owned(),
            sort,
            day,
        };
        let known: Option<KeptBill> = self.store.load(&KeptBill::key_of(&name)).await?;
        if let Some(known) = &known
            && (known.is_none() || folder.join(&known.file).exists())
        {
            return Ok(FetchedBill::Before(known.clone()));
        }
        let place = folder.join(channel.code()).join(&name.merchant);
        fs::create_dir_all(&place).map_err(BillError::file(&place))?;
        let part = format!("{day}.{}.{}.part", sort.code(), self.nonce_text());
        let mut incoming = Incoming::create(place.join(part))?;
        let nonces = [self.nonce_text(), self.nonce_text()];
        let outcome = bills.fetch(sort, day, &mut incoming, now, nonces).await;
        let kept = match outcome {
            BillOutcome::Ready => self.keep(&*bills, &name, incoming, known.as_ref()).await,
            BillOutcome::Refused(fault) => Err(aside(&name, &incoming.path, fault)),
            BillOutcome::NoBill => self.none(&name, &incoming.path).await,
            BillOutcome::Absent => {
                if now.since_ms(ready_at(&*bills, day)) < ABSENT_FOR_GOOD_MS {
                    forget(&incoming.path);
                    return Ok(FetchedBill::NotYet);
                }
                self.none(&name, &incoming.path).await
            }
            BillOutcome::NotYet => {
                forget(&incoming.path);
                return Ok(FetchedBill::NotYet);
            }
            BillOutcome::Unknown { why } => {
                forget(&incoming.path);
                Err(BillError::Unavailable { why })
            }
        };
        kept.map(FetchedBill::Now)
    }

    /// Records that the channel has no bill of a day.
    async fn none(&self, name: &BillName, part: &Path) -> Result<KeptBill, BillError> {
        forget(part);
        let kept = KeptBill::new(name, None, &BillTotals::default(), self.now());
        self.store.append(&kept).await?;
        Ok(kept)
    }

    /// Reads a fetched bill through, and keeps it when it is whole.
    async fn keep(
        &self,
        bills: &dyn Bills,
        name: &BillName,
        incoming: Incoming,
        known: Option<&KeptBill>,
    ) -> Result<KeptBill, BillError> {
        let part = incoming.path.clone();
        let in_file = |source| BillError::File {
            path: part.clone(),
            source,
        };
        incoming.file.sync_all().map_err(in_file)?;
        let totals = match read_through(bills, name, &part).await {
            Ok(totals) => totals,
            Err(fault) => return Err(aside(name, &part, fault)),
        };
        let file = format!("{}.{}.{}", name.day, name.sort.code(), incoming.extension());
        let path = part.with_file_name(&file);
        let raw = RawFile {
            name: format!("{}/{}/{file}", name.channel.code(), name.merchant),
            sha256: incoming.hash.finalize().into(),
            bytes: incoming.bytes,
        };
        if known.is_some_and(|known| known.sha256 != raw.sha256) {
            forget(&part);
            return Err(BillError::Changed { path });
        }
        fs::rename(&part, &path).map_err(BillError::file(&path))?;
        if let Some(folder) = path.parent() {
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(BillError::file(folder))?;
        }
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let kept = KeptBill::new(name, Some(raw), &totals, self.now());
        self.store.append(&kept).await?;
        Ok(kept)
    }

    /// The kept bill of a name.
    ///
    /// # Errors
    ///
    /// The store's trouble.
    pub async fn kept_bill(
        &self,
        channel: ChannelCode,
        sort: BillSort,
        day: Date,
    ) -> Result<Option<KeptBill>, BillError> {
        let gateway = self.gateway(channel);
        let gateway = gateway.ok_or(BillError::NoChannel(channel))?;
        let name = BillName {
            channel,
            merchant: gateway.merchant().to_owned(),
            sort,
            day,
        };
        Ok(self.store.load(&KeptBill::key_of(&name)).await?)
    }

    /// Where the raw file of a kept bill lies.
    ///
    /// # Errors
    ///
    /// [`BillError::NoFolder`].
    pub fn bill_path(&self, kept: &KeptBill) -> Result<PathBuf, BillError> {
        let folder = self.config.bills.as_ref().ok_or(BillError::NoFolder)?;
        Ok(folder.join(&kept.file))
    }

    /// Opens the raw file of a kept bill, once its hash is right. Blocks while it is hashed.
    ///
    /// # Errors
    ///
    /// [`BillError::Changed`] for any other file, [`BillError::File`] and [`BillError::Refused`].
    pub fn read_bill(&self, kept: &KeptBill) -> Result<BillReader, BillError> {
        let path = self.bill_path(kept)?;
        let file = File::open(&path).map_err(BillError::file(&path))?;
        let (sha256, _) = hash_of(&file).map_err(BillError::file(&path))?;
        if sha256 != kept.sha256 {
            return Err(BillError::Changed { path });
        }
        let bills = self.channels.bills(kept.channel);
        let bills = bills.ok_or(BillError::NoChannel(kept.channel))?;
        let opened = bills.read(kept.name(), file);
        opened.map_err(|fault| BillError::Refused { path, fault })
    }

    /// Fetches the bills of the last days that are due and not here yet; how many were settled.
    ///
    /// A job: what is not there yet or fails is put off, and tried again.
    pub async fn fetch_due_bills(&self) -> u32 {
        if self.config.bills.is_none() {
            return 0;
        }
        let mut settled = 0;
        for channel in ChannelCode::ALL {
            let Some(bills) = self.channels.bills(channel) else {
                continue;
            };
            let today = channel_day(channel, self.now());
            for day in (1..=DAYS_BACK).rev().map(|back| plus_days(today, -back)) {
                if self.now() < ready_at(&*bills, day) {
                    continue;
                }
                for sort in bills.daily() {
                    settled += u32::from(self.fetch_due_bill(channel, *sort, day).await);
                }
            }
        }
        settled
    }

    /// Whether a bill that was due has come, or is known not to exist.
    async fn fetch_due_bill(&self, channel: ChannelCode, sort: BillSort, day: Date) -> bool {
        let subject = format!("{} {} {day}", channel.code(), sort.code());
        if self.put_off.waits(WORK, &subject, self.now()) {
            return false;
        }
        let fetched = AssertUnwindSafe(self.fetch_bill(channel, sort, day));
        let settled = match fetched.catch_unwind().await {
            Ok(Ok(FetchedBill::Now(_))) => Some(true),
            Ok(Ok(FetchedBill::Before(_))) => Some(false),
            Ok(Ok(FetchedBill::NotYet)) => {
                tracing::info!(subject, "the bill is not there yet");
                None
            }
            Ok(Err(error)) => {
                let code = error.code();
                tracing::error!(subject, code, %error, "a bill was not fetched and is put off");
                None
            }
            Err(_) => {
                tracing::error!(subject, "fetching a bill panicked and is put off");
                None
            }
        };
        match settled {
            Some(_) => self.put_off.went_well(WORK, &subject),
            None => self.put_off.failed(WORK, &subject, self.now()),
        }
        settled == Some(true)
    }
}

/// What the lines of a whole bill make; others get their turn in between.
async fn read_through(
    bills: &dyn Bills,
    name: &BillName,
    path: &Path,
) -> Result<BillTotals, BillFault> {
    let file = File::open(path).map_err(|error| BillFault::Packing {
        what: error.to_string(),
    })?;
    let mut reader = bills.read(name.clone(), file)?;
    let mut count = 0_usize;
    for line in reader.by_ref() {
        line?;
        count += 1;
        if count.is_multiple_of(LINES_AT_ONCE) {
            tokio::task::yield_now().await;
        }
    }
    Ok(*reader.totals())
}

/// Lays a bill that is not believed aside, over the one before it.
fn aside(name: &BillName, part: &Path, fault: BillFault) -> BillError {
    let refused = format!("{}.{}.refused", name.day, name.sort.code());
    let path = part.with_file_name(refused);
    match fs::rename(part, &path) {
        Ok(()) => BillError::Refused { path, fault },
        Err(_) => BillError::Refused {
            path: part.to_owned(),
            fault,
        },
    }
}

/// Removes what came of a fetch that brought nothing.
fn forget(part: &Path) {
    match fs::remove_file(part) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(path = %part.display(), %error, "a file was left behind"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::tests::world::TempFile;

    #[test]
    fn a_file_is_called_after_its_first_bytes_and_hashed_as_it_comes() {
        for (bytes, extension) in [
            (vec![0x1f, 0x8b, 8, 0], "csv.gz"),
            (b"PK\x03\x04".to_vec(), "zip"),
            (b"a,b\r\n".to_vec(), "csv"),
            (Vec::new(), "csv"),
        ] {
            let temp = TempFile::new("incoming");
            let path = temp.0.clone();
            let mut incoming = Incoming::create(path.clone()).unwrap();
            // The first bytes may come one by one.
            for byte in &bytes {
                incoming.write_all(&[*byte]).unwrap();
            }
            incoming.flush().unwrap();
            assert_eq!(incoming.extension(), extension);
            assert_eq!(incoming.bytes, bytes.len() as u64);
            assert_eq!(incoming.hash.clone().finalize(), Sha256::digest(&bytes));
            assert_eq!(fs::read(&path).unwrap(), bytes);
            assert!(
                Incoming::create(path.clone()).is_err(),
                "nothing is written over"
            );
            forget(&path);
            assert!(!path.exists());
            forget(&path);
        }
    }

    #[test]
    fn every_failure_has_a_code_of_its_own() {
        let path = PathBuf::from("bill");
        let source = || io::Error::other("broken");
        let day = Date::constant(2026, 11, 18);
        let all = [
            BillError::NoFolder,
            BillError::NoChannel(ChannelCode::Wechat),
            BillError::NotOver(day),
            BillError::Unavailable {
                why: "timeout".to_owned(),
            },
            BillError::file(&path)(source()),
            BillError::Store(StoreError::Stopped),
        ];
        let codes: Vec<&str> = all.iter().map(BillError::code).collect();
        let wanted = [
            "no_folder",
            "no_channel",
            "not_over",
            "unavailable",
            "file",
            "store",
        ];
        assert_eq!(codes, wanted.map(|code| format!("bill.{code}")));
    }
}
