//! Embeds the filter in the `serin` command, if `SERIN_FILTER_WASM` is its path.

#![allow(clippy::disallowed_methods, reason = "a build script reads its environment")]

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SERIN_FILTER_WASM");
    println!("cargo::rustc-check-cfg=cfg(serin_filter)");
    let Some(filter) = std::env::var_os("SERIN_FILTER_WASM").map(PathBuf::from) else {
        return;
    };
    let filter = std::path::absolute(&filter).unwrap_or(filter);
    println!("cargo::rerun-if-changed={}", filter.display());
    if !Path::new(&filter).is_file() {
        println!("cargo::error=SERIN_FILTER_WASM is {}, which is not a file", filter.display());
        return;
    }
    println!("cargo::rustc-cfg=serin_filter");
    println!("cargo::rustc-env=SERIN_FILTER_PATH={}", filter.display());
}
