//! What a disk would hold after a power cut: the journal of the shim (`shim/faults.c`) played through
//! a small page cache.
//!
//! A page that was written is dirty until its file is synced or the system writes it back by itself.
//! When the power goes, every dirty page is on disk or is not, and the last ones may be torn. After a
//! failed sync the pages count as clean, as Linux has it: what was not written then is never written,
//! unless the page is written to once more.

use super::chance::Chance;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::path::Path;

const PAGE: usize = 4096;
const SECTOR: usize = 512;
const RECORD: usize = 16;

/// One file: the program's view of it, and the disk's.
#[derive(Debug, Default)]
struct File {
    there: bool,
    cache: Vec<u8>,
    disk: Vec<u8>,
    dirty: BTreeSet<usize>,
    /// The smallest size that the file was cut to, where the disk does not know it yet.
    cut_to: Option<usize>,
}

impl File {
    fn read(path: &Path) -> Result<File> {
        let there = path.exists();
        let disk = if there {
            std::fs::read(path)?
        } else {
            Vec::new()
        };
        Ok(File {
            there,
            cache: disk.clone(),
            disk,
            ..File::default()
        })
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.cache.len() < end {
            self.cache.resize(end, 0);
        }
        self.cache[offset..end].copy_from_slice(bytes);
        self.dirty.extend(offset / PAGE..end.div_ceil(PAGE));
        self.there = true;
    }

    fn cut(&mut self, size: usize) {
        if size < self.cache.len() {
            let known = self.cut_to.unwrap_or(usize::MAX);
            self.cut_to = Some(known.min(size));
            self.dirty.retain(|page| page * PAGE < size);
        }
        self.cache.resize(size, 0);
    }

    fn settle_size(&mut self) {
        if let Some(size) = self.cut_to.take() {
            self.disk.truncate(size);
        }
    }

    /// Brings the bytes of a place in the cache to the disk.
    fn store(&mut self, from: usize, to: usize) {
        let to = to.min(self.cache.len());
        if from >= to {
            return;
        }
        if self.disk.len() < to {
            self.disk.resize(to, 0);
        }
        self.disk[from..to].copy_from_slice(&self.cache[from..to]);
    }

    fn store_page(&mut self, page: usize) {
        self.settle_size();
        self.store(page * PAGE, (page + 1) * PAGE);
    }

    fn sync(&mut self) {
        self.settle_size();
        for page in std::mem::take(&mut self.dirty) {
            self.store_page(page);
        }
    }

    /// The system writes some pages back by itself.
    fn write_back(&mut self, chance: &mut Chance) {
        let pages: Vec<usize> = self.dirty.iter().copied().collect();
        for page in pages {
            if chance.below(4) == 0 {
                self.store_page(page);
                self.dirty.remove(&page);
            }
        }
    }

    fn failed_sync(&mut self, chance: &mut Chance) {
        for page in std::mem::take(&mut self.dirty) {
            if chance.below(2) == 0 {
                self.store_page(page);
            }
        }
    }

    fn power_cut(&mut self, chance: &mut Chance) {
        let size_known = self.cut_to.is_none() || chance.below(2) == 0;
        // Where the disk does not know of a cut, nothing that was written since is on it either.
        if size_known {
            self.settle_size();
            let torn = chance.below(2) == 0;
            for page in std::mem::take(&mut self.dirty) {
                if !torn {
                    if chance.below(2) == 0 {
                        self.store_page(page);
                    }
                    continue;
                }
                for sector in 0..PAGE / SECTOR {
                    let from = page * PAGE + sector * SECTOR;
                    if chance.below(2) == 0 {
                        self.store(from, from + SECTOR);
                    }
                }
            }
        }
        self.dirty.clear();
        self.cut_to = None;
        self.cache = self.disk.clone();
    }
}

/// The disk under a database file and its log.
#[derive(Debug)]
pub struct Disk {
    files: [File; 2],
    /// Syncs that the disk was told of.
    pub syncs: u64,
}

impl Disk {
    /// A disk that holds what the files hold now.
    pub fn under(database: &Path) -> Result<Disk> {
        Ok(Disk {
            files: [File::read(database)?, File::read(&log_of(database))?],
            syncs: 0,
        })
    }

