//! Input files; `-` is standard input.

use crate::failure::Failure;
use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// The largest input, in bytes.
const MAX_BYTES: u64 = 16 << 20;
/// The largest spec, in bytes.
const MAX_SPEC_BYTES: u64 = serin_core::spec::MAX_BYTES as u64;

/// Reads a file, or standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    read_up_to(MAX_BYTES, path)
}

/// Reads the file of a spec, or standard input. A file beyond the size that hosts accept is refused
/// before it is parsed.
pub(crate) fn read_spec(path: &Path) -> Result<Vec<u8>, Failure> {
    read_up_to(MAX_SPEC_BYTES, path)
}

/// Reads the file of a spec again. Only a regular file is read: a pipe or a device could block for
/// ever, or have no end.
pub(crate) fn reread_spec(path: &Path) -> Result<Vec<u8>, Failure> {
    let file = open_without_blocking(path).map_err(|error| unreadable(path, &error))?;
    let kind = file.metadata().map_err(|error| unreadable(path, &error))?.file_type();
    if !kind.is_file() {
        let kind = kind_name(kind);
        return Err(Failure::trouble(format!(
            "{}: is {kind}, a spec is read again from a regular file only",
            name(path)
        )));
    }
    bounded(MAX_SPEC_BYTES, path, file)
}

fn read_up_to(max: u64, path: &Path) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        return bounded(max, path, io::stdin().lock());
    }
    bounded(max, path, File::open(path).map_err(|error| unreadable(path, &error))?)
}

fn bounded(max: u64, path: &Path, reader: impl Read) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = reader.take(max + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 <= max {
        return Ok(bytes);
    }
    let size = std::fs::metadata(path).ok().filter(|file| file.is_file() && file.len() > max);
    let given = match size {
        Some(file) => format!("is {} bytes long", file.len()),
        None => format!("is longer than {max} bytes"),
    };
    Err(Failure::trouble(format!("{}: {given}, at most {max} are allowed", name(path))))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::trouble(format!("{}: cannot be read: {error}", name(path)))
}

/// Opens a file for reading. A pipe without a writer is opened too, at once.
fn open_without_blocking(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    options.open(path)
}

/// What a file that is not regular is, with its article.
fn kind_name(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a named pipe";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    if kind.is_dir() { "a folder" } else { "not a regular file" }
}

/// Fails if more than one of these is standard input, which can be read only once.
pub(crate) fn one_stdin(paths: &[Option<&Path>]) -> Result<(), Failure> {
    let from_stdin = paths.iter().filter(|path| **path == Some(Path::new("-"))).count();
    if from_stdin > 1 {
        return Err(Failure::trouble("only one file can be - (standard input)"));
    }
    Ok(())
}

/// The name of an input in messages.
pub(crate) fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}
