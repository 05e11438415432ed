//! `serin drift`: the differences between a spec and what the hosts run.
use crate::arguments::parse_seconds;
use crate::clock::now;
use crate::failure::Failure;
use crate::style::{self, Tone};
use crate::{fetch, spec_file};
use clap::Args;
use reqwest::{Client, Url};
use serin_fleet::drift::{self, ExpectedSpec, HostKind, HostResult, HostStatus};
use std::path::PathBuf;
use std::time::Duration;

/// What `serin drift --help` ends with.
const HELP: &str = "\
SERIN_STATUS_TOKEN is the token for the Workers' status pages.

Exit codes: 0 every host runs the spec; 1 a host runs another spec, or has an abort in force; 2 a host did
not answer, the spec has errors, or wrong usage.

Examples:
  serin drift spec.yaml --envoy http://127.0.0.1:9901
  SERIN_STATUS_TOKEN=… serin drift spec.yaml --worker https://shop.example.com/.serin/status --json";

#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct DriftArgs {
    /// The spec that the hosts should run, in YAML or JSON; - is standard input
    spec: PathBuf,
    /// The admin interface of an Envoy, http://HOST:PORT; may be repeated
    #[arg(long = "envoy", value_name = "ADMIN_URL", num_args = 1.., required_unless_present = "workers", value_parser = fetch::parse_url)]
    envoys: Vec<Url>,
    /// The status page of a Worker; may be repeated
    #[arg(long = "worker", value_name = "STATUS_URL", num_args = 1.., value_parser = fetch::parse_url)]
    workers: Vec<Url>,
    /// The timeout of each request to a host
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    timeout: Duration,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// The environment variable with the token for status pages: a command line would show it to every process.
const TOKEN: &str = "SERIN_STATUS_TOKEN";

pub(crate) fn run(args: &DriftArgs) -> Result<(), Failure> {
    // Exit code 1 means drift alone, so that a cron job can rely on it.
    let spec = spec_file::load(&args.spec).map_err(|failure| Failure::trouble(failure.message))?;
    let document = serde_json::from_slice(&spec.json)
        .map_err(|error| Failure::trouble(format!("{}: {error}", args.spec.display())))?;
    let (revision, digest) = (spec.plan.revision(), spec.plan.digest());
    let expected = ExpectedSpec { document: &document, revision, digest };
    let hosts = query_all(args, expected)?;
    if args.json {
        println!("{}", drift::json(expected, &hosts));
    } else {
        let strong = |text: &str, good| style::out(if good { Tone::Good } else { Tone::Bad }, text);
        print!("{}", drift::text(expected, &hosts, strong));
    }
    match drift::exit_code(&hosts) {
        0 => Ok(()),
        code => Err(Failure::silent(code)),
    }
}

/// Queries all hosts at once. The result is in the order of the arguments.
fn query_all(args: &DriftArgs, expected: ExpectedSpec<'_>) -> Result<Vec<HostResult>, Failure> {
    let client = fetch::client(args.timeout)?;
    let token = std::env::var(TOKEN).ok().filter(|token| !token.is_empty());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::trouble(format!("threads cannot be started: {error}")))?;
    let envoys = args.envoys.iter().map(|url| (HostKind::Envoy, url.clone()));
    let workers = args.workers.iter().map(|url| (HostKind::Worker, url.clone()));
    let tasks: Vec<_> = envoys
        .chain(workers)
        .map(|(kind, url)| {
            let (client, token, shown) = (client.clone(), token.clone(), url.to_string());
            let task = runtime.spawn(async move {
                match kind {
                    HostKind::Envoy => envoy(&client, &url).await,
                    HostKind::Worker => worker(&client, &url, token.as_deref()).await,
                }
            });
            (kind, shown, task)
        })
        .collect();
    let mut hosts = Vec::new();
    for (kind, url, task) in tasks {
        let status = runtime.block_on(task).unwrap_or_else(|error| Err(error.to_string()));
        let drift = status.map(|status| drift::check(expected, status, now()));
        hosts.push(HostResult { url, kind, drift });
    }
    Ok(hosts)
}

async fn envoy(client: &Client, admin: &Url) -> Result<HostStatus, String> {
    let mut base = admin.clone();
    base.set_query(None);
    base.set_fragment(None);
    let page = |path: &str| {
        let base = base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}{path}")).map_err(|error| error.to_string())
    };
    let config = fetch::json(client, page(drift::CONFIG_PATH)?, None).await?;
    let stats = fetch::json(client, page(drift::STATS_PATH)?, None).await?;
    drift::envoy(&config, &stats).map_err(|error| error.to_string())
}

async fn worker(client: &Client, page: &Url, token: Option<&str>) -> Result<HostStatus, String> {
    let token = token.ok_or_else(|| format!("set {TOKEN}, the token for status pages"))?;
    if token.chars().any(char::is_control) {
        return Err(format!("{TOKEN} contains a control character, such as a line break"));
    }
    if page.scheme() == "http" && !fetch::is_loopback(page) {
        return Err("the token is sent to other machines only by https".to_owned());
    }
    let page = fetch::json(client, page.clone(), Some(token)).await?;
    drift::worker(&page).map_err(|error| error.to_string())
}
