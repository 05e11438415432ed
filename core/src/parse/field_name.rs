//! Names of fields as other tools have them, and the field that was probably meant.

use alloc::string::String;

use super::reader::nearest;
use crate::error::Suggestion;

/// Names for the same thing in other tools, lower case and without `-` and `_`, with the fields that have its
/// meaning here, or in which it belongs: of several the first that is allowed.
const SYNONYMS: [(&[&str], &[&str]); 55] = [
    (&["default", "defaultvalue", "fallthrough", "offvariant"], &["defaultVariant", "baseline"]),
    (&["variations", "values", "options", "choices"], &["variants"]),
    (&["targeting", "targets", "strategies"], &["rules"]),
    (&["prerequisites", "dependencies", "dependson"], &["requires"]),
    (&["if", "condition", "conditions", "where", "constraints"], &["when"]),
    (&["value", "variation", "then", "return", "result"], &["serve", "variant", "equals"]),
    (&["rollout", "progressive", "gradual"], &["ramp"]),
    (&["weights", "distribution", "allocation", "percentages"], &["split"]),
    (
        &["weight", "percent", "percentage", "setweight", "share", "traffic"],
        &["share", "percent", "ramp", "canary"],
    ),
    (&["duration", "pause", "wait", "delay", "interval", "for"], &["hold"]),
    (&["stages", "phases", "stepweights", "steps"], &["steps", "ramp", "canary"]),
    (&["upstream", "cluster", "service", "backend", "host", "url", "destination"], &["target"]),
    (&["control", "stable", "primary", "main"], &["baseline", "active"]),
    (&["versions", "backends", "routes", "upstreams", "clusters", "services"], &["arms"]),
    (&["hostname", "hostnames", "domain", "domains", "hosts"], &["hosts", "match"]),
    (&["prefix", "uri", "url", "urls", "routes", "route", "paths"], &["paths", "match", "deliver"]),
    (&["serve", "when", "split", "ramp"], &["rules"]),
    (&["ring", "rings"], &["rings", "canary"]),
    (&["target"], &["arms"]),
    (&["begin", "from", "startat", "starttime", "startsat", "startdate"], &["start", "after"]),
    (&["until", "to"], &["expires", "before"]),
    (&["eq", "equal", "is", "==", "=", "exact", "match"], &["equals", "exact"]),
    (&["oneof", "isin", "isoneof", "list"], &["in"]),
    (&["startswith", "startwith", "beginswith"], &["prefix"]),
    (&["endswith", "endwith"], &["suffix"]),
    (&["includes", "has", "substring"], &["contains"]),
    (&["regex", "regexp", "pattern", "like", "wildcard", "matches"], &["glob"]),
    (&["ip", "iprange", "subnet", "network"], &["cidr"]),
    (&["version"], &["semver", "formatVersion"]),
    (&["le", "lteq", "<=", "max", "atmost"], &["lte"]),
    (&["ge", "gteq", ">=", "min", "atleast"], &["gte"]),
    (&["lessthan", "<", "below"], &["lt"]),
    (&["greaterthan", ">", "above", "morethan"], &["gt"]),
    (&["present", "isset", "defined", "exist"], &["exists"]),
    (&["and", "allof", "every"], &["all"]),
    (&["or", "anyof", "some"], &["any"]),
    (&["except", "none", "nor", "noneof", "unless"], &["not"]),
    (&["segment", "group", "audience"], &["cohort"]),
    (&["segments", "groups", "audiences"], &["cohorts"]),
    (&["key", "attr", "field", "property"], &["attribute"]),
    (
        &["hashby", "bucketby", "stickiness", "identifier", "subject", "randomizationunit"],
        &["unit"],
    ),
    (&["seed"], &["salt"]),
    (&["identities", "identifiers", "subjects", "keys"], &["units"]),
    (&["features", "toggles", "featureflags"], &["flags"]),
    (&["canaries", "deployments", "releases"], &["rollouts"]),
    (&["apiversion", "schemaversion"], &["formatVersion"]),
    (&["commit", "sha", "revision"], &["gitSha"]),
    (&["expiry", "expiration", "enddate", "expireson", "ttl"], &["expires"]),
    (&["description", "comment", "notes", "summary"], &["purpose"]),
    (&["maintainer", "team", "contact"], &["owner"]),
    (&["enabled", "disabled", "active", "status", "on"], &["state"]),
    (&["type"], &["kind"]),
    (&["mirror", "mirroring"], &["shadow"]),
    (&["analysis", "metrics", "checks", "gate"], &["gates"]),
    (&["threshold", "tolerance", "thresholdrange"], &["tolerate"]),
];

/// The known field that `given` most likely means: one that other tools call so, one that is at most two edits
/// away, or the only one that has it as a word.
pub(crate) fn meant<'c>(given: &str, known: &[&'c str]) -> Option<Suggestion<'c>> {
    let plain: String = given
        .chars()
        .filter(|c| !matches!(c, '-' | '_' | ' '))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let allowed = |name: &&str| known.iter().find(|known| *known == name).copied();
    let synonyms = SYNONYMS.iter().filter(|(names, _)| names.contains(&plain.as_str()));
    let guess = |name| Suggestion { name, is_only: false };
    let synonym = synonyms.flat_map(|(_, fields)| fields.iter()).find_map(allowed).map(guess);
    let near = || nearest(given, known).or_else(|| nearest(&plain, known));
    synonym.or_else(near).or_else(|| {
        let mut with_word = known.iter().filter(|known| has_word(known, &plain));
        let first = with_word.next()?;
        with_word.next().is_none().then(|| guess(*first))
    })
}

/// Whether a name in camel case has a word of at least three letters.
fn has_word(name: &str, word: &str) -> bool {
    const MIN: usize = 3;
    let starts = name.char_indices().filter(|(at, c)| *at == 0 || c.is_ascii_uppercase());
    word.len() >= MIN
        && starts.into_iter().any(|(at, _)| {
            let rest = name.get(at..).unwrap_or("");
            let (Some(same), Some(after)) = (rest.get(..word.len()), rest.get(word.len()..)) else {
                return false;
            };
            same.eq_ignore_ascii_case(word) && !after.starts_with(|c: char| c.is_ascii_lowercase())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_across_words() {
        let flag = ["kind", "owner", "purpose", "state", "variants", "defaultVariant", "rules"];
        let condition = ["attribute", "equals", "in", "prefix", "suffix", "gte", "not", "cohort"];
        for (given, known, wanted) in [
            ("default", &flag[..], Some("defaultVariant")),
            ("default_variant", &flag, Some("defaultVariant")),
            ("defaultVarient", &flag, Some("defaultVariant")),
            ("variations", &flag, Some("variants")),
            ("enabled", &flag, Some("state")),
            ("colour", &flag, None),
            ("ends-with", &condition, Some("suffix")),
            ("startsWith", &condition, Some("prefix")),
            ("is", &condition, Some("equals")),
            (">=", &condition, Some("gte")),
            ("value", &condition, Some("equals")),
            ("pin", &["active", "pinSessions"], Some("pinSessions")),
            ("ema", &["schemaEpoch"], None),
            ("epoch", &["schemaEpoch", "needsSchemaEpoch"], None),
            ("percentage", &["share", "start", "steps"], Some("share")),
        ] {
            assert_eq!(meant(given, known).map(|found| found.name), wanted, "{given}");
        }
    }
}
