//! `serin demo`: an example with two upstreams, and real requests through the filter.

mod upstream;

use crate::failure::Failure;
use crate::proxy::{Proxy, Settings, arms, runtime};
use crate::style::{self, Tone};
use crate::{filter, proxy, spec_file};
use clap::Args;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serin_core::{Decision, Facts, Plan, Recorder, decide, decide_with};
use serin_host_sim::Module;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use upstream::UPSTREAM;

const SPEC: &str = include_str!("../../demo/spec.yaml");
const HOST: &str = "shop.example.com";
const PATH: &str = "/checkout";

/// A group of users.
struct Group {
    name: &'static str,
    users: usize,
    /// The header that identifies the group.
    field: Option<(&'static str, &'static str)>,
    /// The share on shop-v2 by the spec, in per cent.
    canary: f64,
    /// The share with new-checkout by the spec, in per cent.
    checkout: f64,
}

const GROUPS: [Group; 3] = [
    Group {
        name: "internal",
        users: 50,
        field: Some(("x-email", "ada@corp.example")),
        canary: 100.0,
        checkout: 100.0,
    },
    Group {
        name: "enterprise",
        users: 500,
        field: Some(("x-plan", "enterprise")),
        canary: 25.0,
        checkout: 10.0,
    },
    Group { name: "everyone else", users: 500, field: None, canary: 25.0, checkout: 0.0 },
];

/// The response to a request, as the upstream reports it.
struct Answer {
    upstream: String,
    flags: String,
}

type Http = Client<HttpConnector, Empty<Bytes>>;

#[derive(Args)]
pub(crate) struct DemoArgs {
    /// Keep running, so that you can send requests yourself
    #[arg(long)]
    stay: bool,
    /// The filter to run [default: the embedded one]
    #[arg(long, value_name = "FILE")]
    filter: Option<PathBuf>,
}

pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let wasm = filter::bytes(args.filter.as_deref())?;
    // For a thousand requests, optimisation takes longer than it saves.
    let module = Module::compile_unoptimised(wasm).map_err(|error| filter::unusable(&error))?;
    let spec = spec_file::parse(Path::new("demo/spec.yaml"), SPEC.as_bytes())?;
    runtime::threads()?.block_on(async {
        let trouble = |error: std::io::Error| Failure::trouble(format!("the demo: {error}"));
        let v1 = upstream::start("shop-v1").await.map_err(trouble)?;
        let v2 = upstream::start("shop-v2").await.map_err(trouble)?;
        let named = [format!("shop-v1=http://{v1}"), format!("shop-v2=http://{v2}")];
        let named: Vec<_> = named.iter().flat_map(|arm| arms::parse(arm)).collect();
        let table = arms::table(&spec.plan, &named, None).map_err(Failure::trouble)?;
        let workers = runtime::default_workers();
        let plugin = runtime::plugin(&module, spec.json.clone(), workers).build();
        let plugin = plugin.map_err(|error| filter::unusable(&error))?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(trouble)?;
        let address = listener.local_addr().map_err(trouble)?;
        let timeout = Duration::from_secs(15);
        let settings = Settings { plugin, table, clusters: HashMap::new(), timeout, ofrep: None };
        let (end, ended) = oneshot::channel::<()>();
        let stop = async {
            let _ = ended.await;
        };
        let serving = tokio::spawn(proxy::serve(Proxy::new(settings), listener, stop));
        introduce(address, v1, v2);
        let requests = show(&spec.plan, address).await?;
        explain(&spec.plan);
        println!(
            "{}: {requests} requests went through the filter. Each got the upstream and the flags that the \
             same decision in native code gives",
            style::out(Tone::Good, "demo")
        );
        if args.stay {
            stay(address).await;
        }
        drop(end);
        let _ = serving.await;
        Ok(())
    })
}

fn introduce(proxy: SocketAddr, v1: SocketAddr, v2: SocketAddr) {
    println!("A proxy on http://{proxy} runs the filter on every request.");
    println!("Behind it are two upstreams: shop-v1 on {v1}, shop-v2 on {v2}.");
    println!(
        "The spec, cli/demo/spec.yaml, sends internal users and 25 % of the others to shop-v2."
    );
    println!("It turns new-checkout on for internal users and 10 % of enterprise users.\n");
}

