//! `serin package` to a folder and to a real registry on loopback. What is pulled by plain HTTP equals the
//! filter byte for byte.

use serde_json::{Value, json};
use serin_conformance::client::{self, Message};
use serin_conformance::envoy::{create_folder, path_from_env, poll, write_file};
use serin_conformance::report::Report;
use serin_conformance::serin_cli;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};

/// The media type of a manifest.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of the layer with the filter.
const CONTENT: &str = "application/vnd.module.wasm.content.layer.v1+wasm";

const USER: &str = "tester";
const PASSWORD: &str = "only-for-tests";
/// The bcrypt hash of the password, for `htpasswd`.
const HASH: &str = "$2b$04$Lb8UuxqagPuSZkzArWJCbOiA44Eb8auFkb7t315Y45jSvN/iVXD1m";
/// The user and the password in base64, for `authorization: Basic` and docker's configuration.
const BASIC: &str = "dGVzdGVyOm9ubHktZm9yLXRlc3Rz";

fn main() -> ExitCode {
    let mut report = Report::new("serin package");
    report.check("a package in a folder has the same bytes each time", package_in_a_folder);
    report.check("a pushed package can be pulled", push_and_pull);
    report.check("a registry with a login needs valid credentials", push_with_credentials);
    report.check("bad references and credentials are refused", bad_arguments);
    report.finish()
}

/// Debian's registry; it ends when it is dropped.
struct Registry {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Registry {
    /// Starts a registry on a free port. It tries three ports, because another process may take one
    /// before the registry does.
    fn start(name: &str, needs_login: bool) -> Result<Self, String> {
        let mut last = Err(String::new());
        for _ in 0..3 {
            last = Self::try_start(name, needs_login);
            if last.is_ok() {
                break;
            }
        }
        last
    }

    fn try_start(name: &str, needs_login: bool) -> Result<Self, String> {
        let folder = create_folder(&format!("registry-{name}"))?;
        let free = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let address = free.local_addr().map_err(|error| error.to_string())?;
        drop(free);
        let mut config = json!({
            "version": "0.1",
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": folder.join("data")}},
            "http": {"addr": address.to_string()},
        });
        if needs_login {
            let users = folder.join("users");
            write_file(&users, &format!("{USER}:{HASH}\n"))?;
            config["auth"] = json!({"htpasswd": {"realm": "tests", "path": users}});
        }
        // JSON is valid YAML.
        let file = folder.join("config.yml");
        write_file(&file, &config.to_string())?;
        let log = std::fs::File::create(folder.join("log")).map_err(|error| error.to_string())?;
        let child = Command::new(path_from_env("SERIN_REGISTRY")?)
            .arg("serve")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("the registry did not start: {error}"))?;
        let mut registry = Registry { child, address, folder };
        let ready = poll(|| match registry.child.try_wait() {
            Ok(Some(_)) => Some(false),
            _ => client::get(address, "/v2/").is_ok().then_some(true),
        });
        let ready = ready == Some(true);
        if ready { Ok(registry) } else { Err(format!("no registry responds on {address}")) }
    }

    /// The reference of the package in this registry.
    fn reference(&self) -> String {
        format!("{}/edge/serin:1.4.0", self.address)
    }

    fn get(&self, path: &str) -> Result<Message, String> {
        let path = format!("/v2/edge/serin/{path}");
        let request =
            serde_json::from_value(json!({"path": path, "authority": self.address.to_string()}))
                .map_err(|error| error.to_string())?;
        let basic = format!("Basic {BASIC}");
        let fields = [("accept", MANIFEST), ("authorization", basic.as_str())];
        let response = client::send(self.address, None, &request, &fields)?;
        if response.status() != 200 {
            return Err(format!("{path} gets {}", response.start));
        }
        Ok(response)
    }

    /// Pulls the package by its tag and by its digest, and compares it with the filter.
    fn check_package(&self, digest: &str) -> Result<(), String> {
        let by_tag = self.get("manifests/1.4.0")?;
        let by_digest = self.get(&format!("manifests/{digest}"))?;
        if by_tag.body != by_digest.body
            || by_tag.field("docker-content-digest").as_deref() != Some(digest)
        {
            return Err(format!("{:?} is not {digest}", by_tag.field("docker-content-digest")));
        }
        let manifest: Value =
            serde_json::from_slice(&by_tag.body).map_err(|error| error.to_string())?;
        let layers = manifest["layers"].as_array().cloned().unwrap_or_default();
        if layers.len() != 2 {
            return Err(format!("Istio needs two layers: {manifest}"));
        }
        let content = layers.iter().find(|layer| layer["mediaType"] == CONTENT);
        let content = content.and_then(|layer| layer["digest"].as_str());
        let content = content.ok_or_else(|| format!("no layer is the filter: {manifest}"))?;
        let wasm = std::fs::read(filter()?).map_err(|error| error.to_string())?;
        if self.get(&format!("blobs/{content}"))?.body != wasm {
            return Err("the registry's filter differs".into());
        }
        let annotations = &manifest["annotations"];
        let expected = [
            ("org.opencontainers.image.licenses", "MIT OR Apache-2.0"),
            ("serin.wasm.sha256", content.trim_start_matches("sha256:")),
        ];
        match expected.iter().find(|(name, value)| annotations[name] != *value) {
            Some((name, value)) => Err(format!("{name} is not {value}: {annotations}")),
            None => Ok(()),
        }
    }
}

