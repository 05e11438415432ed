//! Three plots over one axis of time, as SVG that its page colours.

use super::markup::escaped;
use super::timeline::{Column, Count, Timeline};
use crate::number_format::{duration, percent};

const WIDTH: f64 = 920.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 30.0;
const GAP: f64 = 44.0;
const BOTTOM: f64 = 30.0;
/// Heights of the plots: share, errors, likelihoods.
const HEIGHTS: [f64; 3] = [84.0, 130.0, 130.0];
/// A rate is of so many requests, or of all since the onset.
const LEAST_REQUESTS: u64 = 1000;
/// Fewer than these say nothing.
const TOO_FEW: u64 = 30;
/// Likelihoods above that are drawn there: the rest is only more of it.
const HIGHEST: f64 = 1.6;

/// A plot's place.
#[derive(Clone, Copy)]
struct Panel {
    top: f64,
    height: f64,
    /// What lies at its upper edge.
    most: f64,
    /// Heights are square roots, so that 1 % can be seen beside 100 %.
    roots: bool,
}

/// The axis of time.
#[derive(Clone, Copy)]
struct Time {
    end_ms: f64,
}

impl Time {
    fn x(self, ms: f64) -> f64 {
        LEFT + ms / self.end_ms * (WIDTH - LEFT - RIGHT)
    }
}

impl Panel {
    fn bottom(self) -> f64 {
        self.top + self.height
    }

    fn y(self, value: f64) -> f64 {
        let part = (value / self.most).clamp(0.0, 1.0);
        self.top + self.height * (1.0 - if self.roots { part.sqrt() } else { part })
    }
}

/// A run in pictures; `judged` is whether there are likelihoods to show.
pub(super) fn plots(timeline: &Timeline, column_ms: u64, judged: bool) -> String {
    let time = Time { end_ms: to_f64(timeline.end_ms.max(1)) };
    let middle = |index: usize| to_f64(column_ms) * (to_f64(index as u64) + 0.5);
    let middle = move |index: usize| middle(index).min(time.end_ms);
    let onset = usize::try_from(timeline.onset_ms / column_ms).unwrap_or(0);
    let rates = |of: fn(&Column) -> Count| -> Vec<Option<f64>> {
        (0..timeline.columns.len()).map(|at| rate(&timeline.columns, at, onset, of)).collect()
    };
    let (new, baseline) = (rates(|column| column.new), rates(|column| column.baseline));
    let most_failed = new.iter().chain(&baseline).flatten().copied().fold(0.002, f64::max);
    let most = [1.0, ceiling(most_failed), HIGHEST];
    let mut top = TOP;
    let panels: [Panel; 3] = std::array::from_fn(|at| {
        let panel = Panel { top, height: HEIGHTS[at], most: most[at], roots: at == 0 };
        top += HEIGHTS[at] + GAP;
        panel
    });
    let [shares, errors, likelihoods] = panels;
    let shown = if judged { &panels[..] } else { &panels[..2] };
    let bottom = if judged { likelihoods.bottom() } else { errors.bottom() };
    let height = bottom + BOTTOM;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">\n",
        escaped(&format!("{}: what became of it over time", timeline.label))
    );
    svg.push_str(&times(shown, time, height));
    svg.push_str(&scale(shares, &[0.0, 0.05, 0.25, 1.0], percent));
    svg.push_str(&share(timeline, shares, time));
    svg.push_str(&scale(errors, &[0.0, errors.most / 2.0, errors.most], percent));
    svg.push_str(&line("base", &baseline, errors, time, middle));
    svg.push_str(&line("new", &new, errors, time, middle));
    if judged {
        svg.push_str(&levels(timeline, column_ms, likelihoods, time, middle));
    }
    svg.push_str(&marks(timeline, time, bottom));
    // Last, so that no line runs through what they say.
    svg.push_str(&heading(shares, "share of users with the new version", &[]));
    let arms = [("new", "new version"), ("base", "baseline")];
    svg.push_str(&heading(errors, "requests that fail", &arms));
    if judged {
        let kinds = [("against", "against the new version"), ("for", "for promotion")];
        svg.push_str(&heading(likelihoods, "likelihood, as a part of its threshold", &kinds));
    }
    svg.push_str("</svg>\n");
    svg
}

