//! `serin explain`: the decision about one request, step by step.

use crate::arguments::parse_timestamp;
use crate::clock::now;
use crate::failure::Failure;
use crate::style::{self, Tone};
use crate::{id_keys, input, latches_file, override_keys, spec_file};
use clap::Args;
use http::Uri;
use serin_core::gate::ActiveLatches;
use serin_core::headers::{self, DECISION};
use serin_core::overrides::HEADER;
use serin_core::plan::Input;
use serin_core::{
    Decision, EarlierIds, Facts, IdKeys, OverrideError, OverrideKeys, Plan, Recorder, RequestHost,
    Timestamp, decide_with,
};
use std::borrow::Cow;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct ExplainArgs {
    /// The spec, in YAML or JSON; - is standard input
    spec: PathBuf,
    #[doc = "The request, such as 'POST https://shop.example.com/feed', or a path with the header host; the default method is GET"]
    #[allow(rustdoc::bare_urls, reason = "clap prints this text as it is")]
    #[arg(long, value_name = "'METHOD URL'", value_parser = parse_request)]
    request: RequestLine,
    /// A header of the request; may be repeated. host and the pseudo-headers (:authority, :method, :path and
    /// :scheme) replace the part of --request that they name
    #[arg(short = 'H', long = "header", value_name = "'NAME: VALUE'", value_parser = parse_header)]
    headers: Vec<(String, String)>,
    /// A fact that the host knows about the client: ip, country, region, city, asn, colo or jwt.CLAIM;
    /// may be repeated
    #[arg(long = "fact", value_name = "NAME=VALUE", value_parser = parse_fact)]
    facts: Vec<(String, String)>,
    /// An override token that the request carries. Its keys come from the environment variable
    /// SERIN_OVERRIDE_KEYS
    #[arg(long = "override", value_name = "TOKEN")]
    token: Option<String>,
    /// The host's latches: aborts, and steps that gates have ended (JSON, as latch sources serve them)
    #[arg(long, value_name = "FILE")]
    latches: Option<PathBuf>,
    /// The time of the decision, in RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_timestamp)]
    at: Option<Timestamp>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// The method and URL of a request, from the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestLine {
    method: String,
    scheme: String,
    authority: String,
    path: String,
}

/// Parses `GET https://shop.example.com/feed`, or a URL alone. A path in place of the URL has no authority:
/// that is in a header.
fn parse_request(text: &str) -> Result<RequestLine, String> {
    let (method, url) = text.split_once(' ').unwrap_or(("GET", text));
    let url = url.trim();
    let uri: Uri = url.parse().map_err(|error| format!("{url} is not a URL: {error}"))?;
    let (scheme, authority) = match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => (scheme, authority.to_string()),
        _ if url.starts_with('/') => ("https", String::new()),
        _ => return Err(format!("{url} is not a URL with scheme and host, {REQUEST_FORM}")),
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Ok(RequestLine {
        method: method.to_owned(),
        scheme: scheme.to_owned(),
        authority,
        path: path.to_owned(),
    })
}

/// The forms of a request, as errors show them.
const REQUEST_FORM: &str =
    "write GET https://shop.example.com/feed, or a path and -H 'host: shop.example.com'";

/// Parses `NAME: VALUE`, where the name may be that of a pseudo-header.
fn parse_header(text: &str) -> Result<(String, String), String> {
    let text = text.trim_start();
    let (mark, rest) = text.strip_prefix(':').map_or(("", text), |rest| (":", rest));
    let (name, value) = rest.split_once(':').ok_or("the form is 'NAME: VALUE'")?;
    let name = format!("{mark}{}", name.trim().to_ascii_lowercase());
    if !mark.is_empty() && !PSEUDO_HEADERS.contains(&&*name) {
        return Err(format!("{name} is not a header, use {}", PSEUDO_HEADERS.join(", ")));
    }
    Ok((name, value.trim().to_owned()))
}

/// The pseudo-headers of a request.
const PSEUDO_HEADERS: [&str; 4] = [":authority", ":method", ":path", ":scheme"];

impl RequestLine {
    /// The request as hosts see it with these headers: `host` is its authority, as is `:authority`, which
    /// precedes `host` (RFC 9113, section 8.3.1). Of several headers of one name, the first counts.
    fn with_headers(&self, headers: &[(String, String)]) -> RequestLine {
        let first = |name: &str| headers.iter().find(|(given, _)| given == name);
        let or = |name: &str, own: &str| {
            first(name).map_or_else(|| own.to_owned(), |(_, value)| value.clone())
        };
        RequestLine {
            method: or(":method", &self.method),
            scheme: or(":scheme", &self.scheme),
            authority: or(":authority", &or("host", &self.authority)),
            path: or(":path", &self.path),
        }
    }
}

/// Parses `NAME=VALUE`.
fn parse_fact(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("the form is NAME=VALUE")?;
    let plain = ["ip", "country", "region", "city", "asn", "colo"].contains(&name);
    if !plain && !name.starts_with("jwt.") {
        return Err(format!(
            "{name} is not a fact, use ip, country, region, city, asn, colo or jwt.CLAIM"
        ));
    }
    Ok((name.to_owned(), value.to_owned()))
}

