//! A pruner, which makes wasm smaller and cheaper to run. The proxy-wasm SDK exports every callback of
//! the ABI, and a host calls each exported one. The pruner removes the exports that are not needed, then
//! the functions that nothing reaches, then names and producers.
//!
//! The SDK's traits also have every host call as a method. Their addresses are in the tables of virtual
//! methods, where a linker must keep them, though the SDK calls only `on_…`, `create_…` and `get_type`
//! that way. The pruner removes the others, by their names.

use crate::process::TaskResult;
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{
    ElementItems, Export, ExternalKind, FunctionBody, KnownCustom, Name, Operator, Parser, Payload,
    TypeRef,
};

/// The exports that a host needs from the filter.
const FILTER_EXPORTS: [&str; 14] = [
    "memory",
    "_initialize",
    "proxy_abi_version_0_2_1",
    "proxy_on_memory_allocate",
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_tick",
    "serin_on_http_call_response",
    "proxy_on_context_create",
    "proxy_on_request_headers",
    "proxy_on_request_trailers",
    "proxy_on_response_headers",
    "proxy_on_log",
    "proxy_on_delete",
];

/// Exports that are renamed: the SDK has an export of the new name already, which knows only the calls made
/// through its own wrappers and panics at any other.
const RENAMED: [(&str, &str); 1] = [("serin_on_http_call_response", "proxy_on_http_call_response")];

const CUSTOM_SECTION: u8 = 0;
const EXPORT_SECTION: u8 = 7;
const CODE_SECTION: u8 = 10;
const HEADER_LENGTH: usize = 8;
/// The body of a removed function, so that no index changes: no locals, `unreachable`, `end`.
const STUB: [u8; 3] = [0x00, 0x00, 0x0b];

/// The parts of a module that decide which functions can be reached.
#[derive(Default)]
struct Module<'a> {
    imported: u32,
    exports: Vec<Export<'a>>,
    roots: BTreeSet<u32>,
    /// Functions in a table.
    tabled: BTreeSet<u32>,
    names: BTreeMap<u32, &'a str>,
    bodies: Vec<FunctionBody<'a>>,
    sections: Vec<(u8, &'a [u8])>,
}

/// Whether a host needs this export of the filter.
pub(crate) fn is_filter_export(name: &str) -> bool {
    FILTER_EXPORTS.contains(&name)
}

/// The same module with only the needed exports and the functions that they reach.
pub(crate) fn prune(wasm: &[u8], is_needed: impl Fn(&str) -> bool) -> TaskResult<Vec<u8>> {
    let module =
        read(wasm, is_needed).map_err(|error| format!("the wasm cannot be read: {error}"))?;
    let reached =
        reach(&module).map_err(|error| format!("the wasm's code cannot be read: {error}"))?;
    let mut pruned = wasm.get(..HEADER_LENGTH).unwrap_or_default().to_vec();
    for (id, content) in &module.sections {
        match *id {
            CUSTOM_SECTION => {}
            EXPORT_SECTION => section(&mut pruned, EXPORT_SECTION, &exports(&module)),
            CODE_SECTION => section(&mut pruned, CODE_SECTION, &code(&module, &reached)),
            other => section(&mut pruned, other, content),
        }
    }
    Ok(pruned)
}

fn read(wasm: &[u8], is_needed: impl Fn(&str) -> bool) -> wasmparser::Result<Module<'_>> {
    let mut module = Module::default();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        if let Some((id, range)) = payload.as_section() {
            let content = wasm.get(range.start as usize..range.end as usize);
            module.sections.push((id, content.unwrap_or_default()));
        }
        match payload {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    module.imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    if !is_needed(export.name) {
                        continue;
                    }
                    if export.kind == ExternalKind::Func {
                        module.roots.insert(export.index);
                    }
                    module.exports.push(export);
                }
            }
            Payload::StartSection { func, .. } => {
                module.roots.insert(func);
            }
            // Any function can call a function in a table.
            Payload::ElementSection(elements) => {
                for element in elements {
                    module.tabled.extend(functions(element?.items)?);
                }
            }
            Payload::CodeSectionEntry(body) => module.bodies.push(body),
            Payload::CustomSection(custom) => {
                if let KnownCustom::Name(sections) = custom.as_known() {
                    for section in sections {
                        if let Name::Function(names) = section? {
                            for name in names {
                                let name = name?;
                                module.names.insert(name.index, name.name);
                            }
                        }
                    }
                }
            }
            _ => {}
        }
    }
    Ok(module)
}

