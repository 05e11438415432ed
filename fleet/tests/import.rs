//! Manifests of other tools whose meaning is easily missed.

use serde_json::{Value, json};
use serin_fleet::import::{Import, Note, Options, Tool, import};

/// The only rollout of the imported spec, and the notes.
#[track_caller]
fn imported(tool: Tool, manifest: &str) -> (Value, String) {
    let Import { spec, notes, .. } = import(tool, manifest, &Options::default()).expect("a spec");
    let spec: Value = serde_saphyr::from_str(&spec).expect("YAML");
    let rollouts = spec["rollouts"].as_object().expect("rollouts");
    let notes: Vec<String> = notes.iter().map(Note::to_string).collect();
    (rollouts.values().next().expect("one").clone(), notes.join("\n"))
}

fn flagger(service: &str, analysis: &str) -> (Value, String) {
    imported(
        Tool::Flagger,
        &format!(
            "apiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: {{ name: shop }}\nspec:\n  \
             targetRef: {{ name: shop }}\n  service: {{ {service} }}\n  analysis:\n    {analysis}\n"
        ),
    )
}

/// A Canary with a provider. `spec` is the rest of the fields, one a line.
fn provided(provider: &str, spec: &str) -> (Value, String) {
    imported(
        Tool::Flagger,
        &format!(
            "apiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: {{ name: shop }}\nspec:\n  \
             provider: {provider}\n  targetRef: {{ name: shop }}\n  {}\n",
            spec.replace('\n', "\n  ")
        ),
    )
}

fn argo(canary: &str) -> (Value, String) {
    let steps = "[ { setWeight: 5 }, { pause: { duration: 1m } } ]";
    argo_steps(steps, canary)
}

fn argo_steps(steps: &str, canary: &str) -> (Value, String) {
    imported(
        Tool::Argo,
        &format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {{ name: shop }}\nspec:\n  \
             strategy:\n    canary:\n      steps: {steps}\n      {canary}\n"
        ),
    )
}

fn shares(rollout: &Value) -> Vec<Value> {
    let steps = rollout["canary"]["steps"].as_array().expect("steps");
    steps.iter().map(|step| step["share"].clone()).collect()
}

#[test]
fn merge_keys_are_resolved() {
    let analysis = "<<: [ &one { interval: 30s, stepWeight: 20 }, { stepWeight: 5, maxWeight: 60 } ]\n    maxWeight: 40";
    let (rollout, notes) = flagger("port: 80", analysis);
    assert_eq!(rollout["canary"]["steps"][0], json!({"hold": "30s", "share": 20}));
    assert_eq!(shares(&rollout), [20, 40, 100]);
    assert!(!notes.contains("<<"), "{notes}");
    let (rollout, notes) = flagger("port: 80", "<<: text\n    stepWeight: 50");
    assert_eq!(shares(&rollout), [50, 100]);
    assert!(notes.contains("spec.analysis.<< has no counterpart"), "{notes}");
}

#[test]
fn booleans_of_yaml_1_1_are_booleans() {
    for (text, meant) in
        [("yes", true), ("On", true), ("TRUE", true), ("off", false), ("No", false)]
    {
        let (rollout, notes) = flagger("port: 80", &format!("mirror: {text}\n    stepWeight: 50"));
        assert_eq!(rollout["shadow"].is_object(), meant, "{text}");
        assert!(!notes.contains("mirror has no counterpart"), "{text}: {notes}");
    }
}

#[test]
fn match_for_everything_removes_the_others() {
    let hosts = r#"hosts: [ a.example.com, "*" ]"#;
    let paths = "match: [ { uri: { exact: /a } }, { uri: { prefix: / } } ]";
    let (rollout, _) = flagger(&format!("{hosts}, {paths}"), "stepWeight: 50");
    assert!(rollout["match"].is_null(), "{rollout}");
}

#[test]
fn match_that_becomes_wider_is_noted() {
    let (rollout, notes) =
        flagger("match: [ { uri: { regex: \"/p/[0-9]+\" } } ]", "stepWeight: 50");
    assert!(rollout["match"]["paths"].is_null());
    assert!(
        notes.contains("spec.service.match leaves no path, so the rollout is for all paths"),
        "{notes}"
    );
}

