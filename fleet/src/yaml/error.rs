//! Errors of the YAML reader: one sentence in the words of the person who wrote the text, with its place and the cure.

use crate::lines::Lines;
use granit_parser::{ErrorKind, ScanError};
use serin_core::inspect::quoted;
use std::fmt;
use std::ops::Range;

/// The reason that a text is not a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    range: Range<usize>,
    line: usize,
    message: String,
    help: String,
    is_template: bool,
}

impl Error {
    /// The range of the text that the error is about, in bytes; it may be empty.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// The line of the error, counted from 1, as editors count lines.
    pub fn line(&self) -> usize {
        self.line
    }

    /// What is wrong, in one sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do.
    pub fn help(&self) -> &str {
        &self.help
    }

    /// Whether the text is a template, whose output would be the document.
    pub fn is_template(&self) -> bool {
        self.is_template
    }

    fn new(
        text: &str,
        range: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Error {
        let line = Lines::of(text).line_of(range.start).saturating_add(1);
        Error { range, line, message: message.into(), help: help.into(), is_template: false }
    }

    /// The cause of a syntax error at a byte that no parser knows: the text is a template, has a conflict of a
    /// merge, or has characters that look like those of the syntax.
    pub fn cause(text: &str, at: usize) -> Option<Error> {
        let end = text
            .get(at..)
            .and_then(|rest| rest.find(['\n', '\r']))
            .map_or(text.len(), |length| at + length);
        let start = text.get(..at)?.trim_end().rfind(['\n', '\r']).map_or(0, |before| before + 1);
        let markup = ["<!doctype", "<html", "<?xml"];
        let first = text.trim_start().get(..9).unwrap_or_default().to_ascii_lowercase();
        if markup.iter().any(|mark| first.starts_with(mark)) {
            return Some(Cause::Markup.error(text, 0..0));
        }
        let mut line_start = 0;
        for line in text.get(..end)?.split_inclusive(['\n', '\r']) {
            let found = template(line).map(|(range, mark)| (range, Cause::Template(mark)));
            let found = found.or_else(|| conflict(line).map(|range| (range, Cause::Conflict)));
            let near = line_start + line.len() > start;
            let found = found
                .or_else(|| comment(line).filter(|_| near).map(|range| (range, Cause::Comment)));
            // Such characters are allowed in strings, so only those next to the error are its cause.
            let found = found.or_else(|| {
                lookalike(line).filter(|_| near).map(|(range, of)| (range, Cause::Lookalike(of)))
            });
            if let Some((range, cause)) = found {
                return Some(cause.error(text, line_start + range.start..line_start + range.end));
            }
            line_start += line.len();
        }
        None
    }

    /// The first space or invisible character of Unicode in a word without quotes at a range, where a plain space
    /// or nothing was most likely meant.
    pub fn unseen(text: &str, word: Range<usize>) -> Option<Error> {
        let within = text.get(word.clone())?;
        let (at, of) = within.char_indices().find_map(|(at, c)| {
            let found = UNSEEN.iter().find(|of| of.characters.contains(&c))?;
            Some((at..at + c.len_utf8(), found))
        })?;
        Some(Cause::Lookalike(of).error(text, word.start + at.start..word.start + at.end))
    }

    /// The error of a text that the parser refuses.
    pub(crate) fn of_parser(text: &str, error: &ScanError) -> Error {
        let at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
        let at = text.floor_char_boundary(at);
        if let Some(error) = Error::cause(text, at) {
            return error;
        }
        let (message, help) = explained(error.kind(), text.get(at..).unwrap_or(""));
        Error::new(text, character(text, at), message, help)
    }

    pub(super) fn empty(text: &str) -> Error {
        Error::new(text, 0..0, "the file is empty", "write at least formatVersion: 1")
    }

    pub(super) fn merge_key(text: &str, range: Range<usize>) -> Error {
        Error::new(
            text,
            range,
            "merge keys (<<) are not supported",
            "repeat the fields, or use an alias for a whole value",
        )
    }

    pub(crate) fn alias_in_itself(text: &str, range: Range<usize>) -> Error {
        let name = quoted(text.get(range.clone()).unwrap_or(""));
        let message = format!("the alias {name} is inside of the value that it stands for");
        Error::new(text, range, message, "write the value out")
    }

    pub(super) fn too_many_aliases(text: &str, range: Range<usize>, max: usize) -> Error {
        let message = format!(
            "the aliases up to this one stand for more than {max} values, or for more than 16 MiB"
        );
        Error::new(text, range, message, "write the values out, or nest fewer aliases")
    }

    pub(super) fn too_deep(text: &str, range: Range<usize>, max: usize) -> Error {
        let message = format!("lists and objects are nested more than {max} levels deep");
        Error::new(text, range, message, "move inner parts outwards, conditions into cohorts")
    }

    pub(super) fn second_document(text: &str, range: Range<usize>) -> Error {
        Error::new(
            text,
            range,
            "a second document begins here, and a spec is one document",
            "move it to a file of its own, or remove the line ---",
        )
    }

    pub(crate) fn key_is_not_text(text: &str, range: Range<usize>) -> Error {
        if let Some(error) = Error::cause(text, range.start) {
            return error;
        }
        Error::new(
            text,
            range.start..range.start,
            "a list or an object is in the place of a key",
            "write key: value, and quote a string that begins with { or [",
        )
    }

    pub(crate) fn duplicate_key(text: &str, range: Range<usize>, key: &str) -> Error {
        let message = format!("the key {} is given twice", quoted(key));
        Error::new(text, range, message, "remove one of the two")
    }

    pub(super) fn tag(text: &str, range: Range<usize>) -> Error {
        Error::new(
            text,
            range,
            "the value has a type (!…) that a spec does not have",
            "remove the type, or quote a string that begins with !",
        )
    }

    pub(super) fn not_finite(text: &str, range: Range<usize>, word: &str, what: &str) -> Error {
        let message =
            format!("{word} without quotes is {what}, which is no number that a spec can have");
        Error::new(text, range, message, format!("write \"{word}\" if you mean the text"))
    }

    pub(super) fn too_large(text: &str, range: Range<usize>, word: &str) -> Error {
        let message = format!("{} without quotes is a number that is too large", quoted(word));
        Error::new(text, range, message, "quote it if you mean the text")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.message, self.help)
    }
}

