//! The lines of a text, as editors count them: a line ends at a line feed, at a carriage return with a line feed,
//! or at a carriage return alone.

use std::borrow::Cow;
use std::ops::Range;

/// The lines of a text, counted from 0. There is always one.
#[derive(Clone, Debug)]
pub struct Lines {
    /// The byte range of each line, without its line break.
    ranges: Vec<Range<usize>>,
}

impl Lines {
    /// Finds the lines of a text.
    pub fn of(text: &str) -> Lines {
        let bytes = text.as_bytes();
        let mut ranges = Vec::new();
        let mut start = 0;
        for (at, byte) in bytes.iter().enumerate() {
            let next = bytes.get(at.saturating_add(1));
            match byte {
                // The line feed that follows ends this line.
                b'\r' if next == Some(&b'\n') => {}
                b'\r' | b'\n' => {
                    let before = at.checked_sub(1).filter(|before| *before >= start);
                    let is_pair = *byte == b'\n'
                        && before.and_then(|before| bytes.get(before)) == Some(&b'\r');
                    ranges.push(start..at.saturating_sub(usize::from(is_pair)));
                    start = at.saturating_add(1);
                }
                _ => {}
            }
        }
        ranges.push(start..bytes.len());
        Lines { ranges }
    }

    /// The number of lines. A text that ends in a line break has an empty last line.
    pub fn count(&self) -> usize {
        self.ranges.len()
    }

    /// The line that a byte is on. A line break belongs to the line that it ends.
    pub fn line_of(&self, at: usize) -> usize {
        self.ranges.partition_point(|line| line.start <= at).saturating_sub(1)
    }

    /// The byte range of a line, without its line break; `None` if there is no such line.
    pub fn range(&self, line: usize) -> Option<Range<usize>> {
        self.ranges.get(line).cloned()
    }
}

/// The text with a line feed in place of each carriage return that ends a line alone, for printers that know
/// line feeds only. No byte changes its place.
pub fn with_line_feeds(text: &str) -> Cow<'_, str> {
    let mut rest = text.bytes().peekable();
    let mut alone = false;
    while let Some(byte) = rest.next() {
        alone |= byte == b'\r' && rest.peek() != Some(&b'\n');
    }
    if !alone {
        return Cow::Borrowed(text);
    }
    let mut all = text.chars().peekable();
    let mut changed = String::with_capacity(text.len());
    while let Some(c) = all.next() {
        let is_alone = c == '\r' && all.peek() != Some(&'\n');
        changed.push(if is_alone { '\n' } else { c });
    }
    Cow::Owned(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_break_of_editors_ends_a_line() {
        let text = "a\nb\r\nc\rd\r\r\n\n\re";
        let lines = Lines::of(text);
        let all: Vec<&str> =
            (0..lines.count()).map(|line| &text[lines.range(line).unwrap()]).collect();
        assert_eq!(all, ["a", "b", "c", "d", "", "", "", "e"]);
        let at = |needle: char| lines.line_of(text.find(needle).unwrap());
        assert_eq!(['a', 'b', 'c', 'd', 'e'].map(at), [0, 1, 2, 3, 7]);
        assert_eq!(lines.line_of(text.find("\r\n").unwrap()), 1, "a break is on the line it ends");
        assert_eq!(lines.line_of(text.len() + 9), 7);
        assert_eq!(lines.range(8), None);
        assert_eq!((Lines::of("").count(), Lines::of("\n").count()), (1, 2));
    }

    #[test]
    fn lone_carriage_returns_become_line_feeds() {
        assert_eq!(with_line_feeds("a\rb\r\nc\n\r"), "a\nb\r\nc\n\n");
        assert!(matches!(with_line_feeds("a\r\nb\n"), Cow::Borrowed(_)));
    }
}