/// The likelihoods, until they no longer matter.
fn levels(
    timeline: &Timeline,
    column_ms: u64,
    panel: Panel,
    time: Time,
    middle: impl Fn(usize) -> f64 + Copy,
) -> String {
    let mut svg = scale(panel, &[0.0, 0.5, 1.0, 1.5], |part| format!("{part}"));
    let (y, right) = (panel.y(1.0), WIDTH - RIGHT);
    svg.push_str(&format!(
        "<line class=\"threshold\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\n"
    ));
    let level = |of: fn(&Column) -> f64| -> Vec<Option<f64>> {
        let stopped = timeline.aborted().map_or(u64::MAX, |abort| abort.at_ms / column_ms + 1);
        let known = |at: usize| (at as u64) < stopped;
        let columns = timeline.columns.iter().enumerate();
        let compared = |column: &Column| column.share < 1.0;
        columns.map(|(at, column)| (known(at) && compared(column)).then(|| of(column))).collect()
    };
    svg.push_str(&line("for", &level(|column| column.tick.promotion), panel, time, middle));
    svg.push_str(&line("against", &level(|column| column.tick.against), panel, time, middle));
    svg
}

/// The rate at a column: of it and of those before it, until there are enough.
fn rate(columns: &[Column], at: usize, onset: usize, of: fn(&Column) -> Count) -> Option<f64> {
    let first = if at >= onset { onset } else { 0 };
    let mut sum = Count::default();
    for column in columns.get(first..=at)?.iter().rev() {
        let count = of(column);
        sum = Count { requests: sum.requests + count.requests, failed: sum.failed + count.failed };
        if sum.requests >= LEAST_REQUESTS {
            break;
        }
    }
    // Where nobody gets there any more, there is no rate.
    let alive = of(columns.get(at)?).requests > 0;
    (alive && sum.requests >= TOO_FEW).then(|| to_f64(sum.failed) / to_f64(sum.requests))
}

/// A round number above.
fn ceiling(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let step = steps.into_iter().find(|step| step * power >= value * 1.02).unwrap_or(10.0);
    (step * power).min(1.0)
}

