//! The replay of the corpus without a fuzzer: every file of `fuzz/corpus/TARGET` is checked by the property
//! of the target.

use serin_fuzz_properties::{PROPERTIES, Property};
use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

fn fuzz() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The entries of a folder that are not hidden, sorted.
fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| !name(path).starts_with('.'));
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The files for which a property does not hold.
fn failures(files: &[PathBuf], property: Property) -> Vec<String> {
    let fails = |file: &&PathBuf| {
        let bytes = fs::read(file).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
        catch_unwind(|| property(&bytes)).is_err()
    };
    files.iter().filter(fails).map(|file| file.display().to_string()).collect()
}

#[test]
fn every_property_holds_for_its_corpus() {
    let mut failed = Vec::new();
    for (target, property) in PROPERTIES {
        let files = list(&fuzz().join("corpus").join(target));
        assert!(!files.is_empty(), "there is no input for {target}");
        failed.extend(failures(&files, property));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// A property without a target would never be fuzzed, a corpus without a property never replayed.
#[test]
fn every_property_has_a_target_and_a_corpus() {
    let wanted: BTreeSet<String> = PROPERTIES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let corpora: BTreeSet<String> =
        list(&fuzz().join("corpus")).iter().map(|path| name(path)).collect();
    assert_eq!(corpora, wanted);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("the fuzzer's manifest");
    let named = manifest.lines().filter_map(|line| line.strip_prefix("path = \"targets/"));
    let named: BTreeSet<String> =
        named.filter_map(|rest| Some(rest.strip_suffix(".rs\"")?.to_owned())).collect();
    assert_eq!(named, wanted);
    for target in &wanted {
        let text = fs::read_to_string(fuzz().join("targets").join(format!("{target}.rs")));
        assert!(text.is_ok_and(|text| text.contains(&format!("check(\"{target}\""))), "{target}");
    }
}

#[test]
fn a_property_that_does_not_hold_is_reported_with_the_file() {
    let files = list(&fuzz().join("corpus/spec"));
    let found = failures(&files, |bytes| assert!(serde_json::from_slice::<u8>(bytes).is_ok()));
    assert_eq!(found.len(), files.len());
    assert!(found[0].contains("corpus/spec/"), "{found:?}");
}
