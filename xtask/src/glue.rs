//! wasm-bindgen's glue without its unused parts: the crate `worker` defines classes for parts of the
//! platform that the Worker does not use, and each class keeps its code in the wasm.

use crate::process::TaskResult;
use crate::prune;
use std::collections::BTreeSet;
use wasmparser::{Parser, Payload};

/// The script's first lines: workerd's own `queueMicrotask` takes longer than a decision. Promise jobs run
/// in the same queue, in the same order.
const MICROTASKS: &str = "const settled = Promise.resolve();\n\
    const queueMicrotask = (task) => { settled.then(task); };\n";

/// The script without classes and the wasm without the exports that only they call.
pub(crate) fn without_classes(script: &str, wasm: &[u8]) -> TaskResult<(String, Vec<u8>)> {
    let names: Vec<&str> = script.lines().filter_map(class).collect();
    let mut kept = String::new();
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        if class(line).is_some() {
            lines.by_ref().find(|line| *line == "}");
        } else if names.iter().any(|name| line.starts_with(&format!("const {name}Finalization = ")))
        {
            lines.by_ref().find(|line| *line == "});");
        } else if !names.iter().any(|name| line.contains(&format!(" {name}.prototype"))) {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    if let Some(name) = names.iter().find(|name| words(&kept).contains(**name)) {
        return Err(format!("the glue's class {name} is used and cannot be left out"));
    }
    let used = words(&kept);
    let wasm = prune::prune(wasm, |export| used.contains(export))?;
    Ok((kept, wasm))
}

/// The name of the class that begins in a line.
fn class(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("export ").unwrap_or(line).strip_prefix("class ")?;
    rest.strip_suffix(" {")
}

/// Every identifier in a script.
fn words(script: &str) -> BTreeSet<&str> {
    script.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '$').collect()
}

/// The script without functions that the wasm does not import, as an ES module.
pub(crate) fn finished(script: &str, wasm: &[u8]) -> TaskResult<String> {
    let imported = imports(wasm).map_err(|error| format!("the Worker's wasm: {error}"))?;
    let mut kept = String::from(MICROTASKS);
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        let name = line.strip_prefix("        ").and_then(|line| line.split_once(": function("));
        if name.is_some_and(|(name, _)| name.starts_with("__wb") && !imported.contains(name)) {
            lines.by_ref().find(|line| *line == "        },");
            continue;
        }
        // Bundlers and workerd import a compiled module without the new syntax.
        kept.push_str(&line.replace("import source ", "import "));
        kept.push('\n');
    }
    Ok(kept)
}

fn imports(wasm: &[u8]) -> wasmparser::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::ImportSection(section) = payload? {
            for import in section.into_imports() {
                names.insert(import?.name.to_owned());
            }
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_left_out_with_their_exports() {
        let script = "import a from \"b\";\nexport class One {\n    free() {\n    }\n}\n\
            if (Symbol.dispose) One.prototype[Symbol.dispose] = One.prototype.free;\n\
            const OneFinalization = (typeof X === 'undefined')\n    ? 1\n    : new X(() => {\n    if (x) wasm.one_free();\n});\n\
            export function fetch() { wasm.fetch(); }\n";
        let wasm = wat::parse_str(
            "(module (func (export \"fetch\") nop) (func (export \"one_free\") nop) (memory (export \"memory\") 1))",
        )
        .expect("a module");
        let (kept, pruned) = without_classes(script, &wasm).expect("trimmed");
        assert_eq!(kept, "import a from \"b\";\nexport function fetch() { wasm.fetch(); }\n");
        let text = String::from_utf8_lossy(&pruned);
        assert!(text.contains("fetch") && !text.contains("one_free"), "{text}");
    }

    #[test]
    fn a_used_class_is_an_error() {
        let script = "export class One {\n}\nconst one = new One();\n";
        assert!(without_classes(script, b"\0asm\x01\0\0\0").is_err());
    }

    #[test]
    fn functions_that_are_not_imported_are_left_out() {
        let wasm = wat::parse_str("(module (import \"m\" \"__wbg_a\" (func)))").expect("a module");
        let script = "        __wbg_a: function() {\n            a();\n        },\n\
            \x20       __wbg_b: function() {\n            b();\n        },\nend\n";
        let kept = finished(script, &wasm).expect("finished");
        assert!(
            kept.contains("a();") && !kept.contains("b();") && kept.ends_with("end\n"),
            "{kept}"
        );
    }
}
