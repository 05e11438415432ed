//! Operands and the values of requests: one spelling, and no warning about what some request has.

use proptest::prelude::*;
use serde_json::{Value, json};
use serin_analysis::lint::{Lint, lint};
use serin_core::{Decision, Facts, Plan, Spec, Timestamp, decide};
use std::net::IpAddr;

/// A request with this path, host and address.
struct Request<'r> {
    target: &'r str,
    authority: &'r str,
    address: &'r str,
}

impl Request<'_> {
    /// The facts that a host has of the request; those of the address as of a context.
    fn facts<'f>(&'f self, plan: &Plan, attribute: &str) -> Facts<'f> {
        if attribute == "ip" {
            return Facts::from_context(plan, [("ip", self.address.into())], None, None);
        }
        let pairs = [
            (&b":path"[..], self.target.as_bytes()),
            (&b":authority"[..], self.authority.as_bytes()),
        ];
        Facts::gather(plan, pairs)
    }

    fn passes(&self, attribute: &str, operator: &str, operand: &str) -> bool {
        let (_, plan) = read(attribute, operator, operand);
        let mut decision = Decision::new(&plan);
        decide(&plan, &self.facts(&plan, attribute), &mut decision);
        let record: Value = serde_json::from_str(&decision.record(&plan)).expect("JSON");
        record["flags"]["f"]["variant"] == "on"
    }
}

fn read(attribute: &str, operator: &str, operand: &str) -> (Spec, Plan) {
    let spec = json!({"formatVersion": 1, "flags": {"f": {
        "variants": {"on": true, "off": false}, "defaultVariant": "off",
        "rules": [{"when": {"attribute": attribute, operator: operand}, "serve": "on"}]}}});
    let text = spec.to_string();
    let plan = Plan::from_json(text.as_bytes()).unwrap_or_else(|errors| panic!("{errors}"));
    (Spec::from_json(text.as_bytes()).expect("it compiles"), plan)
}

fn is_warned_of(attribute: &str, operator: &str, operand: &str) -> bool {
    let (spec, plan) = read(attribute, operator, operand);
    let findings = lint(&spec, &plan, Timestamp::from_unix_ms(0));
    findings.iter().any(|finding| finding.lint == Lint::NeverHolds)
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('*', r"\*").replace('?', r"\?")
}

/// The value, parts of it, and patterns of it, each with its operator.
fn operands(value: &str, cut: (usize, usize)) -> Vec<(&'static str, String)> {
    let chars: Vec<char> = value.chars().collect();
    let (from, to) = (cut.0 % (chars.len() + 1), cut.1 % (chars.len() + 1));
    let (from, to) = (from.min(to), from.max(to));
    let text = |part: &[char]| part.iter().collect::<String>();
    let (start, middle, end) = (text(&chars[..to]), text(&chars[from..to]), text(&chars[from..]));
    let mut operands = vec![
        ("equals", value.to_owned()),
        ("glob", escaped(value)),
        ("glob", format!("{}*", escaped(&start))),
        ("glob", format!("*{}", escaped(&end))),
        ("glob", format!("*{}*", escaped(&middle))),
        ("glob", format!("{}*{}", escaped(&text(&chars[..from])), escaped(&text(&chars[to..])))),
    ];
    let parts = [("prefix", start), ("contains", middle), ("suffix", end)];
    operands.extend(parts.into_iter().filter(|(_, part)| !part.is_empty()));
    operands.retain(|(_, operand)| operand.len() <= 256);
    operands
}

fn check(request: &Request<'_>, attribute: &str, value: &str, cut: (usize, usize)) {
    for (operator, operand) in operands(value, cut) {
        let what = format!("{attribute} {value:?} {operator} {operand:?}");
        assert!(request.passes(attribute, operator, &operand), "{what}");
        assert!(!is_warned_of(attribute, operator, &operand), "{what}");
    }
}

fn path_of(target: &str) -> String {
    let plan = Plan::from_json(br#"{ "formatVersion": 1 }"#).expect("a good spec");
    Facts::gather(&plan, [(&b":path"[..], target.as_bytes())]).path().to_owned()
}

fn host_of(authority: &str) -> String {
    let plan = Plan::from_json(br#"{ "formatVersion": 1 }"#).expect("a good spec");
    Facts::gather(&plan, [(&b":authority"[..], authority.as_bytes())]).host().to_owned()
}

proptest! {
    #[test]
    fn what_is_cut_from_a_path_holds_for_it(
        target in "/([./%a-cA-F0-9é^\"|~*;\\\\-]|%[0-9a-fA-F]{2}|/\\.{1,3}/?){0,12}(\\?q)?",
        cut in any::<(usize, usize)>(),
    ) {
        let value = path_of(&target);
        // Of `%%36` only the second is an escape, so that what remains looks like another one.
        prop_assume!(path_of(&value) == value);
        let request = Request { target: &target, authority: "a", address: "::" };
        check(&request, "path", &value, cut);
        // As the client wrote it.
        let written = target.split('?').next().unwrap_or_default();
        prop_assert!(request.passes("path", "equals", written), "{written}");
    }

    #[test]
    fn what_is_cut_from_a_host_holds_for_it(
        name in "[a-cA-C0-9_-]{1,5}(\\.[a-cA-C]{1,4}){0,3}",
        address in any::<[u16; 8]>(),
        zeros in any::<u8>(),
        is_address in any::<bool>(),
        rest in "\\.?(:[0-9]{1,4})?",
        cut in any::<(usize, usize)>(),
    ) {
        let groups = (0..8).map(|at| if zeros >> at & 1 == 1 { 0 } else { address[at] });
        let groups: Vec<String> = groups.map(|group| format!("{group:X}")).collect();
        let written = if is_address { format!("[{}]", groups.join(":")) } else { name };
        let authority = format!("{written}{rest}");
        let value = host_of(&authority);
        let request = Request { target: "/", authority: &authority, address: "::" };
        if !(is_address && rest.starts_with('.')) {
            check(&request, "host", &value, cut);
            prop_assert!(request.passes("host", "equals", &written), "{written}");
        }
    }

    #[test]
    fn what_is_cut_from_an_address_holds_for_it(
        groups in any::<[u16; 8]>(),
        zeros in any::<u8>(),
        kind in 0..3,
        cut in any::<(usize, usize)>(),
    ) {
        let groups = (0..8).map(|at| if zeros >> at & 1 == 1 { 0 } else { groups[at] });
        let groups: Vec<u16> = groups.collect();
        let written = match kind {
            0 => format!("{}.{}.{}.{}", groups[0] % 256, groups[1] % 256, groups[2] % 256, groups[3] % 256),
            1 => format!("::FFFF:{:X}:{:X}", groups[0], groups[1]),
            _ => groups.iter().map(|group| format!("{group:04X}")).collect::<Vec<_>>().join(":"),
        };
        let value = written.parse::<IpAddr>().expect("an address").to_canonical().to_string();
        let request = Request { target: "/", authority: "a", address: &written };
        check(&request, "ip", &value, cut);
        prop_assert!(request.passes("ip", "equals", &written), "{written}");
    }
}
