//! What resources are called: names that Kubernetes takes, each once.

use super::hosts::Table;
use std::collections::BTreeSet;

/// Of the 253 characters that Kubernetes allows; what goes beyond is cut off.
const MAX: usize = 200;

/// The names of a kind of resource.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// A name that says which hosts a table is for.
    pub(super) fn of_table(&mut self, base: &str, table: &Table<'_>) -> String {
        self.of_host(base, table.hosts.first().map_or("all", String::as_str))
    }

    /// A name that says which host a resource is for; a number behind it if another is called so already.
    pub(super) fn of_host(&mut self, base: &str, host: &str) -> String {
        let host = host.replace("*.", "below-").replace('.', "-");
        let name: String = format!("{base}-{host}").chars().take(MAX).collect();
        let name = name.trim_end_matches('-').to_owned();
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let free =
            std::iter::once(name.clone()).chain(numbered).find(|name| !self.0.contains(name));
        let free = free.unwrap_or(name);
        self.0.insert(free.clone());
        free
    }
}
