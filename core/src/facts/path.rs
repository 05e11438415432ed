//! One spelling for each path: RFC 3986, section 6.2.2, so that `/%66eed/../feed` can't slip past a
//! match on `/feed`.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt::Write as _;

use super::query::escaped;

/// Normalises a path: unreserved `%XX` decoded, other hex digits in upper case, bytes that a URI
/// can't hold escaped, dot segments removed. Nothing else is decoded: `%2F` stays.
pub(crate) fn normalise(path: &[u8]) -> Cow<'_, str> {
    if let Some(path) = already_normal(path) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(remove_dot_segments(&respell(path)))
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

/// The bytes that the URL Standard leaves alone in a path.
fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'^')
}

fn respell(path: &[u8]) -> String {
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
    text
}

fn push_escape(text: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    let _ = write!(text, "%{byte:02X}");
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986, section 5.2.4, for absolute paths; others are left as they are.
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
    fn one_spelling_for_each_path() {
        for (given, wanted) in [
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
            assert_eq!(normalise(given.as_bytes()), wanted, "{given}");
        }
        assert_eq!(normalise(b"/\xff"), "/%FF");
    }
}
