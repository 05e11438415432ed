//! `serin serve`.

use super::{Failure, ServeArgs, arms, check, filter, overrides, paint, spec_file};
use crate::proxy::{Proxy, Settings, Table, Upstream};
use serin_host_sim::{
    Entropy, FailPolicy, LogLevel, LogLine, Module, Plugin, PluginBuilder, SystemClock,
};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How often the spec's file is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How many workers there are unless someone says so: more help nobody on a laptop.
const MAX_WORKERS: usize = 8;

/// What the filter's gates read from the environment.
const GATES: [&str; 7] = [
    "SERIN_GATE_TICK_MS",
    "SERIN_STATE_CLUSTER",
    "SERIN_STATE_URL",
    "SERIN_STATE_SECONDS",
    "SERIN_UNKNOWN_STATE",
    "SERIN_WEBHOOK_CLUSTER",
    "SERIN_WEBHOOK_URL",
];

pub(crate) fn run(args: ServeArgs) -> Result<(), Failure> {
    let text = spec_file::read(&args.spec)?;
    let spec = spec_file::parse(&args.spec, &text).map_err(|failure| Failure {
        message: format!("{}:\n{}", args.spec.display(), indented(&failure.message)),
        ..failure
    })?;
    let table = arms::table(&spec.plan, &args.arms, args.default.as_ref());
    let table = table.map_err(Failure::trouble)?;
    for name in arms::unused(&spec.plan, &args.arms) {
        paint::note(&format!("no arm or target is called {name}: its --arm is not used"));
    }
    let wasm = filter::bytes(args.filter.as_deref())?;
    let workers = args.workers.map_or_else(default_workers, usize::from);
    let clusters = clusters(&args);
    let mut builder = plugin(&wasm, spec.json.clone(), workers)?.on_log(log);
    // Bad keys are for the filter to refuse: requests go on.
    if let Some(keys) = overrides::text_of_environment() {
        builder = builder.env_var(overrides::KEYS, &keys);
    }
    for name in GATES {
        if let Ok(value) = std::env::var(name) {
            builder = builder.env_var(name, &value);
        }
    }
    for name in clusters.keys() {
        builder = builder.cluster(name);
    }
    let plugin = builder.no_other_clusters().build();
    let plugin = plugin.map_err(|error| Failure::trouble(format!("the filter: {error}")))?;
    runtime()?.block_on(async {
        let listener = TcpListener::bind(args.listen).await;
        let listener = listener.map_err(|error| {
            Failure::trouble(format!("{} cannot be listened on: {error}", args.listen))
        })?;
        let address = listener.local_addr().unwrap_or(args.listen);
        println!("serin: {}", check::summary(&spec.plan));
        println!("serin: listening on http://{address} with {workers} workers");
        let ofrep = args.ofrep.clone().map(|prefix| serin_ofrep::Settings {
            prefix,
            // Whoever reaches a laptop's port may ask, browsers too.
            origins: Some("*".to_owned()),
            token: None,
        });
        let proxy = Proxy::new(Settings { plugin, table, clusters, timeout: args.timeout, ofrep });
        let serving = Arc::clone(&proxy).serve(listener, stop());
        let watch = watch(Arc::clone(&proxy), &args, text);
        tokio::select! {
            () = serving => {}
            () = watch => {}
        }
        println!("serin: stopped");
        Ok(())
    })
}

/// A plugin as a server runs it: real time, real randomness, started again when it fails.
pub(crate) fn plugin(wasm: &[u8], json: Vec<u8>, workers: usize) -> Result<PluginBuilder, Failure> {
    let module = Module::compile(wasm);
    let module = module.map_err(|error| Failure::trouble(format!("the filter: {error}")))?;
    Ok(Plugin::of_module(&module)
        .configuration(json)
        .name("serin")
        .root_id("serin")
        .vm_id("serin")
        .workers(workers)
        .clock(SystemClock)
        .entropy(Entropy::System)
        .fail_policy(FailPolicy::reload())
        .log_level(LogLevel::Info))
}

/// Everything that takes care of connections.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::trouble(format!("no threads to run on: {error}")))
}

pub(crate) fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, |number| number.get().min(MAX_WORKERS))
}

/// Done when someone asks for the end.
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

/// Arms can be called by their targets' names too.
fn clusters(args: &ServeArgs) -> HashMap<String, Upstream> {
    let named = args.arms.iter().chain(&args.clusters);
    named.map(|named| (named.name.clone(), named.upstream.clone())).collect()
}

fn log(line: &LogLine) {
    paint::note(&line.to_string());
}

/// Takes the spec over whenever its text changes. Never done.
async fn watch(proxy: Arc<Proxy>, args: &ServeArgs, mut text: Vec<u8>) {
    if args.spec == Path::new("-") {
        return std::future::pending().await;
    }
    let mut missing = false;
    loop {
        tokio::time::sleep(LOOK).await;
        // Read anew by name each time, so that editors which put a new file in place are seen.
        let now = match spec_file::read(&args.spec) {
            Ok(now) => now,
            Err(failure) => {
                if !std::mem::replace(&mut missing, true) {
                    kept(&proxy.table(), &failure.message);
                }
                continue;
            }
        };
        missing = false;
        if now == text {
            continue;
        }
        text = now;
        match take_over(&proxy, args, &text).await {
            Ok(summary) => println!("serin: {} taken over: {summary}", args.spec.display()),
            Err(why) => {
                kept(&proxy.table(), &format!("{}:\n{}", args.spec.display(), indented(&why)))
            }
        }
    }
}

fn kept(table: &Table, why: &str) {
    let plan = table.plan();
    let (revision, digest) = (plan.revision(), plan.digest());
    paint::error(&format!("{why}\n  revision {revision} ({digest}) stays in force"));
}

async fn take_over(proxy: &Arc<Proxy>, args: &ServeArgs, text: &[u8]) -> Result<String, String> {
    let spec = spec_file::parse(&args.spec, text).map_err(|failure| failure.message)?;
    let old = proxy.table();
    if spec.plan.digest() == old.plan().digest() {
        return Ok("nothing that matters has changed".to_owned());
    }
    let summary = check::summary(&spec.plan);
    let table = arms::table(&spec.plan, &args.arms, args.default.as_ref())?;
    // The new arms are known before the filter chooses them, the old ones still after.
    let both = arms::table(old.plan(), &args.arms, args.default.as_ref());
    if let Ok(both) = both {
        proxy.set_table(both.with_arms_of(&old).with_arms_of(&table));
    }
    let reconfigured = proxy.reconfigure(spec.json).await;
    if let Err(why) = reconfigured {
        if let Ok(table) = arms::table(old.plan(), &args.arms, args.default.as_ref()) {
            proxy.set_table(table);
        }
        return Err(why);
    }
    proxy.set_table(table.with_arms_of(&old));
    Ok(summary)
}

fn indented(text: &str) -> String {
    let line = |line: &str| if line.is_empty() { String::new() } else { format!("  {line}") };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}
