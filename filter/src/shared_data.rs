//! Envoy's shared data: a key-value store that all VMs of a process share.

use serin_judge::{Conflict, KnownLatches, Store};

use crate::host;

/// The shared data of this plugin. Hosts share data among all plugins whose VMs have the same id, whatever
/// their version. So each key begins with this plugin's names and version.
#[derive(Clone)]
pub(crate) struct SharedData {
    prefix: String,
}

impl SharedData {
    /// The shared data of the running plugin.
    pub(crate) fn of_plugin() -> SharedData {
        let string = |name| host::property(&[name]).and_then(|name| String::from_utf8(name).ok());
        let (plugin, root_id) = (string("plugin_name"), string("plugin_root_id"));
        let prefix =
            KnownLatches::key_prefix(&plugin.unwrap_or_default(), &root_id.unwrap_or_default());
        SharedData { prefix }
    }

    /// The prefix of every key.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The host's name of a key.
    pub(crate) fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}

impl Store for SharedData {
    /// The host's compare-and-swap number. It is 0 for a key without a value: the first write then succeeds
    /// even if another VM has written meanwhile.
    type Version = u32;

    fn get(&self, key: &str) -> (Option<Vec<u8>>, u32) {
        match host::shared_data(&self.key(key)) {
            Some((value, cas)) => (Some(value), cas),
            None => (None, 0),
        }
    }

    fn set(&self, key: &str, value: &[u8], cas: &u32) -> Result<(), Conflict> {
        if host::set_shared_data(&self.key(key), value, *cas) { Ok(()) } else { Err(Conflict) }
    }

    /// Writes an empty value, which no reader accepts: the ABI cannot remove a key.
    fn remove(&self, key: &str) {
        host::set_shared_data(&self.key(key), &[], 0);
    }
}
