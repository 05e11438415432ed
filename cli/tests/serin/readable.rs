//! Snapshots of what `serin check` and `serin import` say of files that are not what they look like: one sentence with
//! the line and what to do. `SERIN_BLESS=1` rewrites them.

use crate::check::{folder, same};
use crate::command::{self, outcome, serin};

/// The first two lines of most documents.
const HEAD: &str = "formatVersion: 1\nunits: { user: [ { header: x-user } ] }\n";

/// Documents that cannot be read at all.
fn unreadable() -> Vec<(&'static str, Vec<u8>)> {
    let bomb = || {
        let mut text = "a0: &a0 [ x, x, x, x, x, x, x, x, x, x ]\n".to_owned();
        for level in 1..9 {
            let below = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [ {below} ]\n"));
        }
        text
    };
    let utf16: Vec<u8> =
        std::iter::once(0xfeff_u16).chain(HEAD.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let mut found: Vec<(&str, Vec<u8>)> = vec![("utf16.yaml", utf16)];
    found.push(("latin1.yaml", [HEAD.as_bytes(), b"# f\xfcr uns\n"].concat()));
    found.push(("gzip.yaml", vec![0x1f, 0x8b, 8, 0]));
    found.push(("bom.json", "\u{feff}{ \"formatVersion\": 1 }".into()));
    found.push(("bomb.yaml", bomb().into()));
    found.push(("alias_in_itself.yaml", "a: &a [ *a ]\n".into()));
    found.push(("deep.yaml", format!("a: {}{}\n", "[".repeat(130), "]".repeat(130)).into()));
    found.push(("empty.yaml", Vec::new()));
    found.push(("comments.yaml", "# nothing here yet\n".into()));
    found.push(("html.yaml", "<!DOCTYPE html>\n<html>404: not found</html>\n".into()));
    let after_head = [
        ("helm_value.yaml", "revision: {{ .Values.revision }}\n"),
        ("helm_key.yaml", "rollouts:\n  {{ .Release.Name }}:\n    baseline: stable\n"),
        ("helm_block.yaml", "{{- if .Values.flags }}\nflags: {}\n{{- end }}\n"),
        ("jinja.yaml", "{% for flag in flags %}\nflags: {}\n{% endfor %}\n"),
        ("two_documents.yaml", "---\nformatVersion: 1\n"),
        ("no_break_space.yaml", "isolation:\u{a0}flags\n"),
        ("no_break_indent.yaml", "deploy:\n\u{a0}\u{a0}id: build-42\n"),
        ("no_break_in_braces.yaml", "deploy:\u{a0}{ id: build-42 }\n"),
        ("zero_width.yaml", "\u{200b}isolation: flags\n"),
        ("curly_quotes.yaml", "deploy: { id: “a: b” }\n"),
        ("dash.yaml", "cohorts:\n  de:\n    any:\n    – { attribute: country, equals: DE }\n"),
        ("conflict.yaml", "<<<<<<< HEAD\nrevision: 1\n=======\nrevision: 2\n>>>>>>> main\n"),
        ("tab.yaml", "deploy:\n\tid: build-42\n"),
        ("no_space.yaml", "revision:1\n"),
        ("colon_in_value.yaml", "deploy: { id: a: b }\n"),
        ("unclosed_quote.yaml", "deploy: { id: \"a }\n"),
        ("unclosed_brace.yaml", "deploy: { id: a\n"),
        ("missing_comma.yaml", "deploy: { id: a gitSha: b }\n"),
        ("after_quote.yaml", "deploy: { id: 'it's' }\n"),
        ("escape.yaml", "deploy: { id: \"C:\\dir\" }\n"),
        ("at_sign.yaml", "deploy: { id: @build }\n"),
        ("no_anchor.yaml", "deploy: *build\n"),
        ("infinity.yaml", "revision: .inf\n"),
        ("not_a_number.yaml", "revision: .nan\n"),
        ("too_large.yaml", "revision: 1e999\n"),
        ("type.yaml", "revision: !count 1\n"),
        ("slashes.yaml", "// the build\ndeploy: { id: a }\n"),
        ("colon_without_space.yaml", "deploy: {id:a}\n"),
        ("placeholder.yaml", "revision: ${REVISION}\n"),
        ("item_without_space.yaml", "cohorts:\n  de:\n    any:\n      -attribute: country\n"),
        ("decimal_comma.yaml", "holdouts: { all: { percent: 0,5 } }\n"),
        ("decimal_comma_block.yaml", "holdouts:\n  all:\n    percent: 0,5\n"),
        ("percent_sign.yaml", "holdouts: { all: { percent: 5% } }\n"),
        ("cr_only.yaml", "flags: {\r  a: }\r"),
    ];
    found.extend(after_head.map(|(name, text)| (name, format!("{HEAD}{text}").into())));
    let json = [
        ("comment.json", "{\n  // ours\n  \"formatVersion\": 1\n}"),
        ("trailing_comma.json", "{\n  \"formatVersion\": 1,\n}"),
        ("missing_comma.json", "{\n  \"formatVersion\": 1\n  \"units\": {}\n}"),
        ("single_quotes.json", "{ 'formatVersion': 1 }"),
        ("no_quotes.json", "{ formatVersion: 1 }"),
        ("nan.json", "{ \"formatVersion\": NaN }"),
        ("leading_zero.json", "{ \"formatVersion\": 01 }"),
        ("python.json", "{ \"formatVersion\": True }"),
        ("unclosed.json", "{ \"formatVersion\": 1"),
        ("template.json", "{ \"formatVersion\": {{ .Values.version }} }"),
        ("manifest.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: spec }\n"),
        ("list.yaml", "- formatVersion: 1\n"),
    ];
    found.extend(json.map(|(name, text)| (name, text.into())));
    found
}

/// The reports about documents, one after the other. The name is that of a folder of the test's own.
fn reports(test: &str, documents: Vec<(&str, Vec<u8>)>, code: i32) -> String {
    let folder = command::folder(&format!("readable-{test}"));
    let mut all = String::new();
    for (name, bytes) in documents {
        std::fs::write(folder.join(name), bytes).unwrap();
        let output = serin().current_dir(&folder).args(["check", name]).output().unwrap();
        let (found, out, err) = outcome(&output);
        assert_eq!((found, err.as_str()), (code, ""), "{name}: {out}");
        all.push_str(&out);
        all.push('\n');
    }
    all
}

/// Words that describe the parser or its settings, and not the file.
const JARGON: [&str; 12] = [
    "scalar", "mapping", "sequence", "token", "EOF", "serde", "budget", "policy", "node",
    "parsing", "Error", "ident",
];

#[test]
fn unreadable_documents_are_explained() {
    let all = reports("unreadable", unreadable(), 1);
    same(&folder("readable").join("unreadable.txt"), &all);
    for line in all.lines().filter(|line| line.starts_with("error") || line.contains("= help")) {
        assert!(JARGON.iter().all(|word| !line.contains(word)), "{line}");
    }
    for report in all.split("\n\n\n").filter(|report| !report.contains("file is empty")) {
        assert_eq!(report.matches("error[").count(), 1, "{report}");
    }
}

#[test]
fn an_import_explains_the_same_documents() {
    let folder = command::folder("readable-import");
    let mut all = String::new();
    for (name, bytes) in unreadable().into_iter().filter(|(name, _)| name.ends_with(".yaml")) {
        std::fs::write(folder.join(name), bytes).unwrap();
        let output = serin().current_dir(&folder).args(["import", "argo", name]).output().unwrap();
        let (code, out, err) = outcome(&output);
        assert_eq!((code, out.as_str()), (1, ""), "{name}: {err}");
        all.push_str(&err);
    }
    same(&self::folder("readable").join("import.txt"), &all);
    for line in all.lines() {
        assert!(JARGON.iter().all(|word| !line.contains(word)), "{line}");
    }
}

#[test]
fn mistakes_are_named_once_with_the_cure() {
    let documents = [
        (
            "no_arms.yaml",
            "rollouts:\n  shop: { baseline: stable, canary: { arm: next, share: 5 }, shadow: { arm: next, percent: 1 } }\n",
        ),
        (
            "missing_arm.yaml",
            "rollouts:\n  shop: { arms: { stable: { target: a } }, baseline: stable, canary: { arm: canary, share: 5 }, shadow: { arm: canary, percent: 1 } }\n",
        ),
        (
            "missing_cohort.yaml",
            "flags:\n  a: { variants: { x: 1 }, defaultVariant: x, rules: [ { when: { cohort: beta }, serve: x } ] }\n  b: { variants: { x: 1 }, defaultVariant: x, rules: [ { when: { cohort: beta }, serve: x } ] }\n",
        ),
        (
            "section_typo.yaml",
            "cohort: { beta: { attribute: country, equals: DE } }\nflags:\n  a: { variants: { x: 1 }, defaultVariant: x, rules: [ { when: { cohort: beta }, serve: x } ] }\n",
        ),
        (
            "other_words.yaml",
            "flags:\n  a: { variations: { x: 1 }, default: x, rules: [ { if: { field: country, is: DE }, value: x } ] }\nrollouts:\n  shop: { arms: { stable: { upstream: a }, next: { service: b } }, control: stable, canary: { weight: 5 }, hosts: [shop.example.com] }\n",
        ),
        (
            "forms.yaml",
            "cohorts: { internal: { attribute: country, equals: DE }, any: internal }\nflags:\n  a: { variants: { x: 1 }, defaultVariant: x, rules: [ { when: internal, serve: x }, { when: { all: internal }, serve: x }, { ramp: 5 }, x ], deliver: /shop, requires: [b] }\nrollouts:\n  shop: { match: shop.example.com, arms: { stable: shop-v1 }, baseline: stable, canary: 5, gates: true, onAbort: a }\n  other: x\n",
        ),
        (
            "other_forms.yaml",
            "cohorts: []\nholdouts: { all: 5 }\nlayers: { page: user }\ndeploy: build-42\nrollouts:\n  shop: { match: [/shop], arms: [], baseline: stable, blueGreen: stable, shadow: next }\n",
        ),
        (
            "empty_names.yaml",
            "flags:\n  a: { variants: { x: 1 }, defaultVariant: '', rules: [ { serve: '' }, { split: { '': 50, x: 50 } } ] }\nrollouts:\n  shop: { match: { hosts: [''], paths: [''] }, arms: { stable: { target: '' }, next: { target: b } }, baseline: '', canary: { arm: '', share: 5 } }\n",
        ),
        (
            "durations.yaml",
            "rollouts:\n  shop: { arms: { stable: { target: a }, next: { target: b } }, baseline: stable, cooldown: 1.5s, canary: { start: 2026-11-21T09:00:00Z, steps: [ { share: 1, hold: 600 }, { share: 2, hold: 10 min }, { share: 3, hold: PT1H }, { share: 4, hold: 100us }, { share: 5, hold: 0s }, { share: 6, hold: '' }, { share: 7, hold: 1m0s }, { share: 8, hold: }, { share: 9 } ] } }\n",
        ),
        (
            "hosts.yaml",
            "rollouts:\n  shop: { match: { hosts: [münchen.example, '*.Bücher.example', 'shop.example.com:443'] }, arms: { stable: { target: a } }, baseline: stable }\n",
        ),
        (
            "quotes.yaml",
            "deploy: { id: 1.10, gitSha: 0144e5 }\ncohorts: { a: { attribute: header.v, semver: 1.10 }, b: { attribute: header.v, equals: ~ }, c: { attribute: header.v, exists: yes } }\nholdouts: { all: { percent: \"5\" } }\n",
        ),
    ];
    let documents = documents.map(|(name, text)| (name, format!("{HEAD}{text}").into_bytes()));
    same(&folder("readable").join("mistakes.txt"), &reports("mistakes", documents.into(), 1));
}

#[test]
fn words_without_quotes_are_noted() {
    let operands = [
        "01443e5",
        "0e1234",
        "1e3",
        ".5",
        "0x1F",
        "0o17",
        "+1",
        "1.10",
        "1.0",
        "007",
        "1.",
        "True",
        "12345678901234567890",
        "1_000",
        "12:30:45",
        "2024-01-01",
        "0b11",
        "no",
    ];
    // These are what they look like.
    let plain = ["5", "1.5", "-3", "true", "1.2.3", "abc", "10m", "\"1e3\"", "'on'", "10.0.0.0/8"];
    let operands = [&operands[..], &plain].concat().join(", ");
    let text = format!(
        "{HEAD}cohorts: {{ a: {{ attribute: header.v, in: [ {operands} ] }}, \
         b: {{ attribute: time, before: 2026-12-31T00:00:00Z }}, \
         c: {{ attribute: header.v, gt: 1.50 }} }}\n\
         flags:\n  f: {{ expires: 2027-03-31, variants: {{ a: 1.10, 1e3: 1.50, 2024-01-01: 2.5, on: 3 }}, \
         defaultVariant: a }}\n"
    );
    let report = reports("words", vec![("words.yaml", text.clone().into())], 0);
    same(&folder("readable").join("words.txt"), &report);
    // JSON has one reading only.
    let json = "{ \"formatVersion\": 1, \"cohorts\": { \"a\": { \"attribute\": \"header.v\", \"equals\": 1e3 } } }";
    assert!(!reports("json", vec![("words.json", json.into())], 0).contains("note["));
}
