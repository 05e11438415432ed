//! What specs with several rollouts, and with names that other tools do not take, are exported as.

use serde_json::{Value, json};
use serin_core::{Plan, Spec};
use serin_fleet::export::istio::{Extension, Routes, Variant};
use serin_fleet::export::{Artifact, Source, Target, argo, flagger, grafana, istio, prometheus};
use std::collections::BTreeSet;

/// The files of a spec with these rollouts; or what is in the way.
fn export(target: &Target, rollouts: &Value) -> Result<Vec<Artifact>, Vec<String>> {
    let json = json!({
        "formatVersion": 1,
        "revision": 1,
        "units": {"user": [{"header": "x-user-id"}]},
        "rollouts": rollouts,
    });
    let json = json.to_string();
    let spec = Spec::from_json(json.as_bytes()).expect("a good spec");
    let plan = Plan::new(&spec).expect("a good spec");
    let source = Source { name: "spec.json", json: &json, spec: &spec, plan: &plan };
    target
        .artifacts(&source)
        .map_err(|problems| problems.into_iter().map(|problem| problem.to_string()).collect())
}

/// All resources of the files.
fn resources(artifacts: &[Artifact]) -> Vec<Value> {
    let documents = artifacts.iter().flat_map(|artifact| artifact.text.split("---\n"));
    documents.map(|text| serde_saphyr::from_str(text).expect(text)).collect()
}

