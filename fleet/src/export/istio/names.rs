//! Names of resources that Kubernetes accepts, each used once.

use super::hosts::Table;
use std::collections::BTreeSet;

/// The maximum length of a name. Kubernetes allows 253 characters.
const MAX_CHARS: usize = 200;

/// The names used for one kind of resource.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// A name with the first host of a table.
    pub(super) fn of_table(&mut self, base: &str, table: &Table<'_>) -> String {
        self.of_host(base, table.hosts.first().map_or("all", String::as_str))
    }

    /// A name with a host, and with a number if the name is used already.
    pub(super) fn of_host(&mut self, base: &str, host: &str) -> String {
        let host = host.replace("*.", "below-").replace('.', "-");
        let name: String = format!("{base}-{host}").chars().take(MAX_CHARS).collect();
        let name = name.trim_end_matches('-').to_owned();
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let free =
            std::iter::once(name.clone()).chain(numbered).find(|name| !self.0.contains(name));
        let free = free.unwrap_or(name);
        self.0.insert(free.clone());
        free
    }
}
