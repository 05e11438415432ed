//! The output of an export: to standard output, or to files.

use crate::failure::{Failure, SPEC_ERRORS};
use crate::output_file;
use crate::style::{self, Tone};
use serin_fleet::export::Artifact;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// The folder of an export.
pub(super) struct Folder<'a> {
    pub(super) path: &'a Path,
    /// The first line of this target's files, if left over ones are to be removed.
    pub(super) own: Option<String>,
}

/// Prints one file as it is, and several as documents with their names.
pub(super) fn print(artifacts: &[Artifact]) -> Result<(), Failure> {
    let mut text = String::new();
    for artifact in artifacts {
        if artifacts.len() > 1 {
            text.push_str(&format!("---\n# File: {}\n", artifact.path));
        }
        text.push_str(&artifact.text);
    }
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::trouble(format!("standard output cannot be written: {error}")))
}

/// Writes the files that have changed, and reports the outcome of each file.
pub(super) fn write(folder: &Folder<'_>, artifacts: &[Artifact]) -> Result<(), Failure> {
    for artifact in artifacts {
        let path = path_in(folder.path, artifact);
        let outcome = if is_same(&path, artifact) {
            style::out(Tone::Quiet, "unchanged")
        } else {
            output_file::replace(&path, artifact.text.as_bytes()).map_err(|error| {
                Failure::trouble(format!("{}: cannot be written: {error}", path.display()))
            })?;
            style::out(Tone::Good, "written")
        };
        println!("{}: {outcome}", path.display());
    }
    for path in left_over(folder, artifacts) {
        std::fs::remove_file(&path).map_err(|error| {
            Failure::trouble(format!("{}: cannot be removed: {error}", path.display()))
        })?;
        println!("{}: {}", path.display(), style::out(Tone::Strong, "removed"));
    }
    Ok(())
}

/// Reports the files that differ from the export.
pub(super) fn check(folder: &Folder<'_>, artifacts: &[Artifact]) -> Result<(), Failure> {
    let mut same = true;
    for artifact in artifacts {
        let path = path_in(folder.path, artifact);
        let outcome = if is_same(&path, artifact) {
            style::out(Tone::Good, "up to date")
        } else {
            same = false;
            style::out(Tone::Bad, if path.exists() { "differs" } else { "missing" })
        };
        println!("{}: {outcome}", path.display());
    }
    for path in left_over(folder, artifacts) {
        same = false;
        println!("{}: {}", path.display(), style::out(Tone::Bad, "left over"));
    }
    if same { Ok(()) } else { Err(Failure::silent(SPEC_ERRORS)) }
}

fn path_in(folder: &Path, artifact: &Artifact) -> PathBuf {
    artifact.path.split('/').fold(folder.to_path_buf(), |path, segment| path.join(segment))
}

/// The files that only an earlier export had, for example one with other options.
fn left_over(folder: &Folder<'_>, artifacts: &[Artifact]) -> Vec<PathBuf> {
    let Some(own) = &folder.own else { return Vec::new() };
    let made_by_us = |path: &PathBuf| {
        let mut line = String::new();
        let file = std::fs::File::open(path);
        let read = file.and_then(|file| BufReader::new(file.take(4096)).read_line(&mut line));
        read.is_ok() && line.trim_start_matches(['#', '/', ' ']).starts_with(own.as_str())
    };
    let exported: Vec<PathBuf> =
        artifacts.iter().map(|artifact| path_in(folder.path, artifact)).collect();
    let entries = std::fs::read_dir(folder.path).into_iter().flatten().flatten();
    let files = entries.map(|entry| entry.path()).filter(|path| path.is_file());
    let mut found: Vec<PathBuf> =
        files.filter(|path| !exported.contains(path) && made_by_us(path)).collect();
    found.sort();
    found
}

fn is_same(path: &Path, artifact: &Artifact) -> bool {
    std::fs::read(path).is_ok_and(|found| found == artifact.text.as_bytes())
}