impl std::error::Error for Error {}

/// The range of the character at a byte; empty at the end of a line. The end of the text counts as the end of its
/// last line that is not blank.
fn character(text: &str, at: usize) -> Range<usize> {
    let at = if at >= text.len() { text.trim_end().len() } else { at };
    let next = text.get(at..).and_then(|rest| rest.chars().next());
    let next = next.filter(|c| !c.is_control() || *c == '\t');
    at..at + next.map_or(0, char::len_utf8)
}

enum Cause {
    Template(&'static str),
    Conflict,
    Lookalike(&'static Lookalike),
    Markup,
    Comment,
}

impl Cause {
    fn error(self, text: &str, range: Range<usize>) -> Error {
        match self {
            Cause::Template(mark) => {
                let message = format!("the file is a template ({mark}), not yet YAML");
                let help = "render it first and read the output, with Helm: helm template CHART";
                Error { is_template: true, ..Error::new(text, range, message, help) }
            }
            Cause::Conflict => Error::new(
                text,
                range,
                "the file has a conflict of a merge",
                "keep one of the two versions and remove the lines <<<<<<<, ======= and >>>>>>>",
            ),
            Cause::Lookalike(Lookalike { message, help, .. }) => {
                let given = text.get(range.clone()).and_then(|given| given.chars().next());
                let code = given.map_or(0, u32::from);
                Error::new(text, range, format!("{message} (U+{code:04X})"), *help)
            }
            Cause::Comment => Error::new(
                text,
                range,
                "this is no comment, which begins with # in YAML and which JSON does not have",
                "write # in its place, or remove it",
            ),
            Cause::Markup => Error::new(
                text,
                range,
                "the file is HTML or XML",
                "look at the file: a page of an error may have been saved in place of the document",
            ),
        }
    }
}

/// The first mark of a template engine in a line that stands where a value or a key does, and not in a string.
fn template(line: &str) -> Option<(Range<usize>, &'static str)> {
    const MARKS: [(&str, &str, &str); 4] = [
        ("{{", "}}", "{{ … }}"),
        ("{%", "%}", "{% … %}"),
        ("{#", "#}", "{# … #}"),
        ("<%", "%>", "<% … %>"),
    ];
    let (at, open, close, shown) = MARKS
        .iter()
        .filter_map(|(open, close, shown)| Some((line.find(open)?, *open, *close, *shown)))
        .min_by_key(|(at, ..)| *at)?;
    let before = line.get(..at)?.trim_end();
    let in_place = before.is_empty() || before.ends_with([':', '-', '[', ',', '{', '}']);
    let rest = line.get(at + open.len()..)?;
    // Without its end it may be an object within an object, in YAML.
    let end = at + open.len() + rest.find(close)? + close.len();
    let quotes = before.matches(['"', '\'']).count();
    (in_place && quotes % 2 == 0 && !before.contains('#')).then_some((at..end, shown))
}

/// A line that is a comment in other languages.
fn comment(line: &str) -> Option<Range<usize>> {
    let start = line.len() - line.trim_start().len();
    let is_comment = ["//", "/*"].iter().any(|mark| line.trim_start().starts_with(mark));
    is_comment.then_some(start..start + 2)
}

fn conflict(line: &str) -> Option<Range<usize>> {
    let marks = ["<<<<<<< ", ">>>>>>> ", "||||||| "];
    marks.iter().any(|mark| line.starts_with(mark)).then_some(0..7)
}

/// A character that looks like one that YAML has a meaning for.
struct Lookalike {
    characters: &'static [char],
    message: &'static str,
    help: &'static str,
}

/// Spaces and invisible characters, which no one means to write outside of quotes.
const UNSEEN: [Lookalike; 2] = [
    Lookalike {
        characters: &[
            '\u{a0}', '\u{1680}', '\u{2000}', '\u{2001}', '\u{2002}', '\u{2003}', '\u{2004}',
            '\u{2005}', '\u{2006}', '\u{2007}', '\u{2008}', '\u{2009}', '\u{200a}', '\u{202f}',
            '\u{205f}', '\u{3000}',
        ],
        message: "this is not a plain space, but a no-break space or one of another width",
        help: "replace it by a plain space",
    },
    Lookalike {
        characters: &['\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}', '\u{ad}'],
        message: "an invisible character is here",
        help: "delete it",
    },
];

const LOOKALIKES: [Lookalike; 3] = [
    Lookalike {
        characters: &['“', '”', '„', '‟', '‘', '’', '‚', '‛', '«', '»', '＂', '＇'],
        message: "this is a curly quote, and a string is in straight ones",
        help: "type \" or '",
    },
    Lookalike {
        characters: &['–', '—', '‐', '‑', '−'],
        message: "this is a dash, and a list item begins with a hyphen",
        help: "type -",
    },
    Lookalike {
        characters: &['：', '，', '［', '］', '｛', '｝', '＃'],
        message: "this is a wide character, and YAML has a meaning for its ASCII form only",
        help: "type the ASCII form",
    },
];

/// The first lookalike in a line, outside of quotes and comments.
fn lookalike(line: &str) -> Option<(Range<usize>, &'static Lookalike)> {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '#' && before.is_whitespace() => return None,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None => {
                let mut known = UNSEEN.iter().chain(&LOOKALIKES);
                if let Some(found) = known.find(|of| of.characters.contains(&c)) {
                    return Some((at..at + c.len_utf8(), found));
                }
            }
        }
        before = c;
    }
    None
}