/// A canary with a gate, whose arms' targets begin like this.
fn canary(hosts: &[&str], paths: &[&str], arm: &str, target: &str) -> Value {
    let all = [("hosts", hosts), ("paths", paths)];
    let matches: Value = all
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(name, list)| (name.to_owned(), json!(list)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({
        "match": matches,
        "arms": {
            "stable": {"target": format!("{target}-primary")},
            arm: {"target": format!("{target}-canary")},
        },
        "baseline": "stable",
        "canary": {"arm": arm, "share": 5},
        "gates": {},
    })
}

fn argo(gateway: Option<&str>) -> Target {
    Target::Argo(argo::Options {
        prometheus: "http://prometheus:9090".into(),
        namespace: None,
        virtual_service: None,
        gateway: gateway.map(str::to_owned),
    })
}

fn flagger() -> Target {
    Target::Flagger(flagger::Options {
        prometheus: "http://prometheus:9090".into(),
        namespace: None,
        rollback: "http://gate/rollback/check".into(),
        promotion: "http://gate/gate/check".into(),
        port: 80,
    })
}

fn istio(routes: Routes) -> Target {
    Target::Istio(istio::Options {
        name: "serin".into(),
        namespace: None,
        variant: Variant::Gateway,
        extension: Extension::WasmPlugin,
        routes,
        url: "oci://registry.example/filter:1".into(),
        sha256: None,
        pull_secret: None,
        selector: Vec::new(),
        gateway: Some("shop".into()),
        destinations: Vec::new(),
        port: None,
        default: Some("elsewhere".into()),
    })
}

#[track_caller]
fn refused(target: &Target, rollouts: &Value, wanted: &[&str]) {
    let problems = export(target, rollouts).expect_err("that is in the way");
    let all = problems.join("\n");
    assert_eq!(problems.len(), wanted.len(), "{all}");
    for (problem, wanted) in problems.iter().zip(wanted) {
        assert!(problem.contains(wanted), "{all}");
    }
}

#[test]
fn names_that_kubernetes_would_not_tell_apart_are_refused() {
    let rollouts = json!({
        "Check_out": canary(&["a.test"], &[], "canary", "one"),
        "check-out": canary(&["b.test"], &[], "canary", "two"),
    });
    for target in [argo(None), flagger()] {
        refused(
            &target,
            &rollouts,
            &["rollouts.check-out: is check-out in Kubernetes, as is rollouts.Check_out"],
        );
    }
}

#[test]
fn a_name_without_letter_or_digit_is_refused() {
    let rollouts = json!({"_-": canary(&["a.test"], &[], "canary", "one")});
    for target in [argo(None), flagger()] {
        refused(&target, &rollouts, &["rollouts._-: has no letter and no digit"]);
    }
}

#[test]
fn pods_belong_to_one_canary() {
    let rollouts = json!({
        "cart": canary(&["a.test"], &["/cart"], "canary", "shop"),
        "feed": canary(&["b.test"], &["/feed"], "canary", "shop"),
    });
    for target in [argo(None), flagger()] {
        refused(
            &target,
            &rollouts,
            &["rollouts.feed.arms: shop-canary and shop-primary are rollouts.cart's too"],
        );
    }
    let mut subsets = rollouts;
    for (rollout, versions) in [("cart", ["v1", "v2"]), ("feed", ["v3", "v4"])] {
        for (arm, version) in ["stable", "canary"].iter().zip(versions) {
            subsets[rollout]["arms"][arm]["target"] = format!("shop/{version}").into();
        }
    }
    refused(&argo(None), &subsets, &["rollouts.feed.arms: shop is rollouts.cart's too"]);
}

/// Argo's route for the canary looks at one header field and at no path, so of two rollouts on a host each
/// would have the other's canary.
#[test]
fn argo_is_not_given_canaries_that_its_routes_would_mix_up() {
    let gateway = argo(Some("edge/shop"));
    let same = json!({
        "cart": canary(&["a.test", "b.test"], &["/cart"], "canary", "cart"),
        "feed": canary(&["b.test"], &["/feed"], "canary", "feed"),
    });
    let said = "rollouts.cart.arms.canary: rollouts.feed has an arm canary on the same host";
    let back = "rollouts.feed.arms.canary: rollouts.cart has an arm canary on the same host";
    refused(&gateway, &same, &[said, back]);
    let mut blue_green = same.clone();
    let feed = blue_green["feed"].as_object_mut().expect("a rollout");
    feed.remove("canary");
    feed.remove("gates");
    feed.insert("blueGreen".into(), json!({"active": "stable"}));
    refused(&gateway, &blue_green, &[said]);
    let apart = json!({
        "cart": canary(&["b.test"], &["/cart"], "cart-canary", "cart"),
        "feed": canary(&["b.test"], &["/feed"], "feed-canary", "feed"),
    });
    assert!(export(&gateway, &apart).is_ok());
    // Inside the mesh a host has one VirtualService, and where none is named it is the service's own.
    let nowhere = json!({
        "cart": canary(&[], &["/cart"], "canary", "cart"),
        "feed": canary(&[], &["/feed"], "canary", "feed"),
    });
    assert!(export(&argo(None), &nowhere).is_ok());
    refused(&gateway, &nowhere, &[said, back]);
    refused(&argo(None), &apart, &["rollouts.feed.match: rollouts.cart is on the same host"]);
    // A gateway joins VirtualServices in no certain order.
    let nested = json!({
        "cart": canary(&["b.test"], &["/cart"], "cart-canary", "cart"),
        "gift": canary(&["b.test"], &["/cart/gift"], "gift-canary", "gift"),
    });
    refused(
        &gateway,
        &nested,
        &["rollouts.gift.match: rollouts.cart is on the same host, and one's paths"],
    );
}

#[test]
fn argo_routes_every_host_of_a_gateway_where_none_is_named() {
    let rollouts = json!({"shop": canary(&[], &[], "canary", "shop")});
    let hosts = |gateway| {
        let artifacts = export(&argo(gateway), &rollouts).expect("files");
        let resources = resources(&artifacts);
        let service = resources.iter().find(|resource| resource["kind"] == "VirtualService");
        service.expect("one")["spec"]["hosts"].clone()
    };
    assert_eq!(hosts(Some("edge/shop")), json!(["*"]));
    assert_eq!(hosts(None), json!(["shop-primary"]));
}

#[test]
fn rules_of_several_rollouts_are_told_apart_by_their_labels() {
    let rollouts = json!({
        "cart": canary(&["a.test"], &[], "canary", "cart"),
        "feed": canary(&["b.test"], &[], "canary", "feed"),
    });
    let target = Target::Prometheus(prometheus::Options { interval: None });
    let artifacts = export(&target, &rollouts).expect("rules");
    let rules: Value = serde_saphyr::from_str(&artifacts[0].text).expect("YAML");
    let mut seen = BTreeSet::new();
    for rule in rules["groups"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|group| group["rules"].as_array())
        .flatten()
    {
        let key = [&rule["record"], &rule["alert"], &rule["labels"]].map(Value::to_string);
        assert!(seen.insert(key.clone()), "{key:?} is there twice");
    }
    assert!(seen.len() > 20);
}

#[test]
fn the_gateway_api_says_which_paths_it_cannot_match() {
    for path in ["/a[1]", "/a|b", "/100%", "/a\\b"] {
        let rollouts = json!({"shop": canary(&["a.test"], &[path], "canary", "shop")});
        assert!(export(&istio(Routes::VirtualService), &rollouts).is_ok());
        refused(
            &istio(Routes::GatewayApi),
            &rollouts,
            &["rollouts.shop.match.paths[0]: the Gateway API can't match"],
        );
    }
    let rollouts =
        json!({"shop": canary(&["a.test"], &["/a%2Ab'(c);d=e,f:g@~é b"], "canary", "shop")});
    assert!(export(&istio(Routes::GatewayApi), &rollouts).is_ok());
}

/// Names are RFC 1123's, of 253 characters at most, and there is no other of the kind.
#[test]
fn resources_have_good_names_and_each_its_own() {
    let label = "a".repeat(63);
    let long = format!("{label}.{label}.{label}.b-cd");
    let mut rollouts = json!({});
    for (index, host) in [&long, "a.b", "a-b", "a-b-2", &format!("*.{long}"), &format!("z.{long}")]
        .into_iter()
        .enumerate()
    {
        // Long hosts differ in what a name has no place for.
        let paths = [format!("/{index}")];
        let mut rollout = canary(&[host], &[&paths[0]], "canary", "shop");
        rollout["arms"]["stable"]["target"] =
            format!("{}/v1", host.trim_start_matches("*.")).into();
        rollouts[format!("r{index}")] = rollout;
    }
    let artifacts = export(&istio(Routes::VirtualService), &rollouts).expect("files");
    let mut seen = BTreeSet::new();
    for resource in resources(&artifacts) {
        let name = resource["metadata"]["name"].as_str().expect("a name");
        let good = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit();
        assert!(name.len() <= 253 && name.starts_with(good) && name.ends_with(good), "{name}");
        assert!(
            seen.insert((resource["kind"].to_string(), name.to_owned())),
            "{name} is there twice"
        );
    }
    assert_eq!(seen.len(), 2 + 6 + 5);
}

/// Grafana keeps one dashboard under each uid, of 40 characters at most.
#[test]
fn dashboards_of_other_titles_do_not_replace_each_other() {
    let rollouts = json!({"shop": canary(&[], &[], "canary", "shop")});
    let uid = |title: &str| {
        let target = Target::Grafana(grafana::Options { title: title.into() });
        let artifacts = export(&target, &rollouts).expect("a dashboard");
        let dashboard: Value = serde_json::from_str(&artifacts[0].text).expect("JSON");
        dashboard["uid"].as_str().expect("a uid").to_owned()
    };
    assert_eq!(uid("Serin"), "serin");
    let uids = ["Shop", "shop", "店", "検索", &"x".repeat(100)].map(uid);
    assert!(uids.iter().all(|uid| uid.len() <= 40 && uid.is_ascii()), "{uids:?}");
    assert_eq!(BTreeSet::from(uids).len(), 5);
}
