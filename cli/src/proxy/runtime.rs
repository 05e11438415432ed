//! What a proxy runs on: the plugin of the filter, threads, and the signal to stop.

use crate::failure::Failure;
use serin_host_sim::{Entropy, FailPolicy, LogLevel, Module, Plugin, PluginBuilder, SystemClock};
use serin_judge::KnownLatches;

/// The plugin's name, its root id, and the id of its VMs.
const NAME: &str = "serin";

/// The most workers unless a number is given: more are no use on a laptop.
const MAX_WORKERS: usize = 8;

/// A plugin as a server runs it: real time, real randomness, started again when it fails.
pub(crate) fn plugin(wasm: &[u8], json: Vec<u8>, workers: usize) -> Result<PluginBuilder, Failure> {
    let module = Module::compile(wasm);
    let module = module.map_err(|error| Failure::trouble(format!("the filter: {error}")))?;
    Ok(Plugin::of_module(&module)
        .configuration(json)
        .name(NAME)
        .root_id(NAME)
        .vm_id(NAME)
        .workers(workers)
        .clock(SystemClock)
        .entropy(Entropy::System)
        .fail_policy(FailPolicy::reload())
        .log_level(LogLevel::Info))
}

/// The latches that the filter's VMs know; `None` while they share none, for example because nothing in
/// the spec can abort.
pub(super) fn known_latches(plugin: &Plugin) -> Option<KnownLatches> {
    let key = KnownLatches::key(&KnownLatches::key_prefix(NAME, NAME));
    let (bytes, _) = plugin.shared().data(NAME, key)?;
    Some(KnownLatches::from_bytes(&bytes))
}

/// The threads that connections are served on.
pub(crate) fn threads() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::trouble(format!("no threads to run on: {error}")))
}

/// One worker per processor, at most eight.
pub(crate) fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, |number| number.get().min(MAX_WORKERS))
}

/// Completes when the process is asked to stop.
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
    // Without signals there is nobody to ask.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