/// Sends a request of each user, compares the response with the native decision, and prints the table.
async fn show(plan: &Plan, proxy: SocketAddr) -> Result<usize, Failure> {
    let client: Http = Client::builder(TokioExecutor::new()).build_http();
    let client = Arc::new(client);
    let heading = format!(
        "{:<14} {:>6} {:>8} {:>8}   {:>16}   {:>22}",
        "cohort", "users", "shop-v1", "shop-v2", "shop-v2 share", "new-checkout on"
    );
    println!("{}", style::out(Tone::Strong, &heading));
    let shares =
        format!("{:>41} {:>7} {:>8}   {:>13} {:>8}", "", "spec", "actual", "spec", "actual");
    println!("{}", style::out(Tone::Quiet, &shares));
    let mut sent = 0;
    for group in &GROUPS {
        let (mut canary, mut checkout) = (0, 0);
        for number in 0..group.users {
            let user = format!("{}-{number}", group.name.replace(' ', "-"));
            let answer = ask(&client, proxy, group, &user).await?;
            compare(plan, group, &user, &answer)?;
            canary += usize::from(answer.upstream == "shop-v2");
            checkout += usize::from(answer.flags.contains("new-checkout=?1"));
            sent += 1;
        }
        println!(
            "{:<14} {:>6} {:>8} {:>8}   {:>5} % {:>6.1} %   {:>11} % {:>6.1} %",
            group.name,
            group.users,
            group.users - canary,
            canary,
            group.canary,
            percent(canary, group.users),
            group.checkout,
            percent(checkout, group.users),
        );
    }
    println!();
    Ok(sent)
}

fn percent(part: usize, whole: usize) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

async fn ask(
    client: &Http,
    proxy: SocketAddr,
    group: &Group,
    user: &str,
) -> Result<Answer, Failure> {
    let failed = |why: String| Failure::trouble(format!("the demo: the request of {user}: {why}"));
    let mut request = Request::get(format!("http://{proxy}{PATH}"))
        .header("host", HOST)
        .header("x-user-id", user);
    if let Some((name, value)) = group.field {
        request = request.header(name, value);
    }
    let request = request.body(Empty::new()).map_err(|error| failed(error.to_string()))?;
    let response = client.request(request).await.map_err(|error| failed(error.to_string()))?;
    let field = |name: &str| {
        let value = response.headers().get(name);
        value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let answer = Answer {
        upstream: field(UPSTREAM).unwrap_or_else(|| format!("no upstream ({})", response.status())),
        flags: field(&format!("x-demo-{}", serin_core::headers::FLAGS)).unwrap_or_default(),
    };
    // The connection can be reused only after the body has been read.
    response.into_body().collect().await.map_err(|error| failed(error.to_string()))?;
    Ok(answer)
}

/// The header block of a user's request.
fn headers(group: &Group, user: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut pairs = vec![
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", HOST),
        (":path", PATH),
        ("x-user-id", user),
    ];
    pairs.extend(group.field);
    pairs
        .iter()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect()
}

/// Compares a response with the native decision.
fn compare(plan: &Plan, group: &Group, user: &str, answer: &Answer) -> Result<(), Failure> {
    let headers = headers(group, user);
    let facts = Facts::gather(plan, headers.iter().map(|(name, value)| (&name[..], &value[..])));
    let mut decision = Decision::new(plan);
    decide(plan, &facts, &mut decision);
    let decided = decision.rollout().and_then(|decided| {
        let target = plan.rollout(decided.rollout)?.arm(decided.arm)?.target();
        Some(target.to_owned())
    });
    let mut flags = String::new();
    decision.request_headers(plan, |name, value| {
        if name == serin_core::headers::FLAGS {
            value.clone_into(&mut flags);
        }
    });
    let target = decided.unwrap_or_default();
    if target == answer.upstream && flags == answer.flags {
        return Ok(());
    }
    Err(Failure::spec(format!(
        "the demo: {user} got {} with the flags {:?}, but the native decision is {target} with {flags:?}",
        answer.upstream, answer.flags
    )))
}

/// Prints the steps of two decisions.
fn explain(plan: &Plan) {
    for (group, user) in [(&GROUPS[0], "internal-0"), (&GROUPS[1], "enterprise-1")] {
        let headers = headers(group, user);
        let facts =
            Facts::gather(plan, headers.iter().map(|(name, value)| (&name[..], &value[..])));
        let mut recorder = Recorder::default();
        let mut decision = Decision::new(plan);
        decide_with(plan, &facts, &mut decision, &mut recorder);
        println!(
            "{}",
            style::out(Tone::Strong, &format!("The decision about {user}, step by step"))
        );
        for line in recorder.to_text().lines() {
            println!("  {line}");
        }
        println!();
    }
}

async fn stay(proxy: SocketAddr) {
    println!("\nThe proxy runs until Ctrl-C. Try:");
    println!("  curl -s http://{proxy}{PATH} -H 'host: {HOST}' -H 'x-user-id: grace'");
    println!(
        "  curl -si http://{proxy}{PATH} -H 'host: {HOST}'   # a new user gets a cookie with an id"
    );
    runtime::stop().await;
}
