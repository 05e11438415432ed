//! The push to a registry, byte for byte.

use crate::failure::Failure;
use crate::fetch;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use reqwest::header::HeaderValue;
use serin_fleet::package::{Image, MANIFEST_TYPE};
use std::path::PathBuf;
use std::time::Duration;

const USER: &str = "SERIN_REGISTRY_USER";
const PASSWORD: &str = "SERIN_REGISTRY_PASSWORD";

/// The timeout of the registry's responses.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Parses `registry.example.com/edge/serin:1.4.0`, with or without `oci://`.
pub(super) fn parse_reference(text: &str) -> Result<Reference, String> {
    let bare = text.strip_prefix("oci://").unwrap_or(text);
    let reference: Reference =
        bare.parse().map_err(|error| format!("{text} is not an image reference: {error}"))?;
    if reference.digest().is_some() {
        return Err(format!("{text} has a digest, but the push makes its own: give a tag instead"));
    }
    // The default tag `latest` would say nothing about the version.
    let tag = reference.tag().unwrap_or_default();
    if tag.is_empty() || !bare.ends_with(&format!(":{tag}")) {
        return Err(format!("{text} has no tag, write REGISTRY/REPOSITORY:TAG"));
    }
    Ok(reference)
}

/// Pushes an image.
pub(super) fn push(reference: &Reference, image: &Image, insecure: bool) -> Result<(), Failure> {
    fetch::use_ring();
    let registry = reference.resolve_registry();
    let plain = insecure || is_loopback(registry);
    let auth = credentials(registry)?;
    let config = ClientConfig {
        protocol: if plain { ClientProtocol::Http } else { ClientProtocol::Https },
        connect_timeout: Some(Duration::from_secs(10)),
        read_timeout: Some(TIMEOUT),
        user_agent: concat!("serin/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    };
    let trouble = |why: &dyn std::error::Error| {
        Failure::trouble(format!("{reference}: cannot be pushed: {}", fetch::with_causes(why)))
    };
    let client = Client::try_from(config).map_err(|error| trouble(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| trouble(&error))?;
    let pushed = runtime.block_on(async {
        client.auth(reference, &auth, RegistryOperation::Push).await?;
        for blob in &image.blobs {
            client.push_blob(reference, blob.bytes.clone(), &blob.digest).await?;
        }
        let media_type = HeaderValue::from_static(MANIFEST_TYPE);
        client.push_manifest_raw(reference, image.manifest.bytes.clone(), media_type).await
    });
    pushed.map(drop).map_err(|error| trouble(&error))
}

/// Whether a registry, with or without a port, is on this machine.
fn is_loopback(registry: &str) -> bool {
    fetch::parse_url(&format!("http://{registry}")).is_ok_and(|url| fetch::is_loopback(&url))
}

/// The credentials from the environment, or as Docker finds them; anonymous if there are none.
fn credentials(registry: &str) -> Result<RegistryAuth, Failure> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (variable(USER), variable(PASSWORD)) {
        (Some(user), Some(password)) => return Ok(RegistryAuth::Basic(user, password)),
        (None, None) => {}
        _ => return Err(Failure::trouble(format!("set both {USER} and {PASSWORD}, or neither"))),
    }
    // The name under which Docker stores the credentials of its own registry.
    let server = match registry {
        "index.docker.io" | "docker.io" => "https://index.docker.io/v1/",
        other => other,
    };
    if !docker_config().is_some_and(|file| file.exists()) {
        return Ok(RegistryAuth::Anonymous);
    }
    match docker_credential::get_credential(server) {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            Ok(RegistryAuth::Basic(user, password))
        }
        Ok(DockerCredential::IdentityToken(_)) => Err(Failure::trouble(format!(
            "Docker has only an identity token for {server}, which cannot push: set {USER} and {PASSWORD}"
        ))),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(RegistryAuth::Anonymous),
        Err(error) => Err(Failure::trouble(format!(
            "Docker's credentials for {server} cannot be read: {error}"
        ))),
    }
}

/// The path of Docker's configuration.
fn docker_config() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from).or_else(home)?;
    Some(folder.join("config.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_a_registry_and_a_tag() {
        let reference = parse_reference("oci://localhost:5000/edge/serin:1.4.0").expect("good");
        assert_eq!(reference.registry(), "localhost:5000");
        assert_eq!((reference.repository(), reference.tag()), ("edge/serin", Some("1.4.0")));
        let digest = format!("localhost/serin@sha256:{}", "0".repeat(64));
        for bad in ["localhost:5000/serin", "localhost:5000/UPPER:1", &digest, ""] {
            assert!(parse_reference(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn loopback_registries_are_on_this_machine() {
        assert!(
            is_loopback("127.0.0.1:5000") && is_loopback("localhost") && is_loopback("[::1]:5000")
        );
        assert!(!is_loopback("registry.example.com") && !is_loopback("10.0.0.1:5000"));
    }
}
