//! A header map that behaves like Envoy's: lower-case names, pseudo-headers first, and one line for
//! the headers that Envoy keeps in fixed slots.

use crate::pairs::Pair;
use std::borrow::Cow;

/// Headers that Envoy holds once: a second value is appended after a comma.
const ONE_LINE: [&[u8]; 24] = [
    b":path",
    b":method",
    b":authority",
    b":scheme",
    b":status",
    b":protocol",
    b"connection",
    b"content-length",
    b"content-type",
    b"expect",
    b"forwarded",
    b"grpc-timeout",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"transfer-encoding",
    b"upgrade",
    b"user-agent",
    b"via",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
    b"x-forwarded-client-cert",
    b"x-request-id",
];

/// Headers or trailers in order. Names are lower case; values are bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderMap {
    pairs: Vec<Pair>,
    bytes: usize,
    request: bool,
}

impl HeaderMap {
    /// A map without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// The headers of a request, where `host` is another name of `:authority`.
    pub fn for_request<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let mut map = Self { request: true, ..Self::default() };
        for (name, value) in pairs {
            map.add(name, value);
        }
        map
    }

    /// The first value of a name.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = self.canonical(name.as_ref());
        self.pairs.iter().find(|(known, _)| **known == *name).map(|(_, value)| value.as_slice())
    }

    /// The first value of a name as text; none if it is not UTF-8.
    pub fn get_str(&self, name: impl AsRef<[u8]>) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// All values of a name, in order.
    pub fn get_all<'a>(&'a self, name: impl AsRef<[u8]>) -> impl Iterator<Item = &'a [u8]> + 'a {
        let name = self.canonical(name.as_ref());
        let name = name.into_owned();
        self.pairs.iter().filter(move |(known, _)| *known == name).map(|(_, value)| &value[..])
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + Clone {
        self.pairs.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Removes every line.
    pub fn clear(&mut self) {
        self.pairs.clear();
        self.bytes = 0;
    }

    /// Names and values together, in bytes.
    pub fn byte_size(&self) -> usize {
        self.bytes
    }

    /// Adds a line, or appends to the line of a header that Envoy holds once.
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = self.canonical(name.as_ref());
        let value = value.as_ref();
        if let Some((_, known)) = self.pairs.iter_mut().find(|(known, _)| **known == *name)
            && ONE_LINE.contains(&&*name)
        {
            if !known.is_empty() {
                known.push(b',');
                self.bytes += 1;
            }
            known.extend_from_slice(value);
            self.bytes += value.len();
            return;
        }
        self.bytes += name.len() + value.len();
        let pair = (name.into_owned(), value.to_vec());
        if !is_pseudo(&pair.0) {
            self.pairs.push(pair);
            return;
        }
        let end = self.pairs.iter().position(|(name, _)| !is_pseudo(name)).unwrap_or(self.len());
        self.pairs.insert(end, pair);
    }

    /// Removes all lines of the name and adds one.
    pub fn replace(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.remove(name.as_ref());
        self.add(name, value);
    }

    /// Removes all lines of the name.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) {
        let name = self.canonical(name.as_ref());
        let mut bytes = self.bytes;
        self.pairs.retain(|(known, value)| {
            let keep = **known != *name;
            if !keep {
                bytes -= known.len() + value.len();
            }
            keep
        });
        self.bytes = bytes;
    }

    fn canonical<'n>(&self, name: &'n [u8]) -> Cow<'n, [u8]> {
        if self.request && name.eq_ignore_ascii_case(b"host") {
            return Cow::Borrowed(b":authority");
        }
        match name.iter().any(u8::is_ascii_uppercase) {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => Cow::Borrowed(name),
        }
    }
}

fn is_pseudo(name: &[u8]) -> bool {
    name.first() == Some(&b':')
}

impl<K: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(K, V)> for HeaderMap {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut map = Self::new();
        for (name, value) in pairs {
            map.add(name, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(map: &HeaderMap) -> Vec<String> {
        map.iter()
            .map(|(k, v)| format!("{}={}", String::from_utf8_lossy(k), String::from_utf8_lossy(v)))
            .collect()
    }

    #[test]
    fn pseudo_headers_come_first() {
        let mut map: HeaderMap = [("X-A", "1"), (":path", "/"), ("x-a", "2")].into_iter().collect();
        map.add(":method", "GET");
        assert_eq!(text(&map), [":path=/", ":method=GET", "x-a=1", "x-a=2"]);
        assert_eq!(map.get("x-A"), Some(&b"1"[..]));
        assert_eq!(map.get_all("x-a").count(), 2);
    }

    #[test]
    fn slots_join_and_replace_moves_to_the_end() {
        let mut map: HeaderMap =
            [("via", "a"), ("x", "1"), ("via", "b"), ("x", "2")].into_iter().collect();
        assert_eq!(text(&map), ["via=a,b", "x=1", "x=2"]);
        map.replace("X", "3");
        map.replace("via", "c");
        assert_eq!(text(&map), ["x=3", "via=c"]);
        assert_eq!(map.byte_size(), "x3viac".len());
        map.remove("VIA");
        assert_eq!((map.len(), map.byte_size()), (1, 2));
    }

    #[test]
    fn host_is_the_authority() {
        let map = HeaderMap::for_request([("Host", "a.example")]);
        assert_eq!(map.get(":authority"), Some(&b"a.example"[..]));
        assert_eq!(map.get("host"), Some(&b"a.example"[..]));
    }
}