fn filter() -> Result<PathBuf, String> {
    path_from_env("SERIN_FILTER_WASM")
}

/// Runs `serin package` on the filter, with no credentials other than `variables`.
fn package(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Output, String> {
    let mut command = serin_cli::command()?;
    command.arg("package").arg(filter()?).args(arguments);
    for name in ["SERIN_REGISTRY_USER", "SERIN_REGISTRY_PASSWORD"] {
        command.env_remove(name);
    }
    command.env("DOCKER_CONFIG", "/nonexistent").env("NO_PROXY", "*");
    command.envs(variables.iter().copied());
    serin_cli::run(&mut command)
}

/// The only line of standard output.
fn only_line(output: &Output) -> Result<String, String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() && text.lines().count() == 1 {
        return Ok(text.trim_end().to_owned());
    }
    Err(format!("{}: {text}{}", output.status, serin_cli::stderr(output)))
}

fn package_in_a_folder() -> Result<(), String> {
    let folder = create_folder("package")?;
    let out = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let (one, two) = (out("one"), out("two"));
    let digest = only_line(&package(&["--out", &one, "--revision", "1f3c9ab"], &[])?)?;
    for out in [&two, &two] {
        let again = only_line(&package(&["--out", out, "--revision", "1f3c9ab"], &[])?)?;
        if again != digest {
            return Err(format!("the first digest is {digest}, another is {again}"));
        }
    }
    let (files, others) = (files(Path::new(&one))?, files(Path::new(&two))?);
    if files != others || files.len() != 5 {
        let counts = (files.len(), others.len());
        return Err(format!("expected the same five files twice, got {counts:?}"));
    }
    let manifest = format!("blobs/{}", digest.replace(':', "/"));
    if !files.iter().any(|(path, _)| *path == manifest) {
        return Err(format!("there is no {manifest}"));
    }
    std::fs::create_dir_all(folder.join("other")).map_err(|error| error.to_string())?;
    write_file(&folder.join("other/file"), "")?;
    let refused = package(&["--out", &out("other")], &[])?;
    let _ = std::fs::remove_dir_all(&folder);
    match refused.status.code() {
        Some(2) => Ok(()),
        code => Err(format!("a folder with other files: exit code {code:?}, not 2")),
    }
}

/// All files below a folder, sorted: their paths and contents.
fn files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                walk(root, &path, found)?;
            } else {
                let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                found.push((name, std::fs::read(&path)?));
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found).map_err(|error| format!("{}: {error}", folder.display()))?;
    found.sort();
    Ok(found)
}

fn push_and_pull() -> Result<(), String> {
    let registry = Registry::start("open", false)?;
    let reference = registry.reference();
    let url = only_line(&package(&["--push", &reference], &[])?)?;
    let name = format!("oci://{}/edge/serin@", registry.address);
    let digest = url.strip_prefix(&name).ok_or_else(|| format!("{url} is not at {name}"))?;
    registry.check_package(digest)?;
    // A reference in the form of Istio's url.
    let again = only_line(&package(&["--push", &format!("oci://{reference}")], &[])?)?;
    if again == url { Ok(()) } else { Err(format!("the first url is {url}, the second {again}")) }
}

fn push_with_credentials() -> Result<(), String> {
    let registry = Registry::start("closed", true)?;
    let reference = registry.reference();
    let refused = package(&["--push", &reference], &[])?;
    let errors = serin_cli::stderr(&refused);
    if refused.status.code() != Some(2) || !errors.contains("cannot be pushed") {
        return Err(format!("without credentials: {} {errors}", refused.status));
    }
    let wrong = [("SERIN_REGISTRY_USER", USER), ("SERIN_REGISTRY_PASSWORD", "wrong")];
    let refused = package(&["--push", &reference], &wrong)?;
    let errors = serin_cli::stderr(&refused);
    // The password, which is "wrong", must not appear.
    if refused.status.code() != Some(2) || errors.contains("wrong") {
        return Err(format!("wrong credentials: {} {errors}", refused.status));
    }
    let right = [("SERIN_REGISTRY_USER", USER), ("SERIN_REGISTRY_PASSWORD", PASSWORD)];
    let url = only_line(&package(&["--push", &reference], &right)?)?;
    registry.check_package(url.split_once('@').map_or("", |(_, digest)| digest))?;
    // Credentials of docker's configuration.
    let docker = create_folder("docker-config")?;
    let config = json!({"auths": {registry.address.to_string(): {"auth": BASIC}}});
    write_file(&docker.join("config.json"), &config.to_string())?;
    let again = package(&["--push", &reference], &[("DOCKER_CONFIG", &docker.to_string_lossy())])?;
    let _ = std::fs::remove_dir_all(&docker);
    let again = only_line(&again)?;
    if again == url { Ok(()) } else { Err(format!("the first url is {url}, the second {again}")) }
}

fn bad_arguments() -> Result<(), String> {
    let elsewhere = "192.0.2.1:5000/serin:1";
    let half = [("SERIN_REGISTRY_USER", USER)];
    for (arguments, variables, why) in [
        (&["--push", "localhost:5000/serin"][..], &[][..], "has no tag"),
        (&["--push", elsewhere], &half, "set both "),
        (&[], &[], "required"),
    ] {
        let output = package(arguments, variables)?;
        let errors = serin_cli::stderr(&output);
        if output.status.code() != Some(2) || !errors.contains(why) {
            return Err(format!("{arguments:?}: {} {errors}", output.status));
        }
    }
    Ok(())
}
