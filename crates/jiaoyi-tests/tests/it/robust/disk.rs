//! What a disk would hold after a power cut: the journal of the shim (`shim/faults.c`) played through
//! a small page cache.
//!
//! A page that was written is dirty until its file is synced or the system writes it back by itself.
//! When the power goes, every dirty page is on disk or is not, and the last ones may be torn. After a
//! failed sync the pages count as clean, as Linux has it: what was not written then is never written,
//! unless the page is written to once more.

use super::chance::Chance;
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const PAGE: usize = 4096;
const SECTOR: usize = 512;
const RECORD: usize = 24;
/// What the shim calls every file of a server.
const TREE: u8 = 2;

/// One file: the program's view of it, and the disk's.
#[derive(Debug, Default)]
struct File {
    there: bool,
    cache: Vec<u8>,
    disk: Vec<u8>,
    dirty: BTreeSet<usize>,
    /// While a sync is under way: the pages that it brings to the disk, and those written since.
    syncing: Option<[BTreeSet<usize>; 2]>,
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
        let pages = offset / PAGE..end.div_ceil(PAGE);
        if let Some([_, since]) = &mut self.syncing {
            since.extend(pages.clone());
        }
        self.dirty.extend(pages);
        self.there = true;
    }

    fn cut(&mut self, size: usize) {
        self.there = true;
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
        let dirty = std::mem::take(&mut self.dirty);
        let all = [dirty.clone(), BTreeSet::new()];
        let [begun, since] = self.syncing.take().unwrap_or(all);
        self.dirty = since;
        for page in begun.intersection(&dirty) {
            self.store_page(*page);
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

    fn play(&mut self, record: &Record<'_>, chance: &mut Chance) -> Result<()> {
        match record.kind {
            b'W' => {
                self.write(record.offset, record.bytes);
                if chance.below(64) == 0 {
                    self.write_back(chance);
                }
            }
            b'T' => self.cut(record.offset),
            b'B' => self.syncing = Some([self.dirty.clone(), BTreeSet::new()]),
            b'S' => self.sync(),
            b'E' => self.failed_sync(chance),
            b'U' | b'N' => *self = File::default(),
            kind => ensure!(false, "the journal holds {kind}"),
        }
        Ok(())
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

/// One record of a journal.
struct Record<'a> {
    kind: u8,
    file: u8,
    inode: u64,
    offset: usize,
    bytes: &'a [u8],
}

/// The whole records of a journal.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let (head, rest) = self.0.split_at_checked(RECORD)?;
        let number = |from: usize, to: usize| {
            let mut bytes = [0; 8];
            bytes[..to - from].copy_from_slice(&head[from..to]);
            u64::from_le_bytes(bytes)
        };
        let length = usize::try_from(number(4, 8)).ok()?;
        let (bytes, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Record {
            kind: head[0],
            file: head[1],
            offset: usize::try_from(number(8, 16)).ok()?,
            inode: number(16, 24),
            bytes,
        })
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
        for record in Records(journal) {
            let file = self.files.get_mut(usize::from(record.file));
            let file = file.context("a journal of another shim")?;
            self.syncs += u64::from(record.kind == b'S');
            file.play(&record, chance)?;
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

/// The disk under the folder of a database server, whose files come and go.
#[derive(Debug)]
pub struct Tree {
    folder: PathBuf,
    /// What each file held at the beginning, by inode.
    before: BTreeMap<u64, Vec<u8>>,
    /// The files that were written since.
    files: BTreeMap<u64, File>,
}

impl Tree {
    /// A disk that holds what the folder holds now.
    pub fn under(folder: &Path) -> Result<Tree> {
        let mut before = BTreeMap::new();
        for (path, inode) in files_in(folder)? {
            before.insert(inode, std::fs::read(path)?);
        }
        Ok(Tree {
            folder: folder.to_owned(),
            before,
            files: BTreeMap::new(),
        })
    }

    /// As [`Disk::play`].
    pub fn play(&mut self, journal: &[u8], chance: &mut Chance) -> Result<()> {
        for record in Records(journal) {
            ensure!(record.file == TREE, "a journal of another shim");
            if record.kind == b'U' || record.kind == b'N' {
                self.before.remove(&record.inode);
            }
            let (before, inode) = (&mut self.before, record.inode);
            let file = self.files.entry(inode).or_insert_with(|| {
                let disk = before.remove(&inode).unwrap_or_default();
                File {
                    there: false,
                    cache: disk.clone(),
                    disk,
                    ..File::default()
                }
            });
            file.play(&record, chance)?;
        }
        Ok(())
    }

    /// Cuts the power: every file that was written holds what was on disk of it. Others, which a server
    /// makes anew at every start, stay as they are.
    pub fn cut(&mut self, chance: &mut Chance) -> Result<()> {
        for (path, inode) in files_in(&self.folder)? {
            let Some(file) = self.files.get_mut(&inode).filter(|file| file.there) else {
                continue;
            };
            file.power_cut(chance);
            std::fs::write(path, &file.disk)?;
        }
        *self = Tree::under(&self.folder)?;
        Ok(())
    }
}

/// Every file below a folder, and its inode.
fn files_in(folder: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        if about.is_dir() {
            found.extend(files_in(&entry.path())?);
        } else if about.is_file() {
            found.push((entry.path(), about.ino()));
        }
    }
    found.sort();
    Ok(found)
}

fn log_of(database: &Path) -> PathBuf {
    database.with_extension("db-wal")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, offset: u64, bytes: &[u8]) -> Vec<u8> {
        let mut record = vec![kind, 0, 0, 0];
        record.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
        record.extend(offset.to_le_bytes());
        record.extend(0_u64.to_le_bytes());
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

    /// Other processes of a server write while one syncs.
    #[test]
    fn a_sync_says_nothing_of_what_was_written_after_it_began() {
        let records = [
            record(b'W', 0, &[1; 4096]),
            record(b'B', 0, &[]),
            record(b'W', 4096, &[2; 4096]),
            record(b'S', 0, &[]),
        ];
        let disks = (0..100).map(|seed| disk_after(&records, seed));
        let (kept, lost): (Vec<_>, Vec<_>) = disks.partition(|disk| disk.contains(&2));
        assert!(kept.len() > 20 && lost.len() > 10);
        assert!(
            kept.iter()
                .chain(&lost)
                .all(|disk| disk[..4096] == [1; 4096])
        );
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