#[test]
fn invalid_weights_are_noted() {
    let (rollout, notes) = flagger("port: 80", "stepWeights: [ 5, 200, 20 ]\n    maxWeight: 50");
    assert_eq!(shares(&rollout), [5, 20, 100]);
    for part in ["stepWeights[1]", "maxWeight"] {
        assert!(notes.contains(&format!("spec.analysis.{part} has no counterpart")), "{notes}");
    }
    let (rollout, notes) = flagger("port: 80", "stepWeight: 60\n    maxWeight: 200");
    assert_eq!(shares(&rollout), [60, 100]);
    assert!(notes.contains("spec.analysis.maxWeight has no counterpart"), "{notes}");
}

/// With both, Flagger counts by stepWeight up to the last of stepWeights.
#[test]
fn step_weight_takes_precedence_over_step_weights() {
    let (rollout, notes) = flagger("port: 80", "stepWeight: 20\n    stepWeights: [ 1, 50 ]");
    assert_eq!(shares(&rollout), [20, 40, 60, 100]);
    assert!(notes.contains("spec.analysis.stepWeights becomes its last weight"), "{notes}");
}

#[test]
fn interval_below_flaggers_minimum_is_raised() {
    let (rollout, notes) =
        flagger("port: 80", "interval: 1s\n    iterations: 0\n    stepWeight: 50");
    assert_eq!(rollout["canary"]["steps"][0], json!({"hold": "10s", "share": 50}));
    assert!(notes.contains("spec.analysis.interval becomes 10s, Flagger's minimum"), "{notes}");
}

/// A dry run, or an analysis that starts later, becomes a gate that may abort from the first step on.
#[test]
fn gate_that_does_more_than_the_analysis_is_noted() {
    let run = "analysis: { startingStep: 2, templates: [ { templateName: t } ], dryRun: [ { metricName: m } ] }";
    let (rollout, notes) = argo(run);
    assert!(rollout["gates"].is_object());
    assert!(
        notes.contains("analysis.startingStep has no counterpart: gates judge every step"),
        "{notes}"
    );
    assert!(notes.contains("analysis.dryRun has no counterpart: a gate may abort"), "{notes}");
}

#[test]
fn pause_of_no_time_is_no_step() {
    let steps = "[ { setWeight: 5 }, { pause: { duration: 0s } }, { setWeight: 20 }, { pause: { duration: 0 } }, { pause: { duration: 1m } } ]";
    let (rollout, notes) = argo_steps(steps, "maxSurge: 1");
    assert_eq!(shares(&rollout), [20, 100]);
    for index in [1, 3] {
        assert!(
            notes.contains(&format!("steps[{index}].pause becomes no step: it lasts no time")),
            "{notes}"
        );
    }
}

/// Without weights and iterations Flagger never moves traffic.
#[test]
fn canary_without_weights_waits_for_a_person() {
    for given in ["maxWeight: 50", "stepWeight: 0", "stepWeights: []", "iterations: 0"] {
        let (rollout, notes) = flagger("port: 80", given);
        let steps = json!([{"share": 0, "hold": "manual"}, {"share": 100}]);
        assert_eq!(rollout["canary"]["steps"], steps, "{given}");
        let why = "7: spec.analysis has no stepWeight, no stepWeights and no iterations";
        assert!(notes.contains(why), "{given}: {notes}");
    }
    let (_, notes) = flagger("port: 80", "maxWeight: 50");
    assert!(notes.contains("8: spec.analysis.maxWeight has no counterpart: without"), "{notes}");
}

