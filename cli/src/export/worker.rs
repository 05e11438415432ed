//! `serin export worker`: the arguments.

use super::common::CommonArgs;
use clap::Args;
use serin_fleet::export::Target;
use serin_fleet::export::worker::{Options, Place};

const HELP: &str = "\
Files: wrangler.jsonc, and the spec: with --kv as spec.json for KV, else in the folder of the Worker's
code.

Tokens and keys are in no file, set them with `npx wrangler secret put NAME`.

Examples:
  serin export worker spec.yaml --service shop-stable=shop-stable --service shop-canary=shop-canary \\
    --out shop-edge
  serin export worker spec.yaml --origin shop-stable=https://stable.example.com \\
    --origin shop-canary=https://canary.example.com --kv NAMESPACE_ID --out shop-edge";

#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// A target that is an origin, given by scheme, host and port; may be repeated
    #[arg(long = "origin", value_name = "TARGET=URL", value_parser = origin)]
    origins: Vec<(String, Place)>,
    /// A target that is another Worker, given by name; may be repeated
    #[arg(long = "service", value_name = "TARGET=WORKER", value_parser = service)]
    services: Vec<(String, Place)>,
    /// The target of requests without a rollout [default: the baselines' target, if they share one, or
    /// else the request's own URL]
    #[arg(long, value_name = "TARGET")]
    default: Option<String>,
    /// Store the spec in the KV namespace of this id, so that a change needs no deployment
    #[arg(long, value_name = "ID", value_parser = word)]
    kv: Option<String>,
    /// The Worker's name
    #[arg(long, value_name = "NAME", default_value = "serin-edge", value_parser = word)]
    name: String,
    /// The path of the Worker's code, relative to wrangler.jsonc
    #[arg(long, value_name = "PATH", default_value = "serin/worker.js")]
    main: String,
    /// The compatibility date of Cloudflare's runtime
    #[arg(long, value_name = "DATE", default_value = "2026-11-01", value_parser = date)]
    compatibility_date: String,
    /// A custom domain of the Worker; may be repeated
    #[arg(long = "domain", value_name = "HOST", value_parser = word)]
    domains: Vec<String>,
    /// Another variable of the Worker, see docs/cloudflare.md; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = var)]
    vars: Vec<(String, String)>,
}

impl WorkerArgs {
    /// The common arguments, and the target with its options.
    pub(super) fn split(self) -> (CommonArgs, Target) {
        let options = Options {
            name: self.name,
            main: self.main,
            compatibility_date: self.compatibility_date,
            targets: self.origins.into_iter().chain(self.services).collect(),
            default: self.default,
            kv: self.kv,
            domains: self.domains,
            vars: self.vars,
        };
        (self.common, Target::Worker(options))
    }
}

fn pair(text: &str) -> Result<(&str, &str), String> {
    let (name, value) = text.split_once('=').ok_or("the form is NAME=VALUE")?;
    if name.is_empty() || value.is_empty() {
        return Err("the name or the value is empty".to_owned());
    }
    Ok((name, value))
}

/// Parses `TARGET=URL`, where the URL is scheme, host and port, as the Worker reads it.
fn origin(text: &str) -> Result<(String, Place), String> {
    let (target, url) = pair(text)?;
    let url = url.strip_suffix('/').unwrap_or(url);
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if !host.is_some_and(|host| !host.is_empty() && host.bytes().all(plain)) {
        return Err(format!(
            "{url} is not an origin, write https://HOST[:PORT] or http://HOST[:PORT]"
        ));
    }
    Ok((target.to_owned(), Place::Origin(url.to_owned())))
}

fn service(text: &str) -> Result<(String, Place), String> {
    let (target, worker) = pair(text)?;
    Ok((target.to_owned(), Place::Service(word(worker)?)))
}

fn var(text: &str) -> Result<(String, String), String> {
    let (name, value) = pair(text)?;
    let good =
        name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    if !good {
        return Err(format!("{name} is not a variable's name, use A-Z, 0-9 and _"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn word(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let good = !text.is_empty() && text.bytes().all(plain);
    good.then(|| text.to_owned())
        .ok_or_else(|| format!("{text:?} is not a name, use letters, digits, -, _ and ."))
}

fn date(text: &str) -> Result<String, String> {
    let shape: String =
        text.chars().map(|sign| if sign.is_ascii_digit() { '0' } else { sign }).collect();
    if shape != "0000-00-00" {
        return Err(format!("{text} is not a date, write 2026-11-01"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_no_path_and_no_credentials() {
        let place = |url: &str| Ok(("a".to_owned(), Place::Origin(url.to_owned())));
        assert_eq!(origin("a=https://b.example/"), place("https://b.example"));
        assert_eq!(origin("a=http://127.0.0.1:80"), place("http://127.0.0.1:80"));
        for bad in
            ["a", "a=", "=https://b", "a=b", "a=https://b/c", "a=https://u:p@b", "a=https://"]
        {
            assert!(origin(bad).is_err(), "{bad}");
        }
        assert!(var("SERIN_CACHE=1").is_ok() && var("cache=1").is_err());
        assert!(date("2026-11-01").is_ok() && date("today").is_err());
    }
}
