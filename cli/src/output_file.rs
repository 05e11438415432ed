//! Output files.

use std::io::Write;
use std::path::Path;

/// Replaces a file atomically, so that no reader gets half of it. Creates its folder if there is none. A
/// symbolic link stays, and so do the permissions of a file that exists.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let target = std::fs::canonicalize(path);
    let path = target.as_deref().unwrap_or(path);
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = folder.join(format!(".{name}.{}.new", std::process::id()));
    let written = std::fs::File::create(&new).and_then(|mut file| {
        if let Ok(replaced) = path.metadata() {
            file.set_permissions(replaced.permissions())?;
        }
        file.write_all(bytes)?;
        file.sync_all()
    });
    let moved = written.and_then(|()| std::fs::rename(&new, path));
    if moved.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    moved
}
