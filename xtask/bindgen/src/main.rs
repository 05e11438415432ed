//! `serin-bindgen IN.wasm FOLDER`: writes wasm-bindgen's glue for the Worker. It uses the library behind
//! wasm-bindgen's command line, so that Cargo.lock has the version.

use std::process::ExitCode;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(input), Some(folder), None) = (args.next(), args.next(), args.next()) else {
        eprintln!("usage: serin-bindgen IN.wasm FOLDER");
        return ExitCode::FAILURE;
    };
    let mut bindgen = Bindgen::new();
    bindgen.input_path(input).out_name("serin").typescript(false).remove_name_section(true);
    bindgen.remove_producers_section(true);
    bindgen.reset_state_function(true).force_enable_abort_handler(true);
    let written = bindgen.module(true).and_then(|bindgen| bindgen.generate(folder));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("serin-bindgen: {error:?}");
            ExitCode::FAILURE
        }
    }
}
