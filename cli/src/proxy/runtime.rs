//! The proxy's surroundings: the filter's plugin, the threads, and the signal to stop.

use crate::failure::Failure;
use crate::filter::PLUGIN;
use serin_host_sim::{Entropy, FailPolicy, LogLevel, Module, Plugin, PluginBuilder, SystemClock};
use serin_judge::KnownLatches;

/// The largest default number of workers: more are of no use on a laptop.
const MAX_WORKERS: usize = 8;

/// The filter's plugin with real time and real randomness, restarted when it fails.
pub(crate) fn plugin(module: &Module, json: Vec<u8>, workers: usize) -> PluginBuilder {
    Plugin::of_module(module)
        .configuration(json)
        .name(PLUGIN)
        .root_id(PLUGIN)
        .vm_id(PLUGIN)
        .workers(workers)
        .clock(SystemClock)
        .entropy(Entropy::System)
        .fail_policy(FailPolicy::reload())
        .log_level(LogLevel::Info)
}

/// The latches that the filter's VMs know; `None` if the spec has no gates and there is no latch source.
pub(super) fn known_latches(plugin: &Plugin) -> Option<KnownLatches> {
    let key = KnownLatches::key(&KnownLatches::key_prefix(PLUGIN, PLUGIN));
    let (bytes, _) = plugin.shared().data(PLUGIN, key)?;
    Some(KnownLatches::from_bytes(&bytes))
}

/// The threads that serve connections.
pub(crate) fn threads() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::trouble(format!("threads cannot be started: {error}")))
}

/// One worker per processor, at most eight.
pub(crate) fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, |number| number.get().min(MAX_WORKERS))
}

/// Completes on Ctrl-C or SIGTERM.
pub(crate) async fn stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without a signal handler nothing can stop the proxy: wait for ever.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
