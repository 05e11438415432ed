//! `serin package` to a real registry on loopback, and back by plain HTTP: every byte is the same.

use serde_json::{Value, json};
use serin_conformance::client::{self, Message};
use serin_conformance::envoy::{folder, path_from, until, write};
use serin_conformance::report::Report;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::Duration;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONTENT: &str = "application/vnd.module.wasm.content.layer.v1+wasm";

const USER: &str = "tester";
const PASSWORD: &str = "only-for-tests";
/// The password as `htpasswd` keeps it.
const HASH: &str = "$2b$04$Lb8UuxqagPuSZkzArWJCbOiA44Eb8auFkb7t315Y45jSvN/iVXD1m";
/// Both as `authorization: Basic` and docker's configuration carry them.
const BASIC: &str = "dGVzdGVyOm9ubHktZm9yLXRlc3Rz";

fn main() -> ExitCode {
    let mut report = Report::new("serin package");
    report.check("a folder, the same bytes each time", a_folder);
    report.check("to a registry and back", to_a_registry_and_back);
    report.check("to one that asks who it is", with_credentials);
    report.check("what cannot be pushed", what_cannot_be_pushed);
    report.finish()
}

/// Debian's registry; it ends with its owner.
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
    /// Somebody else may take the port that was free a moment ago: then another one is tried.
    fn start(name: &str, closed: bool) -> Result<Self, String> {
        let mut last = Err(String::new());
        for _ in 0..3 {
            last = Self::listening(name, closed);
            if last.is_ok() {
                break;
            }
        }
        last
    }

    fn listening(name: &str, closed: bool) -> Result<Self, String> {
        let folder = folder(&format!("registry-{name}"))?;
        let free = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let address = free.local_addr().map_err(|error| error.to_string())?;
        drop(free);
        let mut config = json!({
            "version": "0.1",
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": folder.join("data")}},
            "http": {"addr": address.to_string()},
        });
        if closed {
            let users = folder.join("users");
            write(&users, &format!("{USER}:{HASH}\n"))?;
            config["auth"] = json!({"htpasswd": {"realm": "tests", "path": users}});
        }
        // JSON is YAML.
        let file = folder.join("config.yml");
        write(&file, &config.to_string())?;
        let log = std::fs::File::create(folder.join("log")).map_err(|error| error.to_string())?;
        let child = Command::new(path_from("SERIN_REGISTRY")?)
            .arg("serve")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("the registry did not start: {error}"))?;
        let mut registry = Registry { child, address, folder };
        let ready = until(Duration::from_secs(60), || match registry.child.try_wait() {
            Ok(Some(_)) => Some(false),
            _ => client::get(address, "/v2/").is_ok().then_some(true),
        });
        let ready = ready == Some(true);
        if ready { Ok(registry) } else { Err(format!("no registry answers on {address}")) }
    }

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
        let answer = client::send(self.address, None, &request, &fields)?;
        if answer.status() != 200 {
            return Err(format!("{path} answers {}", answer.start));
        }
        Ok(answer)
    }

    /// Pulls what `tag` names, and holds it against the filter.
    fn holds(&self, digest: &str) -> Result<(), String> {
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
            return Err(format!("Istio takes two layers: {manifest}"));
        }
        let content = layers.iter().find(|layer| layer["mediaType"] == CONTENT);
        let content = content.and_then(|layer| layer["digest"].as_str());
        let content = content.ok_or_else(|| format!("no layer is the filter: {manifest}"))?;
        let wasm = std::fs::read(filter()?).map_err(|error| error.to_string())?;
        if self.get(&format!("blobs/{content}"))?.body != wasm {
            return Err("the registry's filter is another one".into());
        }
        let annotations = &manifest["annotations"];
        let wanted = [
            ("org.opencontainers.image.licenses", "MIT OR Apache-2.0"),
            ("serin.wasm.sha256", content.trim_start_matches("sha256:")),
        ];
        match wanted.iter().find(|(name, value)| annotations[name] != *value) {
            Some((name, value)) => Err(format!("{name} is not {value}: {annotations}")),
            None => Ok(()),
        }
    }
}

fn filter() -> Result<PathBuf, String> {
    path_from("SERIN_FILTER_WASM")
}

