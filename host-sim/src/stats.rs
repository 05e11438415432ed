//! What a guest cost: host calls by name, fuel, memory.

use std::collections::BTreeMap;

/// The cost of some callbacks: of one stream, or of everything since a VM started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    calls: Vec<(&'static str, u64)>,
    fuel: u64,
    callbacks: u64,
}

impl Stats {
    /// How often each host call was made, by its import name. Allocation calls back into the guest
    /// are not host calls and are not counted.
    pub fn host_calls(&self) -> BTreeMap<&'static str, u64> {
        self.calls.iter().copied().filter(|(_, count)| *count > 0).collect()
    }

    /// All host calls together.
    pub fn host_call_count(&self) -> u64 {
        self.calls.iter().map(|(_, count)| count).sum()
    }

    /// How often this host call was made.
    pub fn calls_of(&self, name: &str) -> u64 {
        self.calls.iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| *count)
    }

    /// wasmtime fuel, about one per instruction. 0 unless the plugin counts fuel.
    pub fn fuel(&self) -> u64 {
        self.fuel
    }

    /// Callbacks into the guest.
    pub fn callbacks(&self) -> u64 {
        self.callbacks
    }

    pub(crate) fn count(&mut self, name: &'static str) {
        // The names are literals, so comparing addresses finds almost all of them.
        let found = self.calls.iter().position(|(known, _)| std::ptr::eq(*known, name));
        let found = found.or_else(|| self.calls.iter().position(|(known, _)| *known == name));
        match found.and_then(|at| self.calls.get_mut(at)) {
            Some((_, count)) => *count += 1,
            None => self.calls.push((name, 1)),
        }
    }

    pub(crate) fn spent(&mut self, fuel: u64) {
        self.fuel = self.fuel.saturating_add(fuel);
        self.callbacks += 1;
    }

    pub(crate) fn add(&mut self, other: &Stats) {
        if self.calls.is_empty() {
            self.calls.clone_from(&other.calls);
        } else {
            for (at, (name, count)) in other.calls.iter().enumerate() {
                self.add_calls(at, name, *count);
            }
        }
        self.fuel = self.fuel.saturating_add(other.fuel);
        self.callbacks += other.callbacks;
    }

    /// `at` is where the name most likely stands: first called first in all of a VM's.
    fn add_calls(&mut self, at: usize, name: &'static str, count: u64) {
        if let Some((known, sum)) = self.calls.get_mut(at)
            && std::ptr::eq(*known, name)
        {
            *sum += count;
            return;
        }
        match self.calls.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += count,
            None => self.calls.push((name, count)),
        }
    }

    pub(crate) fn clear(&mut self) {
        for (_, count) in &mut self.calls {
            *count = 0;
        }
        self.fuel = 0;
        self.callbacks = 0;
    }
}
