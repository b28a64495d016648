//! The preloaded disk that can fail (`shim/faults.c`): built here, switched from here.

use super::chance::Chance;
use super::disk::Disk;
use anyhow::{Context, Result, ensure};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A switch, or a count, of the shim; the number is its place.
#[derive(Clone, Copy, Debug)]
pub enum Switch {
    /// Every so many-th sync fails; 0 never.
    FailEvery = 0,
    /// No file can grow.
    Full = 1,
    /// A sync does nothing and says that it did.
    Lying = 2,
    /// How many syncs failed.
    Failed = 4,
}

/// Built once a process, by the C compiler that SQLite is built with as well.
fn library() -> Result<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let build = || {
        let name = format!("jiaoyi-faults-{}.so", std::process::id());
        let library = std::env::temp_dir().join(name);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("shim/faults.c");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let built = Command::new(compiler)
            .args([
                "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-pthread", "-o",
            ])
            .arg(&library)
            .arg(source)
            .status();
        built.ok()?.success().then_some(library)
    };
    let built = BUILT.get_or_init(build).clone();
    built.context("compile crates/jiaoyi-tests/shim/faults.c with cc")
}

/// The shim of one installation.
#[derive(Debug)]
pub struct Shim {
    library: PathBuf,
    folder: PathBuf,
    /// The database file that it watches.
    pub database: PathBuf,
    switches: std::fs::File,
}

impl Shim {
    /// A shim whose files lie in `folder`.
    pub fn new(folder: &Path, database: &Path) -> Result<Shim> {
        let folder = folder.join("faults");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join("switches");
        std::fs::write(&path, [0; 20])?;
        let switches = std::fs::OpenOptions::new()
            .write(true)
            .read(true)
            .open(path)?;
        Ok(Shim {
            library: library()?,
            folder,
            database: database.canonicalize().context("the database")?,
            switches,
        })
    }

    /// What the program under test is started with.
    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        vec![
            ("LD_PRELOAD", self.library.clone()),
            ("JIAOYI_FAULTS", self.folder.clone()),
            ("JIAOYI_FAULTS_DATA", self.database.clone()),
        ]
    }

    /// Turns a switch.
    pub fn set(&self, switch: Switch, value: u32) -> Result<()> {
        let place = 4 * switch as u64;
        self.switches.write_all_at(&value.to_le_bytes(), place)?;
        Ok(())
    }

    /// Reads a count.
    pub fn count(&self, switch: Switch) -> Result<u32> {
        let mut bytes = [0; 4];
        self.switches.read_exact_at(&mut bytes, 4 * switch as u64)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// What was written and synced since the last call; the program must have ended.
    pub fn take_journal(&self) -> Result<Vec<u8>> {
        let path = self.folder.join("journal");
        let journal = std::fs::read(&path).context("the shim's journal")?;
        ensure!(
            !journal.is_empty(),
            "the shim saw nothing: is it preloaded?"
        );
        std::fs::write(&path, [])?;
        Ok(journal)
    }
}

/// A disk that can fail under an installation's database.
#[derive(Debug)]
pub struct Faults {
    pub shim: Shim,
    disk: Disk,
    chance: Chance,
}

impl Faults {
    /// A disk that holds what is in the folder now.
    pub fn under(folder: &Path, seed: u64) -> Result<Faults> {
        let database = folder.join("jiaoyi.db");
        Ok(Faults {
            shim: Shim::new(folder, &database)?,
            disk: Disk::under(&database)?,
            chance: Chance::new(seed),
        })
    }

    /// Takes in what the program did to the disk; called whenever it has ended.
    pub fn ended(&mut self) -> Result<()> {
        let journal = self.shim.take_journal()?;
        self.disk.play(&journal, &mut self.chance)
    }

    /// Cuts the power, after the program has ended: what was not synced is gone, or not, or torn.
    pub fn cut(&mut self) -> Result<()> {
        self.disk.cut(&self.shim.database, &mut self.chance)
    }

    /// Starts from what is in the folder now, because another program has changed it.
    pub fn look_again(&mut self) -> Result<()> {
        self.disk = Disk::under(&self.shim.database)?;
        Ok(())
    }
}
