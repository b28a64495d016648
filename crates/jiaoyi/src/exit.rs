//! How a command ends: a code for scripts and a sentence for people.

use std::fmt::{self, Display};
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

/// A command that did not end well.
#[derive(Debug)]
pub struct Exit {
    code: u8,
    text: String,
}

/// The sentence.
impl Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Exit {
    /// 1: something that should not happen.
    pub fn unexpected(error: impl Display) -> Exit {
        Exit {
            code: 1,
            text: error.to_string(),
        }
    }

    /// 1: the answer is no, and it has been printed already.
    pub fn no() -> Exit {
        Exit {
            code: 1,
            text: String::new(),
        }
    }

    /// 2: the command was called wrongly.
    pub fn usage(error: impl Display) -> Exit {
        Exit {
            code: 2,
            text: error.to_string(),
        }
    }

    /// 3: what was named is not there.
    pub fn not_found(error: impl Display) -> Exit {
        Exit {
            code: 3,
            text: error.to_string(),
        }
    }

    /// 4: rows or files have to be changed.
    pub fn invalid_rows(error: impl Display) -> Exit {
        Exit {
            code: 4,
            text: error.to_string(),
        }
    }

    /// 5: a conflict with what is known.
    pub fn conflict(error: impl Display) -> Exit {
        Exit {
            code: 5,
            text: error.to_string(),
        }
    }

    /// Whether something conflicts with what is known.
    pub const fn is_conflict(&self) -> bool {
        self.code == 5
    }

    /// 7: something needed cannot be reached.
    pub fn unavailable(error: impl Display) -> Exit {
        Exit {
            code: 7,
            text: error.to_string(),
        }
    }

    /// What is said of a file that could not be read, and what to do.
    pub fn unread(path: &Path, error: &std::io::Error) -> Exit {
        let path = path.display();
        match error.kind() {
            ErrorKind::NotFound => Exit::not_found(format!("{path}: there is no such file")),
            ErrorKind::IsADirectory => {
                Exit::usage(format!("{path}: this is a folder; name a file"))
            }
            ErrorKind::InvalidData => Exit::usage(format!("{path}: this is no text in UTF-8")),
            ErrorKind::PermissionDenied => Exit::unavailable(format!(
                "{path}: may not be read; run this as the file's owner, or give the right to read it"
            )),
            _ => Exit::unavailable(format!("read {path}: {error}")),
        }
    }

    /// As [`Exit::unread`]; of a file that is not there it is said how to come by it.
    pub fn unread_or(path: &Path, error: &std::io::Error, missing: &str) -> Exit {
        let mut exit = Exit::unread(path, error);
        if error.kind() == ErrorKind::NotFound {
            exit.text = format!("{}; {missing}", exit.text);
        }
        exit
    }

    /// What is said of a file that could not be written, and what to do.
    pub fn unwritten(path: &Path, error: &std::io::Error) -> Exit {
        let path = path.display();
        match error.kind() {
            ErrorKind::NotFound => {
                Exit::not_found(format!("{path}: its folder is not there; make it first"))
            }
            ErrorKind::AlreadyExists => Exit::conflict(format!(
                "{path}: is there already and is never overwritten; name another, or move it away"
            )),
            ErrorKind::IsADirectory => {
                Exit::usage(format!("{path}: this is a folder; name a file"))
            }
            ErrorKind::PermissionDenied => Exit::unavailable(format!(
                "{path}: may not be written; run this as the folder's owner"
            )),
            _ => Exit::unavailable(format!("write {path}: {error}")),
        }
    }

    /// Prints the sentence and gives the code.
    pub fn report(self) -> ExitCode {
        if !self.text.is_empty() {
            note(&self.text);
        }
        ExitCode::from(self.code)
    }
}

/// A line on stderr.
pub fn note(text: impl Display) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A line on stdout: data.
pub fn print(text: impl Display) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}