fn functions(items: ElementItems<'_>) -> wasmparser::Result<Vec<u32>> {
    let mut functions = Vec::new();
    match items {
        ElementItems::Functions(indices) => {
            for index in indices {
                functions.push(index?);
            }
        }
        ElementItems::Expressions(_, expressions) => {
            for expression in expressions {
                for operator in expression?.get_operators_reader() {
                    if let Operator::RefFunc { function_index } = operator? {
                        functions.push(function_index);
                    }
                }
            }
        }
    }
    Ok(functions)
}

/// The functions that exports, tables and the start function reach.
fn reach(module: &Module<'_>) -> wasmparser::Result<BTreeSet<u32>> {
    let mut reached = module.roots.clone();
    for function in &module.tabled {
        if !is_unused_method(module, *function)? {
            reached.insert(*function);
        }
    }
    let mut waiting: Vec<u32> = reached.iter().copied().collect();
    while let Some(function) = waiting.pop() {
        let body =
            function.checked_sub(module.imported).and_then(|at| module.bodies.get(at as usize));
        let Some(body) = body else { continue };
        for operator in body.get_operators_reader()? {
            let (Operator::Call { function_index: callee }
            | Operator::ReturnCall { function_index: callee }
            | Operator::RefFunc { function_index: callee }) = operator?
            else {
                continue;
            };
            if reached.insert(callee) {
                waiting.push(callee);
            }
        }
    }
    Ok(reached)
}

/// Whether a function in a table is one of the SDK's methods that wrap a host call. The linker may have
/// merged methods of equal bodies under one name; a body that calls the host was not merged with a needed one.
fn is_unused_method(module: &Module<'_>, function: u32) -> wasmparser::Result<bool> {
    let method =
        module.names.get(&function).and_then(|name| name.strip_prefix("_ZN10proxy_wasm6traits"));
    let called_virtually = ["on_", "create_", "get_type"];
    let Some(method) =
        method.filter(|name| !called_virtually.iter().any(|known| name.contains(known)))
    else {
        return Ok(false);
    };
    let body = function.checked_sub(module.imported).and_then(|at| module.bodies.get(at as usize));
    let Some(body) = body.filter(|_| !method.is_empty()) else { return Ok(false) };
    for operator in body.get_operators_reader()? {
        if let Operator::Call { function_index: callee } = operator? {
            let name = module.names.get(&callee).copied().unwrap_or_default();
            if callee < module.imported || name.starts_with("_ZN10proxy_wasm9hostcalls") {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn exports(module: &Module<'_>) -> Vec<u8> {
    let mut content = Vec::new();
    number(&mut content, module.exports.len());
    for export in &module.exports {
        let renamed = RENAMED.iter().find(|(name, _)| *name == export.name);
        let name = renamed.map_or(export.name, |(_, new)| *new);
        number(&mut content, name.len());
        content.extend_from_slice(name.as_bytes());
        content.push(match export.kind {
            ExternalKind::Table => 1,
            ExternalKind::Memory => 2,
            ExternalKind::Global => 3,
            _ => 0,
        });
        number(&mut content, export.index as usize);
    }
    content
}

fn code(module: &Module<'_>, reached: &BTreeSet<u32>) -> Vec<u8> {
    let mut content = Vec::new();
    number(&mut content, module.bodies.len());
    for (index, body) in (module.imported..).zip(&module.bodies) {
        let bytes = if reached.contains(&index) { body.as_bytes() } else { &STUB };
        number(&mut content, bytes.len());
        content.extend_from_slice(bytes);
    }
    content
}

fn section(module: &mut Vec<u8>, id: u8, content: &[u8]) {
    module.push(id);
    number(module, content.len());
    module.extend_from_slice(content);
}

/// Appends an unsigned LEB128, the encoding of wasm's numbers.
fn number(bytes: &mut Vec<u8>, value: usize) {
    let mut rest = value;
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}
