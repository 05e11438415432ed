//! The export to Grafana: a dashboard of one rollout at a time, from the metrics that [`super::prometheus`] records.

use super::artifact::{Artifact, Problem};
use super::evidence::{ABORTED, COMPARED, DECIDED, DIVERGED, DROPPED, LEVEL, REVISION, THRESHOLD};
use super::mark;
use super::source::Source;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The default title.
const TITLE: &str = "Serin";

/// The options of the export to Grafana.
#[derive(Clone, Debug)]
pub struct Options {
    /// The title of the dashboard.
    pub title: String,
}

/// The dashboard.
pub fn artifacts(source: &Source<'_>, options: &Options) -> Result<Vec<Artifact>, Vec<Problem>> {
    let text = serde_json::to_string_pretty(&dashboard(source, options)).unwrap_or_default() + "\n";
    Ok(vec![Artifact::in_config_map("serin.dashboard.json", text)])
}

fn dashboard(source: &Source<'_>, options: &Options) -> Value {
    json!({
        "uid": uid(&options.title),
        "title": options.title,
        "description": mark::header(source, "grafana").join(" "),
        "tags": ["serin"],
        "schemaVersion": 39,
        "editable": false,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": variables(source)},
        "panels": panels(),
    })
}

/// The name under which Grafana keeps the dashboard: importing it again replaces it, and a dashboard of another
/// title is another one.
fn uid(title: &str) -> String {
    if title == TITLE {
        return "serin".to_owned();
    }
    let hex =
        Sha256::digest(title).iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("serin-{hex}")
}

fn variables(source: &Source<'_>) -> Value {
    let names: Vec<&str> = source.spec.rollouts.names().collect();
    let option = |(index, name): (usize, &&str)| json!({"text": name, "value": name, "selected": index == 0});
    let options: Vec<Value> = names.iter().enumerate().map(option).collect();
    let first = names.first().copied().unwrap_or_default();
    json!([
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        {
            "name": "rollout", "label": "Rollout", "type": "custom", "query": names.join(","),
            "options": options, "current": {"text": first, "value": first},
        },
    ])
}

/// A panel of the dashboard.
struct Panel {
    title: &'static str,
    kind: &'static str,
    unit: &'static str,
    /// The width, in columns of Grafana's grid of 24.
    width: u32,
    /// The height, in rows of the grid.
    height: u32,
    /// Query and legend of each series.
    series: Vec<(String, &'static str)>,
}

fn panels() -> Vec<Value> {
    let of = |metric: &str| format!("{metric}{{serin_rollout=\"$rollout\"}}");
    let gate = |arm: &str, what: &str| of(&format!("serin:gate_{arm}_{what}:sum"));
    let rate = |arm: &str| format!("{} / {}", gate(arm, "errors"), gate(arm, "requests"));
    let all = vec![
        Panel {
            title: "Aborted",
            kind: "stat",
            unit: "bool_yes_no",
            width: 4,
            height: 4,
            series: vec![(format!("max({})", of(ABORTED)), "aborted")],
        },
        Panel {
            title: "Revisions that hosts run",
            kind: "stat",
            unit: "none",
            width: 8,
            height: 4,
            series: vec![(format!("count_values(\"revision\", {REVISION})"), "{{revision}}")],
        },
        Panel {
            title: "Traffic by arm",
            kind: "timeseries",
            unit: "reqps",
            width: 12,
            height: 8,
            series: vec![(
                format!("sum by (serin_arm) (rate({}[5m]))", of(DECIDED)),
                "{{serin_arm}}",
            )],
        },
        Panel {
            title: "Errors by step",
            kind: "timeseries",
            unit: "percentunit",
            width: 12,
            height: 8,
            series: vec![
                (rate("canary"), "canary, step {{serin_step}}"),
                (rate("baseline"), "baseline, step {{serin_step}}"),
            ],
        },
        Panel {
            title: "Evidence against the canary, in nats",
            kind: "timeseries",
            unit: "none",
            width: 24,
            height: 9,
            series: vec![
                (of(LEVEL), "{{serin_theta}} times, step {{serin_step}}"),
                (of(THRESHOLD), "abort"),
            ],
        },
        Panel {
            title: "The canary's share of compared requests",
            kind: "timeseries",
            unit: "percentunit",
            width: 12,
            height: 8,
            series: vec![(of("serin:gate_canary_share:ratio"), "step {{serin_step}}")],
        },
        Panel {
            title: "Answers of the shadow that differ",
            kind: "timeseries",
            unit: "percentunit",
            width: 12,
            height: 8,
            series: vec![(format!("sum({}) / sum({})", of(DIVERGED), of(COMPARED)), "diverged")],
        },
        Panel {
            title: "Outcomes that are no evidence",
            kind: "timeseries",
            unit: "reqps",
            width: 24,
            height: 6,
            series: vec![(
                format!("sum by (serin_reason) (rate({}[5m]))", of(DROPPED)),
                "{{serin_reason}}",
            )],
        },
    ];
    let (mut x, mut y, mut row) = (0, 0, 0);
    let mut placed = Vec::new();
    for (index, panel) in all.into_iter().enumerate() {
        if x + panel.width > 24 {
            (x, y, row) = (0, y + row, 0);
        }
        placed.push(panel.value(index + 1, x, y));
        x += panel.width;
        row = row.max(panel.height);
    }
    placed
}

impl Panel {
    fn value(&self, id: usize, x: u32, y: u32) -> Value {
        let source = json!({"type": "prometheus", "uid": "${datasource}"});
        let target = |(index, (query, legend)): (usize, &(String, &str))| {
            let letter = char::from(b'A' + u8::try_from(index).unwrap_or(0));
            json!({
                "refId": letter.to_string(), "expr": query, "legendFormat": legend,
                "instant": self.kind == "stat", "datasource": source,
            })
        };
        let targets: Vec<Value> = self.series.iter().enumerate().map(target).collect();
        json!({
            "id": id,
            "title": self.title,
            "type": self.kind,
            "datasource": source,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": {"unit": self.unit}, "overrides": []},
            "targets": targets,
        })
    }
}