/// Flagger adds until it reaches maxWeight, and may pass it.
#[test]
fn steps_are_those_that_flagger_takes() {
    let (rollout, notes) = flagger("port: 80", "stepWeight: 20\n    maxWeight: 50");
    assert_eq!(shares(&rollout), [20, 40, 60, 100]);
    assert!(notes.contains("9: spec.analysis.maxWeight becomes 60"), "{notes}");
    let (rollout, _) = flagger("port: 80", "stepWeights: [ 50, 10, 60 ]");
    assert_eq!(shares(&rollout), [50, 10, 60, 100]);
    let (rollout, notes) = flagger("port: 80", "stepWeights: [ 5, 5, 60 ]");
    assert_eq!(rollout["canary"]["steps"][0], json!({"share": 5, "hold": "manual"}));
    assert!(notes.contains("stepWeights repeats a weight"), "{notes}");
}

/// The kubernetes provider knows blue/green alone, with ten iterations by default.
#[test]
fn kubernetes_provider_moves_no_weights() {
    let (rollout, notes) =
        provided("kubernetes", "analysis: { interval: 30s, stepWeight: 10, maxWeight: 50 }");
    let steps = json!([{"share": 0, "hold": "5m"}, {"share": 100}]);
    assert_eq!(rollout["canary"]["steps"], steps);
    for part in ["stepWeight", "maxWeight"] {
        assert!(notes.contains(&format!("7: spec.analysis.{part} has no counterpart")), "{notes}");
    }
}

/// With nginx a cookie match is the name of a cookie.
#[test]
fn nginx_match_is_a_header_or_the_name_of_a_cookie() {
    let spec = "analysis:\n  iterations: 5\n  match:\n  - headers: { x-group: { exact: staff } }\n  - headers: { cookie: { exact: preview } }";
    let text = format!(
        "apiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: {{ name: shop }}\nspec:\n  provider: nginx\n  {}\n",
        spec.replace('\n', "\n  ")
    );
    let import = import(Tool::Flagger, &text, &Options::default()).expect("a spec");
    let spec: Value = serde_saphyr::from_str(&import.spec).expect("YAML");
    let group = json!({"attribute": "header.x-group", "equals": "staff"});
    let cookie = json!({"attribute": "cookie.preview", "equals": "always"});
    assert_eq!(spec["cohorts"], json!({"shop-match-1": group, "shop-match-2": cookie}));
    let steps = json!([{"share": 0, "hold": "5m"}, {"share": 100}]);
    assert_eq!(spec["rollouts"]["shop"]["canary"]["steps"], steps);
}

/// A match with weights gives a share of the matching requests the canary, which no ring says.
#[test]
fn match_with_weights_moves_nobody_else() {
    let analysis =
        "analysis:\n  stepWeights: [ 10, 20 ]\n  match: [ { headers: { x: { exact: y } } } ]";
    let zero = json!([{"share": 0, "hold": "2m"}, {"share": 100}]);
    for provider in ["istio", "gatewayapi:v1", "contour", "gloo", "appmesh"] {
        let (rollout, notes) = provided(provider, analysis);
        assert_eq!(rollout["canary"]["steps"], zero, "{provider}");
        assert!(rollout["canary"]["rings"].is_null(), "{provider}");
        assert!(notes.contains("9: spec.analysis.match has no counterpart"), "{provider}: {notes}");
    }
    let (rollout, _) = provided("nginx", analysis);
    assert_eq!(rollout["canary"]["steps"], zero);
    assert_eq!(rollout["canary"]["rings"], json!([{"cohort": "shop-match-1"}]));
    let (rollout, notes) = provided("linkerd", analysis);
    assert_eq!(shares(&rollout), [10, 20, 100], "linkerd does not read the match");
    assert!(notes.contains("9: spec.analysis.match has no counterpart"), "{notes}");
}

