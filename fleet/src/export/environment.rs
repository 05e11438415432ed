//! The environment variables that the filter reads.

/// The names of the variables. Exports list them, so that the proxy passes them to the filter. Exports never
/// contain their values: keys, and URLs that may contain a token.
pub(crate) const VARIABLES: [&str; 10] = [
    "SERIN_CACHE_CONTROL",
    "SERIN_GATE_TICK_MS",
    "SERIN_ID_KEY",
    "SERIN_OVERRIDE_KEYS",
    "SERIN_STATE_CLUSTER",
    "SERIN_STATE_SECONDS",
    "SERIN_STATE_URL",
    "SERIN_UNKNOWN_STATE",
    "SERIN_WEBHOOK_CLUSTER",
    "SERIN_WEBHOOK_URL",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Each `SERIN_…` in a text.
    fn named(text: &str) -> BTreeSet<&str> {
        let word = |byte: char| !byte.is_ascii_uppercase() && byte != '_';
        text.split(word).filter(|word| word.starts_with("SERIN_")).collect()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "compares with files of the repository")]
    fn variables_are_those_of_the_filter_and_of_the_example() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
        let filter = read("filter/src/settings.rs")
            + &read("filter/src/overrides.rs")
            + &read("filter/src/id_keys.rs");
        for text in [filter, read("examples/envoy/filter.yaml")] {
            assert_eq!(named(&text), BTreeSet::from(VARIABLES));
        }
    }
}
