//! Anonymous ids in real Envoy: one id for a request that Envoy redirects internally or that passes two filters or
//! two Envoys, one cookie, and no cookie in a response that shared caches may store.

use serde_json::{Value, json};
use serin_conformance::client::{self, Message};
use serin_conformance::envoy::{self, Envoy, bootstrap};
use serin_conformance::host_entropy::minted_id;
use serin_conformance::report::Report;
use serin_conformance::upstream::{CASE_FIELD, Upstream};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

const REQUESTS: usize = 40;
const KEY: &str = "SERIN_ID_KEY";
const SECRET: &str = "YSBzZWNyZXQgZm9yIHZlY3RvcnMsIHRoZSBuZXcgb25lISE";
const OTHER_SECRET: &str = "YSBzZWNyZXQgZm9yIHZlY3RvcnMsIHRoZSBvbGQgb25lISE";
/// The request field with the response fields that the upstream sends.
const ANSWER_FIELD: &str = "x-conformance-answer";

fn main() -> ExitCode {
    let mut report = Report::new("anonymous ids in Envoy");
    report.check("one id on both passes of an internal redirect", || redirected(&[]));
    report.check("one signed id on both passes", || redirected(&[(KEY, SECRET)]));
    report.check("two filters of one Envoy agree", || two_filters(&[]));
    report.check("two filters agree on a signed id", || two_filters(&[(KEY, SECRET)]));
    report.check("two Envoys with one key agree", two_envoys);
    report.check("a client's field is not trusted", forged);
    report.check("a response with an id is private", private_responses);
    report.finish()
}

/// Half of the units get each arm, and a flag that has nothing to do with it.
fn spec() -> Value {
    json!({
        "formatVersion": 1,
        "units": {"user": [{"header": "x-user-id"}, {"anonymous": "serin_id"}]},
        "rollouts": {"shop": {
            "unit": "user",
            "arms": {"stable": {"target": "stable"}, "canary": {"target": "canary"}},
            "baseline": "stable",
            "match": {"paths": ["/first", "/second", "/third", "/leave"]},
            "canary": {"share": 50},
        }},
    })
}

fn variables(given: &[(&str, &str)]) -> Vec<(&'static str, String)> {
    let name = |name| if name == KEY { KEY } else { "SERIN_CACHE_CONTROL" };
    given.iter().map(|(given, value)| (name(*given), (*value).to_owned())).collect()
}

/// An Envoy with a listener `edge`, whose requests pass the filter `filters` times.
fn start(
    name: &str,
    given: &[(&str, &str)],
    filters: usize,
    to: SocketAddr,
) -> Result<(Envoy, SocketAddr), String> {
    let wasm = envoy::path_from_env("SERIN_FILTER_WASM")?;
    let mut filter = bootstrap::wasm_filter(&wasm, &spec().to_string());
    bootstrap::set_variables(&mut filter, name, &variables(given));
    let mut listener = bootstrap::listener("edge", &filter, "upstream");
    let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    if let Some(chain) = manager["http_filters"].as_array_mut() {
        for number in 1..filters {
            let mut again = filter.clone();
            again["name"] = json!(format!("serin-{number}"));
            chain.insert(chain.len() - 1, again);
        }
    }
    manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["internal_redirect_policy"] =
        json!({"max_internal_redirects": 3});
    let config = bootstrap::bootstrap(vec![listener], &[("upstream", to)]);
    let envoy = Envoy::start(envoy::create_folder(name)?, &config)?;
    let address = envoy.listener("edge")?;
    Ok((envoy, address))
}

/// The fields of Serin in the requests that have reached the upstream.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<SeenRequest>>>);

#[derive(Clone, Debug)]
struct SeenRequest {
    arm: String,
    ids: Option<String>,
}

impl Seen {
    /// An upstream that redirects `/first` to `/second`, `/second` to `/third`, and `/leave` out of the rollout.
    fn upstream(&self) -> Result<Upstream, String> {
        let seen = Arc::clone(&self.0);
        Upstream::answering("upstream", move |request| {
            let arm = request.field("x-serin-arm").unwrap_or_default();
            let request_seen = SeenRequest { arm, ids: request.field("x-serin-id") };
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(request_seen);
            let to =
                |path: &str| format!("302 Found\r\nlocation: http://shop.example.com{path}\r\n");
            match request.start.split(' ').nth(1) {
                Some("/first") => to("/second"),
                Some("/second") => to("/third"),
                Some("/leave") => to("/elsewhere"),
                _ => {
                    let fields = request.field(ANSWER_FIELD).unwrap_or_default();
                    let status = fields.split('|').next().filter(|status| !status.is_empty());
                    let mut answer = format!("{}\r\n", status.unwrap_or("200 OK"));
                    for field in fields.split('|').skip(1) {
                        answer.push_str(&format!("{field}\r\n"));
                    }
                    answer
                }
            }
        })
    }