/// Only Istio and the Gateway API read the hosts and paths of the service, and copy requests.
#[test]
fn provider_without_hosts_and_mirrors_says_so() {
    let spec = "service: { hosts: [ a.example.com ], match: [ { uri: { prefix: /a } } ] }\nanalysis: { stepWeight: 50, mirror: true }";
    let (rollout, notes) = provided("istio", spec);
    assert_eq!(rollout["match"]["paths"], json!([{"prefix": "/a"}]));
    assert_eq!(
        rollout["canary"]["steps"][0],
        json!({"share": 0, "hold": "1m"}),
        "one interval of copies"
    );
    assert!(notes.contains("7: spec.service.match[0] no longer matches /ax"), "{notes}");
    let (rollout, notes) = provided("gatewayapi:v1beta1", spec);
    assert_eq!(rollout["match"]["hosts"], json!(["a.example.com"]));
    assert!(!notes.contains("/ax"), "{notes}");
    for provider in ["nginx", "linkerd", "traefik", "kuma"] {
        let (rollout, notes) = provided(provider, spec);
        assert!(rollout["match"].is_null() && rollout["shadow"].is_null(), "{provider}");
        assert_eq!(shares(&rollout), [50, 100]);
        for part in ["7: spec.service.hosts", "7: spec.service.match", "8: spec.analysis.mirror"] {
            assert!(notes.contains(&format!("{part} has no counterpart: provider")), "{notes}");
        }
    }
    let (rollout, _) = provided("contour", spec);
    assert_eq!(rollout["match"], json!({"paths": [{"prefix": "/a"}]}));
}

/// A rollout of Argo beside other manifests. `canary` is in flow style.
#[track_caller]
fn argo_beside(others: &str, canary: &str) -> (Value, String) {
    imported(
        Tool::Argo,
        &format!(
            "{others}---\napiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {{ name: shop }}\nspec: {{ strategy: {{ canary: {{ {canary}, \
             steps: [ {{ setWeight: 5 }}, {{ pause: {{ duration: 1m }} }} ] }} }} }}\n"
        ),
    )
}

const SERVICES: &str = "stableService: shop-a, canaryService: shop-b";

#[test]
fn ping_and_pong_are_the_targets() {
    let ping_pong = "pingPong: { pingService: shop-ping, pongService: shop-pong }";
    let targets = |rollout: &Value| {
        ["stable", "canary"].map(|arm| rollout["arms"][arm]["target"].as_str().unwrap().to_owned())
    };
    let (rollout, notes) = argo(ping_pong);
    assert_eq!(targets(&rollout), ["shop-ping", "shop-pong"]);
    assert!(
        notes.contains("8: spec.strategy.canary.pingPong becomes the arms' targets"),
        "{notes}"
    );
    let swapped = format!("{ping_pong}\nstatus: {{ canary: {{ stablePingPong: pong }} }}");
    assert_eq!(targets(&argo(&swapped).0), ["shop-pong", "shop-ping"]);
    // Without an ALB, the two services of the canary count.
    let (rollout, notes) =
        argo(&format!("{ping_pong}\n      stableService: a\n      canaryService: b"));
    assert_eq!(targets(&rollout), ["a", "b"]);
    assert!(notes.contains("8: spec.strategy.canary.pingPong has no counterpart"), "{notes}");
    let alb = "trafficRouting: { alb: { ingress: i, rootService: r, servicePort: 80 } }";
    let (rollout, notes) =
        argo(&format!("{ping_pong}\n      stableService: a\n      canaryService: b\n      {alb}"));
    assert_eq!(targets(&rollout), ["shop-ping", "shop-pong"]);
    assert!(notes.contains("9: spec.strategy.canary.stableService has no counterpart"), "{notes}");
}

/// At a share of 0 there is nothing to judge, and at 100 nothing to compare with.
#[test]
fn analysis_without_users_waits_for_a_person() {
    let analysis = "{ analysis: { templates: [ { templateName: t } ] } }";
    let steps = |steps: &str| {
        let (rollout, notes) = argo_steps(&format!("[ {steps} ]"), "maxSurge: 1");
        (rollout["canary"]["steps"].clone(), notes)
    };
    let manual = json!({"share": 0, "hold": "manual"});
    let last = json!({"share": 100});
    for first in [
        "{ setWeight: 0 }, ",
        "",
        "{ setWeight: 0 }, { pause: { duration: 1h } }, ",
        "{ pause: {} }, ",
    ] {
        let (found, notes) = steps(&format!("{first}{analysis}"));
        assert_eq!(found, json!([manual, last]), "{first}: {notes}");
        assert!(notes.contains(".analysis becomes a step at 0 with hold: manual"), "{notes}");
    }
    let (found, notes) =
        steps(&format!("{{ setWeight: 20 }}, {analysis}, {{ setWeight: 100 }}, {analysis}"));
    assert_eq!(found[0], json!({"share": 20, "hold": "10m", "mode": "gate"}));
    assert!(found[1].get("mode").is_none(), "{found}");
    assert!(notes.contains("steps[3].analysis becomes no mode: gate: at 100"), "{notes}");
}

