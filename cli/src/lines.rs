//! Files that are read line by line, so that their size has no limit.

use crate::failure::Failure;
use crate::input;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// The longest line, in bytes.
const MAX_LINE: u64 = 1 << 20;

/// The lines of a file that are not blank, trimmed, with their numbers from 1.
pub(crate) struct Lines {
    name: String,
    reader: Box<dyn BufRead>,
    number: usize,
}

impl Lines {
    /// Opens a file; `-` is standard input.
    pub(crate) fn open(path: &Path) -> Result<Lines, Failure> {
        let name = input::name(path);
        let reader: Box<dyn BufRead> = if path == Path::new("-") {
            Box::new(BufReader::new(std::io::stdin()))
        } else {
            let file = std::fs::File::open(path)
                .map_err(|error| Failure::trouble(format!("{name}: cannot be read: {error}")))?;
            Box::new(BufReader::new(file))
        };
        Ok(Lines { name, reader, number: 0 })
    }

    /// The next line, blank or not; `None` at the end.
    fn read(&mut self) -> Result<Option<String>, String> {
        let mut bytes = Vec::new();
        let mut bounded = (&mut self.reader).take(MAX_LINE + 1);
        bounded
            .read_until(b'\n', &mut bytes)
            .map_err(|error| format!("cannot be read: {error}"))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes.len() as u64 > MAX_LINE {
            return Err(format!("the line has more than {MAX_LINE} bytes"));
        }
        let bytes = match self.number {
            // The byte order mark that some editors write.
            0 => bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes),
            _ => &bytes,
        };
        let text = std::str::from_utf8(bytes)
            .map_err(|error| format!("not UTF-8 at byte {}", error.valid_up_to()))?;
        Ok(Some(text.trim().to_owned()))
    }
}

impl Iterator for Lines {
    type Item = Result<(usize, String), Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = self.read();
            self.number += 1;
            match line {
                Ok(None) => return None,
                Ok(Some(line)) if line.is_empty() => {}
                Ok(Some(line)) => return Some(Ok((self.number, line))),
                Err(why) => {
                    let failure = format!("{}:{}: {why}", self.name, self.number);
                    return Some(Err(Failure::trouble(failure)));
                }
            }
        }
    }
}