    fn take(&self) -> Vec<SeenRequest> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn get(to: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Message, String> {
    let request = json!({"path": path, "headers": []});
    let request = serde_json::from_value(request).map_err(|error| error.to_string())?;
    let mut extra = vec![(CASE_FIELD, "ids")];
    extra.extend(headers);
    client::send(to, None, &request, &extra)
}

/// The only cookie of a response, as a `cookie` field, and its id.
fn only_cookie(response: &Message) -> Result<(String, String), String> {
    let cookies = response.all("set-cookie");
    let [cookie] = cookies.as_slice() else { return Err(format!("the cookies are {cookies:?}")) };
    let id = minted_id(cookie).ok_or_else(|| format!("no id in {cookie}"))?.to_owned();
    Ok((cookie.split(';').next().unwrap_or_default().to_owned(), id))
}

/// Sends requests without an id and expects one arm at all passes, one cookie, and the same arm for that cookie.
fn agree(to: SocketAddr, path: &str, passes: usize, seen: &Seen) -> Result<(), String> {
    let (mut arms, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..REQUESTS {
        let response = get(to, path, &[])?;
        let requests = seen.take();
        let (cookie, id) = only_cookie(&response)?;
        let of_request: BTreeSet<_> = requests.iter().map(|request| request.arm.clone()).collect();
        if requests.len() != passes || of_request.len() != 1 {
            return Err(format!("{} with {cookie}: {requests:?}", response.start));
        }
        let records: BTreeSet<_> = response
            .all(bootstrap::RECORD_FIELD)
            .iter()
            .map(|record| serde_json::from_str::<Value>(record).unwrap_or_default())
            .map(|record| record["rollout"]["bucket"].to_string())
            .collect();
        if records.len() != 1 {
            return Err(format!("the buckets of the hosts are {records:?}"));
        }
        let again = get(to, "/third", &[("cookie", &cookie)])?;
        let returned = seen.take();
        if !again.all("set-cookie").is_empty() || !of_request.contains(&returned[0].arm) {
            return Err(format!("{of_request:?} first, then {returned:?} with {cookie}"));
        }
        ids.insert(id);
        arms.extend(of_request);
    }
    println!("       {} ids, arms {arms:?}", ids.len());
    if arms.len() == 2 && ids.len() == REQUESTS {
        return Ok(());
    }
    Err("every client has the same".into())
}

fn redirected(variables: &[(&str, &str)]) -> Result<(), String> {
    let seen = Seen::default();
    let upstream = seen.upstream()?;
    let name = if variables.is_empty() { "ids-redirect" } else { "ids-redirect-key" };
    let (_envoy, to) = start(name, variables, 1, upstream.address)?;
    agree(to, "/first", 3, &seen)?;
    // A redirect leaves the rollout: the response sets the cookie of the id that decided before.
    for _ in 0..REQUESTS / 4 {
        let (cookie, _) = only_cookie(&get(to, "/leave", &[])?)?;
        let passes = seen.take();
        get(to, "/third", &[("cookie", &cookie)])?;
        let returned = seen.take().remove(0).arm;
        if passes.len() != 2 || !passes[1].arm.is_empty() || passes[0].arm != returned {
            return Err(format!("{passes:?}, then {returned} with {cookie}"));
        }
    }
    // A client with an id keeps it and gets no cookie.
    let response = get(to, "/first", &[("cookie", "serin_id=0123456789abcdef0123456789abcdef")])?;
    match response.all("set-cookie").is_empty() {
        true => Ok(()),
        false => Err(format!("a known client got {:?}", response.all("set-cookie"))),
    }
}

fn two_filters(variables: &[(&str, &str)]) -> Result<(), String> {
    let seen = Seen::default();
    let upstream = seen.upstream()?;
    let name = if variables.is_empty() { "ids-twice" } else { "ids-twice-key" };
    let (_envoy, to) = start(name, variables, 2, upstream.address)?;
    agree(to, "/third", 1, &seen)?;
    agree(to, "/first", 3, &seen)
}

fn two_envoys() -> Result<(), String> {
    let seen = Seen::default();
    let upstream = seen.upstream()?;
    // The second one verifies with a key that it does not sign with.
    let both = format!("{OTHER_SECRET},{SECRET}");
    let (_second, inner) = start("ids-inner", &[(KEY, &both)], 1, upstream.address)?;
    let (_first, to) = start("ids-outer", &[(KEY, SECRET)], 1, inner)?;
    agree(to, "/third", 1, &seen)?;
    agree(to, "/first", 3, &seen)
}

/// A client sends the field. Only an id with a valid signature is used, as in a cookie; nothing of the client's reaches
/// the upstream.
fn forged() -> Result<(), String> {
    let seen = Seen::default();
    let upstream = seen.upstream()?;
    let (_envoy, to) = start("ids-forged", &[(KEY, SECRET)], 1, upstream.address)?;
    let (_bare, without_key) = start("ids-forged-bare", &[], 1, upstream.address)?;
    let (signed, id) = only_cookie(&get(to, "/third", &[])?)?;
    let ids = seen.take().remove(0).ids;
    if ids.as_deref() != Some(&signed) {
        return Err(format!("the upstream got {ids:?} for {signed}"));
    }
    let forged = signed.replace(&id, "0123456789abcdef0123456789abcdef");
    for (to, field) in [
        (to, forged.as_str()),
        (to, "serin_id=0123456789abcdef0123456789abcdef"),
        (without_key, &signed),
        (without_key, "serin_id=0123456789abcdef0123456789abcdef"),
    ] {
        for name in ["x-serin-id", "X-Serin-Id", "x_serin_id"] {
            let (cookie, minted) = only_cookie(&get(to, "/third", &[(name, field)])?)?;
            let ids = seen.take().remove(0).ids;
            let expected = (to != without_key).then_some(cookie);
            if field.contains(&minted) || ids != expected {
                return Err(format!("{name}: {field} led to {minted}, and upstream to {ids:?}"));
            }
        }
    }
    let response = get(to, "/third", &[("x-serin-id", &signed)])?;
    let ids = seen.take().remove(0).ids;
    match response.all("set-cookie").is_empty() && ids.as_deref() == Some(&signed) {
        true => Ok(()),
        false => Err(format!("a signed id led to {ids:?}")),
    }
}

fn private_responses() -> Result<(), String> {
    let seen = Seen::default();
    let upstream = seen.upstream()?;
    let (_private, private) = start("ids-private", &[], 1, upstream.address)?;
    let (_keep, keep) = start("ids-keep", &[("SERIN_CACHE_CONTROL", "keep")], 1, upstream.address)?;
    let public = "200 OK|cache-control: public, max-age=600";
    for (answer, name, expected) in [
        (public, "cache-control", &["private, max-age=600"][..]),
        (
            "200 OK|cache-control: public|cache-control: s-maxage=9, max-age=1",
            "cache-control",
            &["private, max-age=1"],
        ),
        ("200 OK|expires: Thu, 01 Jan 2032 00:00:00 GMT", "cache-control", &["private"]),
        ("200 OK", "cache-control", &["private"]),
        (
            "304 Not Modified|cache-control: max-age=60|vary: cookie",
            "cache-control",
            &["private, max-age=60"],
        ),
        ("404 Not Found|cache-control: public", "cache-control", &["private"]),
        ("200 OK|cache-control: no-store", "cache-control", &["no-store"]),
        ("200 OK|CDN-Cache-Control: max-age=9", "cdn-cache-control", &["no-store"]),
        (
            "200 OK|surrogate-control: max-age=9, content=\"ESI/1.0\"",
            "surrogate-control",
            &["no-store, content=\"ESI/1.0\""],
        ),
    ] {
        let response = get(private, "/third", &[(ANSWER_FIELD, answer)])?;
        only_cookie(&response)?;
        if response.all(name) != expected {
            return Err(format!("{answer}: {name} is {:?}", response.all(name)));
        }
    }
    // Neither a client with an id nor a host with the setting changes the response.
    let known = ("cookie", "serin_id=0123456789abcdef0123456789abcdef");
    for (to, headers) in
        [(private, vec![(ANSWER_FIELD, public), known]), (keep, vec![(ANSWER_FIELD, public)])]
    {
        let response = get(to, "/third", &headers)?;
        if response.all("cache-control") != ["public, max-age=600"] {
            return Err(format!("{:?}", response.all("cache-control")));
        }
    }
    Ok(())
}
