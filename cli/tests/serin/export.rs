//! Snapshots of `serin export` for a whole spec; `SERIN_BLESS=1` rewrites them. And invariants of every export:
//! equal input gives equal bytes, no file is written twice, no obsolete file remains.

use crate::command::{folder, outcome, serin};
use std::path::{Path, PathBuf};

const SHA256: &str = "1ef0c9a92b0420cf25f7fe5d481b231464bc88f486ca3b9c83ed5cc21d2f6210";

/// The exports, each with its folder of snapshots, its target and its options.
fn exports() -> Vec<(&'static str, Vec<&'static str>)> {
    let bootstrap = vec![
        "envoy",
        "--ecds",
        "/etc/envoy/serin/ecds.yaml",
        "--default",
        "shop-web",
        "--bootstrap",
        "--upstream",
        "reco/v1=reco-v1.internal:8080",
        "--upstream",
        "reco/v2=10.0.0.2:8080",
        "--upstream",
        "reco-next=[2001:db8::1]:8080",
        "--upstream",
        "shop-web=10.0.0.1:80",
        "--upstream",
        "shop-web-next=10.0.0.3:80",
    ];
    let istio = ["istio", "--url", "oci://registry.example/serin-filter:1", "--sha256", SHA256];
    let istio = |options: &[&'static str]| [&istio[..], options].concat();
    let worker = vec![
        "worker",
        "--origin",
        "reco/v1=https://reco.example.com",
        "--service",
        "reco/v2=reco-v2",
        "--service",
        "reco-next=reco-next",
        "--origin",
        "shop-web=https://shop.example.com",
        "--origin",
        "shop-web-next=https://next.example.com",
        "--var",
        "SERIN_CACHE=1",
    ];
    vec![
        ("envoy", vec!["envoy"]),
        ("envoy-bootstrap", bootstrap),
        ("istio-gateway", istio(&["--gateway", "edge/shop", "--default", "shop-web"])),
        (
            "istio-gateway-api",
            istio(&[
                "--gateway",
                "shop",
                "--routes",
                "gateway-api",
                "--extension",
                "traffic-extension",
                "--destination",
                "reco/v1=reco-v1:8080",
                "--destination",
                "reco/v2=reco-v2",
            ]),
        ),
        (
            "istio-sidecar",
            istio(&["--variant", "sidecar", "--namespace", "shop", "--selector", "app=frontend"]),
        ),
        ("worker", worker),
    ]
}

fn snapshots() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serin/exported")
}

/// Runs an export in the snapshots' folder. Returns the exit code, standard output and standard error.
fn export(spec: &str, arguments: &[&str], further: &[&str]) -> (i32, String, String) {
    let (target, options) = arguments.split_first().unwrap();
    let mut command = serin();
    command.current_dir(snapshots()).args(["export", target, spec]).args(options).args(further);
    outcome(&command.output().unwrap())
}

#[test]
fn exports_of_a_whole_spec_are_unchanged() {
    for (name, arguments) in exports() {
        let bless = std::env::var_os("SERIN_BLESS").is_some();
        let check: &[&str] = if bless { &[] } else { &["--check"] };
        let (code, out, err) = export("spec.yaml", &arguments, &[&["--out", name], check].concat());
        assert_eq!((code, err.as_str()), (0, ""), "{name}: {out}; SERIN_BLESS=1 writes them anew");
    }
}

#[test]
fn yaml_and_json_give_equal_exports() {
    let folder = folder("export-json");
    let yaml = std::fs::read_to_string(snapshots().join("spec.yaml")).unwrap();
    let value: serde_json::Value = serde_json::from_str(
        &std::fs::read_to_string(snapshots().join("worker/serin/spec.json")).unwrap(),
    )
    .unwrap();
    std::fs::write(folder.join("spec.yaml"), value.to_string()).unwrap();
    assert_ne!(yaml, value.to_string());
    for (name, arguments) in exports() {
        let (target, options) = arguments.split_first().unwrap();
        let mut command = serin();
        command.current_dir(&folder).args(["export", target, "spec.yaml"]).args(options);
        let from_json = outcome(&command.output().unwrap());
        assert_eq!(from_json, export("spec.yaml", &arguments, &[]), "{name}");
        let documents = from_json.1.split("---\n# File: ").skip(1);
        for document in documents {
            let (path, text) = document.split_once('\n').unwrap();
            let file = std::fs::read_to_string(snapshots().join(name).join(path)).unwrap();
            assert_eq!(text, file, "{name}/{path}");
        }
    }
}

