//! The lines of one text, never more than one of them in memory.

use super::BillFault;
use std::io::{BufRead, BufReader, Read};

/// No line of a bill is longer.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// How much is unpacked at once.
const CHUNK: usize = 64 * 1024;

/// A text being read, with the place to name in a fault.
pub(super) struct Lines<R = Box<dyn Read + Send>> {
    reader: BufReader<R>,
    entry: String,
    number: u64,
    line: Vec<u8>,
}

impl<R: Read> Lines<R> {
    pub fn new(entry: &str, text: R) -> Lines<R> {
        Lines {
            reader: BufReader::with_capacity(CHUNK, text),
            entry: entry.to_owned(),
            number: 0,
            line: Vec::new(),
        }
    }

    /// Goes on to the next line; `false` at the end.
    pub fn advance(&mut self) -> Result<bool, BillFault> {
        self.line.clear();
        self.number += 1;
        let longest = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        let mut bounded = (&mut self.reader).take(longest);
        if let Err(error) = bounded.read_until(b'\n', &mut self.line) {
            return Err(self.fault(error));
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            if self.line.last() == Some(&b'\r') {
                self.line.pop();
            }
        } else if self.line.len() >= LINE_BYTES_MAX {
            return Err(self.fault("it is longer than any line of a bill"));
        } else if self.line.is_empty() {
            return Ok(false);
        }
        Ok(true)
    }

    /// The line, without its end.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// The line, if it is UTF-8.
    pub fn text(&self) -> Result<&str, BillFault> {
        std::str::from_utf8(&self.line).map_err(|_| self.fault("it is not UTF-8"))
    }

    /// A fault of this line.
    pub fn fault(&self, what: impl ToString) -> BillFault {
        BillFault::Line {
            entry: self.entry.clone(),
            line: self.number,
            what: what.to_string(),
        }
    }
}