/// Runs `serin package` on the filter, with no credentials but those given.
fn package(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Output, String> {
    let mut command = Command::new(path_from("SERIN_BIN")?);
    command.arg("package").arg(filter()?).args(arguments).stdin(Stdio::null());
    for name in ["SERIN_REGISTRY_USER", "SERIN_REGISTRY_PASSWORD"] {
        command.env_remove(name);
    }
    command.env("DOCKER_CONFIG", "/nonexistent").env("NO_PROXY", "*");
    command.envs(variables.iter().copied());
    command.output().map_err(|error| format!("serin did not start: {error}"))
}

/// The one line on standard output.
fn line(output: &Output) -> Result<String, String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() && text.lines().count() == 1 {
        return Ok(text.trim_end().to_owned());
    }
    Err(format!("{}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

fn a_folder() -> Result<(), String> {
    let folder = folder("package")?;
    let out = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let (one, two) = (out("one"), out("two"));
    let digest = line(&package(&["--out", &one, "--revision", "1f3c9ab"], &[])?)?;
    for out in [&two, &two] {
        let again = line(&package(&["--out", out, "--revision", "1f3c9ab"], &[])?)?;
        if again != digest {
            return Err(format!("{digest} and then {again}"));
        }
    }
    let (files, others) = (files(Path::new(&one))?, files(Path::new(&two))?);
    if files != others || files.len() != 5 {
        return Err(format!("{} files and then {}", files.len(), others.len()));
    }
    let manifest = format!("blobs/{}", digest.replace(':', "/"));
    if !files.iter().any(|(path, _)| *path == manifest) {
        return Err(format!("there is no {manifest}"));
    }
    write(&folder.join("other/file"), "").or_else(|_| {
        std::fs::create_dir_all(folder.join("other")).map_err(|error| error.to_string())?;
        write(&folder.join("other/file"), "")
    })?;
    let refused = package(&["--out", &out("other")], &[])?;
    let _ = std::fs::remove_dir_all(&folder);
    if refused.status.code() == Some(2) {
        Ok(())
    } else {
        Err("it wrote into another's folder".into())
    }
}

/// Paths below a folder and what is in them, in order.
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

fn to_a_registry_and_back() -> Result<(), String> {
    let registry = Registry::start("open", false)?;
    let reference = registry.reference();
    let url = line(&package(&["--push", &reference], &[])?)?;
    let name = format!("oci://{}/edge/serin@", registry.address);
    let digest = url.strip_prefix(&name).ok_or_else(|| format!("{url} is not at {name}"))?;
    registry.holds(digest)?;
    // Again, with what Istio's url begins with.
    let again = line(&package(&["--push", &format!("oci://{reference}")], &[])?)?;
    if again == url { Ok(()) } else { Err(format!("{url} and then {again}")) }
}

fn with_credentials() -> Result<(), String> {
    let registry = Registry::start("closed", true)?;
    let reference = registry.reference();
    let refused = package(&["--push", &reference], &[])?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    if refused.status.code() != Some(2) || !said.contains("cannot be pushed") {
        return Err(format!("without credentials: {} {said}", refused.status));
    }
    let wrong = [("SERIN_REGISTRY_USER", USER), ("SERIN_REGISTRY_PASSWORD", "wrong")];
    let refused = package(&["--push", &reference], &wrong)?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    if refused.status.code() != Some(2) || said.contains("wrong") {
        return Err(format!("wrong credentials: {} {said}", refused.status));
    }
    let right = [("SERIN_REGISTRY_USER", USER), ("SERIN_REGISTRY_PASSWORD", PASSWORD)];
    let url = line(&package(&["--push", &reference], &right)?)?;
    registry.holds(url.split_once('@').map_or("", |(_, digest)| digest))?;
    // And as docker keeps them.
    let docker = folder("docker-config")?;
    let config = json!({"auths": {registry.address.to_string(): {"auth": BASIC}}});
    write(&docker.join("config.json"), &config.to_string())?;
    let again = package(&["--push", &reference], &[("DOCKER_CONFIG", &docker.to_string_lossy())])?;
    let _ = std::fs::remove_dir_all(&docker);
    if line(&again)? == url { Ok(()) } else { Err("docker's credentials lead elsewhere".into()) }
}

fn what_cannot_be_pushed() -> Result<(), String> {
    let elsewhere = "192.0.2.1:5000/serin:1";
    let half = [("SERIN_REGISTRY_USER", USER)];
    for (arguments, variables, why) in [
        (&["--push", "localhost:5000/serin"][..], &[][..], "has no tag"),
        (&["--push", elsewhere], &half, "set both "),
        (&[], &[], "required"),
    ] {
        let output = package(arguments, variables)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.code() != Some(2) || !said.contains(why) {
            return Err(format!("{arguments:?}: {} {said}", output.status));
        }
    }
    Ok(())
}
