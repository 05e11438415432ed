//! The names and values that random specs and requests use.

/// The kind of an attribute's values, which decides the operators that suit it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    String,
    Number,
    Version,
    Timestamp,
    Address,
    Path,
    Host,
}

/// Attributes from the fields of a request, with their kinds.
pub(super) const FIELD_ATTRIBUTES: [(&str, Kind); 14] = [
    ("header.x-plan", Kind::String),
    ("header.X-Country", Kind::String),
    ("header.x-age", Kind::Number),
    ("header.x-app", Kind::Version),
    ("header.x-since", Kind::Timestamp),
    ("header.x-client", Kind::Address),
    ("header.x-user-id", Kind::String),
    ("cookie.theme", Kind::String),
    ("cookie.uid", Kind::String),
    ("query.ref", Kind::String),
    ("query.page", Kind::Number),
    ("jwt.sub", Kind::String),
    ("jwt.age", Kind::Number),
    ("jwt.staff", Kind::String),
];

/// Attributes of every request, with their kinds. No host of the differential run knows `country`.
pub(super) const REQUEST_ATTRIBUTES: [(&str, Kind); 5] = [
    ("path", Kind::Path),
    ("host", Kind::Host),
    ("method", Kind::String),
    ("ip", Kind::Address),
    ("country", Kind::String),
];

pub(super) const STRINGS: [&str; 14] = [
    "gold",
    "silver",
    "GOLD",
    "g",
    "old",
    "a,b",
    "a b",
    "Zoë",
    "日本語",
    "true",
    "false",
    "1",
    "GET",
    "CH",
];
pub(super) const NUMBERS: [&str; 12] =
    ["0", "1", "1.0", "-12.5", "17.999", "18", "42", "100", "1000000007", "1e3", "0x1", "eighteen"];
pub(super) const VERSIONS: [&str; 10] = [
    "1.2.3",
    "v1.2.4",
    "1.9.0",
    "2.0.0-rc.1",
    "2.0.0-rc.2",
    "2.0.0",
    "2.0.0+build",
    "0.3.1",
    "1.2",
    "01.2.3",
];
pub(super) const RANGES: [&str; 8] =
    [">=1.2.0 <2.0.0", "^1.2", "~1.2.3", "1.2", ">=2.0.0-rc.1", "^0.3.0", "<1.2.4", "=2.0.0"];
pub(super) const TIMESTAMPS: [&str; 7] = [
    "2026-11-21T09:00:00Z",
    "2026-11-21T10:00:00+01:00",
    "2026-11-21",
    "2026-11-21T09:30:00.500Z",
    "2027-01-01",
    "1970-01-01",
    "yesterday",
];
pub(super) const ADDRESSES: [&str; 10] = [
    "192.0.2.1",
    "10.1.2.3",
    "10.255.255.255",
    "11.0.0.0",
    "::1",
    "2001:db8::1",
    "2001:db9::1",
    "::ffff:10.0.0.1",
    "2001:DB8:0:0::1",
    "10.0.0",
];
pub(super) const NETWORKS: [&str; 7] =
    ["10.0.0.0/8", "192.0.2.1", "192.0.2.0/24", "2001:db8::/32", "::/0", "0.0.0.0/0", "::1/128"];
pub(super) const GLOBS: [&str; 13] = [
    "*",
    "g*",
    "*o?d",
    "?",
    "/feed*",
    "*.example.com",
    "*a*b*",
    r"a\,b",
    "/%66?ed*",
    "/x/../caf*%a9",
    "SHOP.*.Com.",
    "[2001:DB8:*",
    "2001:DB8:*",
];

/// Paths of specs; no two are equal after normalisation.
pub(super) const PATTERNS: [&str; 9] = [
    "/",
    "/feed",
    "/feed/new",
    "/top",
    "/a/b/c",
    "/a",
    "/caf%C3%A9",
    "/checkout",
    "/deep/er/and/er",
];
/// Paths of requests.
pub(super) const PATHS: [&str; 22] = [
    "/",
    "/feed",
    "/feed/",
    "/feed/new",
    "/feed/new/x",
    "/feedback",
    "/%66eed",
    "/x/../feed",
    "/./top",
    "/top",
    "/top/",
    "/TOP",
    "/a/b/c",
    "/a/b",
    "/a/b/c/d",
    "//a",
    "/caf%c3%a9",
    "/checkout",
    "/checkout/pay",
    "/deep/er/and/er",
    "/deep%2Fer",
    "/none/of/these",
];
/// Hosts of specs; `None` is a match without hosts.
pub(super) const HOSTS: [Option<&str>; 6] = [
    None,
    Some("shop.example.com"),
    Some("*.example.com"),
    Some("*.shop.example.com"),
    Some("eu.shop.example.com"),
    Some("127.0.0.1"),
];
pub(super) const AUTHORITIES: [&str; 10] = [
    "shop.example.com",
    "SHOP.example.com:8443",
    "eu.shop.example.com",
    "a.b.shop.example.com",
    "example.com",
    "api.example.com.",
    "127.0.0.1:80",
    "[2001:DB8:0:0::1]:80",
    "[2001:db8::1]",
    "other.test",
];

pub(super) const FLAGS: [&str; 12] = [
    "a",
    "b.c",
    "*star",
    "new-checkout",
    "new-cart",
    "theme",
    "z_9",
    "page-size",
    "x1",
    "x2",
    "x10",
    "limits",
];
pub(super) const ROLLOUTS: [&str; 5] = ["shop", "Feed", "reco-api", "r_1", "0"];
pub(super) const ARMS: [&str; 6] = ["stable", "canary", "blue", "green", "Dark", "next"];
pub(super) const VARIANTS: [&str; 9] = ["on", "off", "a", "b", "c", "B", "d-1", "e_2", "f"];
pub(super) const COHORTS: [&str; 6] = ["staff", "beta", "Zurich", "paying", "c-1", "old"];
pub(super) const SALTS: [&str; 5] = [
    "",
    "s",
    "2026-11",
    "größe",
    "a salt that is rather long, for a hash of more than one hundred and twenty-eight bytes when the unit stands beside it",
];

/// Values of a kind, for requests and for operands.
pub(super) fn values(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::String => &STRINGS,
        Kind::Number => &NUMBERS,
        Kind::Version => &VERSIONS,
        Kind::Timestamp => &TIMESTAMPS,
        Kind::Address => &ADDRESSES,
        Kind::Path => &PATHS,
        Kind::Host => &AUTHORITIES,
    }
}
