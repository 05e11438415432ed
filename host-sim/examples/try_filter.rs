//! Runs one request through any proxy-wasm filter and says what the filter did.
//!
//! ```text
//! cargo run -p serin-host-sim --example try_filter -- FILTER.wasm [ROOT_ID] [CONFIGURATION]
//! ```

#![expect(clippy::disallowed_methods, reason = "the filter is a file")]

use serin_host_sim::{Action, HeaderMap, Plugin, StreamInfo};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or("which filter?")?;
    let root_id = args.next().unwrap_or_default();
    let configuration = args.next().unwrap_or_default();
    let plugin = Plugin::builder(std::fs::read(file)?)
        .root_id(&root_id)
        .configuration(configuration)
        .count_fuel()
        .on_log(|line| println!("log      {line}"))
        .build()?;
    let mut stream = plugin.stream(StreamInfo::new());
    let request =
        [(":method", "GET"), (":scheme", "http"), (":authority", "a.example"), (":path", "/")];
    let action = stream.send_request_headers(request, true);
    println!("request  {action:?}");
    show(&stream.request_headers());
    for call in plugin.take_http_calls() {
        println!("call     {} {:?}", call.cluster, call.headers.get_str(":path"));
    }
    if action == Action::Continue {
        stream.send_response_headers([(":status", "200")], false);
        let action = stream.send_response_body("hello", true);
        println!("response {action:?}");
        show(&stream.response_headers());
        println!("body     {:?}", String::from_utf8_lossy(&stream.take_response_body()));
    }
    stream.finish();
    let stats = stream.stats();
    println!("cost     {} fuel, host calls {:?}", stats.fuel(), stats.host_calls());
    if let Some(error) = plugin.failure() {
        println!("failed   {error}");
    }
    Ok(())
}

fn show(headers: &HeaderMap) {
    for (name, value) in headers.iter() {
        let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        println!("           {name}: {value}");
    }
}