#[test]
fn virtual_service_gives_hosts_and_paths() {
    let service = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: shop }\nspec:\n  hosts: [ a.example.com, b.example.com ]\n  http:\n  - name: old\n    match: [ { uri: { prefix: /old } } ]\n    route: [ { destination: { host: legacy } } ]\n  - name: main\n    match:\n    - uri: { prefix: /shop/ }\n      headers: { x-vip: { exact: yes } }\n    - uri: { exact: /cart }\n    route: [ { destination: { host: shop-a }, weight: 100 }, { destination: { host: shop-b }, weight: 0 } ]\n";
    let named = "trafficRouting: { istio: { virtualService: { name: shop, routes: [ main ] } } }";
    let (rollout, notes) = argo_beside(service, &format!("{SERVICES}, {named}"));
    let matches = json!({
        "hosts": ["a.example.com", "b.example.com"],
        "paths": [{"prefix": "/shop/"}, {"exact": "/cart"}],
    });
    assert_eq!(rollout["match"], matches);
    assert!(notes.contains("13: spec.http[1].match[0].headers has no counterpart"), "{notes}");
    assert!(notes.contains("12: spec.http[1].match[0].uri also matches /shop in"), "{notes}");
    assert!(
        notes.contains("7: spec.http[0] has no counterpart: it stays with the router"),
        "{notes}"
    );
    // Without names, the routes that lead to the services count.
    let unnamed = "trafficRouting: { istio: { virtualServices: [ { name: shop } ] } }";
    assert_eq!(argo_beside(service, &format!("{SERVICES}, {unnamed}")).0["match"], matches);
    // A route without a match is for everything.
    let plain = service.replace("    match: [ { uri: { prefix: /old } } ]\n", "");
    let old = "trafficRouting: { istio: { virtualService: { name: shop, routes: [ old ] } } }";
    let (rollout, _) = argo_beside(&plain, &format!("{SERVICES}, {old}"));
    assert_eq!(rollout["match"], json!({"hosts": ["a.example.com", "b.example.com"]}));
    let (rollout, notes) = argo_beside("", &format!("{SERVICES}, {named}"));
    assert!(rollout["match"].is_null());
    assert!(notes.contains("names the VirtualService shop, which is not in the input"), "{notes}");
}

#[test]
fn destination_rule_gives_the_host_of_subsets() {
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: { name: shop-rule }\nspec:\n  host: shop-svc\n  subsets: [ { name: v1 } ]\n";
    let routing = "trafficRouting: { istio: { destinationRule: { name: shop-rule, stableSubsetName: v1, canarySubsetName: v2 } } }";
    let (rollout, notes) = argo_beside(rule, routing);
    assert_eq!(rollout["arms"]["stable"]["target"], "shop-svc/v1");
    assert_eq!(rollout["arms"]["canary"]["target"], "shop-svc/v2");
    assert!(notes.contains("6: spec.subsets has no counterpart"), "{notes}");
}