    /// Plays a journal; an incomplete record at its end was never acknowledged.
    pub fn play(&mut self, journal: &[u8], chance: &mut Chance) -> Result<()> {
        let mut rest = journal;
        while let Some((head, more)) = rest.split_at_checked(RECORD) {
            let length = usize::try_from(u32::from_le_bytes(head[4..8].try_into()?))?;
            let offset = usize::try_from(u64::from_le_bytes(head[8..16].try_into()?))?;
            let Some((bytes, more)) = more.split_at_checked(length) else {
                break;
            };
            rest = more;
            let file = self.files.get_mut(usize::from(head[1]));
            let file = file.context("a journal of another shim")?;
            match head[0] {
                b'W' => {
                    file.write(offset, bytes);
                    if chance.below(64) == 0 {
                        file.write_back(chance);
                    }
                }
                b'T' => file.cut(offset),
                b'S' => {
                    self.syncs += 1;
                    file.sync();
                }
                b'E' => file.failed_sync(chance),
                b'U' => *file = File::default(),
                kind => ensure!(false, "the journal holds {kind}"),
            }
        }
        Ok(())
    }

    /// Cuts the power, and puts what is on disk where the program will look for it.
    pub fn cut(&mut self, database: &Path, chance: &mut Chance) -> Result<()> {
        let log = log_of(database);
        for (file, path) in self.files.iter_mut().zip([database, log.as_path()]) {
            file.power_cut(chance);
            if file.there {
                std::fs::write(path, &file.disk)?;
            }
        }
        let shared = database.with_extension("db-shm");
        match std::fs::remove_file(shared) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn log_of(database: &Path) -> std::path::PathBuf {
    database.with_extension("db-wal")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, offset: u64, bytes: &[u8]) -> Vec<u8> {
        let mut record = vec![kind, 0, 0, 0];
        record.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
        record.extend(offset.to_le_bytes());
        record.extend(bytes);
        record
    }

    fn disk_after(records: &[Vec<u8>], seed: u64) -> Vec<u8> {
        let mut disk = Disk {
            files: [File::default(), File::default()],
            syncs: 0,
        };
        let mut chance = Chance::new(seed);
        disk.play(&records.concat(), &mut chance).unwrap();
        disk.files[0].power_cut(&mut chance);
        disk.files[0].disk.clone()
    }

    #[test]
    fn what_was_synced_stays_and_what_was_not_may_go() {
        let synced = record(b'W', 0, &[1; 8192]);
        let sync = record(b'S', 0, &[]);
        let later = record(b'W', 4096, &[2; 4096]);
        let (mut old, mut new, mut torn) = (0, 0, 0);
        for seed in 0..200 {
            let disk = disk_after(&[synced.clone(), sync.clone(), later.clone()], seed);
            assert_eq!(disk.len(), 8192);
            assert!(disk[..4096].iter().all(|byte| *byte == 1));
            match (disk[4096..].contains(&1), disk[4096..].contains(&2)) {
                (true, false) => old += 1,
                (false, true) => new += 1,
                _ => torn += 1,
            }
        }
        assert!(old > 20 && new > 20 && torn > 20, "{old} {new} {torn}");
        let disk = disk_after(&[synced, later, sync], 1);
        assert!(disk[4096..].iter().all(|byte| *byte == 2));
    }

    /// What a failed sync lost, a later one does not bring back.
    #[test]
    fn a_failed_sync_is_not_made_good_by_the_next() {
        let records = [
            record(b'W', 0, &[1; 4096]),
            record(b'E', 0, &[]),
            record(b'S', 0, &[]),
        ];
        let lost = (0..100).filter(|seed| disk_after(&records, *seed).is_empty());
        let lost = lost.count();
        assert!((20..80).contains(&lost), "{lost}");
    }

    #[test]
    fn a_file_that_was_cut_is_whole_or_cut() {
        let records = [
            record(b'W', 0, &[1; 8192]),
            record(b'S', 0, &[]),
            record(b'T', 0, &[]),
            record(b'W', 0, &[2; 4096]),
        ];
        for seed in 0..100 {
            let disk = disk_after(&records, seed);
            let whole = disk == [1; 8192];
            assert!(whole || !disk.contains(&1), "seed {seed}");
        }
    }
}
