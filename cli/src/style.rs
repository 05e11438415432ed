//! Text styles for terminals. `anstream` decides whether a stream gets them (`NO_COLOR`, `CLICOLOR_FORCE`,
//! `TERM=dumb`), as for clap's own messages.

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

/// The meaning of a text, which determines its style.
#[derive(Clone, Copy)]
pub(crate) enum Tone {
    Good,
    Bad,
    Strong,
    Quiet,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Bad => AnsiColor::Red.on_default().bold(),
            Tone::Strong => Style::new().bold(),
            Tone::Quiet => Style::new().dimmed(),
        }
    }
}

/// Styles a text for standard output.
pub(crate) fn out(tone: Tone, text: &str) -> String {
    styled(is_coloured(), tone, text)
}

/// Whether standard output gets styles.
pub(crate) fn is_coloured() -> bool {
    AutoStream::choice(&std::io::stdout()) != ColorChoice::Never
}

/// Prints an error to standard error.
pub(crate) fn error(message: &str) {
    eprintln!("{} {message}", label(Tone::Bad, "error:"));
}

/// Prints a warning to standard error.
pub(crate) fn warning(message: &str) {
    eprintln!("{} {message}", label(Tone::Strong, "warning:"));
}

/// Prints a note about the command's progress to standard error.
pub(crate) fn note(message: &str) {
    eprintln!("{} {message}", label(Tone::Quiet, "serin:"));
}

fn label(tone: Tone, text: &str) -> String {
    styled(AutoStream::choice(&std::io::stderr()) != ColorChoice::Never, tone, text)
}

fn styled(coloured: bool, tone: Tone, text: &str) -> String {
    if !coloured {
        return text.to_owned();
    }
    let style = tone.style();
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_ends_with_its_text() {
        assert_eq!(styled(true, Tone::Strong, "a"), "\u{1b}[1ma\u{1b}[0m");
        assert_eq!(styled(false, Tone::Strong, "a"), "a");
    }
}
