//! `serin serve`: routing, streaming, reloading, failing.

use crate::command::{SPEC, folder, serin};
use crate::http::{connect, get, named, read_until, request, upstream};
use serin_core::gate::Latches;
use serin_judge::KnownLatches;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A filter that sends requests with `x-canary` to the canary, traps on `x-trap` and ignores `x-plain`.
const FILTER: &str = r#"
  (func $has (param i32 i32) (result i32)
    (i32.eqz (call $get (i32.const 0) (local.get 0) (local.get 1) (i32.const 16) (i32.const 20))))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (if (call $has @"x-trap") (then unreachable))
    (if (call $has @"x-plain") (then (return (i32.const 0))))
    (drop (call $replace (i32.const 0) @"x-serin-rollout" @"shop"))
    (if (call $has @"x-canary")
      (then (drop (call $replace (i32.const 0) @"x-serin-arm" @"canary")))
      (else (drop (call $replace (i32.const 0) @"x-serin-arm" @"stable"))))
    (i32.const 0))
"#;

/// A filter that reads bodies, so that they go through it.
const BODIES: &str = r#"
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) (i32.const 0))
"#;

/// A server that runs until it is dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    spec: PathBuf,
    said: Receiver<String>,
}

impl Server {
    fn start(name: &str, filter: &str, args: &[String]) -> Self {
        Self::serving(SPEC, name, filter, args)
    }

    fn serving(text: &str, name: &str, filter: &str, args: &[String]) -> Self {
        let folder = folder(name);
        let (spec, wasm) = (folder.join("spec.yaml"), folder.join("filter.wasm"));
        std::fs::write(&spec, text).unwrap();
        std::fs::write(&wasm, crate::guest::wasm(filter)).unwrap();
        let mut command = serin();
        command.arg("serve").arg(&spec).arg("--filter").arg(&wasm).args(args);
        command.args(["--listen", "127.0.0.1:0", "--workers", "2"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, said) = channel();
        follow(child.stdout.take().unwrap(), tell.clone());
        follow(child.stderr.take().unwrap(), tell);
        let listening = wait_for(&said, "listening on http://");
        let address = listening.split("http://").nth(1).unwrap().split(' ').next().unwrap();
        let address = address.parse().unwrap();
        Self { child, address, spec, said }
    }

    /// Starts a server whose upstreams respond with their names.
    fn named(name: &str, filter: &str) -> Self {
        let arms = [("stable", named("v1")), ("canary", named("v2")), ("only", named("only"))];
        Self::start(
            name,
            filter,
            &arms.map(|(arm, address)| format!("--arm={arm}=http://{address}")),
        )
    }

    /// Starts a server in which every arm has this upstream.
    fn of(name: &str, filter: &str, address: SocketAddr, more: &[&str]) -> Self {
        let arms = ["stable", "canary", "only"];
        let mut args: Vec<String> =
            arms.map(|arm| format!("--arm={arm}=http://{address}")).into_iter().collect();
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        Self::start(name, filter, &args)
    }

    fn wait_for(&self, text: &str) -> String {
        wait_for(&self.said, text)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(output: impl Read + Send + 'static, tell: std::sync::mpsc::Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = tell.send(line);
        }
    });
}

fn wait_for(said: &Receiver<String>, text: &str) -> String {
    let end = Instant::now() + Duration::from_secs(60);
    let mut all = Vec::new();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match said.recv_timeout(left) {
            Ok(line) if line.contains(text) => return line,
            Ok(line) => all.push(line),
            Err(_) => panic!("nobody said {text:?}: {all:#?}"),
        }
    }
}

#[test]
fn requests_go_to_the_upstream_that_the_filter_chose() {
    let server = Server::named("routing", FILTER);
    let stable = get(server.address, "/shop?q=1", &["x-user-id: ada", "te: trailers"]);
    assert!(stable.starts_with("HTTP/1.1 200 OK\r\n"), "{stable}");
    assert!(stable.contains("v1 saw GET /shop?q=1 HTTP/1.1\r\n"), "{stable}");
    for field in ["host: shop.example.com", "x-serin-arm: stable", "x-forwarded-for: 127.0.0.1"] {
        assert!(stable.contains(&format!("{field}\r\n")), "{field} in {stable}");
    }
    // Hop-by-hop fields are not forwarded in either direction.
    assert!(!stable.contains("te: trailers") && !stable.contains("x-hop: 1"), "{stable}");
    assert!(stable.contains("x-kept: 1"), "{stable}");
    assert!(get(server.address, "/shop", &["x-canary: 1"]).contains("v2 saw GET /shop"));
    // With two rollouts and no default there is no upstream.
    let nowhere = get(server.address, "/", &["x-plain: 1"]);
    assert!(nowhere.starts_with("HTTP/1.1 404 Not Found\r\n"), "{nowhere}");
    assert!(nowhere.contains("no rollout matches this request"), "{nowhere}");
}

