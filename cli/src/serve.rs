//! `serin serve`: an HTTP proxy that runs the filter on every request.

use crate::arguments::parse_seconds;
use crate::failure::Failure;
use crate::proxy::arms::{self, NamedUpstream};
use crate::proxy::runtime::{self, default_workers, stop};
use crate::proxy::{Proxy, Settings, Table, Upstream};
use crate::{filter, id_keys, input, override_keys, proxy, spec_file, style};
use clap::Args;
use serin_host_sim::{LogLine, Module};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How often the spec's file is read.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The environment variables of the filter's gates, and of the responses that may be stored.
const FILTER_VARIABLES: [&str; 8] = [
    "SERIN_CACHE_CONTROL",
    "SERIN_GATE_TICK_MS",
    "SERIN_STATE_CLUSTER",
    "SERIN_STATE_URL",
    "SERIN_STATE_SECONDS",
    "SERIN_UNKNOWN_STATE",
    "SERIN_WEBHOOK_CLUSTER",
    "SERIN_WEBHOOK_URL",
];

#[derive(Args)]
pub(crate) struct ServeArgs {
    /// The spec, in YAML or JSON; - is standard input. A change of the file takes effect at once
    spec: PathBuf,
    /// The upstream of an arm; may be repeated. NAME is ROLLOUT.ARM, the arm's target, or the arm's name,
    /// in this order of precedence
    #[arg(long = "arm", value_name = "NAME=URL", value_parser = arms::parse)]
    arms: Vec<NamedUpstream>,
    /// The upstream of requests without a rollout [default: the baseline, if the spec has one rollout]
    #[arg(long, value_name = "URL", value_parser = arms::parse_url)]
    default: Option<Upstream>,
    /// A cluster for the filter's own HTTP calls; may be repeated
    #[arg(long = "cluster", value_name = "NAME=URL", value_parser = arms::parse)]
    clusters: Vec<NamedUpstream>,
    /// The address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The filter to run [default: the embedded one]
    #[arg(long, value_name = "FILE")]
    filter: Option<PathBuf>,
    /// The number of worker VMs [default: one per processor, at most 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: Option<u16>,
    /// The timeout until an upstream's response begins
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = parse_seconds)]
    timeout: Duration,
    /// Also serve the OpenFeature Remote Evaluation Protocol (OFREP), at PREFIX/ofrep/v1
    #[arg(long, value_name = "PREFIX", num_args = 0..=1, require_equals = true, default_missing_value = "/")]
    ofrep: Option<String>,
}

pub(crate) fn run(args: ServeArgs) -> Result<(), Failure> {
    let text = input::read_spec(&args.spec)?;
    let spec = spec_file::parse(&args.spec, &text).map_err(|failure| Failure {
        message: format!("{}:\n{}", args.spec.display(), indented(&failure.message)),
        ..failure
    })?;
    let table = arms::table(&spec.plan, &args.arms, args.default.as_ref());
    let table = table.map_err(Failure::trouble)?;
    for name in arms::unused(&spec.plan, &args.arms) {
        style::note(&format!("--arm {name}: the spec has no arm or target of this name"));
    }
    let wasm = filter::bytes(args.filter.as_deref())?;
    let workers = args.workers.map_or_else(default_workers, usize::from);
    let clusters = clusters(&args);
    let module = Module::compile(wasm).map_err(|error| filter::unusable(&error))?;
    let mut builder = runtime::plugin(&module, spec.json.clone(), workers).on_log(log);
    // The filter refuses wrong keys by itself, and requests continue.
    if let Some(keys) = override_keys::text() {
        builder = builder.env_var(override_keys::KEYS, &keys);
    }
    if let Some(keys) = id_keys::text() {
        builder = builder.env_var(id_keys::KEYS, &keys);
    }
    for name in FILTER_VARIABLES {
        if let Ok(value) = std::env::var(name) {
            builder = builder.env_var(name, &value);
        }
    }
    for name in clusters.keys() {
        builder = builder.cluster(name);
    }
    let plugin = builder.no_other_clusters().build();
    let plugin = plugin.map_err(|error| filter::unusable(&error))?;
    runtime::threads()?.block_on(async {
        let listener = TcpListener::bind(args.listen).await;
        let listener = listener
            .map_err(|error| Failure::trouble(format!("--listen {}: {error}", args.listen)))?;
        let address = listener.local_addr().unwrap_or(args.listen);
        println!("serin: {}", spec_file::summary(&spec.plan));
        println!("serin: listening on http://{address} with {workers} workers");
        let ofrep = args.ofrep.clone().map(|prefix| serin_ofrep::Settings {
            prefix,
            // `serin serve` is for laptops: every web page may evaluate flags.
            origins: Some("*".to_owned()),
            token: None,
        });
        let proxy = Proxy::new(Settings { plugin, table, clusters, timeout: args.timeout, ofrep });
        let serving = proxy::serve(Arc::clone(&proxy), listener, stop());
        let watch = watch(Arc::clone(&proxy), &args, text);
        tokio::select! {
            () = serving => {}
            () = watch => {}
        }
        println!("serin: stopped");
        Ok(())
    })
}

/// The clusters of the filter's own calls. The names of arms and targets are clusters too.
fn clusters(args: &ServeArgs) -> HashMap<String, Upstream> {
    let named = args.arms.iter().chain(&args.clusters);
    named.map(|named| (named.name.clone(), named.upstream.clone())).collect()
}

fn log(line: &LogLine) {
    style::note(&line.to_string());
}

/// Applies the spec whenever its file changes. Never completes.
async fn watch(proxy: Arc<Proxy>, args: &ServeArgs, mut text: Vec<u8>) {
    if args.spec == Path::new("-") {
        return std::future::pending().await;
    }
    let mut missing = false;
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        // Read by name each time, because some editors replace the file.
        let now = match input::reread_spec(&args.spec) {
            Ok(now) => now,
            Err(failure) => {
                if !std::mem::replace(&mut missing, true) {
                    report_refused(&proxy.table(), &failure.message);
                }
                continue;
            }
        };
        missing = false;
        if now == text {
            continue;
        }
        text = now;
        match apply(&proxy, args, &text).await {
            Ok(summary) => println!("serin: {} applied: {summary}", args.spec.display()),
            Err(why) => report_refused(
                &proxy.table(),
                &format!("{}:\n{}", args.spec.display(), indented(&why)),
            ),
        }
    }
}

/// Reports why a changed spec is refused, and which one stays in force.
fn report_refused(table: &Table, why: &str) {
    let plan = table.plan();
    let (revision, digest) = (plan.revision(), plan.digest());
    style::error(&format!("{why}\n  revision {revision} ({digest}) stays in force"));
}

/// Applies a changed spec, and returns its summary.
async fn apply(proxy: &Arc<Proxy>, args: &ServeArgs, text: &[u8]) -> Result<String, String> {
    let spec = spec_file::parse(&args.spec, text).map_err(|failure| failure.message)?;
    let old = proxy.table();
    if spec.plan.digest() == old.plan().digest() {
        return Ok("no decision changes".to_owned());
    }
    let summary = spec_file::summary(&spec.plan);
    let table = arms::table(&spec.plan, &args.arms, args.default.as_ref())?;
    // The proxy knows the new arms before the filter chooses them, and the old ones for a while after.
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
