//! The values that an attribute can have, as hosts read them from requests.

use std::sync::LazyLock;

use serin_core::Attribute;
use serin_core::spec::{Spec, UnitSource};

use super::language::Language;

/// The values of an attribute.
#[derive(Clone, Copy)]
pub(super) struct Values {
    pub(super) kind: Kind,
    pub(super) language: &'static LazyLock<Language>,
}

/// The kind of the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Path,
    Host,
    Method,
    Ip,
    Country,
    Asn,
    Colo,
    /// A header field.
    Header,
    Cookie,
    /// A string of any form.
    Free,
}

/// A type that an operator needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Number,
    Version,
    Address,
    Timestamp,
}

impl Kind {
    /// Whether a value can have the type.
    pub(super) fn can_be(self, wanted: Type) -> bool {
        match self {
            Kind::Header | Kind::Cookie | Kind::Free => true,
            Kind::Asn => matches!(wanted, Type::Number | Type::Version),
            Kind::Ip | Kind::Host => wanted == Type::Address,
            Kind::Path | Kind::Method | Kind::Country | Kind::Colo => false,
        }
    }
}

/// The values of an attribute; those of a unit are the values of its sources. `None` for the time.
pub(super) fn of(attribute: &Attribute, spec: &Spec) -> Option<Vec<Values>> {
    let (kind, language) = match attribute {
        Attribute::Path => (Kind::Path, &PATH),
        Attribute::Host => (Kind::Host, &HOST),
        Attribute::Method => (Kind::Method, &METHOD),
        Attribute::Ip => (Kind::Ip, &IP),
        Attribute::Country => (Kind::Country, &COUNTRY),
        Attribute::Asn => (Kind::Asn, &ASN),
        Attribute::Colo => (Kind::Colo, &COLO),
        Attribute::Header(_) => (Kind::Header, &HEADER),
        Attribute::Cookie(_) => (Kind::Cookie, &COOKIE),
        Attribute::Query(_) => (Kind::Free, &ANY),
        Attribute::Jwt(_) | Attribute::Region | Attribute::City => (Kind::Free, &NOT_EMPTY),
        Attribute::Unit(name) => {
            let sources = spec.units.get(name)?.iter().map(|source| match source {
                UnitSource::Header(_) => (Kind::Header, &HEADER_NOT_EMPTY),
                UnitSource::Cookie(_) | UnitSource::Anonymous(_) => {
                    (Kind::Cookie, &COOKIE_NOT_EMPTY)
                }
                UnitSource::Jwt(_) | UnitSource::Query(_) => (Kind::Free, &NOT_EMPTY),
            });
            return Some(sources.map(|(kind, language)| Values { kind, language }).collect());
        }
        _ => return None,
    };
    Some(vec![Values { kind, language }])
}

static ANY: LazyLock<Language> = LazyLock::new(|| Language::new((), |(), _| Some(()), |()| true));

static NOT_EMPTY: LazyLock<Language> =
    LazyLock::new(|| Language::new(false, |_, _| Some(true), |is_begun| *is_begun));

static HEADER: LazyLock<Language> = LazyLock::new(|| field_value(true, |_| true));
static HEADER_NOT_EMPTY: LazyLock<Language> = LazyLock::new(|| field_value(false, |_| true));
static COOKIE: LazyLock<Language> = LazyLock::new(|| field_value(true, |c| c != ';'));
static COOKIE_NOT_EMPTY: LazyLock<Language> = LazyLock::new(|| field_value(false, |c| c != ';'));

/// Values of fields (RFC 9110, section 5.5): no control characters, no blanks at the ends.
fn field_value(can_be_empty: bool, allows: fn(char) -> bool) -> Language {
    #[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
    enum At {
        Start,
        Blank,
        Visible,
    }
    let next = move |at: &At, c: char| match c {
        ' ' | '\t' => (*at != At::Start).then_some(At::Blank),
        c => (!c.is_control() && allows(c)).then_some(At::Visible),
    };
    Language::new(At::Start, next, move |at| match at {
        At::Start => can_be_empty,
        At::Blank => false,
        At::Visible => true,
    })
}