#[test]
fn a_failed_filter_means_the_baseline_without_reserved_headers() {
    let server = Server::named("failed", FILTER);
    let fields = ["x-trap: 1", "x-serin-arm: canary", "x-serin-rollout: shop", "serin-flags: a=?1"];
    for path in ["/shop/x", "/other"] {
        let answer = get(server.address, path, &fields);
        let upstream = if path == "/other" { "only" } else { "v1" };
        assert!(answer.contains(&format!("{upstream} saw GET {path}")), "{answer}");
        assert!(!answer.contains("serin-"), "{answer}");
    }
    server.wait_for("the guest trapped in proxy_on_request_headers");
    // After the back-off the filter runs again.
    let end = Instant::now() + Duration::from_secs(60);
    while !get(server.address, "/shop", &["x-canary: 1"]).contains("v2 saw") {
        assert!(Instant::now() < end, "the filter did not come back");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_changed_spec_is_applied_unless_it_has_errors() {
    let server = Server::named("reload", FILTER);
    std::fs::write(&server.spec, SPEC.replace("revision: 1", "revision: 2")).unwrap();
    assert!(server.wait_for(" applied: ").contains("revision 2"));
    std::fs::write(&server.spec, SPEC.replace("revision: 1", "revision: x")).unwrap();
    server.wait_for("revision");
    server.wait_for("revision 2");
    // A spec with an arm without upstream is refused too.
    let dark = SPEC.replace("revision: 1", "revision: 3").replace("only: {", "dark: {");
    std::fs::write(&server.spec, dark.replace("baseline: only", "baseline: dark")).unwrap();
    server.wait_for("other.dark (target o) has no upstream");
    server.wait_for("revision 2");
    assert!(get(server.address, "/shop", &[]).contains("v1 saw"));
    // Some editors replace the file.
    let fresh = server.spec.with_extension("new");
    std::fs::write(&fresh, SPEC.replace("revision: 1", "revision: 4")).unwrap();
    std::fs::rename(&fresh, &server.spec).unwrap();
    assert!(server.wait_for(" applied: ").contains("revision 4"));
}

/// A spec's file that becomes a pipe, a device or a folder neither blocks the proxy nor takes the plan away.
#[cfg(unix)]
#[test]
fn a_spec_that_is_no_regular_file_any_more_is_not_read() {
    let server = Server::named("pipe", FILTER);
    let replace = |make: &dyn Fn(&std::path::Path)| {
        let fresh = server.spec.with_extension("new");
        make(&fresh);
        std::fs::rename(&fresh, &server.spec).unwrap();
    };
    let pipe = |path: &std::path::Path| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    let device = |path: &std::path::Path| std::os::unix::fs::symlink("/dev/zero", path).unwrap();
    let folder = |path: &std::path::Path| std::fs::create_dir(path).unwrap();
    let spec = |revision: &str| {
        let text = SPEC.replace("revision: 1", revision);
        move |path: &std::path::Path| std::fs::write(path, &text).unwrap()
    };
    replace(&pipe);
    server.wait_for("is a named pipe, a spec is read again from a regular file only");
    server.wait_for("revision 1");
    assert!(get(server.address, "/shop", &[]).contains("v1 saw"), "the proxy responds");
    replace(&spec("revision: 2"));
    assert!(server.wait_for(" applied: ").contains("revision 2"));
    replace(&device);
    server.wait_for("is a device, a spec is read again");
    server.wait_for("revision 2");
    std::fs::remove_file(&server.spec).unwrap();
    replace(&folder);
    // The removed file was reported before, so a change of the reason is not.
    assert!(get(server.address, "/shop", &[]).contains("v1 saw"), "the proxy responds");
    std::fs::remove_dir(&server.spec).unwrap();
    replace(&spec("revision: 3"));
    assert!(server.wait_for(" applied: ").contains("revision 3"));
}

/// A spec beyond the limit of hosts is refused by its size, at start and later.
#[test]
fn a_spec_beyond_the_limit_is_refused() {
    let long = format!("{SPEC}#{}\n", "x".repeat(4 << 20));
    let wanted = format!("is {} bytes long, at most 4194304 are allowed", long.len());
    let server = Server::named("long", FILTER);
    std::fs::write(&server.spec, &long).unwrap();
    server.wait_for(&wanted);
    server.wait_for("revision 1");
    let check = serin().arg("check").arg(&server.spec).output().unwrap();
    assert!(String::from_utf8_lossy(&check.stderr).contains(&wanted), "{check:?}");
}

/// An upstream that sends each chunk of the request back at once.
fn echo() -> SocketAddr {
    upstream(|mut socket| {
        read_until(&mut socket, "\r\n\r\n");
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
        socket.write_all(head.as_bytes()).unwrap();
        loop {
            let size = read_until(&mut socket, "\r\n");
            let data = read_until(&mut socket, "\r\n");
            socket.write_all(format!("{size}{data}").as_bytes()).unwrap();
            if size == "0\r\n" {
                return;
            }
        }
    })
}

fn streams(name: &str, filter: &str) {
    let server = Server::of(name, filter, echo(), &[]);
    let mut socket = connect(server.address);
    let head = "POST /shop HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    socket.write_all(head.as_bytes()).unwrap();
    socket.write_all(b"6\r\nfirst.\r\n").unwrap();
    // The first chunk arrives before the second one is sent.
    read_until(&mut socket, "first.");
    socket.write_all(b"7\r\nsecond.\r\n").unwrap();
    read_until(&mut socket, "second.");
    socket.write_all(b"0\r\n\r\n").unwrap();
    read_until(&mut socket, "0\r\n\r\n");
}

#[test]
fn bodies_stream_both_ways() {
    streams("streaming", FILTER);
}

#[test]
fn bodies_stream_through_a_filter_that_reads_them() {
    streams("streaming-through", &format!("{FILTER}{BODIES}"));
}

#[test]
fn a_filter_may_change_a_body_or_reply_to_it() {
    let filter = r#"
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $replace (i32.const 0) @"x-serin-rollout" @"shop"))
        (drop (call $replace (i32.const 0) @"x-serin-arm" @"stable")) (i32.const 0))
      (func (export "proxy_on_request_body") (param i32) (param $size i32) (param $end i32)
        (result i32)
        (if (i32.eq (local.get $size) (i32.const 3))
          (then (drop (call $reply (i32.const 400) @"" @"no threes" @"" (i32.const -1)))))
        (i32.const 0))
      (func (export "proxy_on_response_body") (param i32 i32) (param $end i32) (result i32)
        (if (i32.eqz (local.get $end)) (then (return (i32.const 1))))
        (drop (call $set_buffer (i32.const 1) (i32.const 0) (i32.const 9999) @"changed"))
        (i32.const 0))"#;
    let server = Server::named("change", filter);
    let changed = get(server.address, "/shop", &[]);
    assert!(changed.ends_with("7\r\nchanged\r\n0\r\n\r\n"), "{changed}");
    let mut socket = connect(server.address);
    socket.write_all(b"POST /shop HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc").unwrap();
    let head = read_until(&mut socket, "\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 400 Bad Request"), "{head}");
}

