//! The questions of `serin init` on a terminal.

use super::answers::Answers;
use super::template;
use crate::diagnostics;
use crate::failure::Failure;
use std::io::{BufRead, Write};
use std::path::Path;

/// A question: its text, its default for the answers so far, and how its answer is read.
struct Question {
    text: &'static str,
    default: fn(&Answers) -> String,
    set: fn(&mut Answers, &str) -> Result<(), String>,
}

/// The questions in their order.
const QUESTIONS: [Question; 5] = [
    Question {
        text: "Which hosts does the service have? Without an answer, every host",
        default: |_| String::new(),
        set: Answers::set_hosts,
    },
    Question {
        text: "Which arm does everybody have today, and which one is new? Each with the target that the \
               router knows",
        default: template::default_arms,
        set: Answers::set_arms,
    },
    Question {
        text: "What names a user? header.NAME, cookie.NAME, query.NAME, jwt.CLAIM, or anonymous for an id \
               in a cookie",
        default: |_| "anonymous".to_owned(),
        set: Answers::set_unit,
    },
    Question {
        text: "Who gets the new arm first? For example internal=header.x-email suffix @corp.example; \
               without an answer, nobody",
        default: |_| String::new(),
        set: Answers::set_cohort,
    },
    Question {
        text: "Which share of all others gets it, in percent?",
        default: |_| "1".to_owned(),
        set: Answers::set_share,
    },
];

/// Asks every question on standard error, and again after an answer that the spec would refuse.
pub(super) fn ask() -> Result<Answers, Failure> {
    let mut answers = Answers::default();
    let mut lines = std::io::stdin().lock().lines();
    for question in &QUESTIONS {
        loop {
            let default = (question.default)(&answers);
            prompt(question.text, &default);
            let Some(line) = lines.next() else {
                return Err(Failure::trouble(
                    "the input ended before the last answer, nothing is written",
                ));
            };
            let line = line.map_err(|error| {
                Failure::trouble(format!("standard input cannot be read: {error}"))
            })?;
            match answered(question, &answers, line.trim(), &default) {
                Ok(next) => {
                    answers = next;
                    break;
                }
                Err(message) => eprintln!("{message}\n"),
            }
        }
    }
    Ok(answers)
}

fn prompt(text: &str, default: &str) {
    let default = if default.is_empty() { String::new() } else { format!("[{default}] ") };
    eprint!("{text}\n  {default}> ");
    // A terminal that cannot be written shows no question; reading the answer will fail as well.
    let _ = std::io::stderr().flush();
}

/// The answers with one more, if the spec of them has no errors.
fn answered(
    question: &Question,
    answers: &Answers,
    line: &str,
    default: &str,
) -> Result<Answers, String> {
    let mut next = answers.clone();
    let line = if line.is_empty() { default } else { line };
    if !line.is_empty() {
        (question.set)(&mut next, line).map_err(|message| format!("error: {message}"))?;
    }
    let spec = template::spec(&next);
    let errors = diagnostics::errors(Path::new("the new spec"), spec.as_bytes());
    if errors.is_empty() { Ok(next) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_an_answer_without_errors() {
        let mut answers = Answers::default();
        for question in &QUESTIONS {
            let default = (question.default)(&answers);
            answers = answered(question, &answers, "", &default)
                .map_err(|error| error + question.text)
                .unwrap();
        }
    }

    #[test]
    fn an_answer_that_the_spec_refuses_is_asked_again() {
        let refused = [
            (0, "https://shop.example.com/"),
            (1, "stable=shop-v1"),
            (1, "a=x,a=y"),
            (2, "user"),
            (3, "internal=x-email suffix a"),
            (3, "internal=header.x-email ends a"),
            (4, "101"),
            (4, "much"),
        ];
        for (index, line) in refused {
            assert!(answered(&QUESTIONS[index], &Answers::default(), line, "").is_err(), "{line}");
        }
    }
}
