//! The plots of a run as SVG: share, errors and likelihoods over one time axis. The page's CSS colours them.

use super::timeline::{Column, Count, Timeline};
use crate::number_format::{duration, percent};
use maud::{Markup, html};

const WIDTH: f64 = 920.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 30.0;
const GAP: f64 = 44.0;
const BOTTOM: f64 = 30.0;
/// The plots' heights: share, errors, likelihoods.
const HEIGHTS: [f64; 3] = [84.0, 130.0, 130.0];
/// A rate covers this many requests, or all since the onset if they are fewer.
const MIN_RATE_REQUESTS: u64 = 1000;
/// A rate of fewer requests is not drawn.
const MIN_REQUESTS: u64 = 30;
/// Larger likelihoods are drawn at this height.
const MAX_LIKELIHOOD: f64 = 1.6;

/// The area of one plot.
#[derive(Clone, Copy)]
struct Panel {
    top: f64,
    height: f64,
    /// The value at its upper edge.
    max: f64,
    /// Whether heights are square roots, so that 1 % is visible on a scale to 100 %.
    roots: bool,
}

/// The time axis.
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
        let part = (value / self.max).clamp(0.0, 1.0);
        self.top + self.height * (1.0 - if self.roots { part.sqrt() } else { part })
    }
}

/// The plots of a run. `judged` says whether there are likelihoods to draw.
pub(super) fn plots(timeline: &Timeline, column_ms: u64, judged: bool) -> Markup {
    let time = Time { end_ms: to_f64(timeline.end_ms.max(1)) };
    let middle = |index: usize| to_f64(column_ms) * (to_f64(index as u64) + 0.5);
    let middle = move |index: usize| middle(index).min(time.end_ms);
    let onset = usize::try_from(timeline.onset_ms / column_ms).unwrap_or(0);
    let rates = |of: fn(&Column) -> Count| -> Vec<Option<f64>> {
        (0..timeline.columns.len()).map(|at| rate(&timeline.columns, at, onset, of)).collect()
    };
    let (new, baseline) = (rates(|column| column.new), rates(|column| column.baseline));
    let max_rate = new.iter().chain(&baseline).flatten().copied().fold(0.002, f64::max);
    let max = [1.0, ceiling(max_rate), MAX_LIKELIHOOD];
    let mut top = TOP;
    let panels: [Panel; 3] = std::array::from_fn(|at| {
        let panel = Panel { top, height: HEIGHTS[at], max: max[at], roots: at == 0 };
        top += HEIGHTS[at] + GAP;
        panel
    });
    let [shares, errors, likelihoods] = panels;
    let shown = if judged { &panels[..] } else { &panels[..2] };
    let bottom = if judged { likelihoods.bottom() } else { errors.bottom() };
    let height = bottom + BOTTOM;
    let about = format!("{}: the run over time", timeline.label);
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label=(about) {
            (times(shown, time, height))
            (scale(shares, &[0.0, 0.05, 0.25, 1.0], percent))
            (share(timeline, shares, time))
            (scale(errors, &[0.0, errors.max / 2.0, errors.max], percent))
            (line("base", &baseline, errors, time, middle))
            (line("new", &new, errors, time, middle))
            @if judged { (levels(timeline, column_ms, likelihoods, time, middle)) }
            (marks(timeline, time, bottom))
            // Last, so that no line is drawn over the headings.
            (heading(shares, "share of users with the new version", &[]))
            (heading(errors, "requests that fail", &[("new", "new version"), ("base", "baseline")]))
            @if judged {
                (heading(
                    likelihoods,
                    "likelihood, as a part of its threshold",
                    &[("against", "against the new version"), ("for", "for promotion")],
                ))
            }
        }
    }
}

/// The likelihoods until the abort, or until there is no baseline to compare with.
fn levels(
    timeline: &Timeline,
    column_ms: u64,
    panel: Panel,
    time: Time,
    middle: impl Fn(usize) -> f64 + Copy,
) -> Markup {
    let level = |of: fn(&Column) -> f64| -> Vec<Option<f64>> {
        let stopped = timeline.aborted().map_or(u64::MAX, |abort| abort.at_ms / column_ms + 1);
        let known = |at: usize| (at as u64) < stopped;
        let columns = timeline.columns.iter().enumerate();
        let compared = |column: &Column| column.share < 1.0;
        columns.map(|(at, column)| (known(at) && compared(column)).then(|| of(column))).collect()
    };
    let promotion = level(|column| column.likelihoods.promotion);
    let against = level(|column| column.likelihoods.against);
    html! {
        (scale(panel, &[0.0, 0.5, 1.0, 1.5], |part| format!("{part}")))
        (horizontal("threshold", panel.y(1.0)))
        (line("for", &promotion, panel, time, middle))
        (line("against", &against, panel, time, middle))
    }
}

