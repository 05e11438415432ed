//! `serin package`: the filter as an OCI artifact.

mod push;

use crate::failure::Failure;
use crate::{spec_file, style};
use clap::Args;
use push::parse_reference;
use serin_fleet::package::{self, Image};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What `serin package --help` ends with.
const HELP: &str = "\
Credentials come from SERIN_REGISTRY_USER and SERIN_REGISTRY_PASSWORD, or else from Docker's configuration
and its credential helpers ($DOCKER_CONFIG or ~/.docker).

Exit codes: 0 packaged; 1 the spec has errors; 2 wrong usage, a file that is not a filter, or something
that cannot be read, written or pushed.

Examples:
  serin package dist/serin-filter.wasm --out serin-filter.oci
  serin package dist/serin-filter.wasm --push registry.example.com/edge/serin:1.4.0";

#[derive(Args)]
#[command(after_help = HELP)]
#[command(group = clap::ArgGroup::new("to").args(["out", "push"]).required(true).multiple(true))]
pub(crate) struct PackageArgs {
    /// The filter, serin-filter.wasm
    filter: PathBuf,
    /// Write an OCI image layout into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Push to a registry
    #[arg(long, value_name = "REGISTRY/REPOSITORY:TAG", value_parser = parse_reference)]
    push: Option<oci_client::Reference>,
    /// Push over plain HTTP to a registry on another machine
    #[arg(long, requires = "push")]
    insecure: bool,
    /// The commit that the filter was built from, for the label org.opencontainers.image.revision
    #[arg(long, value_name = "COMMIT")]
    revision: Option<String>,
    /// A spec, for the labels serin.spec.revision and serin.spec.digest
    #[arg(long, value_name = "SPEC")]
    spec: Option<PathBuf>,
    /// Another label; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = parse_label)]
    labels: Vec<(String, String)>,
}

/// Parses `NAME=VALUE`.
fn parse_label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("the form is NAME=VALUE".to_owned()),
    }
}

pub(crate) fn run(args: &PackageArgs) -> Result<(), Failure> {
    let wasm = std::fs::read(&args.filter).map_err(|error| {
        Failure::trouble(format!("{}: cannot be read: {error}", args.filter.display()))
    })?;
    let image = package::image(wasm, &labels(args)?)
        .map_err(|why| Failure::trouble(format!("{}: {why}", args.filter.display())))?;
    style::note(&format!("filter {}", image.filter_digest));
    style::note(&format!("manifest {}", image.manifest.digest));
    if let Some(folder) = &args.out {
        let tag = args.push.as_ref().and_then(|reference| reference.tag());
        write(folder, &image, tag)?;
        style::note(&format!("written to {}", folder.display()));
    }
    let Some(reference) = &args.push else {
        println!("{}", image.manifest.digest);
        return Ok(());
    };
    push::push(reference, &image, args.insecure)?;
    style::note(&format!("pushed {reference}"));
    // Alone on standard output, for scripts: the url of a WasmPlugin.
    let (registry, repository) = (reference.registry(), reference.repository());
    println!("oci://{registry}/{repository}@{}", image.manifest.digest);
    Ok(())
}

fn labels(args: &PackageArgs) -> Result<BTreeMap<String, String>, Failure> {
    let mut labels = BTreeMap::new();
    if let Some(revision) = &args.revision {
        labels.insert("org.opencontainers.image.revision".to_owned(), revision.clone());
    }
    if let Some(path) = &args.spec {
        let plan = spec_file::load(path)?.plan;
        labels.insert("serin.spec.revision".to_owned(), plan.revision().to_string());
        labels.insert("serin.spec.digest".to_owned(), plan.digest().to_owned());
    }
    labels.extend(args.labels.iter().cloned());
    Ok(labels)
}

/// Writes the image layout. Fails on a folder with other files.
fn write(folder: &Path, image: &Image, tag: Option<&str>) -> Result<(), Failure> {
    let trouble = |error: std::io::Error| {
        Failure::trouble(format!("{}: cannot be written: {error}", folder.display()))
    };
    let taken = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if taken && !folder.join("oci-layout").is_file() {
        let message =
            format!("{}: the folder has other files than an OCI image layout", folder.display());
        return Err(Failure::trouble(message));
    }
    for (path, bytes) in package::layout(image, tag) {
        let file = folder.join(path);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).map_err(trouble)?;
        }
        std::fs::write(file, bytes).map_err(trouble)?;
    }
    Ok(())
}
