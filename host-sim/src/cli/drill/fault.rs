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
    for part in text.split(',') {
        let part = match part.strip_prefix("cohort=").and_then(|rest| rest.split_once(':')) {
            Some((cohort, rest)) => {
                fault.cohort = Some(cohort.to_owned());
                rest
            }
            None => part,
        };
        match part.split_once('=') {
            None if part == "shadow" => fault.shadow = true,
            None if part == "down" => fault.down = true,
            None if part == "healthy" => {}
            Some(("errors", amount)) => fault.errors = Some(errors(amount)?),
            Some(("latency", amount)) => fault.latency = times(amount, 0.01..=1000.0)?,
            Some(("kpi", amount)) => fault.kpi = times(amount, 0.0..=1.0)?,
            Some(("onset", span)) => {
                let ms = serin_core::parse_span(span);
                fault.onset_ms =
                    ms.ok_or_else(|| format!("{span} is no span of time, write 10m"))?;
            }
            _ => {
                return Err(format!(
                    "{part} is no fault, use errors=5x, errors=50%, latency=1.5x, kpi=0.5x, \
                     cohort=NAME:errors=5x, shadow, down or healthy, with onset=10m if it begins late"
                ));
            }
        }
    }
    Ok(fault)
}

fn errors(text: &str) -> Result<Errors, String> {
    if let Some(percent) = text.strip_suffix('%') {
        let part = percent.parse::<f64>().ok().filter(|percent| (0.0..=100.0).contains(percent));
        let part = part.ok_or_else(|| format!("errors={text}: is not from 0% to 100%"))?;
        return Ok(Errors::Part(part / 100.0));
    }
    times(text, 0.0..=100_000.0).map(Errors::Times)
}

fn times(text: &str, allowed: std::ops::RangeInclusive<f64>) -> Result<f64, String> {
    let number = text.strip_suffix('x').and_then(|number| number.parse::<f64>().ok());
    number
        .filter(|number| allowed.contains(number))
        .ok_or_else(|| format!("{text} is not from {}x to {}x", allowed.start(), allowed.end()))
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
    }

    #[test]
    fn what_is_no_fault_is_refused() {
        for text in
            ["", "errors", "errors=5", "errors=101%", "kpi=2x", "latency=0x", "onset=5", "up"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
