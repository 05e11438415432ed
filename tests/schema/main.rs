//! Tests that the JSON Schema and the core's reader accept the same specs. The schema is written by hand;
//! these tests compare it with the reader's error messages, object by object.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Map, Value, json};
use serin_core::{ErrorKind, Plan};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const SCHEMA: &str = include_str!("../../docs/spec.schema.json");
const WHOLE: &str = include_str!("whole_spec.yaml");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// The compiled schema.
struct Validator {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Validator {
    /// Compiles a schema, which validates it against the meta-schema of its draft.
    fn new(schema: Value) -> Result<Validator, String> {
        const URL: &str = "https://serin.invalid/spec.schema.json";
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource(URL, schema).map_err(|error| error.to_string())?;
        let index = compiler.compile(URL, &mut schemas).map_err(|error| format!("{error:#}"))?;
        Ok(Validator { schemas, index })
    }

    fn check(&self, document: &Value) -> Result<(), String> {
        self.schemas.validate(document, self.index).map_err(|error| format!("{error:#}"))
    }

    fn is_valid(&self, document: &Value) -> bool {
        self.check(document).is_ok()
    }
}

fn validator() -> Validator {
    Validator::new(schema()).unwrap()
}

/// Reads YAML 1.2 or JSON.
fn document(text: &str) -> Value {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).unwrap()
}

fn core(document: &Value) -> Result<Plan, serin_core::Errors> {
    Plan::from_json(document.to_string().as_bytes())
}

#[test]
fn the_schema_is_a_schema() {
    assert_eq!(schema()["$schema"], "https://json-schema.org/draft/2020-12/schema");
    validator();
    let mut broken = schema();
    broken["properties"]["revision"] = json!({ "type": "wole" });
    assert!(Validator::new(broken).is_err(), "the validator accepts an invalid schema");
}

/// The specs of the documentation, the examples and the vectors, by name.
fn valid_specs() -> Vec<(String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut specs = vec![("the whole spec".to_owned(), document(WHOLE))];
    let files = [
        "examples/envoy/spec.yaml",
        "examples/envoy/spec.json",
        "examples/worker/spec.json",
        "cli/demo/spec.yaml",
    ];
    for file in files {
        specs.push((file.to_owned(), document(&std::fs::read_to_string(root.join(file)).unwrap())));
    }
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let example = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    specs.push(("README.md".to_owned(), document(example.unwrap())));
    let list = std::fs::read_dir(root.join("tests/vectors")).unwrap();
    let mut vectors: Vec<PathBuf> = list.map(|entry| entry.unwrap().path()).collect();
    vectors.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    vectors.sort();
    for path in vectors {
        let file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for suite in file["suites"].as_array().unwrap() {
            let name = format!("{}: {}", path.display(), suite["name"]);
            specs.push((name, suite["spec"].clone()));
        }
    }
    specs
}

#[test]
fn the_schema_accepts_what_the_core_accepts() {
    let (validator, specs) = (validator(), valid_specs());
    assert!(specs.len() > 20, "{} specs", specs.len());
    for (name, spec) in specs {
        let plan = core(&spec).unwrap_or_else(|errors| panic!("{name}: {errors}"));
        let checked = validator.check(&spec);
        if !plan.isolated().is_empty() {
            assert!(checked.is_err(), "{name}: the schema accepts an isolated error");
            continue;
        }
        checked.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// The JSON pointers of all values in a document.
fn pointers(value: &Value, at: String, all: &mut Vec<String>) {
    all.push(at.clone());
    let step = |key: &str| format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| pointers(value, step(key), all)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, value)| pointers(value, step(&index.to_string()), all)),
        _ => {}
    }
}

/// The document with one value changed.
fn changed(document: &Value, at: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut document = document.clone();
    change(document.pointer_mut(at).unwrap());
    document
}

#[test]
fn the_core_refuses_what_the_schema_refuses() {
    let (validator, whole) = (validator(), document(WHOLE));
    let mut all = Vec::new();
    pointers(&whole, String::new(), &mut all);
    let mut refused = 0;
    let mut check = |mutant: &Value, what: &str| {
        if validator.is_valid(mutant) {
            return;
        }
        refused += 1;
        assert!(core(mutant).is_err(), "only the schema refuses {what}");
    };
    let values = [
        json!(null),
        json!([]),
        json!({}),
        json!(""),
        json!("x"),
        json!(-1),
        json!(1.5),
        json!(1000),
        json!(true),
        json!([1]),
        json!(["x"]),
    ];
    for at in &all {
        for value in &values {
            let what = format!("{value} at {at}");
            check(&changed(&whole, at, |node| *node = value.clone()), &what);
        }
        let Some(object) = whole.pointer(at).and_then(Value::as_object) else { continue };
        let with = |key: &str| changed(&whole, at, |node| node[key] = json!("x"));
        check(&with("unknown"), &format!("an unknown key at {at}"));
        check(&with("not a name"), &format!("a key that is no name at {at}"));
        for key in object.keys() {
            let without = |node: &mut Value| {
                node.as_object_mut().unwrap().remove(key);
            };
            check(&changed(&whole, at, without), &format!("{at} without {key}"));
        }
    }
    assert!(refused > 1000, "{refused} mutants refused");
}