/// Normal paths: absolute, without dot segments, each escape in upper case and needed; and `*`.
static PATH: LazyLock<Language> = LazyLock::new(|| {
    #[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
    enum At {
        Start,
        Star,
        /// Behind a slash, and behind a slash and one or two dots.
        Slash,
        Dot,
        Dots,
        Segment,
        Percent,
        /// Behind `%` and a hexadecimal digit in upper case.
        Digit(char),
        /// Behind `%` and a hexadecimal digit in lower case, which is no escape.
        LowerDigit,
    }
    fn plain(c: char) -> Option<At> {
        Some(match c {
            '/' => At::Slash,
            '%' => At::Percent,
            c if c.is_ascii_graphic() && !"\"<>`{}^?#".contains(c) => At::Segment,
            _ => return None,
        })
    }
    let next = |at: &At, c: char| match (at, c) {
        (At::Start, '/') => Some(At::Slash),
        (At::Start, '*') => Some(At::Star),
        (At::Start | At::Star, _) | (At::Dot | At::Dots, '/') => None,
        (At::Slash, '.') => Some(At::Dot),
        (At::Dot, '.') => Some(At::Dots),
        (At::Percent, '0'..='9' | 'A'..='F') => Some(At::Digit(c)),
        (At::Percent, 'a'..='f') => Some(At::LowerDigit),
        (At::Digit(first), c) if c.is_ascii_hexdigit() => {
            let byte = first
                .to_digit(16)
                .zip(c.to_digit(16))
                .map(|(a, b)| a.saturating_mul(16).saturating_add(b));
            let escaped = byte.and_then(char::from_u32).filter(char::is_ascii);
            let is_unreserved =
                |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
            (!c.is_ascii_lowercase() && !escaped.is_some_and(is_unreserved)).then_some(At::Segment)
        }
        (At::LowerDigit, c) if c.is_ascii_hexdigit() => None,
        (_, c) => plain(c),
    };
    Language::new(At::Start, next, |at| !matches!(at, At::Start | At::Dot | At::Dots))
});

/// Upper-case tokens (RFC 9110, section 9.1).
static METHOD: LazyLock<Language> = LazyLock::new(|| {
    let next = |_: &bool, c: char| {
        let is_token =
            c.is_ascii_uppercase() || c.is_ascii_digit() || "!#$%&'*+-.^_`|~".contains(c);
        is_token.then_some(true)
    };
    Language::new(false, next, |is_begun| *is_begun)
});

/// The codes of ISO 3166-1 alpha-2, with those that geolocation adds: Kosovo, Tor, unknown.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO \
    BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG \
    EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID \
    IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA \
    MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA \
    PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST \
    SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE \
    YT ZA ZM ZW XK T1 XX";

static COUNTRY: LazyLock<Language> = LazyLock::new(|| {
    let next = |read: &String, c: char| {
        let longer = format!("{read}{c}");
        COUNTRIES.split(' ').any(|code| code.starts_with(&longer)).then_some(longer)
    };
    Language::new(String::new(), next, |read| read.len() == 2)
});

/// Codes of airports (IATA).
static COLO: LazyLock<Language> = LazyLock::new(|| {
    let next = |read: &u8, c: char| {
        (*read < 3 && c.is_ascii_uppercase()).then_some(read.saturating_add(1))
    };
    Language::new(0, next, |read| *read == 3)
});

/// Numbers of autonomous systems (RFC 6793). Those of ten digits may be too large.
static ASN: LazyLock<Language> = LazyLock::new(|| {
    // The count of digits; 10 behind a zero, too.
    let next = |read: &u8, c: char| match c {
        '0' if *read == 0 => Some(10),
        '0'..='9' if *read < 10 => Some(read.saturating_add(1)),
        _ => None,
    };
    Language::new(0, next, |read| *read > 0)
});

static IP: LazyLock<Language> = LazyLock::new(|| {
    let next = |at: &(Option<V4>, Option<V6>), c: char| {
        let next = (at.0.and_then(|at| at.next(c)), at.1.and_then(|at| at.next(c)));
        (next != (None, None)).then_some(next)
    };
    let is_end = |at: &(Option<V4>, Option<V6>)| {
        at.0.is_some_and(V4::is_end) || at.1.is_some_and(V6::is_end)
    };
    Language::new((Some(V4::START), Some(V6::START)), next, is_end)
});

