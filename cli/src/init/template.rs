//! The text of a first spec.

use super::answers::{Answers, Arm, Source};
use serde_json::Value;
use serin_fleet::yaml;

/// The spec in YAML, with comments for its editor.
pub(super) fn spec(answers: &Answers) -> String {
    let [baseline, canary] = arms(answers);
    let mut text = String::from(
        "# Who gets which version of a service.\n\
         # docs/spec.md of Serin describes every field.\n\
         formatVersion: 1\n\
         # Raise it with each change: hosts refuse a lower one.\n\
         revision: 1\n\n\
         units:\n  \
           # Who keeps an arm. The first source that a request has counts.\n  \
           user:\n",
    );
    for source in unit(answers) {
        line(&mut text, 4, &format!("- {}: {}", source.kind, scalar(&source.name)));
    }
    if let Some(cohort) = &answers.cohort {
        text.push_str("\ncohorts:\n  # Requests that get the new arm first.\n");
        line(&mut text, 2, &format!("{}:", scalar(&cohort.name)));
        line(&mut text, 4, &format!("attribute: {}", scalar(&cohort.attribute)));
        field(&mut text, 4, &scalar(&cohort.operator), &cohort.operand);
    }
    text.push_str("\nrollouts:\n");
    line(&mut text, 2, &format!("{}:", scalar(&rollout(answers))));
    if !answers.hosts.is_empty() {
        line(&mut text, 4, "match:");
        field(&mut text, 6, "hosts", &answers.hosts.iter().map(String::as_str).collect());
    }
    line(&mut text, 4, "unit: user");
    line(&mut text, 4, "# A target is the name of an upstream that the router knows.");
    line(&mut text, 4, "arms:");
    for arm in [&baseline, &canary] {
        line(&mut text, 6, &format!("{}:", scalar(&arm.name)));
        line(&mut text, 8, &format!("target: {}", scalar(&arm.target)));
    }
    line(&mut text, 4, "# Requests outside the canary go to this arm.");
    line(&mut text, 4, &format!("baseline: {}", scalar(&baseline.name)));
    line(&mut text, 4, "canary:");
    line(&mut text, 6, &format!("arm: {}", scalar(&canary.name)));
    if let Some(cohort) = &answers.cohort {
        line(&mut text, 6, "rings:");
        line(&mut text, 8, &format!("- cohort: {}", scalar(&cohort.name)));
    }
    line(
        &mut text,
        6,
        "# The share of all others in percent. Whoever is in stays in when it grows.",
    );
    let share = answers.share.clone().unwrap_or_else(|| 1.into());
    line(&mut text, 6, &format!("share: {share}"));
    text
}

/// What to do next with the file.
pub(super) fn next_steps(answers: &Answers, file: &str) -> String {
    let host = answers.hosts.first().map_or("app.example.com", String::as_str).replace('*', "www");
    let [baseline, canary] = arms(answers);
    let arm = |arm: &Arm, port: u16| format!("--arm {}=http://127.0.0.1:{port}", arm.target);
    format!(
        "\nNext:\n  \
         serin check {file}\n  \
         serin explain {file} --request 'GET https://{host}/'\n  \
         serin serve {file} {} {}\n",
        arm(&baseline, 8001),
        arm(&canary, 8002),
    )
}

/// The default of the arms, as a person would type it.
pub(super) fn default_arms(answers: &Answers) -> String {
    arms(&Answers { arms: None, ..answers.clone() })
        .map(|arm| format!("{}={}", arm.name, arm.target))
        .join(",")
}

fn arms(answers: &Answers) -> [Arm; 2] {
    let rollout = rollout(answers);
    let arm = |name: &str, version: &str| Arm {
        name: name.to_owned(),
        target: format!("{rollout}-{version}"),
    };
    answers.arms.clone().unwrap_or_else(|| [arm("stable", "v1"), arm("canary", "v2")])
}

/// The rollout's name: the first label of the first host that can be a name.
fn rollout(answers: &Answers) -> String {
    let is_name = |label: &&str| {
        label.starts_with(|c: char| c.is_ascii_lowercase())
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && *label != "www"
    };
    let label = answers.hosts.first().and_then(|host| host.split('.').find(is_name));
    answers.rollout.clone().unwrap_or_else(|| label.unwrap_or("app").to_owned())
}

fn unit(answers: &Answers) -> Vec<Source> {
    if answers.unit.is_empty() {
        let mut anonymous = Answers::default();
        // `anonymous` alone is a source, so this does not fail.
        let _ = anonymous.set_unit("anonymous");
        return anonymous.unit;
    }
    answers.unit.clone()
}

fn line(text: &mut String, indent: usize, line: &str) {
    text.push_str(&" ".repeat(indent));
    text.push_str(line);
    text.push('\n');
}

/// A field whose value is a scalar, or a list of scalars with a line for each.
fn field(text: &mut String, indent: usize, key: &str, value: &Value) {
    let Value::Array(items) = value else {
        return line(text, indent, &format!("{key}: {}", value_text(value)));
    };
    line(text, indent, &format!("{key}:"));
    for item in items {
        line(text, indent + 2, &format!("- {}", value_text(item)));
    }
}

fn value_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), scalar)
}

/// A string in YAML, quoted where it must be.
fn scalar(text: &str) -> String {
    if text.contains(char::is_control) {
        return Value::from(text).to_string();
    }
    yaml::document(&text.into()).trim_end().to_owned()
}