/// A walk through the schema and the whole spec in parallel.
struct Walk<'s> {
    schema: &'s Value,
    whole: &'s Value,
    /// The closed objects and enums of the schema that were compared with the reader, by address.
    compared: BTreeSet<*const Value>,
}

impl<'s> Walk<'s> {
    fn resolve(&self, schema: &'s Value) -> &'s Value {
        match schema["$ref"].as_str() {
            Some(to) => &self.schema["$defs"][to.rsplit('/').next().unwrap()],
            None => schema,
        }
    }

    fn visit(&mut self, schema: &'s Value, value: &Value, at: &str) {
        let schema = self.resolve(schema);
        if let Some(branches) = schema["oneOf"].as_array().filter(|_| schema["type"].is_null()) {
            let fits = |branch: &&Value| {
                let kind = self.resolve(branch)["type"].as_str();
                kind == Some(match value {
                    Value::Object(_) => "object",
                    Value::Array(_) => "array",
                    _ => "string",
                })
            };
            let branch = branches.iter().find(fits).unwrap_or_else(|| panic!("{at}"));
            return self.visit(branch, value, at);
        }
        if let Some(words) = schema["enum"].as_array() {
            self.compared.insert(schema);
            let words = words.iter().map(|word| word.as_str().unwrap().to_owned());
            let mutant = changed(self.whole, at, |node| *node = json!("zzzzzzzzzz"));
            assert_eq!(allowed(&mutant, "is not allowed, use "), words.collect(), "{at}");
        }
        match value {
            Value::Object(map) => self.object(schema, map, at),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.visit(&schema["items"], item, &format!("{at}/{index}"));
                }
            }
            _ => {}
        }
    }

    fn object(&mut self, schema: &'s Value, map: &Map<String, Value>, at: &str) {
        let closed = schema["additionalProperties"] == json!(false);
        if closed && self.compared.insert(schema) {
            let fields = schema["properties"].as_object().unwrap().keys().cloned();
            let mutant = changed(self.whole, at, |node| node["zzzzzzzzzz"] = json!(1));
            assert_eq!(allowed(&mutant, "unknown field, allowed here: "), fields.collect(), "{at}");
        }
        for (key, value) in map {
            let next =
                if closed { &schema["properties"][key] } else { &schema["additionalProperties"] };
            let key = key.replace('~', "~0").replace('/', "~1");
            self.visit(next, value, &format!("{at}/{key}"));
        }
    }
}

/// The list of allowed names in the reader's error message: `a, b or c` after a prefix.
fn allowed(mutant: &Value, prefix: &str) -> BTreeSet<String> {
    let errors = core(mutant).unwrap_err();
    let list = errors.iter().find_map(|error| error.message().split_once(prefix));
    let (_, list) = list.unwrap_or_else(|| panic!("no {prefix:?} in {errors}"));
    list.replace(" or ", ", ").split(", ").map(str::to_owned).collect()
}

/// Collects the closed objects and enums of the schema.
fn closed<'s>(schema: &'s Value, all: &mut Vec<&'s Value>) {
    let words = schema["enum"].is_array() && schema["description"].is_string();
    if words || (schema["additionalProperties"] == json!(false) && schema["properties"].is_object())
    {
        all.push(schema);
    }
    match schema {
        Value::Object(map) => map.values().for_each(|value| closed(value, all)),
        Value::Array(items) => items.iter().for_each(|value| closed(value, all)),
        _ => {}
    }
}

#[test]
fn the_reader_allows_the_same_fields_and_enum_values() {
    let (schema, whole) = (schema(), document(WHOLE));
    let mut walk = Walk { schema: &schema, whole: &whole, compared: BTreeSet::new() };
    walk.visit(&schema, &whole, "");
    let mut all = Vec::new();
    closed(&schema, &mut all);
    for part in all {
        let address: *const Value = part;
        assert!(walk.compared.contains(&address), "the whole spec has no {}", part["description"]);
    }
}

/// The schema and the reader accept a limit and refuse one more.
#[test]
fn the_limits_are_equal() {
    let (validator, whole) = (validator(), document(WHOLE));
    let many = |count: usize, item: Value| json!(vec![item; count]);
    let cases = [
        ("/units/user", many(16, json!({ "header": "x" })), many(17, json!({ "header": "x" }))),
        (
            "/flags/new-checkout/rules",
            many(1000, json!({ "serve": "on" })),
            many(1001, json!({ "serve": "on" })),
        ),
        ("/cohorts/texts/in", many(10_000, json!("x")), many(10_001, json!("x"))),
        ("/rollouts/recommendation-api/shadow/maxInFlight", json!(1000), json!(1001)),
        ("/rollouts/split/past", many(100, json!({ "a": 100 })), many(101, json!({ "a": 100 }))),
        ("/revision", json!(9_007_199_254_740_991_u64), json!(9_007_199_254_740_992_u64)),
    ];
    for (at, limit, above) in cases {
        let limit = changed(&whole, at, |value| *value = limit);
        let above = changed(&whole, at, |value| *value = above);
        assert!(core(&limit).is_ok(), "{at}: {}", core(&limit).unwrap_err());
        assert!(validator.is_valid(&limit), "{at}");
        let errors = core(&above).unwrap_err();
        assert!(
            errors.iter().all(|error| matches!(error.kind(), ErrorKind::Limit | ErrorKind::Value))
        );
        assert!(!validator.is_valid(&above), "{at}");
    }
}
