//! Reading and writing files, with errors that name the file.

use crate::process::TaskResult;
use std::path::Path;

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> TaskResult<Vec<u8>> {
    std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

/// The text of a file in UTF-8.
pub(crate) fn read_text(path: &Path) -> TaskResult<String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

/// Writes a file.
pub(crate) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> TaskResult {
    std::fs::write(path, bytes)
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

/// Writes a file unless it holds these bytes already: an untouched file keeps its time, so cargo
/// rebuilds nothing that depends on it.
pub(crate) fn write_if_changed(path: &Path, bytes: &[u8]) -> TaskResult {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    write(path, bytes)
}

/// Makes a folder and its parents.
pub(crate) fn make_folder(path: &Path) -> TaskResult {
    std::fs::create_dir_all(path)
        .map_err(|error| format!("the folder {} cannot be made: {error}", path.display()))
}
