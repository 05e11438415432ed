//! `serin override verify`.

use super::{Failure, VerifyArgs, keys_of_environment, secret};
use crate::explain::now;
use crate::paint::{self, Tone};
use crate::{SPEC_ERRORS, spec_file};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use serin_core::{Facts, OverrideError, OverrideKeys, Plan, Timestamp};
use std::io::Read as _;

pub(super) fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let token = given(&args.token)?;
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
            println!("{}", paint::out(Tone::Good, "valid"));
            Ok(())
        }
        Err(why) => {
            println!("{}: {why}{}", paint::out(Tone::Bad, "ignored"), hint(why));
            Err(Failure { code: SPEC_ERRORS, message: String::new() })
        }
    }
}

fn hint(why: OverrideError) -> &'static str {
    match why {
        OverrideError::Malformed => {
            ": three parts of base64url, JSON objects, exp in seconds since 1970"
        }
        OverrideError::Audience => ", see --host",
        _ => "",
    }
}

fn given(token: &str) -> Result<String, Failure> {
    if token != "-" {
        return Ok(token.to_owned());
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().take(1 << 16).read_to_string(&mut text);
    read.map_err(|error| Failure::trouble(format!("standard input cannot be read: {error}")))?;
    Ok(text.trim().to_owned())
}

/// The key whose secret is given, under the id that the token names; else the environment's keys.
fn keys(args: &VerifyArgs, header: &Value) -> Result<OverrideKeys, Failure> {
    let Some(text) = secret::text(&args.secret)? else {
        return keys_of_environment()?.ok_or_else(|| {
            Failure::trouble(format!(
                "there is no key to verify with: set {}, or give --secret-file or --secret-env",
                super::KEYS
            ))
        });
    };
    let id = header["kid"].as_str().unwrap_or("key");
    let one = json!({id: text}).to_string();
    OverrideKeys::from_json(one.as_bytes()).map_err(|errors| Failure::trouble(errors.to_string()))
}

/// Header and claims as far as they can be read; nothing in them is trusted yet.
fn parts(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| {
        let json = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
        serde_json::from_slice(&json).unwrap_or(Value::Null)
    });
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

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
            println!("{} {value}", paint::out(Tone::Strong, &format!("{name:<10}")));
        }
    };
    line("key", shown(&header["kid"]));
    line("from", moment(&claims["nbf"]));
    line("until", moment(&claims["exp"]));
    line("for", audience(claims).join(", "));
    line("arms", pairs(&claims["arms"]).join(", "));
    line("variants", pairs(&claims["variants"]).join(", "));
    line("decision", if claims["decision"] == true { "yes".to_owned() } else { String::new() });
}

/// A text of the token, without what could write over the terminal.
fn shown(value: &Value) -> String {
    value.as_str().unwrap_or_default().chars().filter(|c| !c.is_control()).take(100).collect()
}

fn moment(claim: &Value) -> String {
    let seconds = claim.as_u64().and_then(|seconds| seconds.checked_mul(1000));
    seconds.map(|ms| Timestamp::from_unix_ms(ms).to_string()).unwrap_or_default()
}

fn pairs(claim: &Value) -> Vec<String> {
    let pairs = claim.as_object().into_iter().flatten();
    pairs.map(|(name, value)| format!("{}={}", shown(&json!(name)), shown(value))).collect()
}

/// Names of the token that the spec does not have: passed over, as long as there are others.
fn print_unknown(plan: &Plan, claims: &Value) {
    let unknown = |claim: &str, known: &dyn Fn(&str, &str) -> bool| {
        let pairs = claims[claim].as_object().into_iter().flatten();
        for (name, value) in pairs.filter_map(|(name, value)| Some((name, value.as_str()?))) {
            if !known(name, value) {
                let (name, value) = (shown(&json!(name)), shown(&json!(value)));
                println!(
                    "{} the spec has no {name}={value}",
                    paint::out(Tone::Quiet, "passed over")
                );
            }
        }
    };
    unknown("arms", &|rollout, arm| plan.arm_named(rollout, arm).is_some());
    unknown("variants", &|flag, variant| plan.variant_named(flag, variant).is_some());
}
