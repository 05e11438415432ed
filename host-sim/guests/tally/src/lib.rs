//! Counts: metrics, shared data with cas, a queue, ticks, randomness and the time.

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MetricType, Status};
use std::collections::HashMap;
use std::time::Duration;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

#[derive(Default)]
struct Root {
    requests: u32,
    queue: u32,
    ticks: u32,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_vm_start(&mut self, _: usize) -> bool {
        self.requests = hostcalls::define_metric(MetricType::Counter, "tally.requests").unwrap();
        self.queue = self.register_shared_queue("paths");
        self.set_tick_period(Duration::from_millis(50));
        true
    }

    fn on_tick(&mut self) {
        self.ticks += 1;
        log::info!("tick {} with {:?}", self.ticks, hostcalls::get_metric(self.requests));
    }

    fn on_queue_ready(&mut self, queue: u32) {
        while let Ok(Some(path)) = self.dequeue_shared_queue(queue) {
            log::info!("queued {}", String::from_utf8_lossy(&path));
        }
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Tally { requests: self.requests, queue: self.queue }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Tally {
    requests: u32,
    queue: u32,
}

impl Context for Tally {}

impl Tally {
    /// Adds one to a number in shared data, however many try at once.
    fn count(&self) -> u32 {
        loop {
            let (value, cas) = self.get_shared_data("count");
            let count = value.map_or(0, |bytes| u32::from_le_bytes(bytes.try_into().unwrap())) + 1;
            match self.set_shared_data("count", Some(&count.to_le_bytes()), cas) {
                Ok(()) => return count,
                Err(Status::CasMismatch) => continue,
                Err(status) => panic!("{status:?}"),
            }
        }
    }
}

impl HttpContext for Tally {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        // A HashMap asks for randomness, which in WASI is the host's.
        let headers: HashMap<String, String> = self.get_http_request_headers().into_iter().collect();
        let address = self.get_property(vec!["source", "address"]).unwrap_or_default();
        self.add_http_request_header("x-from", &String::from_utf8_lossy(&address));
        self.add_http_request_header("x-count", &self.count().to_string());
        let now = self.get_current_time().duration_since(std::time::UNIX_EPOCH).unwrap();
        self.add_http_request_header("x-now", &now.as_millis().to_string());
        hostcalls::increment_metric(self.requests, 1).unwrap();
        self.enqueue_shared_queue(self.queue, Some(headers[":path"].as_bytes())).unwrap();
        self.set_property(vec!["tally"], Some(b"seen"));
        if headers.contains_key("x-panic") {
            panic!("as asked");
        }
        Action::Continue
    }
}