/// Names in lower case, and IPv6 addresses in brackets.
pub(super) static HOST: LazyLock<Language> = LazyLock::new(|| {
    #[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
    enum At {
        Start,
        Label,
        Dot,
        Address(V6),
        Closed,
    }
    let next = |at: &At, c: char| match (at, c) {
        (At::Start, '[') => Some(At::Address(V6::START)),
        (At::Start | At::Label | At::Dot, 'a'..='z' | '0'..='9' | '-' | '_') => Some(At::Label),
        (At::Label, '.') => Some(At::Dot),
        (At::Address(address), ']') => address.is_end().then_some(At::Closed),
        (At::Address(address), c) => address.next(c).map(At::Address),
        _ => None,
    };
    Language::new(At::Start, next, |at| matches!(at, At::Label | At::Closed))
});

/// A place in an IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct V4 {
    dots: u8,
    octet: Octet,
}

/// The digits that an octet has so far, as far as they tell what may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Octet {
    Empty,
    /// `1`.
    One,
    /// `2`.
    Two,
    /// `25`.
    TwoFive,
    /// One more digit may follow.
    OneLeft,
    Full,
}

impl V4 {
    const START: V4 = V4 { dots: 0, octet: Octet::Empty };

    fn next(self, c: char) -> Option<V4> {
        let octet = match (self.octet, c) {
            (Octet::Empty, '1') => Octet::One,
            (Octet::Empty, '2') => Octet::Two,
            (Octet::Empty, '3'..='9') | (Octet::One, '0'..='9') | (Octet::Two, '0'..='4') => {
                Octet::OneLeft
            }
            (Octet::Two, '5') => Octet::TwoFive,
            (Octet::Empty, '0')
            | (Octet::Two, '6'..='9')
            | (Octet::TwoFive, '0'..='5')
            | (Octet::OneLeft, '0'..='9') => Octet::Full,
            (Octet::Empty, _) => return None,
            (_, '.') if self.dots < 3 => {
                return Some(V4 { dots: self.dots.saturating_add(1), octet: Octet::Empty });
            }
            _ => return None,
        };
        Some(V4 { octet, ..self })
    }

    fn is_end(self) -> bool {
        self.dots == 3 && self.octet != Octet::Empty
    }
}

/// A place in an IPv6 address in its short form (RFC 5952).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct V6 {
    groups: u8,
    /// The digits that the last group may still have.
    left: u8,
    /// The colons at the end.
    colons: u8,
    /// Whether there has been `::`.
    is_short: bool,
}

impl V6 {
    const START: V6 = V6 { groups: 0, left: 0, colons: 0, is_short: false };

    fn next(self, c: char) -> Option<V6> {
        match c {
            '0'..='9' | 'a'..='f' => {
                let begins = self.groups == 0 || self.colons > 0;
                if begins && (self.is_short || self.colons == 0 || self.groups > 0) {
                    let groups = self.groups.saturating_add(1);
                    let left = if c == '0' { 0 } else { 3 };
                    let max = if self.is_short { 6 } else { 8 };
                    return (groups <= max).then_some(V6 { groups, left, colons: 0, ..self });
                }
                let left = self.left.checked_sub(1).filter(|_| !begins)?;
                Some(V6 { left, ..self })
            }
            ':' if self.colons == 0 => Some(V6 { left: 0, colons: 1, ..self }),
            ':' if self.colons == 1 && !self.is_short && self.groups <= 6 => {
                Some(V6 { colons: 2, is_short: true, ..self })
            }
            _ => None,
        }
    }

