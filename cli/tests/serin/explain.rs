//! `serin explain`: what it says of a request.

use crate::command::{folder, outcome, serin};
use std::path::Path;

fn spec(name: &str, text: &str) -> std::path::PathBuf {
    let file = folder(name).join("spec.yaml");
    std::fs::write(&file, text).unwrap();
    file
}

fn explain(spec: &Path, arguments: &[&str]) -> String {
    let output = serin().arg("explain").arg(spec).args(arguments).output().unwrap();
    let (code, out, err) = outcome(&output);
    assert_eq!((code, err.as_str()), (0, ""));
    out
}

#[test]
fn a_value_that_is_not_of_the_operators_type_is_named() {
    let spec = spec(
        "explain_types",
        "
formatVersion: 1
flags:
  f:
    variants: { y: true, n: false }
    defaultVariant: n
    rules:
      - { when: { attribute: header.score, gt: 0.5 }, serve: y }
      - { when: { attribute: header.score, in: [7, other] }, serve: y }
      - { when: { attribute: header.score, in: [7, 8.5] }, serve: y }
      - { when: { attribute: header.app, semver: \">=1.2\" }, serve: y }
      - { when: { attribute: header.client, cidr: 10.0.0.0/8 }, serve: y }
      - { when: { attribute: header.seen, before: 2026-01-01 }, serve: y }
",
    );
    let request = ["--request", "https://shop.example.com/"];
    let values = ["-H", "score: many", "-H", "app: 1.x", "-H", "client: a", "-H", "seen: soon"];
    let out = explain(&spec, &[&request[..], &values].concat());
    for line in [
        r#"header.score gt 0.5: no, saw "many", which is not a number"#,
        r#"header.score in [7, "other"]: no, saw "many""#,
        r#"header.score in [7, 8.5]: no, saw "many", which is not a number"#,
        r#"header.app semver >=1.2: no, saw "1.x", which is not a version"#,
        r#"header.client cidr 10.0.0.0/8: no, saw "a", which is not an address"#,
        r#"header.seen before 2026-01-01T00:00:00Z: no, saw "soon", which is not a timestamp"#,
    ] {
        assert!(out.lines().any(|given| given.trim() == line), "{line}\n{out}");
    }
    let out = explain(&spec, &[&request[..], &values, &["--json"]].concat());
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    let steps = document["steps"].as_array().unwrap().iter();
    let types: Vec<_> = steps
        .filter(|step| step["step"] == "test")
        .map(|step| step["isNot"].as_str().unwrap_or("-"))
        .collect();
    assert_eq!(
        types,
        ["a number", "-", "a number", "a version", "an address", "a timestamp"],
        "{out}"
    );

    // A number is compared, whatever its length, and a missing value has no type.
    let out = explain(&spec, &[&request[..], &["-H", "score: 0.8333333333333334"]].concat());
    assert!(out.contains(r#"gt 0.5: yes, saw "0.8333333333333334""#), "{out}");
    let out = explain(&spec, &request);
    assert!(!out.contains("which is not"), "{out}");
}

#[test]
fn a_host_header_is_the_host() {
    let spec = spec(
        "explain_host",
        "
formatVersion: 1
rollouts:
  shop:
    match: { hosts: [shop.example.com], paths: [{ exact: /feed }] }
    arms: { stable: { target: a } }
    baseline: stable
",
    );
    let local = ["--request", "http://localhost:18000/feed"];
    assert!(explain(&spec, &local).contains(r#"no rollout matches host "localhost""#));
    for headers in [
        &["-H", "Host: shop.example.com"][..],
        &["-H", "host: Shop.Example.com:8443"],
        &["-H", ":authority: shop.example.com", "-H", "host: other.example"],
    ] {
        let out = explain(&spec, &[&local, headers].concat());
        assert!(out.contains(r#"rollout shop matches host "shop.example.com""#), "{out}");
    }
    let path = ["--request", "PUT /feed", "-H", "host: shop.example.com"];
    assert!(explain(&spec, &path).starts_with("PUT https://shop.example.com/feed at "));
    let output = serin().arg("explain").arg(&spec).args(&path[..2]).output().unwrap();
    let (code, _, err) = outcome(&output);
    assert_eq!(code, 2);
    assert!(err.contains("the request has no host: write GET https://"), "{err}");
    let moved = ["-H", "host: shop.example.com", "-H", ":path: /other", "-H", ":method: POST"];
    let out = explain(&spec, &[&local[..], &moved].concat());
    assert!(out.starts_with("POST http://shop.example.com/other at "), "{out}");
    assert!(out.contains(r#"no rollout matches host "shop.example.com" path "/other""#), "{out}");
}
