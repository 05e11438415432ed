//! Asks another service about every request, and changes bodies on the way back.

use log::{info, warn};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::time::Duration;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|_| Box::new(Root { cluster: String::new() }));
}}

struct Root {
    cluster: String,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        self.cluster = String::from_utf8(bytes).unwrap();
        info!("asking {}", self.cluster);
        !self.cluster.is_empty()
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Auth { id, cluster: self.cluster.clone() }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Auth {
    id: u32,
    cluster: String,
}

impl Context for Auth {
    fn on_http_call_response(&mut self, _: u32, headers: usize, body: usize, _: usize) {
        let status = self.get_http_call_response_header(":status");
        if headers == 0 || status.as_deref() != Some("200") {
            warn!("refused with {status:?}");
            self.send_http_response(403, vec![("x-auth", "no")], Some(b"go away\n"));
            return;
        }
        let user = self.get_http_call_response_body(0, body).unwrap_or_default();
        self.set_http_request_header("x-user", Some(&String::from_utf8_lossy(&user)));
        self.resume_http_request();
    }
}

impl HttpContext for Auth {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        info!("#{} {}", self.id, self.get_http_request_header(":path").unwrap_or_default());
        for (name, value) in self.get_http_request_headers() {
            info!("{name}: {value}");
        }
        let token = self.get_http_request_header("authorization").unwrap_or_default();
        let headers = vec![
            (":method", "GET"),
            (":path", "/check"),
            (":authority", "auth.example"),
            ("authorization", token.as_str()),
        ];
        let timeout = Duration::from_millis(200);
        self.dispatch_http_call(&self.cluster, headers, None, vec![], timeout).unwrap();
        Action::Pause
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        self.add_http_response_header("x-seen", "yes");
        self.set_http_response_header("content-length", None);
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        if !end {
            return Action::Pause;
        }
        if let Some(body) = self.get_http_response_body(0, size) {
            let text = String::from_utf8_lossy(&body).to_uppercase();
            self.set_http_response_body(0, size, text.as_bytes());
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        info!("#{} done", self.id);
    }
}
