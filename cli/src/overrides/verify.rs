//! `serin override verify`: a token's claims, and whether hosts would accept it.

use super::secret::{self, SecretArgs};
use super::sign::parse_host;
use crate::arguments::parse_timestamp;
use crate::clock::now;
use crate::failure::{Failure, SPEC_ERRORS};
use crate::override_keys;
use crate::spec_file;
use crate::style::{self, Tone};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use serde_json::{Value, json};
use serin_core::{Facts, OverrideError, OverrideKeys, Plan, Timestamp};
use std::io::Read as _;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// The token; - reads it from standard input
    token: String,
    #[command(flatten)]
    secret: SecretArgs,
    /// The request's host [default: the token's first audience]
    #[arg(long, value_name = "HOST", value_parser = parse_host)]
    host: Option<String>,
    /// The time of the request, in RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_timestamp)]
    at: Option<Timestamp>,
    /// Check that this spec has the token's arms and variants; - is standard input
    #[arg(long)]
    spec: Option<PathBuf>,
}

pub(super) fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let token = read_token(&args.token)?;
    let (header, claims) = parts(&token);
    let plan = args.spec.as_deref().map(spec_file::load).transpose()?.map(|spec| spec.plan);
    let keys = keys(args, &header)?;
    print_claims(&header, &claims);
    let host = args
        .host
        .clone()
        .unwrap_or_else(|| audience(&claims).into_iter().next().unwrap_or_default());
    let at = args.at.unwrap_or_else(now);
    let verified = keys.verify(token.as_bytes(), &host, at);
    let outcome = verified.and_then(|by| match &plan {
        Some(plan) => Facts::gather(plan, []).force(plan, &by),
        None => Ok(()),
    });
    if let Some(plan) = &plan {
        print_unknown(plan, &claims);
    }
    match outcome {
        Ok(()) => {
            println!("{}", style::out(Tone::Good, "valid"));
            Ok(())
        }
        Err(why) => {
            println!("{}: {why}{}", style::out(Tone::Bad, "ignored"), hint(why));
            Err(Failure::silent(SPEC_ERRORS))
        }
    }
}

fn hint(why: OverrideError) -> &'static str {
    match why {
        OverrideError::Malformed => {
            ": a token is a JWS of three base64url parts, with exp in seconds since 1970"
        }
        OverrideError::Audience => ", give the request's host with --host",
        _ => "",
    }
}

/// The token of the command line, or of standard input.
fn read_token(token: &str) -> Result<String, Failure> {
    if token != "-" {
        return Ok(token.to_owned());
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().take(1 << 16).read_to_string(&mut text);
    read.map_err(|error| Failure::trouble(format!("standard input cannot be read: {error}")))?;
    Ok(text.trim().to_owned())
}

/// The key of the given secret, with the id that the token names; without a secret the environment's keys.
fn keys(args: &VerifyArgs, header: &Value) -> Result<OverrideKeys, Failure> {
    let Some(text) = secret::text(&args.secret)? else {
        return override_keys::load()?.ok_or_else(|| {
            Failure::trouble(format!(
                "the keys are missing: set {}, or give --secret-file or --secret-env",
                override_keys::KEYS
            ))
        });
    };
    let id = header["kid"].as_str().unwrap_or("key");
    let one = json!({id: text}).to_string();
    OverrideKeys::from_json(one.as_bytes()).map_err(|errors| Failure::trouble(errors.to_string()))
}

/// The header and the claims, null where they are malformed. They are not verified.
fn parts(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| {
        let json = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
        serde_json::from_slice(&json).unwrap_or(Value::Null)
    });
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

/// The hosts that the token is for.
fn audience(claims: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match &claims["aud"] {
        Value::Array(hosts) => hosts.iter().filter_map(text).collect(),
        one => text(one).into_iter().collect(),
    }
}

fn print_claims(header: &Value, claims: &Value) {
    let line = |name: &str, value: String| {
        if !value.is_empty() {
            println!("{} {value}", style::out(Tone::Strong, &format!("{name:<10}")));
        }
    };
    line("key", shown(&header["kid"]));
    line("from", timestamp(&claims["nbf"]));
    line("until", timestamp(&claims["exp"]));
    line("for", audience(claims).join(", "));
    line("arms", pairs(&claims["arms"]).join(", "));
    line("variants", pairs(&claims["variants"]).join(", "));
    line("decision", if claims["decision"] == true { "yes".to_owned() } else { String::new() });
}

/// A string of the token without control characters, at most 100 characters.
fn shown(value: &Value) -> String {
    value.as_str().unwrap_or_default().chars().filter(|c| !c.is_control()).take(100).collect()
}

/// A claim in seconds since 1970 as a timestamp; empty for other values.
fn timestamp(claim: &Value) -> String {
    let seconds = claim.as_u64().and_then(|seconds| seconds.checked_mul(1000));
    seconds.map(|ms| Timestamp::from_unix_ms(ms).to_string()).unwrap_or_default()
}

fn pairs(claim: &Value) -> Vec<String> {
    let pairs = claim.as_object().into_iter().flatten();
    pairs.map(|(name, value)| format!("{}={}", shown(&json!(name)), shown(value))).collect()
}

/// Prints the arms and variants that the spec does not have. Hosts ignore them, but apply the others.
fn print_unknown(plan: &Plan, claims: &Value) {
    let unknown = |claim: &str, known: &dyn Fn(&str, &str) -> bool| {
        let pairs = claims[claim].as_object().into_iter().flatten();
        for (name, value) in pairs.filter_map(|(name, value)| Some((name, value.as_str()?))) {
            if !known(name, value) {
                let (name, value) = (shown(&json!(name)), shown(&json!(value)));
                println!(
                    "{} the spec has no {name}={value}",
                    style::out(Tone::Quiet, "ignored   ")
                );
            }
        }
    };
    unknown("arms", &|rollout, arm| plan.arm_named(rollout, arm).is_some());
    unknown("variants", &|flag, variant| plan.variant_named(flag, variant).is_some());
}
