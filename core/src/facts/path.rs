//! Path normalisation (RFC 3986, section 6.2.2): `/%66eed/../feed` matches `/feed`.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt::Write as _;

use super::query::escaped;

/// Normalises a path. Decodes `%XX` of unreserved characters, writes other hex digits in upper case, escapes
/// bytes that a URI cannot have, and removes dot segments. Nothing else is decoded: `%2F` stays.
pub(crate) fn normalise(path: &[u8]) -> Cow<'_, str> {
    if let Some(path) = already_normal(path) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(remove_dot_segments(&normalise_escapes(path)))
}

/// Normalises the start of a path: as a path, but the last segment may go on, so that it is no dot segment.
pub(crate) fn normalise_start(start: &str) -> Cow<'_, str> {
    let escaped = normalise_escapes(start.as_bytes());
    let Some((whole, last)) = escaped.rsplit_once('/') else {
        return escaped;
    };
    let mut normal = remove_dot_segments(&alloc::format!("{whole}/"));
    normal.push_str(last);
    Cow::Owned(normal)
}

fn already_normal(path: &[u8]) -> Option<&str> {
    let mut previous = 0;
    for byte in path {
        let dot_segment = previous == b'/' && *byte == b'.';
        if *byte == b'%' || dot_segment || !is_uri_byte(*byte) {
            return None;
        }
        previous = *byte;
    }
    core::str::from_utf8(path).ok()
}

/// Whether the URL Standard leaves a byte of a path unescaped.
fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'^')
}

/// Normalises the escapes of a part of a path, without its dot segments.
pub(crate) fn normalise_escapes(path: &[u8]) -> Cow<'_, str> {
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let hex = if *first == b'%' { escaped(after) } else { None };
        if hex.is_some() {
            rest = after.get(2..).unwrap_or(&[]);
        }
        match hex {
            Some(byte) if is_unreserved(byte) => text.push(char::from(byte)),
            Some(byte) => push_escape(&mut text, byte),
            None if is_uri_byte(*first) => text.push(char::from(*first)),
            None => push_escape(&mut text, *first),
        }
    }
    Cow::Owned(text)
}

fn push_escape(text: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    let _ = write!(text, "%{byte:02X}");
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Removes the dot segments of an absolute path (RFC 3986, section 5.2.4). Other paths stay unchanged.
fn remove_dot_segments(path: &str) -> String {
    let Some(rest) = path.strip_prefix('/') else {
        return path.into();
    };
    let mut output = String::with_capacity(path.len());
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    output.truncate(output.rfind('/').unwrap_or(0));
                }
                if last {
                    output.push('/');
                }
            }
            segment => {
                output.push('/');
                output.push_str(segment);
            }
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalent_paths_have_one_spelling() {
        for (path, normalised) in [
            ("/feed", "/feed"),
            ("/%66eed", "/feed"),
            ("/a%2fb", "/a%2Fb"),
            ("/a/./b/../c", "/a/c"),
            ("/a/%2e%2E/c", "/c"),
            ("/../../x", "/x"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("/.hidden", "/.hidden"),
            ("/größe", "/gr%C3%B6%C3%9Fe"),
            ("/a b", "/a%20b"),
            ("/100%", "/100%"),
            ("//a", "//a"),
            ("/", "/"),
            ("", ""),
            ("*", "*"),
        ] {
            assert_eq!(normalise(path.as_bytes()), normalised, "{path}");
        }
        assert_eq!(normalise(b"/\xff"), "/%FF");
    }
}