#[test]
fn other_routers_give_hosts_and_paths_too() {
    let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: { name: web }\nspec:\n  rules:\n  - host: a.example.com\n    http: { paths: [ { path: /shop, pathType: Prefix, backend: { service: { name: shop-a } } }, { path: /img, pathType: Prefix, backend: { service: { name: img } } } ] }\n  - host: b.example.com\n    http: { paths: [ { path: /shop, pathType: Prefix, backend: { service: { name: shop-a } } } ] }\n  - host: c.example.com\n    http: { paths: [ { path: /other, pathType: Exact, backend: { service: { name: shop-a } } } ] }\n";
    let nginx = "trafficRouting: { nginx: { stableIngress: web } }";
    let (rollout, notes) = argo_beside(ingress, &format!("{SERVICES}, {nginx}"));
    let matches =
        json!({"hosts": ["a.example.com", "b.example.com"], "paths": [{"prefix": "/shop"}]});
    assert_eq!(rollout["match"], matches);
    assert!(
        notes.contains("10: spec.rules[2] has no counterpart: a rollout has one list"),
        "{notes}"
    );

    let route = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: web }\nspec:\n  hostnames: [ \"*.example.com\" ]\n  rules:\n  - matches: [ { path: { value: /feed } }, { path: { type: RegularExpression, value: /x+ } } ]\n    backendRefs: [ { name: shop-a, port: 80 }, { name: shop-b, port: 80 } ]\n";
    let plugin = "trafficRouting: { plugins: { argoproj-labs/gatewayAPI: { httpRoute: web, namespace: x } } }";
    let (rollout, notes) = argo_beside(route, &format!("{SERVICES}, {plugin}"));
    assert_eq!(
        rollout["match"],
        json!({"hosts": ["*.example.com"], "paths": [{"prefix": "/feed"}]})
    );
    assert!(notes.contains("7: spec.rules[0].matches[1].path has no counterpart"), "{notes}");

    let traefik = "apiVersion: traefik.io/v1alpha1\nkind: IngressRoute\nmetadata: { name: web }\nspec:\n  routes:\n  - match: Host(`t.example.com`) && PathPrefix(`/t`)\n    services: [ { name: weighted, kind: TraefikService } ]\n";
    let routing = "trafficRouting: { traefik: { weightedTraefikServiceName: weighted } }";
    let (rollout, _) = argo_beside(traefik, &format!("{SERVICES}, {routing}"));
    assert_eq!(rollout["match"], json!({"hosts": ["t.example.com"], "paths": [{"prefix": "/t"}]}));

    let apisix = "apiVersion: apisix.apache.org/v2\nkind: ApisixRoute\nmetadata: { name: web }\nspec:\n  http:\n  - name: main\n    match: { hosts: [ s.example.com ], paths: [ /api/*, /ping ], methods: [ GET ] }\n    backends: [ { serviceName: shop-a } ]\n";
    let routing = "trafficRouting: { apisix: { route: { name: web, rules: [ main ] } } }";
    let (rollout, notes) = argo_beside(apisix, &format!("{SERVICES}, {routing}"));
    assert_eq!(
        rollout["match"],
        json!({"hosts": ["s.example.com"], "paths": [{"prefix": "/api/"}, {"exact": "/ping"}]})
    );
    assert!(notes.contains("7: spec.http[0].match.methods has no counterpart"), "{notes}");

    let mapping = "apiVersion: getambassador.io/v3alpha1\nkind: Mapping\nmetadata: { name: web }\nspec: { hostname: m.example.com, prefix: /m/, service: shop-a }\n";
    let routing = "trafficRouting: { ambassador: { mappings: [ web ] } }";
    let (rollout, _) = argo_beside(mapping, &format!("{SERVICES}, {routing}"));
    assert_eq!(rollout["match"], json!({"hosts": ["m.example.com"], "paths": [{"prefix": "/m/"}]}));

    let text = format!(
        "{}---\napiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: {{ name: shop }}\nspec: {{ provider: nginx, targetRef: {{ name: shop-a }}, ingressRef: {{ name: web }}, analysis: {{ stepWeight: 50 }} }}\n",
        ingress
    );
    assert_eq!(imported(Tool::Flagger, &text).0["match"], matches);
}

