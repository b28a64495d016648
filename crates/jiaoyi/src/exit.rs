//! How a command ends: a code for scripts and a sentence for people.

use std::fmt::Display;
use std::process::ExitCode;

/// A command that did not end well.
#[derive(Debug)]
pub struct Exit {
    code: u8,
    text: String,
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

    /// 7: something needed cannot be reached.
    pub fn unavailable(error: impl Display) -> Exit {
        Exit {
            code: 7,
            text: error.to_string(),
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
