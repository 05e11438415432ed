//! The head of a request: method, URL and header fields, in one buffer.

/// A request's head, in the format of `host.js`: a line for the method, the URL, each field's name and each
/// field's value.
///
/// The runtime decodes header values as UTF-8 and replaces invalid bytes by U+FFFD. Here that character becomes
/// the byte 0xFF, so that the core gets a value that is not UTF-8, as on every host.
pub(crate) struct RequestHead {
    bytes: Vec<u8>,
    /// The end of each line.
    line_ends: Vec<usize>,
    /// The start and the end of the authority in the URL.
    authority: (usize, usize),
}

const REPLACEMENT: &str = "\u{FFFD}";

impl RequestHead {
    pub(crate) fn new(text: String) -> RequestHead {
        if !text.contains(REPLACEMENT) {
            return RequestHead::from_bytes(text.into_bytes());
        }
        let parts: Vec<&[u8]> = text.split(REPLACEMENT).map(str::as_bytes).collect();
        RequestHead::from_bytes(parts.join(&0xFF))
    }

    fn from_bytes(bytes: Vec<u8>) -> RequestHead {
        let newlines = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let mut line_ends = Vec::with_capacity(64);
        line_ends.extend(newlines.map(|(index, _)| index));
        line_ends.push(bytes.len());
        let mut head = RequestHead { bytes, line_ends, authority: (0, 0) };
        head.authority = authority(head.url());
        head
    }

    pub(crate) fn method(&self) -> &[u8] {
        self.line(0)
    }

    /// `https`.
    pub(crate) fn scheme(&self) -> &[u8] {
        let scheme = self.url().get(..self.authority.0).unwrap_or(&[]);
        scheme.strip_suffix(b"://").unwrap_or(&[])
    }

    /// `shop.example.com:8443`.
    pub(crate) fn authority(&self) -> &[u8] {
        self.url().get(self.authority.0..self.authority.1).unwrap_or(&[])
    }

    /// `/feed?page=2`, as the client sent it.
    pub(crate) fn target(&self) -> &[u8] {
        match self.url().get(self.authority.1..) {
            None | Some([]) => b"/",
            Some(target) => target,
        }
    }

    /// `/feed`, as the client sent it.
    pub(crate) fn path(&self) -> &[u8] {
        let target = self.target();
        target.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or(target)
    }

    /// The whole URL.
    pub(crate) fn url(&self) -> &[u8] {
        self.line(1)
    }

    /// The header fields: names in lower case, values of one name joined.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let names = (2..self.line_ends.len()).step_by(2);
        names.map(|index| (self.line(index), self.line(index.saturating_add(1))))
    }

    /// Whether the request may be sent twice: its method is idempotent (RFC 9110, section 9.2.2), and it is no
    /// upgrade.
    pub(crate) fn is_repeatable(&self) -> bool {
        matches!(self.method(), b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE" | b"TRACE")
            && self.field("upgrade").is_none()
    }

    /// A field's value.
    pub(crate) fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields().find(|(field, _)| *field == name.as_bytes()).map(|(_, value)| value)
    }

    /// A field's value, if it is UTF-8.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.field(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The header block for the core, with the pseudo-header fields of HTTP/2.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let pseudo: [(&[u8], &[u8]); 4] = [
            (b":method", self.method()),
            (b":scheme", self.scheme()),
            (b":authority", self.authority()),
            (b":path", self.target()),
        ];
        pseudo.into_iter().chain(self.fields())
    }

    fn line(&self, index: usize) -> &[u8] {
        let previous = index.checked_sub(1).and_then(|index| self.line_ends.get(index));
        let start = previous.map_or(0, |end| end.saturating_add(1));
        let end = self.line_ends.get(index).copied().unwrap_or(start);
        self.bytes.get(start..end).unwrap_or(&[])
    }
}

/// The start and the end of the authority in a URL.
fn authority(url: &[u8]) -> (usize, usize) {
    let colon = url.iter().position(|byte| *byte == b':').unwrap_or(0);
    let rest = url.get(colon..).unwrap_or(&[]);
    let start = if rest.starts_with(b"://") { colon.saturating_add(3) } else { 0 };
    let rest = url.get(start..).unwrap_or(&[]);
    let is_end = |byte: &u8| matches!(byte, b'/' | b'?' | b'#' | b'\\');
    let length = rest.iter().position(is_end).unwrap_or(rest.len());
    (start, start.saturating_add(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_has_method_url_and_fields() {
        let head =
            RequestHead::new("GET\nhttps://a.example:8/b?c=d\nx-a\n1, 2\nx-empty\n\nx-b\nö".into());
        assert_eq!(head.method(), b"GET");
        assert_eq!(head.scheme(), b"https");
        assert_eq!(head.authority(), b"a.example:8");
        assert_eq!((head.target(), head.path()), (&b"/b?c=d"[..], &b"/b"[..]));
        assert_eq!(head.text("x-a"), Some("1, 2"));
        assert_eq!(head.text("x-empty"), Some(""));
        assert_eq!(head.text("x-b"), Some("ö"));
        assert_eq!(head.text("x-c"), None);
        assert_eq!(head.fields().count(), 3);
    }

    #[test]
    fn replacement_character_is_an_invalid_byte_again() {
        let head = RequestHead::new("GET\nhttp://a/\ncookie\na=\u{FFFD}; b=ö".into());
        assert_eq!(head.field("cookie"), Some(&b"a=\xFF; b=\xC3\xB6"[..]));
        assert_eq!(head.text("cookie"), None);
    }

    #[test]
    fn target_of_unusual_urls() {
        for (url, target) in
            [("http://a", "/"), ("http://a?b", "?b"), ("http://a//b", "//b"), ("", "/")]
        {
            let head = RequestHead::new(format!("GET\n{url}"));
            assert_eq!(head.target(), target.as_bytes(), "{url}");
        }
        assert_eq!(RequestHead::new(String::new()).method(), b"");
    }
}
