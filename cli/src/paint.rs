//! Colours, on terminals only.

use std::io::IsTerminal;

/// What a text is, for its colour.
#[derive(Clone, Copy)]
pub(crate) enum Tone {
    Good,
    Bad,
    Strong,
    Quiet,
}

fn code(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "32",
        Tone::Bad => "31;1",
        Tone::Strong => "1",
        Tone::Quiet => "2",
    }
}

/// The text for standard output.
pub(crate) fn out(tone: Tone, text: &str) -> String {
    paint(std::io::stdout().is_terminal(), tone, text)
}

/// Whether standard output takes colours.
pub(crate) fn is_coloured() -> bool {
    takes_colours(std::io::stdout().is_terminal())
}

fn takes_colours(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn paint(terminal: bool, tone: Tone, text: &str) -> String {
    if !takes_colours(terminal) {
        return text.to_owned();
    }
    format!("\x1b[{}m{text}\x1b[0m", code(tone))
}

/// A message to standard error.
pub(crate) fn error(message: &str) {
    let label = paint(std::io::stderr().is_terminal(), Tone::Bad, "error:");
    eprintln!("{label} {message}");
}

/// A line about what the server does, to standard error.
pub(crate) fn note(message: &str) {
    let label = paint(std::io::stderr().is_terminal(), Tone::Quiet, "serin:");
    eprintln!("{label} {message}");
}
