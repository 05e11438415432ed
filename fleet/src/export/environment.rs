//! What the filter reads from the environment of the proxy that it runs in.

/// The variables, which exports name so that the filter may see them. What stands in them is never
/// written: keys, and the URLs of a state and a webhook, which may hold a token.
pub(crate) const VARIABLES: [&str; 7] = [
    "SERIN_OVERRIDE_KEYS",
    "SERIN_STATE_CLUSTER",
    "SERIN_STATE_SECONDS",
    "SERIN_STATE_URL",
    "SERIN_UNKNOWN_STATE",
    "SERIN_WEBHOOK_CLUSTER",
    "SERIN_WEBHOOK_URL",
];