/// Istio takes one of several headers, the others take all of them, and some have no header routes.
#[test]
fn the_router_decides_how_header_matches_combine() {
    let ring = |routing: &str, matches: &str| {
        let manifest = format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {{ name: shop }}\nspec:\n  strategy:\n    canary:\n      {SERVICES_BLOCK}\n      {routing}\n      steps:\n      - setHeaderRoute:\n          name: beta\n          match: [ {matches} ]\n      - setWeight: 5\n      - pause: {{}}\n"
        );
        let import = import(Tool::Argo, &manifest, &Options::default()).expect("a spec");
        let spec: Value = serde_saphyr::from_str(&import.spec).expect("YAML");
        let notes: Vec<String> = import.notes.iter().map(Note::to_string).collect();
        (spec["cohorts"]["beta"].clone(), notes.join("\n"))
    };
    const SERVICES_BLOCK: &str = "stableService: a\n      canaryService: b";
    let two = "{ headerName: X-A, headerValue: { exact: \"1\" } }, { headerName: X-B, headerValue: { exact: \"2\" } }";
    let both = json!([
        {"attribute": "header.x-a", "equals": "1"}, {"attribute": "header.x-b", "equals": "2"},
    ]);
    let plugin = |name: &str| format!("trafficRouting: {{ plugins: {{ {name}: {{}} }} }}");
    let of = |name: &str| format!("trafficRouting: {{ {name}: {{}} }}");
    assert_eq!(ring(&of("istio"), two).0, json!({"any": both}));
    for routing in [of("alb"), of("apisix"), plugin("argoproj-labs/gatewayAPI")] {
        let (found, notes) = ring(&routing, two);
        assert_eq!(found, json!({"all": both}), "{routing}");
        assert!(
            notes.contains(
                "13: spec.strategy.canary.steps[0].setHeaderRoute.match must hold as a whole"
            ),
            "{notes}"
        );
    }
    let none = [
        of("nginx"),
        of("smi"),
        of("traefik"),
        of("ambassador"),
        of("appMesh"),
        plugin("acme/router"),
        "maxSurge: 1".to_owned(),
    ];
    for routing in none {
        let (found, notes) = ring(&routing, two);
        assert!(found.is_null(), "{routing}");
        assert!(notes.contains("setHeaderRoute.match has no counterpart"), "{routing}: {notes}");
    }
    let one = "{ headerName: X-A, headerValue: { exact: \"v*\" } }";
    assert_eq!(
        ring(&plugin("acme/router"), one).0,
        json!({"attribute": "header.x-a", "equals": "v*"})
    );
    let (found, notes) = ring(&of("alb"), one);
    assert_eq!(found, json!({"attribute": "header.x-a", "glob": "v*"}), "wildcards of an ALB");
    assert!(notes.contains("compared with case"), "{notes}");
    let regex = "{ headerName: X-A, headerValue: { regex: \"beta\" } }";
    assert_eq!(ring(&of("apisix"), regex).0, json!({"attribute": "header.x-a", "glob": "*beta*"}));
    assert_eq!(ring(&of("istio"), regex).0, json!({"attribute": "header.x-a", "equals": "beta"}));
}

/// Argo's nginx router passes annotations on to the canary's Ingress, and they choose requests by themselves.
#[test]
fn annotations_of_nginx_are_rings() {
    let routing = "trafficRouting: { nginx: { stableIngress: web, additionalIngressAnnotations: { canary-by-header: X-Canary, canary-by-header-value: crew, nginx.ingress.kubernetes.io/canary-by-cookie: beta } } }";
    let manifest = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {{ name: shop }}\nspec:\n  strategy:\n    canary:\n      {routing}\n      steps: [ {{ setWeight: 5 }}, {{ pause: {{}} }} ]\n"
    );
    let import = import(Tool::Argo, &manifest, &Options::default()).expect("a spec");
    let spec: Value = serde_saphyr::from_str(&import.spec).expect("YAML");
    let cohorts = json!({
        "shop-header": {"attribute": "header.x-canary", "equals": "crew"},
        "shop-cookie": {"attribute": "cookie.beta", "equals": "always"},
    });
    assert_eq!(spec["cohorts"], cohorts);
}

#[test]
fn mirror_routes_need_istio() {
    let steps = "[ { setMirrorRoute: { name: m, percentage: 50, match: [ { method: { exact: GET } } ] } }, { setWeight: 5 }, { pause: {} } ]";
    let (rollout, _) = argo_steps(steps, "trafficRouting: { istio: {} }");
    assert_eq!(rollout["shadow"]["percent"], 50);
    let (rollout, notes) = argo_steps(steps, "trafficRouting: { alb: { ingress: i } }");
    assert!(rollout["shadow"].is_null());
    assert!(
        notes.contains("setMirrorRoute has no counterpart: Argo copies requests with istio"),
        "{notes}"
    );
}

