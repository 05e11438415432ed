//! The proxy of a run: the real filter in several VMs that share data, on a virtual clock.

use super::request::Request;
use super::run_config::RunConfig;
use super::upstream_model::UpstreamResponse;
use crate::filter::PLUGIN;
use serin_core::gate::Monitor;
use serin_host_sim::{
    Action, Clock, Entropy, FailPolicy, HttpResponse, Limits, Plugin, PluginBuilder, Stream,
    StreamInfo, Value, VirtualClock,
};
use serin_judge::{KnownLatches, shared_monitor_key};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(super) const MILLISECOND: u64 = 1_000_000;

/// A proxy that runs the filter.
pub(super) struct Proxy {
    plugin: Plugin,
    clock: VirtualClock,
    audits: Arc<Mutex<Vec<String>>>,
    /// The information about every stream.
    stream_info: StreamInfo,
    /// Whether the filter reads response bodies.
    sees_body: bool,
}

impl Proxy {
    /// Starts the proxy at the start of the rollout.
    pub(super) fn start(config: &RunConfig<'_>) -> Result<Proxy, String> {
        let clock = VirtualClock::at_millis(config.model.start_ms);
        let audits = Arc::new(Mutex::new(Vec::new()));
        let logged = Arc::clone(&audits);
        let plugin = Plugin::of_module(config.module)
            .configuration(config.model.subject.json.clone())
            .name(PLUGIN)
            .root_id(PLUGIN)
            .vm_id(PLUGIN)
            .clock(clock.clone())
            .entropy(Entropy::Seeded(config.seed))
            .limits(limits())
            .fail_policy(FailPolicy::FailClosed)
            .on_log(move |line| {
                if let Some(at) = line.message.find("{\"audit\":") {
                    let record = line.message[at..].to_owned();
                    logged.lock().unwrap_or_else(PoisonError::into_inner).push(record);
                }
            });
        let plugin = shadow(plugin, config, &clock).like_envoy(config.load.workers).build();
        let plugin = plugin.map_err(|error| format!("the filter cannot be used: {error}"))?;
        let sees_body = plugin.sees_response_body();
        Ok(Proxy { plugin, clock, audits, stream_info: StreamInfo::new(), sees_body })
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.now_nanos() / MILLISECOND
    }

    pub(super) fn now_nanos(&self) -> u64 {
        self.clock.now_nanos()
    }

    /// Advances the clock; timers do not run.
    pub(super) fn wait_until(&self, nanos: u64) {
        self.clock.advance(Duration::from_nanos(nanos.saturating_sub(self.now_nanos())));
    }

    /// Runs the timers that are due, and returns the time of the next one in ns.
    pub(super) fn tick(&self) -> u64 {
        self.plugin.tick();
        self.next_tick()
    }

    /// The time of the next timer, in ns.
    pub(super) fn next_tick(&self) -> u64 {
        self.plugin.next_due_nanos().unwrap_or(u64::MAX)
    }

    /// Sends a request to a worker, and returns whether the filter let it through.
    pub(super) fn request(
        &self,
        worker: usize,
        request: &Request,
        method: &str,
        path: &str,
    ) -> (Stream, bool) {
        let mut stream = self.plugin.stream_on(worker, request.info(&self.stream_info));
        let action = stream.send_request_headers(request.pairs(method, path), true);
        (stream, action == Action::Continue)
    }

    /// Sends the response. `event` is a header field that makes it a KPI event.
    pub(super) fn answer(
        &self,
        mut stream: Stream,
        response: &UpstreamResponse,
        event: Option<&str>,
    ) {
        if response.flags != 0 {
            stream.set_property(&["response", "flags"], Value::Int(response.flags));
        }
        let status = response.status.to_string();
        let headers = [(":status", status.as_str())];
        let headers = headers.into_iter().chain(event.map(|name| (name, "1")));
        stream.send_response_headers(headers, !self.sees_body);
        if self.sees_body {
            stream.send_response_body("ok", true);
        }
        stream.finish();
    }

    /// The monitor of a rollout as the elected VM has stored it; `None` before its first evaluation.
    pub(super) fn monitor(&self, rollout: &str) -> Option<Monitor> {
        let prefix = KnownLatches::key_prefix(PLUGIN, PLUGIN);
        let (bytes, _) = self.plugin.shared().data(PLUGIN, shared_monitor_key(&prefix, rollout))?;
        Monitor::from_bytes(&bytes)
    }

    /// The audit records logged since the last call.
    pub(super) fn take_audits(&self) -> Vec<String> {
        std::mem::take(&mut self.audits.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The error of a VM that has failed.
    pub(super) fn failure(&self) -> Option<String> {
        self.plugin.failure().map(|error| error.to_string())
    }
}

/// Limits for long audit records, and a deadline that a busy machine does not reach: a run must not depend on
/// wall time.
fn limits() -> Limits {
    Limits::default().log_line_bytes(256 << 10).call_deadline(Duration::from_secs(600))
}

/// Answers the filter's own calls, which fetch the shadow's responses.
fn shadow(plugin: PluginBuilder, config: &RunConfig<'_>, clock: &VirtualClock) -> PluginBuilder {
    let fault = config.model.fault;
    let onset_ms = config.model.start_ms + fault.onset_ms;
    let differs = fault.shadow;
    let random = Mutex::new(super::users::random(config.seed, "shadow", 0));
    let clock = clock.clone();
    plugin.on_http_call(move |_| {
        let now_ms = clock.now_nanos() / MILLISECOND;
        let mut random = random.lock().unwrap_or_else(PoisonError::into_inner);
        let status =
            super::upstream_model::shadow_status(differs && now_ms >= onset_ms, &mut random);
        Some(HttpResponse::new(status).body("ok"))
    })
}