/// The axis of time, under all plots.
fn times(panels: &[Panel], time: Time, height: f64) -> String {
    const STEPS: [f64; 12] =
        [10e3, 30e3, 60e3, 120e3, 300e3, 600e3, 900e3, 1.8e6, 3.6e6, 7.2e6, 21.6e6, 86.4e6];
    let step =
        STEPS.into_iter().find(|step| time.end_ms / step <= 9.0).unwrap_or(time.end_ms / 6.0);
    let mut svg = String::new();
    let mut at = 0.0;
    while at <= time.end_ms {
        let x = time.x(at);
        for panel in panels {
            let (top, bottom) = (panel.top, panel.bottom());
            svg.push_str(&format!(
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>"
            ));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let text = duration(at as u64);
        let y = height - 10.0;
        svg.push_str(&format!(
            "<text class=\"tick middle\" x=\"{x:.1}\" y=\"{y}\">{text}</text>\n"
        ));
        at += step;
    }
    svg
}

fn heading(panel: Panel, text: &str, legend: &[(&str, &str)]) -> String {
    let y = panel.top - 10.0;
    let mut svg = format!("<text class=\"heading\" x=\"{LEFT}\" y=\"{y}\">{text}");
    for (class, name) in legend {
        svg.push_str(&format!("<tspan class=\"key {class}\" dx=\"14\">{name}</tspan>"));
    }
    svg.push_str("</text>\n");
    svg
}

fn scale(panel: Panel, values: &[f64], text: impl Fn(f64) -> String) -> String {
    let mut svg = String::new();
    for value in values {
        let (y, right, x) = (panel.y(*value), WIDTH - RIGHT, LEFT - 8.0);
        svg.push_str(&format!(
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
        ));
        let label = text(*value);
        let y = y + 4.0;
        svg.push_str(&format!("<text class=\"tick end\" x=\"{x}\" y=\"{y:.1}\">{label}</text>\n"));
    }
    svg
}

/// The share as stairs, filled.
fn share(timeline: &Timeline, panel: Panel, time: Time) -> String {
    let bottom = panel.bottom();
    let mut path = format!("M{LEFT} {bottom}");
    let end = timeline.aborted().map_or(timeline.end_ms, |abort| abort.at_ms);
    for step_record in &timeline.step_records {
        let (x, y) = (
            time.x(to_f64(step_record.from_ms)),
            panel.y(super::timeline::part(step_record.share)),
        );
        path.push_str(&format!(" H{x:.1} V{y:.1}"));
    }
    path.push_str(&format!(" H{:.1} V{bottom} Z", time.x(to_f64(end))));
    format!("<path class=\"share\" d=\"{path}\"/>\n")
}

fn line(
    class: &str,
    values: &[Option<f64>],
    panel: Panel,
    time: Time,
    x: impl Fn(usize) -> f64,
) -> String {
    let mut path = String::new();
    let mut drawing = false;
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value else {
            drawing = false;
            continue;
        };
        let step = if drawing { 'L' } else { 'M' };
        path.push_str(&format!("{step}{:.1} {:.1}", time.x(x(index)), panel.y(*value)));
        drawing = true;
    }
    format!("<path class=\"line {class}\" d=\"{path}\"/>\n")
}

/// Where the fault begins and where the gate ends it, through all plots.
fn marks(timeline: &Timeline, time: Time, bottom: f64) -> String {
    let mut marks = Vec::new();
    if timeline.label != "healthy" && timeline.onset_ms <= timeline.end_ms {
        marks.push(("onset", "fault", timeline.onset_ms));
    }
    if let Some(abort) = timeline.aborted() {
        marks.push(("abort", "abort", abort.at_ms));
    }
    let mut svg = String::new();
    for (class, text, at_ms) in marks {
        let x = time.x(to_f64(at_ms));
        let top = TOP - 4.0;
        // What stands at the right edge leans to the left.
        let (anchor, near) = if x > WIDTH - 90.0 { ("end", x - 5.0) } else { ("start", x + 5.0) };
        let y = if class == "abort" { top + HEIGHTS[0] - 8.0 } else { top + 14.0 };
        svg.push_str(&format!("<line class=\"mark {class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>"));
        svg.push_str(&format!(
            "<text class=\"mark {class} {anchor}\" x=\"{near:.1}\" y=\"{y:.1}\">{text}</text>\n"
        ));
    }
    svg
}

#[allow(clippy::cast_precision_loss)]
fn to_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_are_round_and_above() {
        for (value, round) in [(0.002, 0.003), (0.0101, 0.015), (0.5, 0.6), (0.99, 1.0), (1.0, 1.0)]
        {
            assert!((ceiling(value) - round).abs() < 1e-9, "{value}: {}", ceiling(value));
        }
    }

    #[test]
    fn a_rate_is_of_enough_requests_and_not_from_before_the_onset() {
        let column =
            |requests, failed| Column { new: Count { requests, failed }, ..Column::default() };
        let columns = [column(900, 0), column(200, 100), column(900, 90), column(0, 0)];
        let at = |at, onset| rate(&columns, at, onset, |column| column.new);
        assert_eq!(at(1, 0), Some(100.0 / 1100.0));
        assert_eq!(at(2, 1), Some(190.0 / 1100.0));
        assert_eq!(at(2, 2), Some(0.1));
        assert_eq!(at(3, 0), None, "nobody gets there any more");
    }
}
