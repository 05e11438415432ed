//! A time of day that can be set for one process, on Linux: `preload/clock.rs`, built with rustc.

use super::create_folder;
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

/// The time of day of the processes that are started with its variables.
pub struct ShiftedClock {
    folder: PathBuf,
}

impl ShiftedClock {
    /// Builds the library; the clock is right at first.
    pub fn new(name: &str) -> Result<Self, String> {
        let clock = Self { folder: create_folder(name)? };
        clock.set(0)?;
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/preload/clock.rs");
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let output = Command::new(rustc)
            .args(["--edition", "2024", "--crate-type", "cdylib", "-C", "panic=abort", "-O", "-o"])
            .args([clock.library().as_os_str(), source.as_ref()])
            .output()
            .map_err(|error| format!("rustc did not start: {error}"))?;
        if output.status.success() {
            return Ok(clock);
        }
        Err(format!("{source}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Moves the time of day to this many seconds beside the right time, at once.
    pub fn set(&self, seconds: i64) -> Result<(), String> {
        let path = self.offset();
        let written = File::options().write(true).create(true).truncate(false).open(&path);
        written
            .and_then(|mut file| std::io::Write::write_all(&mut file, &seconds.to_ne_bytes()))
            .map_err(|error| format!("{}: {error}", path.display()))
    }

    /// The environment variables of a process that has this clock.
    pub fn variables(&self) -> Vec<(String, String)> {
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        vec![
            ("LD_PRELOAD".into(), path(self.library())),
            ("SERIN_CLOCK_OFFSET".into(), path(self.offset())),
        ]
    }

    fn library(&self) -> PathBuf {
        self.folder.join("libserin_clock.so")
    }

    fn offset(&self) -> PathBuf {
        self.folder.join("offset")
    }
}

impl Drop for ShiftedClock {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