/// The parser's error in plain words, and what to do. The parser's own messages describe its state. `rest` is the
/// text from the error on.
fn explained(kind: &ErrorKind, rest: &str) -> (String, String) {
    let line = rest.lines().next().unwrap_or("");
    let (message, help) = match kind {
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            return (
                format!("the bracket {open} is closed by {close}"),
                format!(
                    "close it with {}, or quote a string that has a bracket in it",
                    closing(*open)
                ),
            );
        }
        ErrorKind::UnclosedFlowCollection { open } => {
            return (
                format!("the bracket {open} is never closed"),
                format!(
                    "add the closing {}, or quote a string that has a bracket in it",
                    closing(*open)
                ),
            );
        }
        ErrorKind::UnknownAnchor => {
            let ends = |c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}' | '[' | '{');
            let name = rest.trim_start_matches('*').split(ends).next().unwrap_or("");
            return (
                format!("the alias *{name} has no anchor &{name} above it"),
                "define the anchor first, or quote a string that begins with *".to_owned(),
            );
        }
        ErrorKind::UnexpectedCharacter { character } => {
            if character.is_control() {
                return (
                    format!("the control character U+{:04X} is not text", u32::from(*character)),
                    "delete it, and see whether the file is a text at all".to_owned(),
                );
            }
            return (
                format!("a value cannot begin with {character}"),
                "quote the string".to_owned(),
            );
        }
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart => {
            ("the line is indented with a tab", "indent with spaces, as YAML demands")
        }
        ErrorKind::TabInPlainScalar => {
            ("a tab is inside of a string without quotes", "use spaces, or quote the string")
        }
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation => (
            "the line's indentation does not match the lines above",
            "start all keys of one object in the same column",
        ),
        ErrorKind::ExpectedBlockSequenceEntry => (
            "the line is neither a list item nor part of one",
            "start an item with -, and its keys in the column of its first key",
        ),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey
            if line.contains(':') && !line.contains(": ") && !line.trim_end().ends_with(':') =>
        {
            ("no space follows the colon of the key", "write key: value, with a space")
        }
        ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::ExpectedFlowSequenceSeparator
            if rest.starts_with(':') =>
        {
            (
                "a string without quotes has a colon in it",
                "quote the string, or put a comma before the key that the colon ends",
            )
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            ("the key has no colon", "write key: value, or quote a string of several lines")
        }
        ErrorKind::MappingValueNotAllowed => (
            "the colon does not end a key",
            "add the colon that the key on the previous line may lack, or quote a string with : in it",
        ),
        ErrorKind::UnexpectedEofFlowSequence | ErrorKind::ExpectedFlowSequenceSeparator => (
            "a comma or the closing ] is missing",
            "separate items with commas, and close the list with ]",
        ),
        ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping
        | ErrorKind::ExpectedFlowMappingSeparator => (
            "a comma or the closing } is missing",
            "separate fields with commas, and close the object with }",
        ),
        ErrorKind::MisplacedFlowCollectionEnd => (
            "the closing bracket has no opening one",
            "remove it, or quote a string that has a bracket in it",
        ),
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => {
            ("the quote is never closed", "end the string with the quote that it begins with")
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar => (
            "text follows the quote that ends the string",
            "put the whole string into the quotes, and write '' for a quote in it",
        ),
        ErrorKind::InvalidTrailingDoubleQuotedScalar => (
            "text follows the quote that ends the string",
            "put the whole string into the quotes, and write \\\" for a quote in it",
        ),
        ErrorKind::UnknownQuotedScalarEscape
        | ErrorKind::InvalidQuotedScalarHexEscape
        | ErrorKind::InvalidLowSurrogateHexEscape
        | ErrorKind::InvalidLowSurrogate
        | ErrorKind::MissingLowSurrogate
        | ErrorKind::UnpairedLowSurrogate
        | ErrorKind::InvalidUnicodeEscape => (
            "the backslash does not begin an escape that YAML has",
            "write \\\\ for a backslash, or use single quotes, in which nothing is escaped",
        ),
        ErrorKind::MissingAnchorOrAliasName => {
            ("& or * has no name after it", "quote a string that begins with & or *")
        }
        ErrorKind::ExpectedTagBang
        | ErrorKind::UndeclaredTagHandle
        | ErrorKind::InvalidGlobalTagCharacter
        | ErrorKind::InvalidTagTerminator
        | ErrorKind::MissingTagUri
        | ErrorKind::UnclosedVerbatimTag
        | ErrorKind::InvalidTagEscape
        | ErrorKind::InvalidTagUtf8LeadingByte
        | ErrorKind::InvalidTagUtf8TrailingByte
        | ErrorKind::InvalidTagUtf8 => {
            ("! begins a type, and this is not one", "quote a string that begins with !")
        }
        ErrorKind::BlockEntryInFlowCollection
        | ErrorKind::BlockSequenceEntryNotAllowed
        | ErrorKind::PlainScalarStartsWithDashFlowIndicator
        | ErrorKind::InvalidBlockEntryWhitespace => (
            "the - of a list item is in a place that has no list",
            "start the list on the line below its key, or quote a string that begins with -",
        ),
        ErrorKind::ZeroBlockScalarIndent | ErrorKind::InvalidBlockScalarHeader => (
            "text follows | or >, which begin a string of several lines",
            "start the string on the next line, or quote a string that begins with | or >",
        ),
        ErrorKind::InvalidBlockScalarIndent => (
            "a line of the string is indented less than its first line",
            "indent all lines of a string alike",
        ),
        ErrorKind::InvalidQuotedScalarIndent | ErrorKind::InvalidFlowScalarIndent => (
            "the line continues a string or a bracket, and is not indented",
            "indent it more than the key of the value",
        ),
        ErrorKind::CommentInterceptedScalar => (
            "a comment is in the middle of a string of several lines",
            "move the comment, or quote a string that has # in it",
        ),
        ErrorKind::CommentNotSeparated => {
            ("# does not begin a comment here", "put a space before it")
        }
        ErrorKind::MappingKeyNotAllowed | ErrorKind::InvalidColonPlacement => (
            "a key cannot be here",
            "start each key on a line of its own, or write { key: value } in braces",
        ),
        ErrorKind::ExpectedWhitespace
        | ErrorKind::FlowMappingValueAdjacentCollection
        | ErrorKind::InvalidMappingValueWhitespace => {
            ("no space follows the colon of a key", "write key: value, with a space")
        }
        ErrorKind::RecursionLimitExceeded => (
            "lists and objects are nested too deep",
            "move inner parts outwards, conditions into cohorts",
        ),
        ErrorKind::BomInsideDocument => {
            ("an invisible character (U+FEFF) is inside of the document", "remove it")
        }
        ErrorKind::ExpectedDocumentStart | ErrorKind::InvalidDocumentEnd => (
            "the document has ended, and more text follows",
            "indent the text so that it belongs to a key, or remove it",
        ),
        ErrorKind::DuplicateVersionDirective
        | ErrorKind::UnsupportedYamlMajorVersion
        | ErrorKind::DuplicateTagDirective
        | ErrorKind::MissingDocumentEndBeforeDirective
        | ErrorKind::InvalidDirectiveTerminator
        | ErrorKind::MissingYamlVersionSeparator
        | ErrorKind::MissingDirectiveName
        | ErrorKind::InvalidDirectiveName
        | ErrorKind::YamlVersionTooLong
        | ErrorKind::MissingYamlVersion => (
            "a line that begins with % is an instruction, and this is not one",
            "remove the line, or quote the string",
        ),
        _ if rest.trim().is_empty() => {
            ("the file ends in the middle of a value", "add what is missing at the end")
        }
        _ => (
            "the line is not YAML",
            "check the quotes, colons and brackets of this line and the one before it",
        ),
    };
    (message.to_owned(), help.to_owned())
}

fn closing(open: char) -> char {
    if open == '[' { ']' } else { '}' }
}