/// The error rate at a column: of the latest requests up to it that are enough for a rate.
fn rate(columns: &[Column], at: usize, onset: usize, of: fn(&Column) -> Count) -> Option<f64> {
    let first = if at >= onset { onset } else { 0 };
    let mut sum = Count::default();
    for column in columns.get(first..=at)?.iter().rev() {
        let count = of(column);
        sum = Count { requests: sum.requests + count.requests, failed: sum.failed + count.failed };
        if sum.requests >= MIN_RATE_REQUESTS {
            break;
        }
    }
    // An arm without requests has no rate.
    let alive = of(columns.get(at)?).requests > 0;
    (alive && sum.requests >= MIN_REQUESTS).then(|| to_f64(sum.failed) / to_f64(sum.requests))
}

/// The next round number above a value, at most 1.
fn ceiling(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let step = steps.into_iter().find(|step| step * power >= value * 1.02).unwrap_or(10.0);
    (step * power).min(1.0)
}

/// The time axis under all plots.
fn times(panels: &[Panel], time: Time, height: f64) -> Markup {
    const STEPS: [f64; 12] =
        [10e3, 30e3, 60e3, 120e3, 300e3, 600e3, 900e3, 1.8e6, 3.6e6, 7.2e6, 21.6e6, 86.4e6];
    let step =
        STEPS.into_iter().find(|step| time.end_ms / step <= 9.0).unwrap_or(time.end_ms / 6.0);
    let at = std::iter::successors(Some(0.0), |at| Some(at + step));
    html! {
        @for at in at.take_while(|at| *at <= time.end_ms) {
            @for panel in panels {
                (vertical("grid", time.x(at), panel.top, panel.bottom()))
            }
            text class="tick middle" x=(tenths(time.x(at))) y=(height - 10.0) { (duration(whole(at))) }
        }
    }
}

fn heading(panel: Panel, text: &str, legend: &[(&str, &str)]) -> Markup {
    html! {
        text.heading x=(LEFT) y=(panel.top - 10.0) {
            (text)
            @for (class, name) in legend {
                tspan class={ "key " (class) } dx="14" { (name) }
            }
        }
    }
}

fn scale(panel: Panel, values: &[f64], label: impl Fn(f64) -> String) -> Markup {
    html! {
        @for value in values {
            @let y = panel.y(*value);
            (horizontal("grid", y))
            text class="tick end" x=(LEFT - 8.0) y=(tenths(y + 4.0)) { (label(*value)) }
        }
    }
}

fn horizontal(class: &str, y: f64) -> Markup {
    let y = tenths(y);
    html! { line class=(class) x1=(LEFT) x2=(WIDTH - RIGHT) y1=(y) y2=(y) {} }
}

fn vertical(class: &str, x: f64, top: f64, bottom: f64) -> Markup {
    let x = tenths(x);
    html! { line class=(class) x1=(x) x2=(x) y1=(top) y2=(bottom) {} }
}

/// The share as a filled staircase.
fn share(timeline: &Timeline, panel: Panel, time: Time) -> Markup {
    let bottom = panel.bottom();
    let mut path = format!("M{LEFT} {bottom}");
    let end = timeline.aborted().map_or(timeline.end_ms, |abort| abort.at_ms);
    for step_record in &timeline.step_records {
        let x = time.x(to_f64(step_record.from_ms));
        let y = panel.y(super::timeline::part(step_record.share));
        path.push_str(&format!(" H{x:.1} V{y:.1}"));
    }
    path.push_str(&format!(" H{:.1} V{bottom} Z", time.x(to_f64(end))));
    html! { path.share d=(path) {} }
}

fn line(
    class: &str,
    values: &[Option<f64>],
    panel: Panel,
    time: Time,
    x: impl Fn(usize) -> f64,
) -> Markup {
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
    html! { path class={ "line " (class) } d=(path) {} }
}

/// The marks of the onset and of the abort, through all plots.
fn marks(timeline: &Timeline, time: Time, bottom: f64) -> Markup {
    let top = TOP - 4.0;
    let onset = timeline.label != "healthy" && timeline.onset_ms <= timeline.end_ms;
    let abort = timeline.aborted().map(|abort| abort.at_ms);
    html! {
        @if onset {
            (mark("onset", "fault", time.x(to_f64(timeline.onset_ms)), bottom, top + 14.0))
        }
        @if let Some(at_ms) = abort {
            (mark("abort", "abort", time.x(to_f64(at_ms)), bottom, top + HEIGHTS[0] - 8.0))
        }
    }
}

/// A vertical line with a label, which is left of the line near the right edge.
fn mark(class: &str, label: &str, x: f64, bottom: f64, y: f64) -> Markup {
    let (anchor, label_x) = if x > WIDTH - 90.0 { ("end", x - 5.0) } else { ("start", x + 5.0) };
    html! {
        (vertical(&format!("mark {class}"), x, TOP - 4.0, bottom))
        text class={ "mark " (class) " " (anchor) } x=(tenths(label_x)) y=(tenths(y)) { (label) }
    }
}

fn tenths(number: f64) -> String {
    format!("{number:.1}")
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(number: f64) -> u64 {
    number as u64
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
        assert_eq!(at(3, 0), None, "the arm has no requests");
    }
}
