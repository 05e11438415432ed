//! Faults: what goes wrong with the new version in a run.

/// The error rate of the new version.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Errors {
    /// A multiple of the baseline's error rate.
    Times(f64),
    /// A part of the requests, 0 to 1.
    Part(f64),
}

/// A fault of the new version. A healthy run has one in which nothing goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    /// The text of the command line.
    pub(crate) label: String,
    /// The new version's error rate; `None` is the baseline's.
    pub(crate) errors: Option<Errors>,
    /// The factor of the response time.
    pub(crate) latency: f64,
    /// The factor of the rate of KPI events, 0 to 1.
    pub(crate) kpi: f64,
    /// The cohort whose requests are affected; `None` is everybody.
    pub(crate) cohort: Option<String>,
    /// The time from the start of the rollout to the start of the fault, in ms.
    pub(crate) onset_ms: u64,
    /// Whether the shadow's responses differ.
    pub(crate) shadow: bool,
    /// Whether connections to the new version fail.
    pub(crate) down: bool,
}

impl Fault {
    /// The fault in which nothing goes wrong.
    pub(crate) fn healthy() -> Fault {
        Fault {
            label: "healthy".to_owned(),
            errors: None,
            latency: 1.0,
            kpi: 1.0,
            cohort: None,
            onset_ms: 0,
            shadow: false,
            down: false,
        }
    }

    /// Whether nothing goes wrong.
    pub(crate) fn is_healthy(&self) -> bool {
        let effect = Fault { label: String::new(), onset_ms: 0, cohort: None, ..self.clone() };
        effect == Fault { label: String::new(), ..Fault::healthy() }
    }
}

/// Parses `errors=5x,onset=10m`, `cohort=enterprise:errors=10x`, `latency=1.5x`, `kpi=0.5x`, `shadow`,
/// `down` or `healthy`.
pub(crate) fn parse(text: &str) -> Result<Fault, String> {
    let mut fault = Fault { label: text.to_owned(), ..Fault::healthy() };
    let mut names: Vec<&str> = Vec::new();
    for mut part in text.split(',') {
        let cohort = part.strip_prefix("cohort=").and_then(|rest| rest.split_once(':'));
        if let Some((cohort, rest)) = cohort {
            once(&mut names, "cohort")?;
            fault.cohort = Some(cohort.to_owned());
            part = rest;
        }
        let (name, amount) =
            part.split_once('=').map_or((part, None), |(name, amount)| (name, Some(amount)));
        once(&mut names, name)?;
        fault.add(name, amount).unwrap_or_else(|| Err(unknown(part)))?;
    }
    if names.contains(&"healthy") && names.len() > 1 {
        return Err("healthy cannot be combined with a fault".to_owned());
    }
    if names == ["onset"] {
        return Err(format!(
            "{text} says when a fault begins, but not which: use errors=5x,{text}"
        ));
    }
    Ok(fault)
}

impl Fault {
    /// Adds a part of a fault; `None` if there is no part of this name.
    fn add(&mut self, name: &str, amount: Option<&str>) -> Option<Result<(), String>> {
        match (name, amount) {
            ("healthy", None) => {}
            ("shadow", None) => self.shadow = true,
            ("down", None) => self.down = true,
            (_, Some(amount)) => return self.add_amount(name, amount),
            _ => return None,
        }
        Some(Ok(()))
    }

    fn add_amount(&mut self, name: &str, amount: &str) -> Option<Result<(), String>> {
        Some(match name {
            "errors" => errors(amount).map(|errors| self.errors = errors),
            "latency" => times(name, amount, 0.01..=1000.0).map(|latency| self.latency = latency),
            "kpi" => times(name, amount, 0.0..=1.0).map(|kpi| self.kpi = kpi),
            "onset" => serin_core::parse_duration(amount)
                .ok_or_else(|| format!("onset={amount} is not a duration, write onset=10m"))
                .map(|ms| self.onset_ms = ms),
            _ => return None,
        })
    }
}

/// Adds a name, which must not be among the earlier ones.
fn once<'t>(names: &mut Vec<&'t str>, name: &'t str) -> Result<(), String> {
    if names.contains(&name) {
        return Err(format!("{name} is given twice in one fault"));
    }
    names.push(name);
    Ok(())
}

fn unknown(part: &str) -> String {
    if part.starts_with("cohort=") {
        return format!("{part} says whom a fault affects, but not which: use {part}:errors=5x");
    }
    let part = if part.is_empty() { "an empty part" } else { part };
    format!(
        "{part} is not a fault, use errors=5x, errors=50%, latency=1.5x, kpi=0.5x, \
         cohort=NAME:errors=5x, shadow, down or healthy, and onset=10m for a late begin"
    )
}

/// Parses an error rate; the baseline's rate is `None`.
fn errors(text: &str) -> Result<Option<Errors>, String> {
    let wrong = || {
        format!(
            "errors={text} is not between errors=0x and errors=100000x, or errors=0% and errors=100%"
        )
    };
    if let Some(percent) = text.strip_suffix('%') {
        let part = percent.parse::<f64>().ok().filter(|percent| (0.0..=100.0).contains(percent));
        return Ok(Some(Errors::Part(part.ok_or_else(wrong)? / 100.0)));
    }
    let times = times("errors", text, 0.0..=100_000.0).map_err(|_| wrong())?;
    Ok(Some(Errors::Times(times)).filter(|errors| *errors != Errors::Times(1.0)))
}

fn times(name: &str, text: &str, allowed: std::ops::RangeInclusive<f64>) -> Result<f64, String> {
    let number = text.strip_suffix('x').and_then(|number| number.parse::<f64>().ok());
    number.filter(|number| allowed.contains(number)).ok_or_else(|| {
        let (min, max) = (allowed.start(), allowed.end());
        format!("{name}={text} is not between {name}={min}x and {name}={max}x")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_parsed() {
        let fault = parse("cohort=pro:errors=5x,onset=10m").unwrap();
        assert_eq!(fault.errors, Some(Errors::Times(5.0)));
        assert_eq!((fault.cohort.as_deref(), fault.onset_ms), (Some("pro"), 600_000));
        assert_eq!(parse("errors=50%").unwrap().errors, Some(Errors::Part(0.5)));
        let slow = parse("latency=1.5x,down").unwrap();
        assert!((slow.latency - 1.5).abs() < 1e-9 && slow.down);
        assert!(parse("healthy").unwrap().is_healthy() && !slow.is_healthy());
        assert!(!parse("shadow").unwrap().is_healthy());
        assert!(parse("errors=1x").unwrap().is_healthy());
    }

    #[test]
    fn wrong_faults_are_refused() {
        for text in
            ["", "errors", "errors=5", "errors=101%", "kpi=2x", "latency=0x", "onset=5", "up"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        for (text, why) in [
            (
                "errors=NaNx",
                "errors=NaNx is not between errors=0x and errors=100000x, or errors=0%",
            ),
            ("latency=5", "latency=5 is not between latency=0.01x and latency=1000x"),
            ("errors=5x,errors=2x", "errors is given twice"),
            ("cohort=a:errors=5x,cohort=b:latency=2x", "cohort is given twice"),
            ("healthy,errors=5x", "healthy cannot be combined"),
            ("cohort=pro:healthy", "healthy cannot be combined"),
            ("onset=10m", "use errors=5x,onset=10m"),
            ("cohort=pro", "use cohort=pro:errors=5x"),
            ("onset=5,down", "onset=5 is not a duration"),
            ("down,", "an empty part is not a fault"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(why), "{text}: {message}");
        }
    }
}
