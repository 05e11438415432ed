//! VMs that failed and start again.

use crate::context::Context;
use crate::environment::FailPolicy;
use crate::error::{Error, ErrorKind};
use crate::state::HostState;
use crate::status::LogLevel;
use crate::vm::Vm;
use crate::worker::Worker;
use std::sync::Arc;

impl Worker {
    /// Starts a new VM if this one failed, the policy says so and the back-off is over.
    pub(crate) fn reload_if_due(&mut self) {
        let FailPolicy::FailReload { base } = self.env.fail_policy else {
            return;
        };
        if self.vm.failed.is_none() {
            return;
        }
        let now = self.env.clock.uptime_nanos();
        let retry = match self.retry_nanos {
            Some(retry) => retry,
            None => {
                let base = u64::try_from(base.as_nanos()).unwrap_or(u64::MAX);
                let retry = now.saturating_add(base.saturating_mul(1 << self.failures.min(5)));
                self.retry_nanos = Some(retry);
                retry
            }
        };
        if now < retry {
            return;
        }
        self.failures += 1;
        self.retry_nanos = None;
        if let Err(error) = self.restart() {
            self.state().say(LogLevel::Error, format!("the VM could not be restarted: {error}"));
        }
    }

    /// Lets the VM fail, as if its guest had trapped outside of any callback.
    pub(crate) fn fail_vm(&mut self, message: &str) {
        let kind = ErrorKind::Trap { callback: "no callback", message: message.to_owned() };
        let error = Error::new(kind);
        self.state().say(LogLevel::Critical, error.to_string());
        self.vm.failed.get_or_insert(error);
    }

    /// Replaces a VM. Streams of the old one have failed.
    pub(crate) fn restart(&mut self) -> Result<(), Error> {
        let mut state =
            HostState::new(Arc::clone(&self.env), self.module.abi(), self.index, self.id);
        state.next_context = self.state().next_context;
        let fresh = Vm::start(&self.module.0, state)?;
        let mut old = std::mem::replace(&mut self.vm, fresh);
        self.past.add(&old.total);
        for (id, context) in std::mem::take(&mut old.store.data_mut().contexts) {
            if let Context::Stream(mut stream) = context {
                stream.failed = true;
                self.orphans.insert(id, stream);
            }
        }
        let configuration = Arc::clone(&self.configuration);
        match self.new_root(configuration) {
            Ok(root) => self.root = root,
            Err(error) => {
                self.vm.failed.get_or_insert_with(|| error.clone());
                return Err(error);
            }
        }
        self.restarts += 1;
        self.state().say(LogLevel::Info, "the VM was restarted".to_owned());
        Ok(())
    }
}
