//! The filter as an OCI artifact, in the format of Istio's `WasmPlugin`. The same filter gives the same bytes.
//!
//! ```
//! use serin_fleet::package::{image, layout};
//! use std::collections::BTreeMap;
//!
//! let wasm = [b"\0asm\x01\0\0\0".as_slice(), b"...proxy_abi_version_0_2_1\0"].concat();
//! let labels = BTreeMap::from([("org.opencontainers.image.revision".into(), "1f3c9ab".into())]);
//! let image = image(wasm, &labels)?;
//! let files = layout(&image, Some("1.4.0"));
//! assert!(files.iter().any(|(path, _)| path == "index.json"));
//! # Ok::<(), serin_fleet::package::PackageError>(())
//! ```

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// The media type of the manifest.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of the layer with the filter.
pub const FILTER_TYPE: &str = "application/vnd.module.wasm.content.layer.v1+wasm";
/// The media type of the config, and of the layer with the same content.
const CONFIG_TYPE: &str = "application/vnd.module.wasm.config.v1+json";
/// The media type of the index of a layout.
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";

/// The first bytes of every WebAssembly module of version 1.
const MAGIC: &[u8] = b"\0asm\x01\0\0\0";
/// The prefix of the export that names the version of the ABI.
const ABI_EXPORT: &[u8] = b"proxy_abi_version_";

/// A blob: bytes and their digest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Blob {
    /// `sha256:` and 64 hex digits.
    pub digest: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// An OCI artifact: a manifest and the blobs that it refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// The manifest. Its digest is the digest of the artifact.
    pub manifest: Blob,
    /// The blobs that the manifest refers to.
    pub blobs: Vec<Blob>,
    /// The digest of the filter.
    pub filter_digest: String,
}

/// The reason that bytes are not a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PackageError {
    /// The bytes are not a WebAssembly module.
    NotWasm,
    /// The module has no export that names the version of the proxy-wasm ABI.
    NotProxyWasm,
}

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PackageError::NotWasm => "not a WebAssembly module",
            PackageError::NotProxyWasm => {
                "not a proxy-wasm filter: the module exports no proxy_abi_version_…"
            }
        })
    }
}

impl std::error::Error for PackageError {}

impl Blob {
    fn new(bytes: Vec<u8>) -> Blob {
        let hex: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Blob { digest: format!("sha256:{hex}"), bytes }
    }

    fn descriptor(&self, media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": self.digest, "size": self.bytes.len() })
    }
}

/// Packages a filter. Its annotations are title, licence, version and SHA-256 of the filter, and `labels`,
/// which take precedence.
///
/// # Errors
/// The bytes are not a proxy-wasm filter.
pub fn image(wasm: Vec<u8>, labels: &BTreeMap<String, String>) -> Result<Image, PackageError> {
    if !wasm.starts_with(MAGIC) {
        return Err(PackageError::NotWasm);
    }
    let abi = abi_version(&wasm).ok_or(PackageError::NotProxyWasm)?;
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
        "mediaType": MANIFEST_TYPE,
        "config": config.descriptor(CONFIG_TYPE),
        "layers": [
            layer(&config, CONFIG_TYPE, "runtime-config.json"),
            layer(&wasm, FILTER_TYPE, "serin-filter.wasm"),
        ],
        "annotations": annotations,
    });
    let manifest = Blob::new(manifest.to_string().into_bytes());
    Ok(Image { manifest, filter_digest: wasm.digest.clone(), blobs: vec![config, wasm] })
}

/// The version of the ABI from the name of the export: `0.2.1`.
fn abi_version(wasm: &[u8]) -> Option<String> {
    let at = wasm.windows(ABI_EXPORT.len()).position(|window| window == ABI_EXPORT)?;
    let rest = wasm.get(at + ABI_EXPORT.len()..)?;
    let end = rest.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'_')?;
    let version = std::str::from_utf8(rest.get(..end)?).ok()?;
    Some(version.replace('_', ".")).filter(|version| !version.is_empty())
}

/// The files of an OCI image layout with the artifact, by their paths in its folder. `tag` becomes the name of
/// the artifact in the index.
pub fn layout(image: &Image, tag: Option<&str>) -> Vec<(String, Vec<u8>)> {
    let mut entry = image.manifest.descriptor(MANIFEST_TYPE);
    if let Some(tag) = tag {
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
    }
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry] });
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
    fn image_has_the_runtime_config_and_the_unchanged_filter() {
        let labels =
            BTreeMap::from([("org.opencontainers.image.revision".into(), "1f3c9ab".into())]);
        let image = image(filter(), &labels).unwrap();
        let manifest: Value = serde_json::from_slice(&image.manifest.bytes).unwrap();
        let layers = manifest["layers"].as_array().unwrap();
        assert_eq!(layers.len(), 2);
        assert_eq!(layers[1]["mediaType"], FILTER_TYPE);
        assert_eq!(layers[1]["digest"], image.filter_digest);
        assert_eq!(layers[1]["size"], filter().len());
        assert_eq!(image.blobs[1].bytes, filter());
        let runtime: Value = serde_json::from_slice(&image.blobs[0].bytes).unwrap();
        assert_eq!(runtime["abiVersions"], json!(["0.2.1"]));
        let annotations = &manifest["annotations"];
        assert_eq!(annotations["org.opencontainers.image.licenses"], "MIT OR Apache-2.0");
        assert_eq!(annotations["org.opencontainers.image.revision"], "1f3c9ab");
        assert_eq!(
            annotations["serin.wasm.sha256"],
            image.filter_digest.strip_prefix("sha256:").unwrap()
        );
    }

    #[test]
    fn digest_is_sha256_in_hex() {
        // From `printf 'abc' | sha256sum`.
        let wanted = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Blob::new(b"abc".to_vec()).digest, wanted);
    }

    #[test]
    fn layout_contains_every_blob() {
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
    fn other_bytes_are_refused() {
        let error = |bytes: &[u8]| image(bytes.to_vec(), &BTreeMap::new()).unwrap_err();
        assert_eq!(error(b"#!/bin/sh"), PackageError::NotWasm);
        assert_eq!(error(MAGIC), PackageError::NotProxyWasm);
    }
}
