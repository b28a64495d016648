//! The preloaded disk that can fail (`shim/faults.c`): built here, switched from here.

use super::chance::Chance;
use super::disk::{Disk, Tree};
use anyhow::{Context, Result, ensure};
use std::fs::Permissions;
use std::os::unix::fs::{FileExt, PermissionsExt};
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
    /// The variable that names what it watches, and that.
    watched: (&'static str, PathBuf),
    switches: std::fs::File,
}

impl Shim {
    /// A shim whose files lie in `folder`, and that watches what the variable names.
    fn new(folder: &Path, variable: &'static str, watched: &Path) -> Result<Shim> {
        let folder = folder.join("faults");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join("switches");
        std::fs::write(&path, [0; 20])?;
        let journal = folder.join("journal");
        std::fs::write(&journal, [])?;
        // A server runs as another user.
        for path in [&path, &journal] {
            std::fs::set_permissions(path, Permissions::from_mode(0o666))?;
        }
        let switches = std::fs::OpenOptions::new()
            .write(true)
            .read(true)
            .open(path)?;
        Ok(Shim {
            library: library()?,
            folder,
            watched: (variable, watched.canonicalize().context("the database")?),
            switches,
        })
    }

    /// What the program under test is started with.
    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        vec![
            ("LD_PRELOAD", self.library.clone()),
            ("JIAOYI_FAULTS", self.folder.clone()),
            self.watched.clone(),
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
    disk: Under,
    chance: Chance,
}

#[derive(Debug)]
enum Under {
    /// The embedded file, at this path, and its log.
    File(PathBuf, Box<Disk>),
    /// All that a database server keeps.
    Server(Tree),
}

impl Faults {
    /// A disk that holds what is in the folder now.
    pub fn under(folder: &Path, seed: u64) -> Result<Faults> {
        let database = folder.join("jiaoyi.db");
        let disk = Box::new(Disk::under(&database)?);
        Ok(Faults {
            shim: Shim::new(folder, "JIAOYI_FAULTS_DATA", &database)?,
            disk: Under::File(database, disk),
            chance: Chance::new(seed),
        })
    }

    /// A disk that holds what a server has in `data`; the server must have ended.
    pub fn under_server(folder: &Path, data: &Path, seed: u64) -> Result<Faults> {
        Ok(Faults {
            shim: Shim::new(folder, "JIAOYI_FAULTS_TREE", data)?,
            disk: Under::Server(Tree::under(data)?),
            chance: Chance::new(seed),
        })
    }

    /// Takes in what the program did to the disk; called whenever it has ended.
    pub fn ended(&mut self) -> Result<()> {
        let journal = self.shim.take_journal()?;
        match &mut self.disk {
            Under::File(_, disk) => disk.play(&journal, &mut self.chance),
            Under::Server(tree) => tree.play(&journal, &mut self.chance),
        }
    }

    /// Cuts the power, after the program has ended: what was not synced is gone, or not, or torn.
    pub fn cut(&mut self) -> Result<()> {
        match &mut self.disk {
            Under::File(path, disk) => disk.cut(path, &mut self.chance),
            Under::Server(tree) => tree.cut(&mut self.chance),
        }
    }

    /// Starts from what is in the folder now, because another program has changed the file.
    pub fn look_again(&mut self) -> Result<()> {
        if let Under::File(path, disk) = &mut self.disk {
            **disk = Disk::under(path)?;
        }
        Ok(())
    }
}
