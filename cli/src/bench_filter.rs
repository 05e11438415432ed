//! `serin bench-filter`: the cost of a request in the filter. All figures but the time are equal in every run.

use crate::failure::Failure;
use crate::{filter, spec_file};
use clap::Args;
use serin_host_sim::{Plugin, StreamInfo};
use std::path::PathBuf;
use std::time::Instant;

#[derive(Args)]
pub(crate) struct BenchFilterArgs {
    /// The filter's spec, in YAML or JSON; - is standard input
    spec: PathBuf,
    /// The filter to run [default: the embedded one]
    #[arg(long, value_name = "FILE")]
    filter: Option<PathBuf>,
    /// The request's host
    #[arg(long, default_value = "shop.example.com")]
    host: String,
    /// The request's path
    #[arg(long, default_value = "/")]
    path: String,
    /// A header of the request; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The number of requests to average over
    #[arg(long, default_value = "1000")]
    requests: u32,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &BenchFilterArgs) -> Result<(), Failure> {
    let wasm = filter::bytes(args.filter.as_deref())?;
    let spec = spec_file::load(&args.spec)?;
    let headers = headers(args)?;
    let build = |fuel: bool| {
        let builder = Plugin::builder(&wasm).configuration(spec.json.clone());
        let builder = if fuel { builder.count_fuel() } else { builder };
        builder.build().map_err(|error| filter::unusable(&error))
    };
    let counting = build(true)?;
    let memory = counting.memory_bytes(0);
    // The first request allocates memory that later ones reuse.
    request(&counting, &headers);
    let mut stream = request(&counting, &headers);
    stream.finish();
    let stats = stream.stats();
    let timed = build(false)?;
    let requests = args.requests.max(1);
    request(&timed, &headers);
    let start = Instant::now();
    for _ in 0..requests {
        request(&timed, &headers);
    }
    let nanos = start.elapsed().as_nanos() / u128::from(requests);
    let calls = stats.host_calls();
    if args.json {
        let json = serde_json::json!({
            "wasmBytes": wasm.len(),
            "memoryBytes": memory,
            "fuelPerRequest": stats.fuel(),
            "callbacksPerRequest": stats.callbacks(),
            "hostCallsPerRequest": stats.host_call_count(),
            "hostCalls": calls,
            "nanosPerRequest": u64::try_from(nanos).unwrap_or(u64::MAX),
            "requestsPerSecond": 1_000_000_000 / u64::try_from(nanos.max(1)).unwrap_or(u64::MAX),
        });
        println!("{json}");
        return Ok(());
    }
    println!("wasm                     {:>9} bytes", wasm.len());
    println!("linear memory, configured {:>8} bytes", memory);
    println!("fuel per request         {:>9}", stats.fuel());
    println!("callbacks per request    {:>9}", stats.callbacks());
    println!("host calls per request   {:>9}", stats.host_call_count());
    for (name, count) in calls {
        println!("  {name:<38} {count}");
    }
    println!(
        "time per request         {nanos:>9} ns ({} requests/s)",
        1_000_000_000 / nanos.max(1)
    );
    Ok(())
}

fn headers(args: &BenchFilterArgs) -> Result<Vec<(String, String)>, Failure> {
    let mut headers = vec![
        (":method".to_owned(), "GET".to_owned()),
        (":scheme".to_owned(), "http".to_owned()),
        (":authority".to_owned(), args.host.clone()),
        (":path".to_owned(), args.path.clone()),
    ];
    for header in &args.headers {
        let (name, value) = header.split_once(':').ok_or_else(|| {
            Failure::trouble(format!("--header: {header:?} does not have the form NAME: VALUE"))
        })?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        match headers.iter_mut().find(|(known, _)| known == ":authority" && name == "host") {
            Some((_, authority)) => *authority = value,
            None => headers.push((name, value)),
        }
    }
    Ok(headers)
}

/// Sends a request without a body, and its response.
fn request(plugin: &Plugin, headers: &[(String, String)]) -> serin_host_sim::Stream {
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(headers.iter().map(|(name, value)| (name, value)), true);
    stream.send_response_headers([(":status", "200")], true);
    stream
}
