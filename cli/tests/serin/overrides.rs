//! `serin override`, and `serin explain` with tokens.

use crate::command::{SPEC, folder, outcome, serin};
use std::path::PathBuf;
use std::process::Command;

/// Runs a command with these keys and this secret in the environment. Returns the exit code, standard output and
/// standard error.
fn run(arguments: &[&str], keys: &str, secret: &str) -> (i32, String, String) {
    let mut command: Command = serin();
    command.args(arguments).env("SERIN_OVERRIDE_KEYS", keys).env("SECRET", secret);
    outcome(&command.output().unwrap())
}

fn spec(name: &str) -> PathBuf {
    let spec = folder(name).join("spec.yaml");
    std::fs::write(&spec, SPEC).unwrap();
    spec
}

fn secret() -> String {
    let (code, out, err) = run(&["override", "key"], "", "");
    assert_eq!((code, err.as_str()), (0, ""));
    out.trim().to_owned()
}

fn sign(secret: &str, more: &[&str]) -> (i32, String, String) {
    let base = ["override", "sign", "--key-id", "qa", "--secret-env", "SECRET"];
    run(&[&base, more].concat(), "", secret)
}

#[test]
fn secrets_are_random_and_long_enough() {
    let (one, two) = (secret(), secret());
    assert_ne!(one, two);
    assert_eq!((one.len(), two.len()), (43, 43));
}

#[test]
fn a_token_is_signed_verified_and_explained() {
    let (spec, secret) = (spec("override"), secret());
    let spec = spec.to_str().unwrap();
    let asked = ["--arm", "shop=canary", "--aud", "Shop.example.com", "--decision", "--spec", spec];
    let (code, token, err) = sign(&secret, &asked);
    assert_eq!((code, err.as_str()), (0, ""));
    let token = token.trim();
    let keys = format!(r#"{{"qa": "{secret}"}}"#);
    let (code, out, _) = run(&["override", "verify", token, "--spec", spec], &keys, "");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((code, lines[0], lines[2]), (0, "key        qa", "for        shop.example.com"));
    assert_eq!(lines[3..], ["arms       shop=canary", "decision   yes", "valid"]);
    let request = "https://shop.example.com/shop";
    let explain = ["explain", spec, "--request", request, "--override", token];
    let (code, out, _) = run(&explain, &keys, "");
    assert_eq!(code, 0);
    let steps = "override applied\n\
                rollout shop matches host \"shop.example.com\" path \"/shop\"\n  \
                override signed by qa\n\
                → arm canary (TARGETING_MATCH)\n";
    assert!(out.contains(steps) && out.contains("serin-decision: the decision record"), "{out}");
    // In a cookie of the request, and without keys.
    let cookie = format!("cookie: serin_override={token}");
    let explain = ["explain", spec, "--request", request, "-H", &cookie, "--json"];
    let (_, out, _) = run(&explain, &keys, "");
    assert!(out.contains(r#""override":"applied""#), "{out}");
    let (_, out, _) = run(&explain, "", "");
    assert!(out.contains(r#""override":"no_keys""#), "{out}");
}

#[test]
fn an_ignored_token_has_its_reason() {
    let secret = secret();
    let keys = format!(r#"{{"qa": {{"secret": "{secret}", "rollouts": ["shop"]}}}}"#);
    let (_, token, _) = sign(&secret, &["--arm", "shop=canary", "--aud", "shop.example.com"]);
    let (_, flag, _) = sign(&secret, &["--variant", "new=on"]);
    let (token, flag) = (token.trim(), flag.trim());
    for (arguments, why) in [
        (vec![token, "--host", "www.example.com"], "the token is for another host"),
        (vec![token, "--at", "2099-01-01"], "the token has expired"),
        (vec!["a.b.c"], "the token is not a compact JWS"),
        (vec![flag], "the key may not force one of the names in the token"),
    ] {
        let (code, out, err) = run(&[&["override", "verify"], &*arguments].concat(), &keys, "");
        assert_eq!((code, err.as_str()), (1, ""), "{out}");
        assert!(out.lines().last().unwrap().starts_with(&format!("ignored: {why}")), "{out}");
    }
    // A key without a scope.
    let (code, _, _) = run(&["override", "verify", flag, "--secret-env", "SECRET"], "", &secret);
    assert_eq!(code, 0);
}

/// A secret in base64url may begin with a hyphen, like an option.
#[test]
fn a_secret_on_the_command_line_is_refused_and_not_printed() {
    let rest = &secret()[2..];
    for start in ["pq", "-p", "--", "-=", "_-"] {
        let secret = format!("{start}{rest}");
        for command in [&["sign", "--key-id=qa", "--arm=a=b"][..], &["verify", "token"]] {
            let (code, out, err) =
                run(&[&["override"], command, &["--secret", &secret]].concat(), "", "");
            assert_eq!((code, out.as_str()), (2, ""));
            let message = "error: every process can read a secret on the command line: use \
                           --secret-file FILE or --secret-env VAR, and generate a new secret with \
                           `serin override key`\n";
            assert_eq!(err, message, "{start}");
        }
    }
}

#[test]
fn wrong_arguments_of_sign_are_refused() {
    let spec = spec("override-mistakes");
    let spec = spec.to_str().unwrap();
    let secret = secret();
    let unknown =
        ["--arm", "shop=x", "--arm", "shpo=canary", "--variant", "new=on", "--spec", spec];
    for (secret, arguments, wanted) in [
        (
            secret.as_str(),
            &unknown[..],
            "error: --arm: the rollout shop has no arm x, use canary or stable\n\
             --arm: the spec has no rollout shpo, use other or shop\n\
             --variant: the spec has no flag new, it has none at all\n",
        ),
        (&secret, &[], "error: the token forces nothing: give --arm, --variant or --decision\n"),
        (
            "c2hvcnQ",
            &["--decision"],
            "error: SECRET: the secret has 5 bytes, at least 32 are needed\n",
        ),
        (
            "a+b/=",
            &["--decision"],
            "error: SECRET: the secret is not base64url (A-Z, a-z, 0-9, - and _, without =)\n",
        ),
        (&secret, &["--arm", "a=b", "--arm", "a=c"], "error: a is given twice\n"),
    ] {
        let (code, out, err) = sign(secret, arguments);
        assert_eq!((code, out.as_str(), err.as_str()), (2, "", wanted));
    }
}
