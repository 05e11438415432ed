//! Stamps: records of a build step's inputs and outputs, by which an unchanged step is skipped.

use crate::files;
use crate::process::{self, TaskResult};
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

/// A build step's record in the target folder. A step is skipped while the hashes of its inputs and of
/// its output files are those of the last run.
pub(crate) struct Stamp {
    file: PathBuf,
    inputs: u64,
}

impl Stamp {
    /// The stamp of the step `name` with these inputs: what the step reads, the versions of its tools and
    /// the source of the step itself.
    pub(crate) fn new(name: &str, inputs: &[&[u8]]) -> Self {
        Self::in_folder(&process::target_dir().join("stamps"), name, inputs)
    }

    fn in_folder(folder: &Path, name: &str, inputs: &[&[u8]]) -> Self {
        Self { file: folder.join(name), inputs: hash(inputs.iter().copied()) }
    }

    /// The note that the last run left; `None` if an input or an output file has changed since.
    pub(crate) fn note(&self, outputs: &[PathBuf]) -> Option<String> {
        let record = std::fs::read_to_string(&self.file).ok()?;
        let (hashes, note) = record.split_once('\n')?;
        (hashes == self.hashes(outputs)?).then(|| note.to_owned())
    }

    /// Records that the step has run and made these output files, with a note for the next run.
    pub(crate) fn write(&self, outputs: &[PathBuf], note: &str) -> TaskResult {
        let hashes = self.hashes(outputs).ok_or("an output file of the build cannot be read")?;
        files::make_folder(self.file.parent().unwrap_or(Path::new("")))?;
        files::write(&self.file, format!("{hashes}\n{note}"))
    }

    /// `None` if an output file cannot be read.
    fn hashes(&self, outputs: &[PathBuf]) -> Option<String> {
        let outputs = outputs.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>().ok()?;
        let outputs = hash(outputs.iter().map(Vec::as_slice));
        Some(format!("{:016x} {outputs:016x}", self.inputs))
    }
}

/// The standard library's hash of byte strings, each with its length. It guards against accidents, and
/// another Rust version may change it: then the steps run once more.
fn hash<'a>(parts: impl Iterator<Item = &'a [u8]>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in parts {
        hasher.write_usize(part.len());
        hasher.write(part);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::Stamp;
    use std::path::PathBuf;

    /// A folder of its own for one test, with an output file in it.
    fn folder(test: &str) -> (PathBuf, PathBuf) {
        let folder = std::env::temp_dir().join(format!("serin-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let output = folder.join("output");
        std::fs::write(&output, "built").expect("written");
        (folder, output)
    }

    #[test]
    fn an_unchanged_step_has_its_note() {
        let (folder, output) = folder("unchanged");
        let stamp = Stamp::in_folder(&folder, "step", &[b"source", b"1.0"]);
        assert_eq!(stamp.note(std::slice::from_ref(&output)), None);
        stamp.write(std::slice::from_ref(&output), "5 KB\nin two lines").expect("written");
        let again = Stamp::in_folder(&folder, "step", &[b"source", b"1.0"]);
        assert_eq!(again.note(&[output]).as_deref(), Some("5 KB\nin two lines"));
        std::fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_changed_input_or_output_runs_the_step() {
        let (folder, output) = folder("changed");
        let outputs = [output.clone()];
        let stamp = Stamp::in_folder(&folder, "step", &[b"source", b"1.0"]);
        stamp.write(&outputs, "").expect("written");
        for inputs in [&[&b"source"[..], b"1.1"][..], &[b"source1", b".0"], &[b"source"]] {
            assert_eq!(Stamp::in_folder(&folder, "step", inputs).note(&outputs), None);
        }
        std::fs::write(&output, "edited").expect("written");
        assert_eq!(stamp.note(&outputs), None);
        std::fs::remove_file(&output).expect("removed");
        assert_eq!(stamp.note(&outputs), None);
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
