//! Operands that no value passes, and operands that seem to mean something else. Each is tested beside those
//! that hold.

mod util;

use serin_analysis::lint::{Finding, Lint, lint};

use util::{NOW, read, with};

fn findings(fragment: &str) -> Vec<Finding> {
    let (spec, plan) = read(&with(fragment));
    let mut found = lint(&spec, &plan, NOW);
    found.retain(|finding| matches!(finding.lint, Lint::NeverHolds | Lint::UnlikelyOperand));
    found
}

/// The findings of a test, each as `path: message | help`.
#[track_caller]
fn of(attribute: &str, operators: &str) -> Vec<String> {
    let found = findings(&format!(
        r#""cohorts": {{ "c": {{ "attribute": "{attribute}", {operators} }} }}"#
    ));
    let text = |finding: Finding| {
        let path = finding.path.replace("cohorts.c.", "");
        format!("{path}: {} | {}", finding.message, finding.help.unwrap_or_default())
    };
    found.into_iter().map(text).collect()
}

#[track_caller]
fn never(attribute: &str, operators: &str, wanted: &str) {
    let (path, text) = wanted.split_once(": ").unwrap();
    assert_eq!(
        of(attribute, operators),
        [format!("{path}: can never hold: {text}")],
        "{operators}"
    );
}

#[track_caller]
fn holds(attribute: &str, operators: &str) {
    assert_eq!(of(attribute, operators), [""; 0], "{attribute} {operators}");
}

