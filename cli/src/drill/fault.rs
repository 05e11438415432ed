//! What goes wrong in a run.

/// How the new version's requests fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Errors {
    /// So many times as often as the baseline's.
    Times(f64),
    /// This part of them, 0 to 1.
    Part(f64),
}

/// What goes wrong with the new version in a run; nothing in a healthy one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    /// As it was asked for.
    pub(crate) label: String,
    pub(crate) errors: Option<Errors>,
    /// Requests take so many times as long.
    pub(crate) latency: f64,
    /// So many times as many KPI events.
    pub(crate) kpi: f64,
    /// Only requests of this cohort are struck.
    pub(crate) cohort: Option<String>,
    /// When it begins, in ms after the rollout.
    pub(crate) onset_ms: u64,
    /// The shadow answers differently.
    pub(crate) shadow: bool,
    /// Nothing answers.
    pub(crate) down: bool,
}

impl Fault {
    /// Nothing goes wrong.
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
        let kept = Fault { label: String::new(), onset_ms: 0, cohort: None, ..self.clone() };
        kept == Fault { label: String::new(), ..Fault::healthy() }
    }
}

/// Reads `errors=5x,onset=10m`, `cohort=enterprise:errors=10x`, `latency=1.5x`, `kpi=0.5x`, `shadow`,
/// `down`, `healthy`.
pub(crate) fn parse(text: &str) -> Result<Fault, String> {
    let mut fault = Fault { label: text.to_owned(), ..Fault::healthy() };
    let mut said: Vec<&str> = Vec::new();
    for mut part in text.split(',') {
        let cohort = part.strip_prefix("cohort=").and_then(|rest| rest.split_once(':'));
        if let Some((cohort, rest)) = cohort {
            once(&mut said, "cohort")?;
            fault.cohort = Some(cohort.to_owned());
            part = rest;
        }
        let (name, amount) =
            part.split_once('=').map_or((part, None), |(name, amount)| (name, Some(amount)));
        once(&mut said, name)?;
        fault.add(name, amount).unwrap_or_else(|| Err(unknown(part)))?;
    }
    if said.contains(&"healthy") && said.len() > 1 {
        return Err("healthy is nothing else at the same time".to_owned());
    }
    if said == ["onset"] {
        return Err(format!("{text} is when, not what: use errors=5x,{text}"));
    }
    Ok(fault)
}

impl Fault {
    /// Adds a part; `None` if there is no such part.
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
                .ok_or_else(|| format!("{amount} is no span of time, write 10m"))
                .map(|ms| self.onset_ms = ms),
            _ => return None,
        })
    }
}

fn once<'t>(said: &mut Vec<&'t str>, name: &'t str) -> Result<(), String> {
    if said.contains(&name) {
        return Err(format!("{name} is there twice, and can be only one at a time"));
    }
    said.push(name);
    Ok(())
}

fn unknown(part: &str) -> String {
    if part.starts_with("cohort=") {
        return format!("{part} is for whom, not what: use {part}:errors=5x");
    }
    let part = if part.is_empty() { "an empty part" } else { part };
    format!(
        "{part} is no fault, use errors=5x, errors=50%, latency=1.5x, kpi=0.5x, \
         cohort=NAME:errors=5x, shadow, down or healthy, with onset=10m if it begins late"
    )
}

/// As often as the baseline is no fault.
fn errors(text: &str) -> Result<Option<Errors>, String> {
    let wrong = || {
        format!("errors={text} is not from errors=0x to errors=100000x or errors=0% to errors=100%")
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
        let (least, most) = (allowed.start(), allowed.end());
        format!("{name}={text} is not from {name}={least}x to {name}={most}x")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read() {
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
    fn what_is_no_fault_is_refused() {
        for text in
            ["", "errors", "errors=5", "errors=101%", "kpi=2x", "latency=0x", "onset=5", "up"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        for (text, why) in [
            ("errors=NaNx", "errors=NaNx is not from errors=0x to errors=100000x or errors=0% to"),
            ("latency=5", "latency=5 is not from latency=0.01x to latency=1000x"),
            ("errors=5x,errors=2x", "errors is there twice"),
            ("cohort=a:errors=5x,cohort=b:latency=2x", "cohort is there twice"),
            ("healthy,errors=5x", "healthy is nothing else"),
            ("cohort=pro:healthy", "healthy is nothing else"),
            ("onset=10m", "onset=10m is when, not what: use errors=5x,onset=10m"),
            ("cohort=pro", "cohort=pro is for whom, not what: use cohort=pro:errors=5x"),
            ("down,", "an empty part is no fault"),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
