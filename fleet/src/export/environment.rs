//! What the filter reads from the environment of the proxy that it runs in.

/// The variables, which exports name so that the filter may see them. What stands in them is never
/// written: keys, and the URLs of a state and a webhook, which may hold a token.
pub(crate) const VARIABLES: [&str; 8] = [
    "SERIN_GATE_TICK_MS",
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

    /// Each `SERIN_…` of a text.
    fn named(text: &str) -> BTreeSet<&str> {
        let word = |byte: char| !byte.is_ascii_uppercase() && byte != '_';
        text.split(word).filter(|word| word.starts_with("SERIN_")).collect()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "compares with files of the repository")]
    fn exports_name_what_the_filter_reads_and_the_example_has() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
        let filter = read("filter/src/settings.rs") + &read("filter/src/overrides.rs");
        for text in [filter, read("examples/envoy/filter.yaml")] {
            assert_eq!(named(&text), BTreeSet::from(VARIABLES));
        }
    }
}