#[test]
fn failed_upstreams_are_named() {
    // The local port of an open connection: nothing listens there, and no other process can get it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let gone = client.local_addr().unwrap();
    let server = Server::of("gone", FILTER, gone, &[]);
    let answer = get(server.address, "/shop", &[]);
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway"), "{answer}");
    assert!(answer.contains(&format!("the upstream http://{gone} cannot be reached")), "{answer}");
    let silent = upstream(|mut socket| {
        let _ = socket.read_to_end(&mut Vec::new());
    });
    let server = Server::of("silent", FILTER, silent, &["--timeout=0.2"]);
    let answer = get(server.address, "/shop", &[]);
    assert!(answer.starts_with("HTTP/1.1 504 Gateway Timeout"), "{answer}");
    assert!(answer.contains("did not answer in time"), "{answer}");
}

#[test]
fn connections_can_be_upgraded() {
    let switching = upstream(|mut socket| {
        let head = read_until(&mut socket, "\r\n\r\n").to_ascii_lowercase();
        assert!(head.contains("connection: upgrade") && head.contains("upgrade: chat"), "{head}");
        let answer =
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n";
        socket.write_all(answer.as_bytes()).unwrap();
        let said = read_until(&mut socket, "\n");
        socket.write_all(said.to_uppercase().as_bytes()).unwrap();
    });
    let server = Server::of("upgrade", FILTER, switching, &[]);
    let mut socket = connect(server.address);
    let head = "GET /shop HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: chat\r\n\r\n";
    socket.write_all(head.as_bytes()).unwrap();
    let answer = read_until(&mut socket, "\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    socket.write_all(b"hello\n").unwrap();
    assert_eq!(read_until(&mut socket, "\n"), "HELLO\n");
}

#[test]
fn calls_of_the_filter_are_sent() {
    let filter = r#"
      (global $stream (mut i32) (i32.const 0))
      (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
        (global.set $stream (local.get $id))
        (drop (call $http_call @"auth"
          @"\03\00\00\00\05\00\00\00\02\00\00\00\07\00\00\00\03\00\00\00\0a\00\00\00\01\00\00\00:path\00/a\00:method\00GET\00:authority\00a\00"
          @"" @"" (i32.const 5000) (i32.const 24)))
        (i32.const 1))
      (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
        (drop (call $get (i32.const 6) @":status" (i32.const 16) (i32.const 20)))
        (drop (call $effective (global.get $stream)))
        (drop (call $replace (i32.const 0) @"x-serin-rollout" @"shop"))
        (drop (call $replace (i32.const 0) @"x-serin-arm" @"stable"))
        (drop (call $add (i32.const 0) @"x-auth" (i32.load (i32.const 16)) (i32.load (i32.const 20))))
        (drop (call $continue (i32.const 0))))"#;
    let auth = named("auth");
    let cluster = format!("--cluster=auth=http://{auth}");
    let server = Server::of("calls", filter, named("v1"), &[&cluster]);
    let answer = request(server.address, "GET /shop", &[]);
    assert!(answer.contains("v1 saw GET /shop") && answer.contains("x-auth: 200\r\n"), "{answer}");
}

#[test]
fn a_signal_stops_the_server() {
    let mut server = Server::named("stop", FILTER);
    assert!(get(server.address, "/shop", &[]).contains("v1 saw"));
    let asked = Command::new("kill").args(["-INT", &server.child.id().to_string()]).status();
    assert!(asked.unwrap().success());
    server.wait_for("serin: stopped");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

/// A spec with a flag that is turned off when its rollout is aborted.
const GUARDED: &str = "
formatVersion: 1
revision: 1
units: { user: [{ header: x-user-id }] }
flags:
  cart:
    kind: ops
    variants: { on: true, off: false }
    defaultVariant: off
    rules: [{ serve: on }]
rollouts:
  shop:
    match: { paths: [/shop] }
    unit: user
    arms: { stable: { target: shop-v1 }, canary: { target: shop-v2 } }
    baseline: stable
    canary: { share: 50 }
    gates: {}
    onAbort: { disable: [cart] }
";

/// The evaluation of the flag `cart` by OFREP.
fn cart(server: &Server) -> serde_json::Value {
    let body = r#"{"context":{"targetingKey":"ada"}}"#;
    let length = format!("content-length: {}", body.len());
    let mut socket = connect(server.address);
    let head = "POST /ofrep/v1/evaluate/flags/cart HTTP/1.1\r\nhost: shop.example.com";
    write!(socket, "{head}\r\nconnection: close\r\n{length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// A filter that shares latches with every VM of the plugin when a request has `x-latches`, as gates do.
fn sharing(known: &KnownLatches) -> String {
    let key = KnownLatches::key(&KnownLatches::key_prefix("serin", "serin"));
    let bytes: String = known.to_bytes().iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!(
        r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $replace (i32.const 0) @"x-serin-rollout" @"shop"))
          (drop (call $replace (i32.const 0) @"x-serin-arm" @"stable"))
          (if (i32.eqz (call $get (i32.const 0) @"x-latches" (i32.const 16) (i32.const 20)))
            (then (drop (call $set_shared @"{key}" @"{bytes}" (i32.const 0)))))
          (i32.const 0))"#
    )
}

#[test]
fn flag_evaluation_obeys_an_abort() {
    let abort = r#"{"latches":[{"rollout":"shop","abort":{"epoch":0,"at":1795250000000,"digest":"","reason":"errors"}}]}"#;
    let latches = Latches::from_json(abort.as_bytes()).unwrap();
    let aborted = KnownLatches { latches, is_complete: true };
    let v1 = named("v1");
    let arms = ["shop-v1", "shop-v2"].map(|arm| format!("--arm={arm}=http://{v1}"));
    let args = [&arms[..], &["--ofrep=/".to_owned()]].concat();
    let server = Server::serving(GUARDED, "ofrep", &sharing(&aborted), &args);
    let before = cart(&server);
    assert_eq!((&before["variant"], &before["reason"]), (&"on".into(), &"TARGETING_MATCH".into()));
    assert!(get(server.address, "/shop", &["x-latches: 1"]).contains("v1 saw"));
    let after = cart(&server);
    assert_eq!((&after["variant"], &after["reason"]), (&"off".into(), &"DISABLED".into()));
}
