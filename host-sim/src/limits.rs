//! How far a guest may go. Nothing a guest asks for is unbounded.

use std::time::Duration;

/// Declares [`Limits`] once: each bound with its documentation, type and default.
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $default:expr,)*) => {
        /// The bounds of one VM and of what it can make the host keep.
        ///
        /// ```
        /// use serin_host_sim::Limits;
        /// use std::time::Duration;
        ///
        /// let limits = Limits::default().memory_bytes(4 << 20).call_deadline(Duration::from_secs(5));
        /// # let _ = limits;
        /// ```
        #[derive(Clone, Debug)]
        pub struct Limits {
            $(pub(crate) $name: $type,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Limits {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(mut self, limit: $type) -> Self {
                    self.$name = limit;
                    self
                }
            )*
        }
    };
}

limits! {
    /// Linear memory of one VM, in bytes. The default is 256 MiB; Envoy allows 1 GiB.
    memory_bytes: usize = 256 << 20,
    /// Entries of one table. The default is 1,048,576.
    table_elements: usize = 1 << 20,
    /// How long one callback may run before it is stopped. The default is a second.
    call_deadline: Duration = Duration::from_secs(1),
    /// Bytes of a body that a filter holds back; a longer one is answered 413 (request) or 500.
    /// The default is 1 MiB.
    body_buffer_bytes: usize = 1 << 20,
    /// Bytes of one header map, names and values together. The default is 1 MiB.
    header_bytes: usize = 1 << 20,
    /// Headers in one map. The default is 4,096.
    header_count: usize = 4096,
    /// Log lines kept per plugin; older ones are dropped. The default is 10,000.
    log_lines: usize = 10_000,
    /// Bytes kept of one log line. The default is 16 KiB.
    log_line_bytes: usize = 16 << 10,
    /// Bytes that one VM id may keep in shared data and queues. The default is 64 MiB.
    shared_bytes: usize = 64 << 20,
    /// Metrics that one process may define. The default is 10,000.
    metrics: usize = 10_000,
    /// HTTP calls of one worker that have no answer yet. The default is 1,024.
    http_calls: usize = 1024,
    /// Bytes of filter state of one stream. The default is 1 MiB.
    filter_state_bytes: usize = 1 << 20,
}