#[test]
fn operands_that_can_hold_are_not_reported() {
    for (attribute, operators) in [
        ("path", r#""equals": "/a%2fb""#),
        ("path", r#""equals": "/café""#),
        ("path", r#""equals": "/a b""#),
        ("path", r#""equals": "*""#),
        ("path", r#""in": [ "/a/../b", "/%61dmin" ]"#),
        ("path", r#""prefix": "/.""#),
        ("path", r#""prefix": "/a/..""#),
        ("path", r#""suffix": [ ".html", "a%2" ]"#),
        ("path", r#""contains": "ü""#),
        ("path", r#""glob": [ "/*/b", "*.html", "?a", "/é*" ]"#),
        ("path", r#""exists": false"#),
        ("host", r#""equals": "Shop.Example.com.""#),
        ("host", r#""in": [ "[2001:DB8:0::1]", "192.0.2.7", "[::ffff:192.0.2.7]" ]"#),
        ("host", r#""suffix": ".Example.com.""#),
        ("host", r#""prefix": [ "shop.", "[2001:" ]"#),
        ("host", r#""contains": "." , "cidr": "10.0.0.0/8""#),
        ("host", r#""glob": "*.Example.com""#),
        ("method", r#""in": [ "GET", "M-SEARCH" ], "prefix": "G""#),
        ("ip", r#""in": [ "192.0.2.7", "::ffff:192.0.2.7", "2001:DB8::0:1" ]"#),
        ("ip", r#""prefix": [ "10.", "2001:DB8:" ], "cidr": "0.0.0.0/0""#),
        ("ip", r#""glob": "10.*""#),
        ("country", r#""in": [ "DE", "T1" ]"#),
        ("country", r#""glob": "?R""#),
        ("asn", r#""in": [ 13335, "13335", 1.5e4 ], "gt": 100"#),
        ("colo", r#""prefix": "FR""#),
        ("region", r#""equals": "Île-de-France""#),
        ("city", r#""semver": "1", "contains": " ""#),
        ("header.x", r#""equals": """#),
        ("header.x", r#""equals": "a?b=%2f", "prefix": "a""#),
        ("header.x", r#""in": [ true, 5, "*" ]"#),
        ("header.x", r#""prefix": "a ", "contains": " ", "suffix": " b""#),
        ("cookie.x", r#""equals": "a=b, c""#),
        ("query.x", r#""equals": "a b%""#),
        ("query.x", r#""equals": """#),
        ("jwt.x", r#""equals": " a""#),
        ("unit.user", r#""equals": "a;""#),
        ("unit.tenant", r#""suffix": ";""#),
        ("time", r#""exists": true, "after": "2026-01-01", "before": "2027-01-01""#),
        ("header.x", r#""gt": 5, "lte": 5.1"#),
        ("header.x", r#""gte": 5, "lte": 5"#),
        ("header.x", r#""in": [ 1, 9 ], "gt": 5"#),
        ("header.x", r#""in": [ "a", "b" ], "prefix": "b""#),
        ("header.x", r#""equals": 1, "contains": "1.0""#),
    ] {
        holds(attribute, operators);
    }
}

#[test]
fn paths_that_no_request_has() {
    let query = r#"a path ends before the query | write "/a", and all: […] with { attribute: query.x, equals: "1" }"#;
    never("path", r#""equals": "/a?x=1""#, &format!("equals: {query}"));
    never("path", r#""in": [ "/b", "/a?x=1" ]"#, &format!("in[1]: {query}"));
    never(
        "path",
        r#""suffix": ".html?""#,
        r#"suffix: a path ends before the query | write ".html", and test the parameters with query.NAME"#,
    );
    never(
        "path",
        r#""contains": "?""#,
        r#"contains: a path ends before the query | test the parameters with query.NAME"#,
    );
    never(
        "path",
        r#""equals": "/a#b""#,
        r#"equals: no request carries the part behind # | write "/a""#,
    );
    never("path", r#""prefix": "admin""#, r#"prefix: a path begins with / | write "/admin""#);
    never("path", r#""equals": "feed""#, r#"equals: a path begins with / | write "/feed""#);
    never("path", r#""equals": """#, r#"equals: a path begins with / | write "/""#);
    never("path", r#""glob": "api/*""#, r#"glob: a path begins with / | write "/api/*""#);
    never(
        "path",
        r#""prefix": "^/api""#,
        "prefix: a path begins with / | regular expressions are not known, write a glob",
    );
    never(
        "path",
        r#""equals": "https://shop.example.com/a?b""#,
        r#"equals: a path has neither scheme nor host | write its path, "/a?b", and test the attribute host"#,
    );
    never(
        "path",
        r#""contains": "/../""#,
        "contains: a path has no segments . and .., they are resolved | write it without them",
    );
    never(
        "path",
        r#""glob": "/*/./a""#,
        "glob: a path has no segments . and .., they are resolved | write it without them",
    );
    never(
        "path",
        r#""glob": "/a\\?b""#,
        "glob: no normalised path has this | write it as serin explain shows the path of such a request",
    );
    let no_type = "compare it as a string, with equals, in, prefix, suffix, contains or glob";
    never("path", r#""gt": 5"#, &format!("gt: a path is not a number | {no_type}"));
    never("path", r#""equals": 5"#, &format!("equals: a path is not a number | {no_type}"));
    never("path", r#""semver": "1.2""#, &format!("semver: a path is not a version | {no_type}"));
    never(
        "path",
        r#""cidr": "10.0.0.0/8""#,
        &format!("cidr: a path is not an address | {no_type}"),
    );
    never(
        "path",
        r#""before": "2026-01-01""#,
        &format!("before: a path is not a timestamp | {no_type}"),
    );
    never("path", r#""equals": true"#, "equals: a path is neither true nor false | ");
}

#[test]
fn hosts_that_no_request_has() {
    never(
        "host",
        r#""equals": "Shop.example.com:8443""#,
        r#"equals: a host has no port | write "shop.example.com""#,
    );
    never(
        "host",
        r#""suffix": ".example.com:8443""#,
        r#"suffix: a host has no port | write ".example.com""#,
    );
    never(
        "host",
        r#""glob": "*.example.com:*""#,
        r#"glob: a host has no port | write "*.example.com""#,
    );
    never(
        "host",
        r#""equals": "https://shop.example.com/feed""#,
        r#"equals: a host has neither scheme nor path | write "shop.example.com""#,
    );
    never(
        "host",
        r#""equals": "*.example.com""#,
        r#"equals: * stands for itself here | write suffix: ".example.com""#,
    );
    never(
        "host",
        r#""in": [ "a.example", "shop.*" ]"#,
        r#"in[1]: * stands for itself here | write glob: "shop.*""#,
    );
    never(
        "host",
        r#""equals": "2001:DB8::1""#,
        r#"equals: an IPv6 address in place of a host is in brackets | write "[2001:db8::1]""#,
    );
    never(
        "host",
        r#""equals": "[2001:db8::1]:80""#,
        r#"equals: a host has no port | write "[2001:db8::1]""#,
    );
    never(
        "host",
        r#""equals": "münchen.example""#,
        r#"equals: hosts are sent in ASCII | write "xn--mnchen-3ya.example""#,
    );
    never(
        "host",
        r#""equals": ".example.com""#,
        r#"equals: no label of a host is empty | for hosts below example.com, write suffix: ".example.com""#,
    );
    never("host", r#""contains": "..""#, "contains: no label of a host is empty | ");
    let glob = r#"regular expressions are not known here | write a glob, such as "*.example.com""#;
    never("host", r#""prefix": "^shop""#, &format!("prefix: {glob}"));
    never("host", r#""glob": ".*\\.example\\.com""#, &format!("glob: {glob}"));
    let blanks = r#"equals: a host has no blanks | write "shop.example.com""#;
    never("host", r#""equals": " shop.example.com""#, blanks);
    never(
        "host",
        r#""equals": "shop example""#,
        "equals: a host has letters, digits, -, _ and . only | ",
    );
    never(
        "host",
        r#""equals": """#,
        "equals: an empty value counts as missing | write exists: false",
    );
    never(
        "host",
        r#""lt": 5"#,
        "lt: a host is not a number | compare it as a string, with equals, in, prefix, suffix, contains or glob",
    );
}

#[test]
fn other_values_that_no_request_has() {
    never(
        "method",
        r#""equals": "get""#,
        r#"equals: methods are in upper case, and case counts | write "GET""#,
    );
    never(
        "method",
        r#""in": [ "GET", "Post" ]"#,
        r#"in[1]: methods are in upper case, and case counts | write "POST""#,
    );
    never(
        "method",
        r#""prefix": "p""#,
        r#"prefix: methods are in upper case, and case counts | write "P""#,
    );
    never(
        "method",
        r#""equals": "GET POST""#,
        "equals: a method is one word | write GET, for example",
    );
    never(
        "ip",
        r#""equals": "10.0.0.0/8""#,
        r#"equals: an address is not a network | write cidr: "10.0.0.0/8""#,
    );
    never(
        "ip",
        r#""in": [ "192.0.2.7:80" ]"#,
        r#"in[0]: an address has neither port nor brackets | write "192.0.2.7""#,
    );
    never(
        "ip",
        r#""equals": "[2001:db8::1]""#,
        r#"equals: an address has neither port nor brackets | write "2001:db8::1""#,
    );
    never(
        "ip",
        r#""equals": "10.*""#,
        r#"equals: it is not an address | write glob: "10.*", or cidr"#,
    );
    never(
        "ip",
        r#""equals": "localhost""#,
        "equals: it is not an address | write 192.0.2.7 or 2001:db8::7, or cidr for a network",
    );
    never(
        "ip",
        r#""equals": "010.0.0.1""#,
        "equals: it is not an address | write 192.0.2.7 or 2001:db8::7, or cidr for a network",
    );
    never(
        "ip",
        r#""prefix": "256.""#,
        "prefix: no address in its short form has this | write cidr for a network",
    );
    never(
        "ip",
        r#""prefix": "2001:0db8:""#,
        "prefix: no address in its short form has this | write cidr for a network",
    );
    never(
        "ip",
        r#""semver": "1.2.3""#,
        "semver: an address is not a version | compare it with cidr",
    );
    never(
        "country",
        r#""equals": "de""#,
        r#"equals: the code of a country is in upper case, and case counts | write "DE""#,
    );
    never(
        "country",
        r#""in": [ "UK" ]"#,
        r#"in[0]: the code of the United Kingdom is GB | write "GB""#,
    );
    never(
        "country",
        r#""equals": "Germany""#,
        "equals: a country is one of the codes of ISO 3166-1, two letters | write DE for Germany, for example",
    );
    never(
        "country",
        r#""in": [ "DE", false ]"#,
        "in[1]: a country is neither true nor false | for Norway write \"NO\", in quotes",
    );
    never(
        "asn",
        r#""equals": "AS13335""#,
        "equals: the number of an autonomous system has digits only | write 13335",
    );
    never(
        "asn",
        r#""gt": 4294967295"#,
        "gt: the numbers of autonomous systems are whole, from 0 to 4294967295 | ",
    );
    never(
        "asn",
        r#""lt": 0"#,
        "lt: the numbers of autonomous systems are whole, from 0 to 4294967295 | ",
    );
    never(
        "colo",
        r#""equals": "fra""#,
        r#"equals: the code of a data centre is in upper case, and case counts | write "FRA""#,
    );
    never(
        "colo",
        r#""equals": "Frankfurt""#,
        r#"equals: the code of a data centre is in upper case, and case counts | write "FRANKFURT""#,
    );
    never(
        "city",
        r#""equals": """#,
        "equals: an empty value counts as missing | write exists: false",
    );
    never(
        "header.x",
        r#""equals": " a ""#,
        r#"equals: the value of a header field has no blanks at its ends | write "a""#,
    );
    never(
        "header.x",
        r#""suffix": "a\t""#,
        r#"suffix: the value of a header field has no blanks at its ends | write "a""#,
    );
    never(
        "header.x",
        r#""contains": "a\nb""#,
        "contains: the value of a header field has no control characters | ",
    );
    never("cookie.x", r#""equals": "a; b""#, "equals: a ; ends the value of a cookie | ");
    never(
        "jwt.x",
        r#""equals": """#,
        "equals: an empty value counts as missing | write exists: false",
    );
    never(
        "unit.user",
        r#""equals": """#,
        "equals: an empty value counts as missing | write exists: false",
    );
    never(
        "unit.user",
        r#""equals": " a""#,
        r#"equals: the value of a header field has no blanks at its ends | write "a""#,
    );
    assert_eq!(
        of("time", r#""exists": false"#),
        ["exists: can never hold: every decision has a time | "]
    );
}

#[test]
fn help_is_something_that_holds() {
    let help = |attribute: &str, operators: &str| {
        let found = of(attribute, operators);
        let [found] = &*found else { panic!("{found:?}") };
        found.split_once(" | ").unwrap().1.to_owned()
    };
    for (attribute, operators, wanted) in [
        ("ip", r#""prefix": "10.0.0.0/""#, "write cidr for a network"),
        ("ip", r#""equals": "10.0.0.0/8""#, r#"write cidr: "10.0.0.0/8""#),
        ("ip", r#""equals": "fe80::1%eth0""#, r#"write "fe80::1""#),
        ("method", r#""equals": " GET""#, r#"write "GET""#),
        ("host", r#""suffix": "/""#, ""),
        ("host", r#""glob": "*:8443""#, ""),
        ("path", r##""contains": "#""##, ""),
    ] {
        assert_eq!(help(attribute, operators), wanted, "{operators}");
    }
}

#[test]
fn operators_that_exclude_each_other() {
    let never = |operators: &str, wanted: &str| {
        let help = "all operators of a test must hold; for alternatives, write any: [ … ]";
        assert_eq!(of("header.x", operators), [format!("{wanted} | {help}")]);
    };
    never(r#""gt": 5, "lt": 5"#, "gt: can never hold together with lt 5");
    never(r#""gte": 5, "lt": 5.0"#, "gte: can never hold together with lt 5");
    never(r#""gte": 1e3, "lte": 999"#, "gte: can never hold together with lte 999");
    never(
        r#""after": "2027-01-01", "before": "2026-01-01""#,
        "after: can never hold together with before 2026-01-01T00:00:00Z",
    );
    never(r#""equals": "a", "prefix": "b""#, "equals: can never hold together with prefix \"b\"");
    never(r#""in": [ 1, 2 ], "gt": 5"#, "in: can never hold together with gt 5");
    never(
        r#""exists": false, "equals": "a""#,
        "exists: can never hold: a missing value passes no other operator",
    );
}

#[test]
fn tests_in_one_list_that_exclude_each_other() {
    let all = |tests: &[&str]| {
        let tests: Vec<String> = tests.iter().map(|test| format!("{{ {test} }}")).collect();
        let found =
            findings(&format!(r#""cohorts": {{ "c": {{ "all": [ {} ] }} }}"#, tests.join(", ")));
        let text = |finding: Finding| format!("{}: {}", finding.path, finding.message);
        found.into_iter().map(text).collect::<Vec<_>>()
    };
    let of = |attribute: &str, operators: &[&str]| {
        let tests = operators.iter().map(|one| format!(r#""attribute": "{attribute}", {one}"#));
        let tests: Vec<String> = tests.collect();
        all(&tests.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert_eq!(
        of("country", &[r#""equals": "DE""#, r#""equals": "FR""#]),
        [r#"cohorts.c.all[0].equals: can never hold together with equals "FR""#]
    );
    assert_eq!(
        of("path", &[r#""prefix": "/a/""#, r#""suffix": "x""#, r#""prefix": [ "/b", "/a" ]"#]),
        [""; 0]
    );
    assert_eq!(
        of("path", &[r#""prefix": "/a/""#, r#""prefix": [ "/b", "/c" ]"#]),
        [r#"cohorts.c.all[0].prefix: can never hold together with prefix ["/b", "/c"]"#]
    );
    assert_eq!(
        of("header.x", &[r#""lt": 5"#, r#""gte": 5"#]),
        ["cohorts.c.all[1].gte: can never hold together with lt 5"]
    );
    assert_eq!(
        of("time", &[r#""before": "2026-01-01""#, r#""after": "2026-01-01""#]),
        ["cohorts.c.all[1].after: can never hold together with before 2026-01-01T00:00:00Z"]
    );
    assert_eq!(of("time", &[r#""before": "2026-01-01""#, r#""exists": true"#]), [""; 0]);
    assert_eq!(
        of("header.x", &[r#""exists": false"#, r#""contains": "a""#]),
        ["cohorts.c.all[0].exists: can never hold: a missing value passes no other operator"]
    );
    assert_eq!(of("header.x", &[r#""exists": false"#, r#""exists": false"#]), [""; 0]);
    let other =
        [r#""attribute": "header.x", "equals": "a""#, r#""attribute": "header.y", "equals": "b""#];
    assert_eq!(all(&other), [""; 0]);
}

#[test]
fn ranges_without_a_version() {
    for range in [
        ">=1.0.0 <2.0.0",
        ">1.0.0 <1.0.1",
        ">1.2 <1.4",
        "<1.0.0",
        ">1.0.0-rc <1.0.0-rc.0.0",
        "1.2 <1.2.1",
        ">=2.0.0-rc.1 <2.0.0",
        "=1.0.0-a+b",
        "^0.0.3 ~0.0",
        "v1.2.3",
        "<0.0.0",
    ] {
        holds("header.app", &format!(r#""semver": "{range}""#));
    }
    for range in [
        ">=2.0.0 <1.0.0",
        "=1.0.0 =2.0.0",
        "^1.2 >=2.0.0",
        "<0.0.0-0",
        ">1.0.0 <=1.0.0",
        ">1.0.0 <1.0.1-0",
        "~1.2 1.3",
    ] {
        let help = r#"write a list for alternatives: [ "<1.0.0", ">=2.0.0" ]"#;
        let message = format!("semver: no version is in {range} | {help}");
        never("header.app", &format!(r#""semver": "{range}""#), &message);
        let message = format!("semver[1]: no version is in {range} | {help}");
        never("header.app", &format!(r#""semver": [ "1", "{range}" ]"#), &message);
    }
}

#[test]
fn operands_that_seem_to_mean_something_else() {
    assert_eq!(
        of("path", r#""equals": "/api/*""#),
        [r#"equals: * stands for itself here | write glob: "/api/*""#]
    );
    assert_eq!(
        of("path", r#""prefix": "/api/*""#),
        ["prefix: * stands for itself here | write a glob, or leave * out"]
    );
    assert_eq!(
        of("path", r#""glob": "/a?x=1*""#),
        [
            "glob: a path ends before the query, and ? is one character here | leave the query out, and test the parameters with query.NAME"
        ]
    );
    assert_eq!(
        of("query.q", r#""equals": "a%20b""#),
        [r#"equals: parameters are decoded before they are compared | write "a b""#]
    );
    for (operators, wanted) in [
        (
            r#""equals": "/users/{id}""#,
            r#"equals: {id} stands for itself here | write glob: "/users/*""#,
        ),
        (
            r#""glob": "/users/:id/*""#,
            r#"glob: :id stands for itself here | write glob: "/users/*/*""#,
        ),
        (
            r#""prefix": "/users/{id}/""#,
            "prefix: {id} stands for itself here | write a glob, with * in its place",
        ),
        (
            r#""glob": "/{en,de}/*""#,
            "glob: {en,de} stands for itself here | write a list with an item for each",
        ),
        (
            r#""glob": "/api/.*""#,
            r#"glob: a glob is not a regular expression: * alone is any run | write "/api/*""#,
        ),
        (r#""equals": "/a ""#, r#"equals: it ends with a blank | write "/a""#),
    ] {
        assert_eq!(of("path", operators), [wanted]);
    }
    holds("path", r#""in": [ "/v1/users/1:cancel", "/a:b", "/{", "/:1" ]"#);
    assert_eq!(
        of("query.utm%5Fsource", r#""equals": "x""#),
        [
            r#"attribute: names of parameters are decoded before they are compared | write "query.utm_source""#
        ]
    );
    assert_eq!(
        of("header.Host", r#""equals": "shop.example.com""#),
        [
            "attribute: is missing in Envoy, where the host is no header field | use the attribute host"
        ]
    );
}

#[test]
fn every_place_of_a_spec_is_looked_at() {
    let bad = r#"{ "attribute": "path", "equals": "a" }"#;
    let found = findings(&format!(
        r#""cohorts": {{ "c": {{ "any": [ {{ "not": {bad} }}, {{ "all": [ {bad} ] }}, {{ "cohort": "d" }} ] }}, "d": {bad} }},
           "flags": {{ "f": {{ "variants": {{ "on": true }}, "defaultVariant": "on", "deliver": {{ "paths": [ "/:id" ] }}, "rules": [ {{ "when": {bad}, "serve": "on" }} ] }} }},
           "rollouts": {{ "r": {{ "unit": "user", "arms": {{ "a": {{ "target": "a" }}, "b": {{ "target": "b" }} }}, "baseline": "a",
               "match": {{ "hosts": [ "shop.example.com.", ".example.com", "*.a..b", "[1]", "*.Example.com" ], "paths": [ "/a%2fb", "/é", {{ "exact": "/users/{{id}}" }} ] }},
               "canary": {{ "arm": "b", "rings": [ {bad} ] }},
               "shadow": {{ "arm": "b", "percent": 1, "when": {bad} }} }} }}"#
    ));
    let paths: Vec<&str> = found.iter().map(|finding| &*finding.path).collect();
    assert_eq!(
        paths,
        [
            "cohorts.c.any[0].not.equals",
            "cohorts.c.any[1].all[0].equals",
            "cohorts.d.equals",
            "flags.f.deliver.paths[0]",
            "flags.f.rules[0].when.equals",
            "rollouts.r.match.hosts[1]",
            "rollouts.r.match.hosts[2]",
            "rollouts.r.match.hosts[3]",
            "rollouts.r.match.paths[2]",
            "rollouts.r.canary.rings[0].equals",
            "rollouts.r.shadow.when.equals",
        ]
    );
    assert_eq!(found[5].message, "no request has this host: no label of a host is empty");
}

#[test]
fn large_specs_are_judged_in_time() {
    for (attribute, runs, count) in [("ip", 120, 20), ("path", 20, 0)] {
        let patterns = vec![format!(r#""{}""#, "*a".repeat(runs)); 10_000].join(", ");
        assert_eq!(of(attribute, &format!(r#""glob": [ {patterns} ]"#)).len(), count);
    }
    let values: Vec<String> = (0..10_000).map(|number| format!(r#""{number}""#)).collect();
    let (values, others) = (values.join(", "), vec![r#""x""#; 10_000].join(", "));
    let test = |items: &str| format!(r#"{{ "attribute": "header.x", "in": [ {items} ] }}"#);
    let list = [vec![test(&values); 4], vec![test(&others); 4]].concat().join(", ");
    assert_eq!(findings(&format!(r#""cohorts": {{ "c": {{ "all": [ {list} ] }} }}"#)), []);
}

#[test]
fn a_long_list_is_reported_in_part() {
    let items = vec![r#""a""#; 30].join(", ");
    assert_eq!(of("path", &format!(r#""in": [ {items} ]"#)).len(), 20);
}