/// Flagger holds the traffic until a webhook confirms.
#[test]
fn webhooks_that_confirm_become_manual_holds() {
    let steps = |kind: &str, analysis: &str| {
        let (rollout, notes) = flagger(
            "port: 80",
            &format!(
                "webhooks: [ {{ name: w, type: {kind}, url: \"http://a/\" }} ]\n    {analysis}"
            ),
        );
        assert!(notes.contains("8: spec.analysis.webhooks[0] becomes hold: manual"), "{notes}");
        rollout["canary"]["steps"].clone()
    };
    let weights = "stepWeights: [ 5, 50 ]";
    let step = |share: u32, hold: &str| json!({"share": share, "hold": hold});
    let last = json!({"share": 100});
    assert_eq!(
        steps("confirm-rollout", weights),
        json!([step(0, "manual"), step(5, "1m"), step(50, "1m"), last])
    );
    assert_eq!(
        steps("confirm-traffic-increase", weights),
        json!([step(5, "manual"), step(50, "manual"), last])
    );
    assert_eq!(
        steps("confirm-promotion", weights),
        json!([step(5, "1m"), step(50, "manual"), last])
    );
    assert_eq!(steps("confirm-promotion", "iterations: 3"), json!([step(0, "manual"), last]));
    assert_eq!(steps("confirm-rollout", "iterations: 3"), json!([step(0, "manual"), last]));
}

/// A route that the rollout does not name counts if it leads to the stable service.
#[test]
fn routes_that_lead_to_the_services_are_read() {
    let ingress = |service: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{ name: web }}\nspec: {{ rules: [ {{ host: a.example.com, http: {{ paths: [ {{ path: /, pathType: Prefix, backend: {{ service: {{ name: {service} }} }} }} ] }} }} ] }}\n"
        )
    };
    let matches = json!({"hosts": ["a.example.com"]});
    assert_eq!(argo_beside(&ingress("shop-a"), SERVICES).0["match"], matches);
    let (rollout, notes) = argo_beside(&ingress("another"), SERVICES);
    assert!(rollout["match"].is_null());
    assert!(notes.contains("1: the Ingress web has no counterpart"), "{notes}");
    let blue_green = format!(
        "{}---\napiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {{ name: shop }}\nspec: {{ strategy: {{ blueGreen: {{ activeService: shop-a, previewService: shop-b }} }} }}\n",
        ingress("shop-a")
    );
    assert_eq!(imported(Tool::Argo, &blue_green).0["match"], matches);
    let canary = format!(
        "{}---\napiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: {{ name: shop }}\nspec: {{ provider: contour, targetRef: {{ name: shop-a }}, analysis: {{ stepWeight: 50 }} }}\n",
        ingress("shop-a")
    );
    assert_eq!(imported(Tool::Flagger, &canary).0["match"], matches);
}

/// Without a path that a rollout can have, the hosts remain, and a note says so.
#[test]
fn route_without_a_plain_path_keeps_its_hosts() {
    let service = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: shop }\nspec:\n  hosts: [ a.example.com, \"b.example.com:80\" ]\n  http:\n  - match: [ { uri: { regex: \"/p/[0-9]+\" } }, { uri: { exact: \"/a?x=1\" } } ]\n    route: [ { destination: { host: shop-a } } ]\n";
    let routing = "trafficRouting: { istio: { virtualService: { name: shop } } }";
    let (rollout, notes) = argo_beside(service, &format!("{SERVICES}, {routing}"));
    assert_eq!(rollout["match"], json!({"hosts": ["a.example.com"]}));
    assert!(
        notes.contains("7: spec.http[0] leaves no path, so the rollout is for all paths"),
        "{notes}"
    );
    assert!(
        notes.contains("5: spec.hosts[1] has no counterpart: it is not a host name"),
        "{notes}"
    );
}