pub(crate) fn run(args: &ExplainArgs) -> Result<(), Failure> {
    input::one_stdin(&[Some(&args.spec), args.latches.as_deref()])?;
    let spec = spec_file::load(&args.spec)?;
    let explanation = explain(&spec.plan, args)?;
    if args.json {
        explanation.print_json()
    } else {
        explanation.print(args)
    }
    Ok(())
}

/// The explanation of a decision.
struct Explanation {
    at: Timestamp,
    /// The outcome of the request's override token: a word for tools, and a sentence.
    token: Option<(&'static str, String)>,
    recorder: Recorder,
    /// Whether the client gets the decision record.
    shows_decision: bool,
    /// The headers that the upstream gets.
    upstream: Vec<(&'static str, String)>,
    cookies: Vec<String>,
    record: String,
}

fn explain(plan: &Plan, args: &ExplainArgs) -> Result<Explanation, Failure> {
    let request = args.request.with_headers(&args.headers);
    if request.authority.is_empty() {
        return Err(Failure::trouble(format!("the request has no host: {REQUEST_FORM}")));
    }
    let pseudo = [
        (":method", request.method.as_str()),
        (":scheme", &request.scheme),
        (":authority", &request.authority),
        (":path", &request.path),
    ];
    let headers = args.headers.iter().filter(|(name, _)| !name.starts_with(':'));
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
    let token = args.token.iter().map(|token| (HEADER, token.as_str()));
    let pairs = pseudo.into_iter().chain(token).chain(headers);
    let pairs = pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let at = args.at.unwrap_or_else(now);
    let latches = args.latches.as_deref().map(latches_file::read).transpose()?;
    let active_latches = latches.and_then(|latches| latches.for_plan(plan));
    let (keys, keys_failure) = match override_keys::load() {
        Ok(keys) => (keys, None),
        Err(failure) => (None, Some(failure)),
    };
    let id_keys = id_keys::load()?;
    // Without keys a token is verified too, so that the explanation says why it is ignored.
    let no_keys = OverrideKeys::default();
    let mut host = DescribedHost {
        at,
        facts: &args.facts,
        latches: active_latches.as_ref(),
        override_keys: keys.as_ref().unwrap_or(&no_keys),
        id_keys: id_keys.as_ref(),
        entropy_error: None,
    };
    let facts = Facts::of_request(plan, pairs, &mut host);
    if let Some(error) = host.entropy_error {
        return Err(Failure::trouble(format!("the system gives no random numbers: {error}")));
    }
    let token = match (facts.override_outcome(), keys_failure) {
        (None, _) => None,
        (Some(_), Some(failure)) => return Err(failure),
        (Some(outcome), None) => Some(token_outcome(outcome, keys.is_some())),
    };
    let (mut decision, mut recorder) = (Decision::new(plan), Recorder::new());
    decide_with(plan, &facts, &mut decision, &mut recorder);
    let mut upstream = Vec::new();
    decision.request_headers(plan, |name, value| upstream.push((name, value.to_owned())));
    upstream.extend(facts.ids_header(plan).map(|ids| (headers::IDS, ids)));
    let cookies = decision.set_cookies(plan, &facts);
    let (shows_decision, record) = (facts.wants_decision(), decision.record(plan));
    Ok(Explanation { at, token, recorder, shows_decision, upstream, cookies, record })
}

/// The outcome of an override token: a word for tools, and a sentence.
fn token_outcome(outcome: Result<(), OverrideError>, has_keys: bool) -> (&'static str, String) {
    match outcome {
        _ if !has_keys => {
            let why = format!("there are no keys, set {}", override_keys::KEYS);
            ("no_keys", format!("override ignored: {why}"))
        }
        Ok(()) => ("applied", "override applied".to_owned()),
        Err(why) => (why.as_str(), format!("override ignored: {why}")),
    }
}

/// The host that the command line describes, with the keys of the environment.
struct DescribedHost<'a> {
    at: Timestamp,
    facts: &'a [(String, String)],
    latches: Option<&'a ActiveLatches>,
    override_keys: &'a OverrideKeys,
    id_keys: Option<&'a IdKeys>,
    /// The error of the system's random numbers, which make anonymous ids.
    entropy_error: Option<getrandom::Error>,
}

impl<'a> RequestHost<'a> for DescribedHost<'a> {
    fn now(&self) -> Option<u64> {
        Some(self.at.unix_ms())
    }

