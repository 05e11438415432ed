//! How far a guest may go. Nothing a guest asks for is unbounded.

use std::time::Duration;

/// The bounds of one VM and of what it can make the host keep.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Linear memory of one VM. Envoy allows 1 GiB.
    pub memory_bytes: usize,
    /// Entries of one table.
    pub table_elements: usize,
    /// How long one callback may run before it is stopped.
    pub call_deadline: Duration,
    /// A body that a filter holds back may grow to this; then the answer is 413 (request) or 500.
    pub body_buffer_bytes: usize,
    /// Bytes of one header map, names and values together.
    pub header_bytes: usize,
    /// Headers in one map.
    pub header_count: usize,
    /// Log lines kept per plugin; older ones are dropped.
    pub log_lines: usize,
    /// Bytes kept of one log line.
    pub log_line_bytes: usize,
    /// Bytes that one VM id may keep in shared data and queues.
    pub shared_bytes: usize,
    /// Metrics that one process may define.
    pub metrics: usize,
    /// HTTP calls of one worker that have no answer yet.
    pub http_calls: usize,
    /// Bytes of filter state of one stream.
    pub filter_state_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            table_elements: 1 << 20,
            call_deadline: Duration::from_secs(1),
            body_buffer_bytes: 1 << 20,
            header_bytes: 1 << 20,
            header_count: 4096,
            log_lines: 10_000,
            log_line_bytes: 16 << 10,
            shared_bytes: 64 << 20,
            metrics: 10_000,
            http_calls: 1024,
            filter_state_bytes: 1 << 20,
        }
    }
}