    fn is_end(self) -> bool {
        if self.is_short { self.colons != 1 } else { self.groups == 8 && self.colons == 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn values_of_requests_are_in_the_language_of_their_attribute() {
        type Case = (
            &'static str,
            &'static LazyLock<Language>,
            &'static [&'static str],
            &'static [&'static str],
        );
        let languages: &[Case] = &[
            (
                "path",
                &PATH,
                &[
                    "/",
                    "*",
                    "/a//b/",
                    "/.a/..b/...",
                    "/caf%C3%A9",
                    "/a%2Fb%",
                    "/%4",
                    "/%a/%zz",
                    "/a:@!$&'()*+,;=|\\[]",
                ],
                &[
                    "",
                    "a",
                    "/a?b",
                    "/a#b",
                    "/./a",
                    "/a/..",
                    "/.",
                    "/caf%c3%A9",
                    "/%41",
                    "/é",
                    "/a b",
                    "**",
                    "*/",
                ],
            ),
            (
                "host",
                &HOST,
                &["a", "shop.example.com", "xn--a_b", "192.0.2.7", "[2001:db8::1]", "[::]"],
                &[
                    "",
                    "a.",
                    ".a",
                    "a..b",
                    "A",
                    "a:80",
                    "2001:db8::1",
                    "[2001:db8::1",
                    "[1]",
                    "*.a",
                    "ü",
                    "a/b",
                ],
            ),
            ("method", &METHOD, &["GET", "M-SEARCH", "X1"], &["", "get", "GET ", "G\u{fc}"]),
            (
                "ip",
                &IP,
                &[
                    "0.0.0.0",
                    "255.255.255.255",
                    "192.0.2.7",
                    "1.20.249.250",
                    "::",
                    "::1",
                    "2001:db8::",
                    "1:2:3:4:5:6:7:8",
                    "a::b",
                    "1::3:4:5:6:7",
                ],
                &[
                    "",
                    "1.2.3",
                    "256.1.1.1",
                    "01.2.3.4",
                    "1.2.3.4.5",
                    "1.2.3.4:80",
                    "10.0.0.0/8",
                    "2001:DB8::1",
                    "2001:0db8::1",
                    "1::2::3",
                    ":1",
                    "1:",
                    "1:2:3:4:5:6:7",
                    "1:2:3:4:5:6:7:8:9",
                    "::ffff:1.2.3.4",
                    "12345::",
                    "[::1]",
                    "::1%eth0",
                ],
            ),
            ("country", &COUNTRY, &["DE", "T1", "XX"], &["", "de", "UK", "DEU", "D", "Germany"]),
            (
                "asn",
                &ASN,
                &["0", "13335", "4294967295"],
                &["", "AS13335", "013335", "1.5", "12345678901"],
            ),
            ("colo", &COLO, &["FRA"], &["", "fra", "FR", "FRAX"]),
            ("header", &HEADER, &["", "a b", "ü", "a\tb"], &[" a", "a ", "a\nb", "\u{7f}"]),
            ("cookie", &COOKIE, &["", "\"a b\"", "a=b,c"], &["a;b", " a", "a "]),
            ("id", &COOKIE_NOT_EMPTY, &["a"], &["", "a;"]),
            ("any", &ANY, &["", " a\n"], &[]),
            ("text", &NOT_EMPTY, &[" "], &[""]),
        ];
        for (name, language, inside, outside) in languages {
            for text in *inside {
                assert!(language.has(text), "{name} {text:?}");
            }
            for text in *outside {
                assert!(!language.has(text), "{name} {text:?}");
            }
        }
    }

    #[test]
    fn every_address_in_its_short_form_is_one() {
        let mut bits = 0x2001_0db8_0000_0000_0000_0000_0000_0001_u128;
        for shift in 0..2000_u32 {
            // Addresses with runs of zero groups in all places.
            bits = bits.rotate_left(shift % 61) ^ u128::from(shift) << (shift % 96);
            let address = std::net::Ipv6Addr::from_bits(bits & mask(shift));
            let text = std::net::IpAddr::V6(address).to_canonical().to_string();
            assert!(IP.has(&text), "{text}");
            assert!(IP.has(&Ipv4Addr::from_bits(shift.wrapping_mul(2_654_435_761)).to_string()));
        }
    }

    fn mask(pattern: u32) -> u128 {
        (0..8).filter(|group| pattern >> group & 1 == 1).map(|group| 0xffff << (16 * group)).sum()
    }
}
