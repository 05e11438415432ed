//! To a registry, byte for byte.

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

/// A registry that says nothing for so long has gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// `registry.example.com/edge/serin:1.4.0`, with or without `oci://`.
pub(super) fn parse_reference(text: &str) -> Result<Reference, String> {
    let bare = text.strip_prefix("oci://").unwrap_or(text);
    let reference: Reference =
        bare.parse().map_err(|error| format!("{text} is no reference of a registry: {error}"))?;
    if reference.digest().is_some() {
        return Err(format!("{text} names a digest; what is pushed has its own, so name a tag"));
    }
    // Without one, registries take `latest`, which says nothing about what it is.
    let tag = reference.tag().unwrap_or_default();
    if tag.is_empty() || !bare.ends_with(&format!(":{tag}")) {
        return Err(format!("{text} has no tag, write REGISTRY/REPOSITORY:TAG"));
    }
    Ok(reference)
}

pub(super) fn push(reference: &Reference, image: &Image, insecure: bool) -> Result<(), Failure> {
    fetch::use_ring();
    let registry = reference.resolve_registry();
    let plain = insecure || is_loopback(registry);
    let auth = credentials(registry)?;
    let config = ClientConfig {
        protocol: if plain { ClientProtocol::Http } else { ClientProtocol::Https },
        connect_timeout: Some(Duration::from_secs(10)),
        read_timeout: Some(PATIENCE),
        user_agent: concat!("serin/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    };
    let trouble = |why: &dyn std::error::Error| {
        Failure::trouble(format!("{reference}: not pushed: {}", fetch::whole(why)))
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

/// From the environment, or as docker would find them; nobody's if there are none.
fn credentials(registry: &str) -> Result<RegistryAuth, Failure> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (variable(USER), variable(PASSWORD)) {
        (Some(user), Some(password)) => return Ok(RegistryAuth::Basic(user, password)),
        (None, None) => {}
        _ => return Err(Failure::trouble(format!("{USER} and {PASSWORD} go together"))),
    }
    // Where docker keeps those of its own registry.
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
            "docker has an identity token for {server}, which pushes nothing; set {USER} and {PASSWORD}"
        ))),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(RegistryAuth::Anonymous),
        Err(error) => Err(Failure::trouble(format!("docker's credentials for {server}: {error}"))),
    }
}

/// Where docker looks.
fn docker_config() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from).or_else(home)?;
    Some(folder.join("config.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_says_where_and_as_what() {
        let reference = parse_reference("oci://localhost:5000/edge/serin:1.4.0").expect("good");
        assert_eq!(reference.registry(), "localhost:5000");
        assert_eq!((reference.repository(), reference.tag()), ("edge/serin", Some("1.4.0")));
        let digest = format!("localhost/serin@sha256:{}", "0".repeat(64));
        for bad in ["localhost:5000/serin", "localhost:5000/UPPER:1", &digest, ""] {
            assert!(parse_reference(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        assert!(
            is_loopback("127.0.0.1:5000") && is_loopback("localhost") && is_loopback("[::1]:5000")
        );
        assert!(!is_loopback("registry.example.com") && !is_loopback("10.0.0.1:5000"));
    }
}
