//! `serin override sign`: a signed token.

use super::secret::{self, SecretArgs};
use crate::clock::now;
use crate::failure::Failure;
use crate::spec_file;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};
use serin_core::{Plan, overrides};
use sha2::Sha256;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct SignArgs {
    /// The id of the key that signs
    #[arg(long, value_name = "ID")]
    key_id: String,
    #[command(flatten)]
    secret: SecretArgs,
    /// How long the token is valid, such as 30m or 2d
    #[arg(long, value_name = "DURATION", default_value = "8h", value_parser = parse_duration)]
    expires_in: u64,
    /// An arm to force; may be repeated
    #[arg(long = "arm", value_name = "ROLLOUT=ARM", value_parser = parse_pair)]
    arms: Vec<(String, String)>,
    /// A variant to force; may be repeated
    #[arg(long = "variant", value_name = "FLAG=VARIANT", value_parser = parse_pair)]
    variants: Vec<(String, String)>,
    /// A host that accepts the token; may be repeated [default: every host]
    #[arg(long = "aud", value_name = "HOST", value_parser = parse_host)]
    audience: Vec<String>,
    /// Add the decision record to responses, in the header serin-decision
    #[arg(long)]
    decision: bool,
    /// Check that this spec has the arms and variants; - is standard input
    #[arg(long)]
    spec: Option<PathBuf>,
}

/// Checks a key id as hosts do. It is shorter than a secret, so that a secret is never accepted as an id.
fn check_id(id: &str) -> Result<(), Failure> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if (1..=32).contains(&id.len()) && id.bytes().all(plain) {
        return Ok(());
    }
    // The text may be a secret, so the message does not quote it.
    Err(Failure::trouble("--key-id: an id is 1 to 32 letters, digits, - and _"))
}

/// Parses `ROLLOUT=ARM` or `FLAG=VARIANT`.
pub(super) fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("the form is NAME=NAME".to_owned()),
    }
}

/// Parses a duration of at least a second, in ms.
pub(super) fn parse_duration(text: &str) -> Result<u64, String> {
    let ms = serin_core::parse_duration(text).filter(|ms| *ms >= 1000);
    ms.ok_or_else(|| format!("{text} is not a duration of at least 1s, write 30m, 8h or 2d"))
}

/// Parses a host name without scheme and port.
pub(super) fn parse_host(text: &str) -> Result<String, String> {
    let forbidden = |c: char| matches!(c, '/' | '*' | '@' | ' ');
    let port = !text.ends_with(']') && text.contains(':');
    if text.is_empty() || text.contains(forbidden) || port {
        return Err(format!(
            "{text:?} is not a host, write shop.example.com, without scheme and port"
        ));
    }
    Ok(text.to_ascii_lowercase())
}

pub(super) fn run(args: &SignArgs) -> Result<(), Failure> {
    check_id(&args.key_id)?;
    let secret = secret::bytes(&args.secret)?;
    let claims = claims(args)?;
    if let Some(spec) = &args.spec {
        check_names(&spec_file::load(spec)?.plan, args)?;
    }
    let token = token(&args.key_id, &claims, &secret)?;
    if token.len() > overrides::MAX_TOKEN {
        return Err(Failure::trouble(format!(
            "the token has {} bytes, hosts accept at most {}: give fewer arms and variants",
            token.len(),
            overrides::MAX_TOKEN
        )));
    }
    println!("{token}");
    Ok(())
}

/// The token's claims.
fn claims(args: &SignArgs) -> Result<Value, Failure> {
    if args.arms.is_empty() && args.variants.is_empty() && !args.decision {
        return Err(Failure::trouble(
            "the token forces nothing: give --arm, --variant or --decision",
        ));
    }
    let issued = now().unix_ms() / 1000;
    let mut claims = json!({"iat": issued, "exp": issued.saturating_add(args.expires_in / 1000)});
    if let [host] = &*args.audience {
        claims["aud"] = json!(host);
    } else if !args.audience.is_empty() {
        claims["aud"] = json!(args.audience);
    }
    for (claim, pairs) in [("arms", &args.arms), ("variants", &args.variants)] {
        if !pairs.is_empty() {
            claims[claim] = Value::Object(named(pairs)?);
        }
    }
    if args.decision {
        claims["decision"] = json!(true);
    }
    Ok(claims)
}

