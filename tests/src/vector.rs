//! The vector files as written. An unknown key is an error: a misspelt expectation must not pass.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// One file: suites that belong together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// One sentence on what the file is about.
    pub about: String,
    /// The suites.
    pub suites: Vec<Suite>,
}

/// One spec and the requests it decides.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// A name, unique among all suites.
    pub name: String,
    /// One sentence on what the suite shows.
    pub about: String,
    /// The spec, in line.
    pub spec: Value,
    /// The keys for overrides that the host is given, if any.
    #[serde(rename = "overrideKeys")]
    pub override_keys: Option<Value>,
    /// The requests.
    pub cases: Vec<Case>,
}

/// One request and what becomes of it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// A name, unique in its suite.
    pub name: String,
    /// What the client sends.
    pub request: Request,
    /// The client's address; hosts use 192.0.2.1 when a case does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// The claims of a token that the host has verified.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub jwt: BTreeMap<String, Value>,
    /// What Cloudflare knows about the client: country, region, city, asn, colo.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cf: BTreeMap<String, String>,
    /// The host's clock, in milliseconds since 1970; its own when a case does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<u64>,
    /// The host's entropy as 32 hexadecimal digits; its own when a case does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entropy: Option<String>,
    /// The values of the units behind the buckets, for the independent reference.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, Value>,
    /// What the host knows of aborts and of steps that ended, see `serin_core::gate::Latches`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latches: Option<Value>,
    /// What the token in the request says and whose key signed it, for the independent reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Value>,
    /// The suite's keys for overrides, as the host is given them.
    #[serde(skip)]
    pub override_keys: Option<String>,
    /// What becomes of it.
    pub expect: Expect,
    /// Hosts that cannot run this case, each with a sentence that says why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skip: BTreeMap<String, String>,
}

/// What the client sends.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The method.
    #[serde(default = "get")]
    pub method: String,
    /// `http` or `https`.
    #[serde(default = "http")]
    pub scheme: String,
    /// The Host field's value.
    #[serde(default = "shop")]
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// The other fields, in order.
    #[serde(default)]
    pub headers: Vec<Header>,
}

/// One field of a request.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Header {
    /// Name and value.
    Text(String, String),
    /// A value that is not UTF-8.
    Bytes(Bytes),
    /// A long value, written short.
    Long(Long),
}

/// A field whose value is given in base64.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bytes {
    /// The field's name.
    pub name: String,
    /// The value.
    pub base64: String,
}

/// A field whose value is a text many times over.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Long {
    /// The field's name.
    pub name: String,
    /// The text.
    pub repeat: String,
    /// How often it stands in the value.
    pub times: usize,
    /// What follows it.
    #[serde(default)]
    pub then: String,
}

/// What becomes of a request.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The rollout's part of the decision; none matches when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutRecord>,
    /// The id of the key whose override forced something.
    #[serde(rename = "override", skip_serializing_if = "Option::is_none")]
    pub forced_by: Option<String>,
    /// What became of the token, as the host counts it: `applied`, or why it is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overrides: Option<String>,
    /// Whether the response tells the decision.
    #[serde(default, skip_serializing_if = "is_false")]
    pub told: bool,
    /// The flags that are delivered here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub flags: BTreeMap<String, FlagRecord>,
    /// Fields the upstream sees. Of Serin's own fields it sees these and no others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub upstream: BTreeMap<String, String>,
    /// The Set-Cookie fields of the response.
    #[serde(default, rename = "setCookie", skip_serializing_if = "Vec::is_empty")]
    pub set_cookie: Vec<String>,
}

/// A rollout's part of the decision record; the keys stand in the record's order.
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

/// A flag's part of the decision record; the keys stand in the record's order.
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
    /// Each case knows the keys of its suite.
    fn with_keys(mut self) -> Suite {
        for case in &mut self.cases {
            case.override_keys = self.override_keys.as_ref().map(Value::to_string);
        }
        self
    }
}

impl Case {
    /// The client's address.
    pub fn ip(&self) -> &str {
        self.ip.as_deref().unwrap_or("192.0.2.1")
    }

    /// The entropy as bytes.
    pub fn entropy(&self) -> [u8; 16] {
        Self::entropy_of(self.entropy.as_deref().unwrap_or(""))
    }

    /// 32 hexadecimal digits as bytes.
    pub fn entropy_of(digits: &str) -> [u8; 16] {
        std::array::from_fn(|at| {
            let pair = digits.get(2 * at..2 * at + 2).unwrap_or("0");
            u8::from_str_radix(pair, 16).unwrap_or_default()
        })
    }
}

impl Request {
    /// The other fields, names in lower case, values as bytes.
    pub fn fields(&self) -> Vec<(String, Vec<u8>)> {
        self.headers.iter().map(Header::field).collect()
    }
}

impl Header {
    fn field(&self) -> (String, Vec<u8>) {
        let (name, value) = match self {
            Header::Text(name, value) => (name, value.trim().as_bytes().to_vec()),
            Header::Bytes(Bytes { name, base64 }) => {
                (name, STANDARD.decode(base64).expect("a vector holds valid base64"))
            }
            Header::Long(Long { name, repeat, times, then }) => {
                (name, (repeat.repeat(*times) + then).into_bytes())
            }
        };
        (name.to_ascii_lowercase(), value)
    }
}

/// All suites of all files, in the order of the files' names.
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
        suites.extend(file.suites.into_iter().map(Suite::with_keys));
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