#[test]
fn files_are_written_once_and_removed_when_obsolete() {
    let out = folder("export-files");
    let out = out.to_str().unwrap();
    let names = || {
        let mut names: Vec<String> = std::fs::read_dir(out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    std::fs::write(Path::new(out).join("mine.yaml"), "# Mine\n").unwrap();
    let all = ["envoy", "--ecds", "/e/ecds.yaml"];
    let (code, said, _) = export("spec.yaml", &all, &["--out", out]);
    assert_eq!((code, said.matches(": written").count()), (0, 4), "{said}");
    assert_eq!(names(), ["ecds.yaml", "filter.yaml", "mine.yaml", "routes.yaml", "stats.yaml"]);
    let modified = || Path::new(out).join("routes.yaml").metadata().unwrap().modified().unwrap();
    let before = modified();
    let (_, said, _) = export("spec.yaml", &all, &["--out", out]);
    assert_eq!(said.matches(": unchanged").count(), 4, "{said}");
    assert_eq!(modified(), before);
    assert_eq!(export("spec.yaml", &all, &["--out", out, "--check"]).0, 0);

    std::fs::write(Path::new(out).join("routes.yaml"), "routes: []\n").unwrap();
    let (code, said, _) = export("spec.yaml", &["envoy"], &["--out", out, "--check"]);
    assert_eq!(code, 1);
    for line in ["ecds.yaml: left over\n", "routes.yaml: differs\n", "stats.yaml: up to date\n"] {
        assert!(said.contains(line), "{said}");
    }
    let (_, said, _) = export("spec.yaml", &["envoy"], &["--out", out, "--only", "stats.yaml"]);
    assert!(!said.contains("removed"), "{said}");
    let (_, said, _) = export("spec.yaml", &["envoy"], &["--out", out]);
    assert!(
        said.contains("ecds.yaml: removed\n") && said.contains("routes.yaml: written\n"),
        "{said}"
    );
    assert_eq!(names(), ["filter.yaml", "mine.yaml", "routes.yaml", "stats.yaml"]);
}

#[test]
fn all_problems_of_an_export_are_reported_at_once() {
    let (code, out, err) =
        export("spec.yaml", &["envoy", "--bootstrap", "--upstream", "x=a:1"], &[]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(
        err,
        "error: spec.yaml: rollouts: the baselines have several targets, so name the target of requests that belong to none with --default TARGET\n       \
         spec.yaml: rollouts.reco.arms.dark.target: reco-next has no upstream, give one with --upstream reco-next=HOST:PORT\n       \
         spec.yaml: rollouts.reco.arms.stable.target: reco/v1 has no upstream, give one with --upstream reco/v1=HOST:PORT\n       \
         spec.yaml: rollouts.reco.arms.canary.target: reco/v2 has no upstream, give one with --upstream reco/v2=HOST:PORT\n       \
         spec.yaml: rollouts.shop.arms.blue.target: shop-web has no upstream, give one with --upstream shop-web=HOST:PORT\n       \
         spec.yaml: rollouts.shop.arms.green.target: shop-web-next has no upstream, give one with --upstream shop-web-next=HOST:PORT\n       \
         --upstream: there is no target x, use reco-next, reco/v1, reco/v2, shop-web, shop-web-next\n"
    );
    let url = ["istio", "--url", "oci://r.example/f:1", "--routes", "gateway-api"];
    let (code, _, err) = export("spec.yaml", &url, &[]);
    assert_eq!(code, 1);
    for part in [
        "--gateway: name the gateway",
        "rollouts.reco.arms.canary.target: the Gateway API has no subsets",
    ] {
        assert!(err.contains(part), "{err}");
    }
    let (code, _, err) =
        export("spec.yaml", &["worker", "--var", "SERIN_STATUS_TOKEN=secret"], &[]);
    assert_eq!(code, 1);
    assert!(err.contains("--var: SERIN_STATUS_TOKEN is a secret and stands in no file"), "{err}");
    assert!(err.contains("rollouts.shop.arms.green.target: shop-web-next is nowhere yet"), "{err}");
}

#[test]
fn an_isolated_flag_prevents_an_export() {
    let folder = folder("export-bad");
    let write = |text: &str| std::fs::write(folder.join("spec.yaml"), text).unwrap();
    let run = || {
        let mut command = serin();
        command.current_dir(&folder).args(["export", "envoy", "spec.yaml"]);
        outcome(&command.output().unwrap())
    };
    let flag = "flags: { f: { kind: ops, variants: { a: 1 }, defaultVariant: b } }\n";
    for isolation in ["", "isolation: flags\n"] {
        write(&format!("formatVersion: 1\n{isolation}{flag}"));
        let (code, out, err) = run();
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(err.contains("flags.f.defaultVariant"), "{err}");
    }
    write("formatVersion: 1\n");
    assert_eq!(run().0, 0);
    std::fs::remove_file(folder.join("spec.yaml")).unwrap();
    assert_eq!(run().0, 2);
    assert_eq!(export("spec.yaml", &["envoy"], &["--only", "routes"]).0, 2);
    assert_eq!(export("spec.yaml", &["envoy"], &["--check"]).0, 2);
}

/// A spec of 300 flags, each for as many users, as JSON.
fn large_spec(users: usize) -> String {
    let users: Vec<String> = (0..users).map(|n| format!("user-number-{n:04}")).collect();
    let flag = |n: usize| {
        serde_json::json!({
            "variants": {"on": true, "off": false},
            "defaultVariant": "off",
            "rules": [{"when": {"attribute": "unit.user", "in": users}, "serve": "on"}],
            "deliver": {"paths": [format!("/page-{n}")]},
        })
    };
    let flags: serde_json::Map<String, serde_json::Value> =
        (0..300).map(|n| (format!("flag-{n:04}"), flag(n))).collect();
    let shop = serde_json::json!({
        "unit": "user",
        "arms": {"a": {"target": "shop-a"}, "b": {"target": "shop-b"}},
        "baseline": "a",
        "canary": {"share": 5},
    });
    serde_json::json!({
        "formatVersion": 1,
        "revision": 1,
        "units": {"user": [{"header": "x-user"}]},
        "flags": flags,
        "rollouts": {"shop": shop},
    })
    .to_string()
}

#[test]
fn delivered_spec_has_its_own_size_and_a_warning_before_each_limit() {
    let out = folder("export-sizes");
    let path = out.join("spec.json");
    let run =
        |arguments: &[&str]| outcome(&serin().current_dir(&out).args(arguments).output().unwrap());
    let envoy = ["export", "envoy", "spec.json", "--ecds", "/etc/ecds.yaml", "--only", "ecds.yaml"];
    let istio = ["export", "istio", "spec.json", "--url", "oci://r.example/f:1"];
    let istio = [&istio[..], &["--gateway", "shop", "--default", "shop-a"]].concat();
    let check = ["check", "--target", "kubernetes", "spec.json"];

    let spec = large_spec(15);
    std::fs::write(&path, &spec).unwrap();
    let (code, text, notes) = run(&envoy);
    assert_eq!((code, notes.as_str()), (0, ""));
    let (size, bytes) = (text.len(), spec.len());
    assert!(size < bytes * 11 / 10, "{size} bytes for a spec of {bytes}");
    assert!(!run(&check).1.contains("large-for-kubernetes"));

    let apply = "bytes, and client-side kubectl apply takes 262,144";
    let request = "bytes, and a request to etcd takes 1,572,864";
    for (users, in_map, as_resource) in [
        (45, apply, apply),
        (180, "bytes, and a ConfigMap or Secret takes 1,048,576", apply),
        (290, request, request),
    ] {
        std::fs::write(&path, large_spec(users)).unwrap();
        let (code, _, notes) = run(&envoy);
        assert_eq!(code, 0, "{users}: {notes}");
        assert!(notes.starts_with("warning: ecds.yaml: in a ConfigMap it has "), "{notes}");
        let names_the_largest = |notes: &str| notes.contains("the largest parts are flags.flag-0");
        assert!(notes.contains(in_map) && names_the_largest(&notes), "{users}: {notes}");
        let (code, _, notes) = run(&istio);
        assert_eq!(code, 0, "{users}: {notes}");
        assert!(notes.contains("warning: wasm-plugin.yaml: its largest object has"), "{notes}");
        assert!(notes.contains(as_resource) && names_the_largest(&notes), "{users}: {notes}");
        let (code, checked, _) = run(&check);
        assert_eq!(code, 0, "{checked}");
        assert!(
            checked.contains("warning[large-for-kubernetes]: in Istio's extension"),
            "{checked}"
        );
        assert!(checked.contains(in_map) && checked.contains(as_resource), "{users}: {checked}");
        assert!(!run(&["check", "spec.json"]).1.contains("large-for-kubernetes"));
    }
}
