//! The filter as an OCI artifact, as Istio's `WasmPlugin` takes it: the same bytes for the same filter.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The media type of the manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of the layer with the filter.
pub const CONTENT: &str = "application/vnd.module.wasm.content.layer.v1+wasm";
/// The media type of the layer that tells a runtime what the filter is, and of the config.
const CONFIG: &str = "application/vnd.module.wasm.config.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What every WebAssembly module of version 1 begins with.
const MAGIC: &[u8] = b"\0asm\x01\0\0\0";
/// What a filter's export says of the ABI begins so.
const ABI: &[u8] = b"proxy_abi_version_";

/// Something with a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// `sha256:` and 64 hex digits.
    pub digest: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// An artifact: a manifest and what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its digest is the artifact's.
    pub manifest: Blob,
    /// Each once.
    pub blobs: Vec<Blob>,
    /// The filter's digest.
    pub wasm: String,
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Blob {
        let hex: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Blob { digest: format!("sha256:{hex}"), bytes }
    }

    fn descriptor(&self, media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": self.digest, "size": self.bytes.len() })
    }
}

/// Packages a filter. `labels` come beside the licence, the version and the filter's SHA-256, and before
/// them where they have the same name.
///
/// # Errors
/// Why the bytes are no filter.
pub fn image(wasm: Vec<u8>, labels: &BTreeMap<String, String>) -> Result<Image, String> {
    if !wasm.starts_with(MAGIC) {
        return Err("this is no WebAssembly module".to_owned());
    }
    let Some(abi) = abi_version(&wasm) else {
        return Err("this is no proxy-wasm filter, it exports no proxy_abi_version_…".to_owned());
    };
    let runtime = json!({ "type": "envoy_proxy", "abiVersions": [abi], "config": {} });
    let config = Blob::new(runtime.to_string().into_bytes());
    let wasm = Blob::new(wasm);
    let layer = |blob: &Blob, media_type: &str, title: &str| {
        let mut layer = blob.descriptor(media_type);
        layer["annotations"] = json!({ "org.opencontainers.image.title": title });
        layer
    };
    let own = [
        ("org.opencontainers.image.title", "serin-filter"),
        ("org.opencontainers.image.version", env!("CARGO_PKG_VERSION")),
        ("org.opencontainers.image.licenses", env!("CARGO_PKG_LICENSE")),
        ("serin.wasm.sha256", wasm.digest.trim_start_matches("sha256:")),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut annotations = BTreeMap::from(own);
    annotations.extend(labels.clone());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor(CONFIG),
        "layers": [
            layer(&config, CONFIG, "runtime-config.json"),
            layer(&wasm, CONTENT, "serin-filter.wasm"),
        ],
        "annotations": annotations,
    });
    let manifest = Blob::new(manifest.to_string().into_bytes());
    Ok(Image { manifest, wasm: wasm.digest.clone(), blobs: vec![config, wasm] })
}

/// `0.2.1`, from the name of the export.
fn abi_version(wasm: &[u8]) -> Option<String> {
    let at = wasm.windows(ABI.len()).position(|window| window == ABI)?;
    let rest = wasm.get(at + ABI.len()..)?;
    let end = rest.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'_')?;
    let version = std::str::from_utf8(rest.get(..end)?).ok()?;
    Some(version.replace('_', ".")).filter(|version| !version.is_empty())
}

/// The files of an OCI image layout, paths below its folder. `tag` is the artifact's name there.
pub fn layout(image: &Image, tag: Option<&str>) -> Vec<(String, Vec<u8>)> {
    let mut entry = image.manifest.descriptor(MANIFEST);
    if let Some(tag) = tag {
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
    }
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] });
    let mut files: Vec<(String, Vec<u8>)> = image
        .blobs
        .iter()
        .chain([&image.manifest])
        .map(|blob| (format!("blobs/{}", blob.digest.replace(':', "/")), blob.bytes.clone()))
        .collect();
    files.push(("index.json".into(), index.to_string().into_bytes()));
    let version = json!({ "imageLayoutVersion": "1.0.0" });
    files.push(("oci-layout".into(), version.to_string().into_bytes()));
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter() -> Vec<u8> {
        [MAGIC, b"...\x17proxy_abi_version_0_2_1\0rest"].concat()
    }

    #[test]
    fn two_layers_the_filter_as_it_is() {
        let labels =
            BTreeMap::from([("org.opencontainers.image.revision".into(), "1f3c9ab".into())]);
        let image = image(filter(), &labels).unwrap();
        let manifest: Value = serde_json::from_slice(&image.manifest.bytes).unwrap();
        let layers = manifest["layers"].as_array().unwrap();
        assert_eq!(layers.len(), 2);
        assert_eq!(layers[1]["mediaType"], CONTENT);
        assert_eq!(layers[1]["digest"], image.wasm);
        assert_eq!(layers[1]["size"], filter().len());
        assert_eq!(image.blobs[1].bytes, filter());
        let runtime: Value = serde_json::from_slice(&image.blobs[0].bytes).unwrap();
        assert_eq!(runtime["abiVersions"], json!(["0.2.1"]));
        let annotations = &manifest["annotations"];
        assert_eq!(annotations["org.opencontainers.image.licenses"], "MIT OR Apache-2.0");
        assert_eq!(annotations["org.opencontainers.image.revision"], "1f3c9ab");
        assert_eq!(annotations["serin.wasm.sha256"], image.wasm.strip_prefix("sha256:").unwrap());
    }

    #[test]
    fn the_digests_are_known() {
        // From `printf 'abc' | sha256sum`.
        let wanted = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Blob::new(b"abc".to_vec()).digest, wanted);
    }

    #[test]
    fn a_layout_names_every_blob() {
        let image = image(filter(), &BTreeMap::new()).unwrap();
        let files = layout(&image, Some("1.0"));
        let index = files.iter().find(|(path, _)| path == "index.json").unwrap();
        let index: Value = serde_json::from_slice(&index.1).unwrap();
        let entry = &index["manifests"][0];
        assert_eq!(entry["digest"], image.manifest.digest);
        assert_eq!(entry["annotations"]["org.opencontainers.image.ref.name"], "1.0");
        for blob in image.blobs.iter().chain([&image.manifest]) {
            let path = format!("blobs/sha256/{}", &blob.digest[7..]);
            assert!(files.contains(&(path, blob.bytes.clone())));
        }
        assert_eq!(files.len(), 5);
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        assert!(
            image(b"#!/bin/sh".to_vec(), &BTreeMap::new()).unwrap_err().contains("WebAssembly")
        );
        assert!(image(MAGIC.to_vec(), &BTreeMap::new()).unwrap_err().contains("proxy-wasm"));
    }
}
