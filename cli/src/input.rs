//! Input files; `-` is standard input.

use crate::failure::Failure;
use std::io::Read;
use std::path::Path;

/// The largest input, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// Reads a file, or standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let result = if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
    };
    let trouble = |why: String| Failure::trouble(format!("{}: {why}", name(path)));
    result.map_err(|error| trouble(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(trouble(format!("larger than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
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
