//! `serin export istio`: the arguments.

use super::common::CommonArgs;
use clap::{Args, ValueEnum};
use serin_fleet::export::Target;
use serin_fleet::export::istio::{self, Destination, Mapping, Options};

const HELP: &str = "\
Files: wasm-plugin.yaml (or traffic-extension.yaml), virtual-services.yaml (or http-routes.yaml),
destination-rules.yaml if targets have subsets, telemetry.yaml.

A target is the host of a Kubernetes service, optionally with port and subset: reco,
reco.shop.svc.cluster.local, reco/v2 (pods with the label version: v2), reco:8080/v2. --destination maps
a target with another name.

Override keys (SERIN_OVERRIDE_KEYS) and the settings of gates (SERIN_STATE_URL, SERIN_WEBHOOK_URL, …) stay
in the proxy's environment: the files contain only the variables' names.

Examples:
  serin export istio spec.yaml --url oci://registry.example/serin-filter:1 --gateway shop --out istio
  serin export istio spec.yaml --url oci://registry.example/serin-filter:1 --variant sidecar \\
    --namespace shop --selector app=frontend --out istio
  serin export istio spec.yaml --url oci://registry.example/serin-filter:1 --gateway shop \\
    --routes gateway-api --out istio";

#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct IstioArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// The URL of the filter: oci://, https:// or file://
    #[arg(long, value_name = "URL", value_parser = url)]
    url: String,
    /// The SHA-256 of the file at --url, 64 hex digits
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    sha256: Option<String>,
    /// The secret in the cluster that holds the registry's credentials
    #[arg(long, value_name = "NAME", value_parser = name)]
    pull_secret: Option<String>,
    /// The proxies that run the filter: a gateway, or the callers' sidecars
    #[arg(long, value_name = "VARIANT", default_value = "gateway")]
    variant: Variant,
    /// The resource that installs the filter; traffic-extension needs Istio 1.30
    #[arg(long, value_name = "KIND", default_value = "wasm-plugin")]
    extension: Extension,
    /// The resource that routes by the filter's headers
    #[arg(long, value_name = "KIND", default_value = "virtual-service")]
    routes: Routes,
    /// The gateway that runs the filter
    #[arg(long, value_name = "[NAMESPACE/]NAME", value_parser = gateway)]
    gateway: Option<String>,
    /// A label of the pods that run the filter; may be repeated [default: istio=ingressgateway; with
    /// gateway-api the gateway's pods; with sidecar every pod of the namespace]
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    selector: Vec<(String, String)>,
    /// The namespace of every resource [default: the current one when they are applied]
    #[arg(long, value_name = "NAME", value_parser = name)]
    namespace: Option<String>,
    /// The prefix of the resources' names
    #[arg(long, value_name = "NAME", default_value = "serin", value_parser = name)]
    name: String,
    /// The Kubernetes service of a target with another name; may be repeated
    #[arg(long = "destination", value_name = "TARGET=HOST[:PORT][/SUBSET]", value_parser = mapping)]
    destinations: Vec<Mapping>,
    /// The port of targets without one [default: the service's only port; with gateway-api 80]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The target of requests without a rollout [default: the baselines' target, if they share one]
    #[arg(long, value_name = "TARGET")]
    default: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Variant {
    Gateway,
    Sidecar,
}

#[derive(Clone, Copy, ValueEnum)]
enum Extension {
    WasmPlugin,
    TrafficExtension,
}

#[derive(Clone, Copy, ValueEnum)]
enum Routes {
    VirtualService,
    GatewayApi,
}

impl IstioArgs {
    /// The common arguments, and the target with its options.
    pub(super) fn split(self) -> (CommonArgs, Target) {
        let options = Options {
            name: self.name,
            namespace: self.namespace,
            variant: match self.variant {
                Variant::Gateway => istio::Variant::Gateway,
                Variant::Sidecar => istio::Variant::Sidecar,
            },
            extension: match self.extension {
                Extension::WasmPlugin => istio::Extension::WasmPlugin,
                Extension::TrafficExtension => istio::Extension::TrafficExtension,
            },
            routes: match self.routes {
                Routes::VirtualService => istio::Routes::VirtualService,
                Routes::GatewayApi => istio::Routes::GatewayApi,
            },
            url: self.url,
            sha256: self.sha256,
            pull_secret: self.pull_secret,
            selector: self.selector,
            gateway: self.gateway,
            destinations: self.destinations,
            port: self.port,
            default: self.default,
        };
        (self.common, Target::Istio(options))
    }
}

fn url(text: &str) -> Result<String, String> {
    let schemes = ["oci://", "https://", "http://", "file://"];
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    let rest = rest.ok_or("the URL does not start with oci://, https://, http:// or file://")?;
    if rest.is_empty() || text.contains(char::is_whitespace) {
        return Err(format!("{text} is not a URL"));
    }
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        return Err(
            "the URL contains credentials, which must not be written to a file: use --pull-secret"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}

fn sha256(text: &str) -> Result<String, String> {
    let text = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
    let good = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    good.then_some(text).ok_or_else(|| "not 64 hex digits".to_owned())
}

fn name(text: &str) -> Result<String, String> {
    let good = text.len() <= 63
        && !text.contains('.')
        && Destination::parse(text).is_some_and(|found| found.host == text);
    good.then(|| text.to_owned())
        .ok_or_else(|| format!("{text:?} is not a Kubernetes name: at most 63 of a-z, 0-9 and -"))
}

fn gateway(text: &str) -> Result<String, String> {
    text.split_once('/').map_or_else(|| name(text), |(one, two)| name(one).and(name(two)))?;
    Ok(text.to_owned())
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("the form is KEY=VALUE")?;
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let good = |text: &str| text.len() <= 63 && text.bytes().all(sign);
    let (prefix, bare) = key.split_once('/').unwrap_or(("", key));
    if bare.is_empty() || !good(bare) || !good(value) || !prefix.bytes().all(sign) {
        return Err(format!("{text} is not a Kubernetes label, such as app=frontend"));
    }
    Ok((key.to_owned(), value.to_owned()))
}

fn mapping(text: &str) -> Result<Mapping, String> {
    let (target, destination) =
        text.split_once('=').ok_or("the form is TARGET=HOST[:PORT][/SUBSET]")?;
    let found = Destination::parse(destination);
    let destination = found.ok_or_else(|| format!("{destination} is not HOST[:PORT][/SUBSET]"))?;
    Ok(Mapping { target: target.to_owned(), destination })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_with_credentials_are_refused() {
        assert!(url("oci://registry.example/a:1").is_ok() && url("file:///opt/a.wasm").is_ok());
        for bad in ["a", "ftp://a", "oci://", "oci://me:secret@registry.example/a", "https://a b"] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_labels_and_checksums_follow_kubernetes() {
        assert!(name("shop-1").is_ok() && gateway("a/b").is_ok());
        for bad in ["", "Shop", "a.b", "a/b", "-a", "a:1"] {
            assert!(name(bad).is_err(), "{bad}");
        }
        assert_eq!(label("a.b/c=D_1"), Ok(("a.b/c".into(), "D_1".into())));
        for bad in ["a", "=b", "a=b c", "a/=b"] {
            assert!(label(bad).is_err(), "{bad}");
        }
        let sum = "AB".repeat(32);
        assert_eq!(sha256(&format!("sha256:{sum}")), Ok(sum.to_lowercase()));
        assert!(sha256("ab").is_err() && sha256(&"x".repeat(64)).is_err());
    }
}