fn named(pairs: &[(String, String)]) -> Result<Map<String, Value>, Failure> {
    let mut named = Map::new();
    for (name, value) in pairs {
        if named.insert(name.clone(), json!(value)).is_some() {
            return Err(Failure::trouble(format!("{name} is given twice")));
        }
    }
    Ok(named)
}

/// The token: a compact JWS (RFC 7515), signed with HS256.
fn token(key_id: &str, claims: &Value, secret: &[u8]) -> Result<String, Failure> {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({"alg": "HS256", "kid": key_id})), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret)
        .map_err(|error| Failure::trouble(format!("the secret cannot be used: {error}")))?;
    mac.update(signed.as_bytes());
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())))
}

/// Fails with every arm and variant that the spec does not have.
fn check_names(plan: &Plan, args: &SignArgs) -> Result<(), Failure> {
    let arms = plan.rollouts().iter();
    let arms =
        arms.map(|known| (known.name(), known.arms().iter().map(|arm| arm.name()).collect()));
    let variants = plan.flags().iter();
    let variants = variants
        .map(|known| (known.name(), known.variants().iter().map(|known| known.name()).collect()));
    let mut unknown = unknown(&args.arms, &arms.collect::<Vec<_>>(), ["rollout", "arm"]);
    unknown.extend(self::unknown(
        &args.variants,
        &variants.collect::<Vec<_>>(),
        ["flag", "variant"],
    ));
    if unknown.is_empty() { Ok(()) } else { Err(Failure::trouble(unknown.join("\n"))) }
}

/// A sentence for each pair that the spec does not have. `known` are the spec's names, each with the names of
/// its parts.
fn unknown(
    pairs: &[(String, String)],
    known: &[(&str, Vec<&str>)],
    [whole, part]: [&str; 2],
) -> Vec<String> {
    let sentence =
        |(name, value): &(String, String)| match known.iter().find(|(known, _)| known == name) {
            None => {
                let names = list(known.iter().map(|(known, _)| *known));
                Some(format!("--{part}: the spec has no {whole} {name}, {names}"))
            }
            Some((_, values)) if !values.contains(&value.as_str()) => {
                let names = list(values.iter().copied());
                Some(format!("--{part}: the {whole} {name} has no {part} {value}, {names}"))
            }
            Some(_) => None,
        };
    pairs.iter().filter_map(sentence).collect()
}

/// A list of names: `use a, b or c`.
fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.split_last() {
        None => "it has none at all".to_owned(),
        Some((last, [])) => format!("use {last}"),
        Some((last, rest)) => format!("use {} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_options_are_refused() {
        assert_eq!(parse_pair("web=canary"), Ok(("web".into(), "canary".into())));
        for bad in ["web", "=canary", "web="] {
            assert!(parse_pair(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_duration("1h30m"), Ok(5_400_000));
        assert!(check_id("qa-2").is_ok() && check_id(&"a".repeat(32)).is_ok());
        assert!(check_id("").is_err() && check_id("a.b").is_err());
        assert!(check_id(&"a".repeat(33)).is_err());
        for bad in ["", "8", "500ms", "-1h"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_host("Shop.example.com"), Ok("shop.example.com".into()));
        assert_eq!(parse_host("[2001:db8::1]"), Ok("[2001:db8::1]".into()));
        for bad in ["", "https://shop.example.com", "shop.example.com:443", "*.example.com"] {
            assert!(parse_host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_core_verifies_a_signed_token() {
        let secret = [7; 32];
        let claims = json!({"exp": 4_102_444_800_u64, "arms": {"web": "canary"}});
        let token = token("qa", &claims, &secret).expect("a token");
        let keys = json!({"qa": URL_SAFE_NO_PAD.encode(secret)}).to_string();
        let keys = serin_core::OverrideKeys::from_json(keys.as_bytes()).expect("good keys");
        let verified = keys.verify(token.as_bytes(), "shop.example.com", now()).expect("valid");
        assert_eq!(verified.arms(), [("web".to_owned(), "canary".to_owned())]);
    }
}
