//! The vector files and their reader. Unknown keys are refused, so that a misspelt expectation fails.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A vector file: suites that belong together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The subject of the file, in one sentence.
    pub about: String,
    /// The suites.
    pub suites: Vec<Suite>,
}

/// A suite: one spec, and the requests that it decides.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// The name, unique among all suites.
    pub name: String,
    /// What the suite shows, in one sentence.
    pub about: String,
    /// The spec.
    pub spec: Value,
    /// The override keys that the host gets, if any.
    #[serde(rename = "overrideKeys")]
    pub override_keys: Option<Value>,
    /// The keys of anonymous ids that the host gets, if any.
    #[serde(rename = "idKeys")]
    pub id_keys: Option<String>,
    /// The requests.
    pub cases: Vec<Case>,
}

/// A case: one request and its expected outcome.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The name, unique in its suite.
    pub name: String,
    /// The request that the client sends.
    pub request: Request,
    /// The client's address; 192.0.2.1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// The claims of the token that the host has verified.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub jwt: BTreeMap<String, Value>,
    /// Cloudflare's attributes of the client: country, region, city, asn, colo.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cf: BTreeMap<String, String>,
    /// The host's clock, in milliseconds since 1970; the system clock if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<u64>,
    /// The host's entropy as 32 hexadecimal digits; the host's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entropy: Option<String>,
    /// The units that the buckets belong to, for the independent reference.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, Value>,
    /// The latches that the host knows, see `serin_core::gate::Latches`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latches: Option<Value>,
    /// The content and the key of the request's override token, for the independent reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Value>,
    /// The suite's override keys as JSON, in the form that a host reads.
    #[serde(skip)]
    pub override_keys: Option<String>,
    /// The suite's keys of anonymous ids, in the form that a host reads.
    #[serde(skip)]
    pub id_keys: Option<String>,
    /// The expected outcome.
    pub expect: Expect,
    /// Hosts that cannot run this case, each with a sentence that says why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skip: BTreeMap<String, String>,
}

/// A request as the client sends it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The method.
    #[serde(default = "get")]
    pub method: String,
    /// `http` or `https`.
    #[serde(default = "http")]
    pub scheme: String,
    /// The value of the Host field.
    #[serde(default = "shop")]
    pub authority: String,
    /// The path and the query.
    pub path: String,
    /// The other header fields, in order.
    #[serde(default)]
    pub headers: Vec<Header>,
}

/// A header field of a request.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Header {
    /// A name and a value.
    Text(String, String),
    /// A field whose value need not be UTF-8.
    Bytes(Bytes),
    /// A field with a long value.
    Long(Long),
}

/// A field whose value is encoded in base64.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bytes {
    /// The field's name.
    pub name: String,
    /// The value.
    pub base64: String,
}

/// A field whose value repeats a string.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Long {
    /// The field's name.
    pub name: String,
    /// The string to repeat.
    pub repeat: String,
    /// The number of repetitions.
    pub times: usize,
    /// The end of the value, after the repetitions.
    #[serde(default)]
    pub then: String,
}

/// The expected outcome of a request.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The rollout's part of the decision; absent if no rollout matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutRecord>,
    /// The id of the key whose override forced something.
    #[serde(rename = "override", skip_serializing_if = "Option::is_none")]
    pub forced_by: Option<String>,
    /// The counter of `serin.overrides` for the token: `applied`, or the reason why it is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overrides: Option<String>,
    /// Whether the response carries the decision.
    #[serde(default, rename = "told", skip_serializing_if = "is_false")]
    pub response_decision: bool,
    /// The delivered flags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub flags: BTreeMap<String, FlagRecord>,
    /// Fields at the upstream. Other fields are allowed there, but none of Serin's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub upstream: BTreeMap<String, String>,
    /// The Set-Cookie fields of the response.
    #[serde(default, rename = "setCookie", skip_serializing_if = "Vec::is_empty")]
    pub set_cookie: Vec<String>,
}

/// A rollout's part of the decision record, with the keys in the record's order.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct RolloutRecord {
    pub name: String,
    pub arm: String,
    pub reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<String>,
}

/// A flag's part of the decision record, with the keys in the record's order.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct FlagRecord {
    pub variant: String,
    pub reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holdout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<u32>,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !value
}

impl Suite {
    /// A suite with a spec and no cases.
    pub fn without_cases(name: &str, spec: Value) -> Suite {
        let name = name.into();
        let about = String::new();
        Suite { name, about, spec, override_keys: None, id_keys: None, cases: Vec::new() }
    }

    /// The variables of the host's environment that hold its keys, with their values.
    pub fn key_variables(&self) -> Vec<(&'static str, String)> {
        let override_keys = self.override_keys.as_ref().map(Value::to_string);
        [("SERIN_OVERRIDE_KEYS", override_keys), ("SERIN_ID_KEY", self.id_keys.clone())]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }

    /// Copies the suite's keys to its cases.
    fn with_keys_in_cases(mut self) -> Suite {
        for case in &mut self.cases {
            case.override_keys = self.override_keys.as_ref().map(Value::to_string);
            case.id_keys.clone_from(&self.id_keys);
        }
        self
    }
}

impl Case {
    /// The client's address, or its default.
    pub fn ip(&self) -> &str {
        self.ip.as_deref().unwrap_or("192.0.2.1")
    }

    /// The host's entropy as bytes; zeros if absent.
    pub fn entropy(&self) -> [u8; 16] {
        Self::entropy_of(self.entropy.as_deref().unwrap_or(""))
    }

    /// Decodes 32 hexadecimal digits; what is missing or invalid is 0.
    pub fn entropy_of(digits: &str) -> [u8; 16] {
        std::array::from_fn(|index| {
            let pair = digits.get(2 * index..2 * index + 2).unwrap_or("0");
            u8::from_str_radix(pair, 16).unwrap_or_default()
        })
    }
}

impl Request {
    /// The header fields: names in lower case, values as bytes.
    pub fn fields(&self) -> Vec<(String, Vec<u8>)> {
        self.headers.iter().map(Header::field).collect()
    }
}

impl Header {
    fn field(&self) -> (String, Vec<u8>) {
        let (name, value) = match self {
            Header::Text(name, value) => (name, value.trim().as_bytes().to_vec()),
            Header::Bytes(Bytes { name, base64 }) => {
                (name, STANDARD.decode(base64).expect("the value is valid base64"))
            }
            Header::Long(Long { name, repeat, times, then }) => {
                (name, (repeat.repeat(*times) + then).into_bytes())
            }
        };
        (name.to_ascii_lowercase(), value)
    }
}

/// Reads the suites of all files, in the order of the files' names.
pub fn load() -> Result<Vec<Suite>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let list = std::fs::read_dir(&folder).map_err(|error| format!("{folder:?}: {error}"))?;
    let mut paths: Vec<_> = list.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ext| ext == "json"));
    paths.sort();
    let mut suites = Vec::new();
    for path in paths {
        let text = std::fs::read(&path).map_err(|error| format!("{path:?}: {error}"))?;
        let file: File =
            serde_json::from_slice(&text).map_err(|error| format!("{path:?}: {error}"))?;
        suites.extend(file.suites.into_iter().map(Suite::with_keys_in_cases));
    }
    Ok(suites)
}

fn get() -> String {
    "GET".into()
}

fn http() -> String {
    "http".into()
}

fn shop() -> String {
    "shop.example.com".into()
}