    fn input(&self, input: &Input) -> Option<Cow<'a, str>> {
        let name = fact_name(input);
        let (_, value) = self.facts.iter().find(|(given, _)| *given == name)?;
        Some(Cow::Borrowed(value))
    }

    fn entropy(&mut self) -> Option<[u8; 16]> {
        let mut entropy = [0; 16];
        let filled = getrandom::fill(&mut entropy);
        self.entropy_error = self.entropy_error.or(filled.err());
        filled.ok().map(|()| entropy)
    }

    fn latches(&self) -> Option<&'a ActiveLatches> {
        self.latches
    }

    fn override_keys(&self) -> Option<&'a OverrideKeys> {
        Some(self.override_keys)
    }

    fn id_keys(&self) -> Option<&'a IdKeys> {
        self.id_keys
    }

    fn earlier_ids(&self) -> Option<EarlierIds> {
        None
    }
}

fn fact_name(input: &Input) -> String {
    match input {
        Input::Ip => "ip".to_owned(),
        Input::Country => "country".to_owned(),
        Input::Region => "region".to_owned(),
        Input::City => "city".to_owned(),
        Input::Asn => "asn".to_owned(),
        Input::Colo => "colo".to_owned(),
        Input::Jwt(claim) => format!("jwt.{claim}"),
        // Those are read from the request, not from the host.
        Input::Header(_) | Input::Cookie(_) | Input::Query(_) => String::new(),
    }
}

impl Explanation {
    fn print(&self, args: &ExplainArgs) {
        let RequestLine { method, scheme, authority, path } =
            args.request.with_headers(&args.headers);
        let title = format!("{method} {scheme}://{authority}{path} at {}", self.at);
        println!("{}\n", style::out(Tone::Strong, &title));
        if let Some((_, sentence)) = &self.token {
            println!("{sentence}");
        }
        print!("{}", self.recorder.to_text());
        if !self.upstream.is_empty() {
            println!("\n{}", style::out(Tone::Strong, "The upstream gets"));
        }
        for (name, value) in &self.upstream {
            println!("  {name}: {value}");
        }
        if !self.cookies.is_empty() || self.shows_decision {
            println!("\n{}", style::out(Tone::Strong, "The client gets"));
        }
        for cookie in &self.cookies {
            println!("  set-cookie: {cookie}");
        }
        if self.shows_decision {
            println!("  {DECISION}: the decision record");
        }
        println!("\n{}\n  {}", style::out(Tone::Strong, "The decision record"), self.record);
    }
    fn print_json(&self) {
        let upstream: serde_json::Map<String, serde_json::Value> = self
            .upstream
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
            .collect();
        let raw = |text: &str| serde_json::from_str(text).unwrap_or(serde_json::Value::Null);
        let explained = serde_json::json!({
            "at": self.at.to_string(),
            "override": self.token.as_ref().map(|(outcome, _)| outcome),
            "steps": raw(&self.recorder.to_json()),
            "upstream": upstream,
            "setCookie": self.cookies,
            "tellsDecision": self.shows_decision,
            "record": raw(&self.record),
        });
        println!("{explained}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_url_with_an_optional_method() {
        let request = parse_request("POST https://Shop.example.com:8443/a?b=c").expect("a request");
        assert_eq!((&*request.method, &*request.path), ("POST", "/a?b=c"));
        assert_eq!(parse_request("http://x").expect("a URL alone").path, "/");
        assert!(parse_request("feed").unwrap_err().contains("not a URL with scheme and host"));
        assert_eq!(parse_request("PUT /a?b").expect("a path").path, "/a?b");
        assert!(parse_request("GET http://a b").is_err());
    }

    #[test]
    fn headers_replace_the_parts_of_the_url_that_they_name() {
        let url = parse_request("http://localhost:18000/a?b").expect("a request");
        let read = |headers: &[&str]| {
            let headers: Vec<_> = headers.iter().map(|header| parse_header(header)).collect();
            let headers: Result<Vec<_>, _> = headers.into_iter().collect();
            let RequestLine { method, scheme, authority, path } =
                url.with_headers(&headers.expect("headers"));
            format!("{method} {scheme} {authority} {path}")
        };
        assert_eq!(read(&["x-user: ada"]), "GET http localhost:18000 /a?b");
        assert_eq!(read(&["Host: shop.example.com"]), "GET http shop.example.com /a?b");
        let both = ["host: a.example", ":authority: b.example:8443", "host: c.example"];
        assert_eq!(read(&both), "GET http b.example:8443 /a?b");
        let others = [":method: POST", ":scheme: https", ":path: /c?d=e"];
        assert_eq!(read(&others), "POST https localhost:18000 /c?d=e");
    }

    #[test]
    fn headers_and_facts_have_a_name_and_a_value() {
        assert_eq!(parse_header("X-User: a:b "), Ok(("x-user".into(), "a:b".into())));
        assert_eq!(parse_header(":Path:/a"), Ok((":path".into(), "/a".into())));
        assert!(parse_header(":status: 200").unwrap_err().starts_with(":status is not a header"));
        assert!(parse_header(":path").is_err() && parse_header("x").is_err());
        assert_eq!(parse_fact("jwt.sub=42"), Ok(("jwt.sub".into(), "42".into())));
        assert!(parse_fact("planet=earth").unwrap_err().contains("planet is not a fact"));
    }
}
