//! The only file that calls the host.
//!
//! The SDK's own wrappers panic on an unlisted status and on names that are not UTF-8, and they copy every
//! header twice. These functions return an `Option` and lend out one buffer.
#![allow(unsafe_code)]

use core::cell::RefCell;
use core::ptr::null_mut;

use std::collections::BTreeMap;

/// proxy-wasm ABI 0.2.1, `proxy_map_type_t`.
const REQUEST_HEADERS: u32 = 0;
const REQUEST_TRAILERS: u32 = 1;
const RESPONSE_HEADERS: u32 = 2;
const CALL_RESPONSE_HEADERS: u32 = 6;
/// `proxy_buffer_type_t`.
const CALL_RESPONSE_BODY: u32 = 4;
const PLUGIN_CONFIGURATION: u32 = 7;
/// `proxy_metric_type_t`.
const COUNTER: u32 = 0;
const GAUGE: u32 = 1;
/// `proxy_status_t`.
const OK: u32 = 0;

/// The log levels in use, of `proxy_log_level_t`.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Level {
    Info = 2,
    Warn = 3,
    Error = 4,
}

/// WASI's clock that cannot be set.
const MONOTONIC_CLOCK: u32 = 1;
/// WASI's errno of success.
const SUCCESS: u32 = 0;

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision: u64, time: *mut u64) -> u32;
}

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, text: *const u8, length: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max_length: usize,
        data: *mut *mut u8,
        length: *mut usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, length: *mut usize) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        key: *const u8,
        key_length: usize,
        value: *const u8,
        value_length: usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        key: *const u8,
        key_length: usize,
        value: *const u8,
        value_length: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_length: usize) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_length: usize,
        data: *mut *mut u8,
        length: *mut usize,
    ) -> u32;
    fn proxy_set_property(
        path: *const u8,
        path_length: usize,
        value: *const u8,
        value_length: usize,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, length: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_length: usize,
        data: *mut *mut u8,
        length: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_length: usize,
        value: *const u8,
        value_length: usize,
        cas: u32,
    ) -> u32;
    fn proxy_http_call(
        cluster: *const u8,
        cluster_length: usize,
        headers: *const u8,
        headers_length: usize,
        body: *const u8,
        body_length: usize,
        trailers: *const u8,
        trailers_length: usize,
        timeout: u32,
        token: *mut u32,
    ) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_length: usize,
        arguments: *const u8,
        arguments_length: usize,
        data: *mut *mut u8,
        length: *mut usize,
    ) -> u32;
}

/// Runs the module's constructors.
#[cfg(target_os = "wasi")]
pub(crate) fn run_constructors() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: the linker provides the function for reactors, and `_initialize` is called once.
    unsafe { __wasm_call_ctors() }
}

/// Takes ownership of bytes that the host has allocated in this module's memory.
///
/// # Safety
/// A successful host call must have set `data` and `length`. The host allocates through
/// `proxy_on_memory_allocate`, which returns a boxed slice of exactly `length` bytes.
unsafe fn take(data: *mut u8, length: usize) -> Vec<u8> {
    if data.is_null() || length == 0 {
        return Vec::new();
    }
    // SAFETY: by the contract above.
    unsafe { Vec::from_raw_parts(data, length, length) }
}

/// Writes a line to the host's log.
pub(crate) fn log(level: Level, text: &str) {
    // SAFETY: pointer and length are of a live string.
    unsafe { proxy_log(level as u32, text.as_ptr(), text.len()) };
}

/// The host's clock, in ms since 1970-01-01T00:00:00Z.
pub(crate) fn now_ms() -> Option<u64> {
    let mut nanoseconds = 0_u64;
    // SAFETY: the host writes one u64.
    let status = unsafe { proxy_get_current_time_nanoseconds(&raw mut nanoseconds) };
    (status == OK).then_some(nanoseconds / 1_000_000)
}

/// The host's clock that cannot be set, in ms since any time in the past.
pub(crate) fn uptime_ms() -> Option<u64> {
    let mut nanoseconds = 0_u64;
    // SAFETY: the host writes one u64.
    let errno = unsafe { clock_time_get(MONOTONIC_CLOCK, 1_000_000, &raw mut nanoseconds) };
    (errno == SUCCESS).then_some(nanoseconds / 1_000_000)
}

/// The plugin's configuration.
pub(crate) fn configuration() -> Option<Vec<u8>> {
    buffer(PLUGIN_CONFIGURATION, usize::MAX >> 1)
}

/// The body of the response to [`http_call`], cut off after `max_length` bytes. Only for the callback of that
/// response.
pub(crate) fn response_body(max_length: usize) -> Option<Vec<u8>> {
    buffer(CALL_RESPONSE_BODY, max_length)
}

fn buffer(kind: u32, max_length: usize) -> Option<Vec<u8>> {
    let (mut data, mut length) = (null_mut(), 0);
    // SAFETY: the host sets data and length together.
    unsafe {
        let status = proxy_get_buffer_bytes(kind, 0, max_length, &raw mut data, &raw mut length);
        (status == OK).then(|| take(data, length))
    }
}

/// The request's header block, in one buffer.
pub(crate) fn request_headers() -> Option<HeaderBlock> {
    headers(REQUEST_HEADERS)
}

/// The request's trailers. Only for their callback.
pub(crate) fn request_trailers() -> Option<HeaderBlock> {
    headers(REQUEST_TRAILERS)
}

/// The response's header block, in one buffer. Only for the callback of the response.
pub(crate) fn response_headers() -> Option<HeaderBlock> {
    headers(RESPONSE_HEADERS)
}

/// The header block of the response to [`http_call`]. Only for the callback of that response.
pub(crate) fn call_response_headers() -> Option<HeaderBlock> {
    headers(CALL_RESPONSE_HEADERS)
}

fn headers(map: u32) -> Option<HeaderBlock> {
    let (mut data, mut length) = (null_mut(), 0);
    // SAFETY: the host sets data and length together.
    unsafe {
        let status = proxy_get_header_map_pairs(map, &raw mut data, &raw mut length);
        (status == OK).then(|| HeaderBlock(take(data, length)))
    }
}

/// A serialised header map: the count, then the lengths of each name and value, then names and
/// values, each followed by a zero byte. All numbers are little-endian `u32`.
pub(crate) struct HeaderBlock(Vec<u8>);

impl HeaderBlock {
    /// Names and values. Ends early if the block is malformed.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let count = read_u32(&self.0, 0).unwrap_or(0);
        let mut lengths = 4_usize;
        let mut position = count.saturating_mul(8).saturating_add(4);
        (0..count).map_while(move |_| {
            let name = self.take_slice(read_u32(&self.0, lengths)?, &mut position)?;
            let value =
                self.take_slice(read_u32(&self.0, lengths.saturating_add(4))?, &mut position)?;
            lengths = lengths.saturating_add(8);
            Some((name, value))
        })
    }

    /// The `length` bytes at `position`, which then moves behind them and their zero byte.
    fn take_slice(&self, length: usize, position: &mut usize) -> Option<&[u8]> {
        let end = position.checked_add(length)?;
        let slice = self.0.get(*position..end)?;
        *position = end.checked_add(1)?;
        Some(slice)
    }
}

fn read_u32(bytes: &[u8], offset: usize) -> Option<usize> {
    let field = bytes.get(offset..offset.checked_add(4)?)?;
    usize::try_from(u32::from_le_bytes(field.try_into().ok()?)).ok()
}

/// Sets a request header. Replaces all headers of that name.
pub(crate) fn set_request_header(name: &str, value: &str) {
    set_header(REQUEST_HEADERS, name, value);
}

/// Sets a response header. Replaces all headers of that name.
pub(crate) fn set_response_header(name: &str, value: &str) {
    set_header(RESPONSE_HEADERS, name, value);
}

fn set_header(map: u32, name: &str, value: &str) {
    // SAFETY: pointers and lengths are of live strings.
    unsafe {
        proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    };
}

/// Removes all request headers of a name.
pub(crate) fn remove_request_header(name: &[u8]) {
    remove(REQUEST_HEADERS, name);
}

/// Removes all request trailers of a name.
pub(crate) fn remove_request_trailer(name: &[u8]) {
    remove(REQUEST_TRAILERS, name);
}

fn remove(map: u32, name: &[u8]) {
    // SAFETY: pointer and length are of a live slice.
    unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) };
}

/// Adds a response header. Keeps other headers of that name.
pub(crate) fn add_response_header(name: &str, value: &str) {
    // SAFETY: pointers and lengths are of live strings.
    unsafe {
        proxy_add_header_map_value(
            RESPONSE_HEADERS,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    };
}

/// A property of the stream. `path` has the segments of its name.
pub(crate) fn property(path: &[&str]) -> Option<Vec<u8>> {
    let path = path.join("\0");
    let (mut data, mut length) = (null_mut(), 0);
    // SAFETY: the path is live; the host sets data and length together.
    unsafe {
        let status = proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut length);
        (status == OK).then(|| take(data, length))
    }
}

/// Makes a context the one that further host calls of this callback are about. Returns whether the host knows it.
pub(crate) fn set_effective_context(context: u32) -> bool {
    // SAFETY: a plain number.
    unsafe { proxy_set_effective_context(context) == OK }
}

/// Stores a value with the stream: filter state in Envoy.
pub(crate) fn set_property(name: &str, value: &str) {
    // SAFETY: pointers and lengths are of live strings.
    unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

/// Calls a function that the host offers by name, and drops its result. A host without it does nothing.
pub(crate) fn call_foreign_function(name: &str, arguments: &[u8]) {
    let (mut data, mut length) = (null_mut(), 0);
    // SAFETY: pointers and lengths are of live slices; the host sets data and length together.
    unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            arguments.as_ptr(),
            arguments.len(),
            &raw mut data,
            &raw mut length,
        );
        drop(take(data, length));
    }
}

/// A metric of the host. All VMs of the process share it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric(u32);

impl Metric {
    /// A counter.
    pub(crate) fn counter(name: &str) -> Option<Metric> {
        metric(COUNTER, name)
    }

    /// A gauge.
    pub(crate) fn gauge(name: &str) -> Option<Metric> {
        metric(GAUGE, name)
    }

    /// Adds one.
    pub(crate) fn increment(self) {
        self.add(1);
    }

    /// Adds a count.
    pub(crate) fn add(self, count: u64) {
        // SAFETY: plain numbers.
        unsafe { proxy_increment_metric(self.0, i64::try_from(count).unwrap_or(i64::MAX)) };
    }

    /// Sets the value.
    pub(crate) fn record(self, value: u64) {
        // SAFETY: plain numbers.
        unsafe { proxy_record_metric(self.0, value) };
    }
}

/// The largest number of metrics whose ids are stored.
const MAX_METRICS: usize = 10_000;

thread_local! {
    /// The metrics of this VM. Envoy allocates a new id at each definition, even of a name that it knows.
    static METRICS: RefCell<BTreeMap<String, Metric>> = const { RefCell::new(BTreeMap::new()) };
}

fn metric(kind: u32, name: &str) -> Option<Metric> {
    METRICS.with(|metrics| {
        let Ok(mut metrics) = metrics.try_borrow_mut() else { return define(kind, name) };
        if let Some(metric) = metrics.get(name) {
            return Some(*metric);
        }
        let metric = define(kind, name)?;
        if metrics.len() < MAX_METRICS {
            metrics.insert(name.to_owned(), metric);
        }
        Some(metric)
    })
}

fn define(kind: u32, name: &str) -> Option<Metric> {
    let mut id = 0;
    // SAFETY: the name is live; the host writes one u32.
    let status = unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) };
    (status == OK).then_some(Metric(id))
}

/// Sets the period of ticks, in ms; 0 stops them.
pub(crate) fn set_tick(period_ms: u32) {
    // SAFETY: a plain number.
    unsafe { proxy_set_tick_period_milliseconds(period_ms) };
}

/// A value that all VMs share, with the compare-and-swap number for its next write.
pub(crate) fn shared_data(key: &str) -> Option<(Vec<u8>, u32)> {
    let (mut data, mut length, mut cas) = (null_mut(), 0, 0);
    // SAFETY: the key is live; the host sets data and length together, and one u32.
    unsafe {
        let status = proxy_get_shared_data(
            key.as_ptr(),
            key.len(),
            &raw mut data,
            &raw mut length,
            &raw mut cas,
        );
        (status == OK).then(|| (take(data, length), cas))
    }
}

/// Writes a value that all VMs share. Returns `false` if another VM has written since `cas` was read; 0 always
/// overwrites.
pub(crate) fn set_shared_data(key: &str, value: &[u8], cas: u32) -> bool {
    // SAFETY: pointers and lengths are of live slices.
    let status =
        unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) };
    status == OK
}

/// Sends a request to a cluster. Returns the token that its response arrives with, or `None` if the host
/// refuses.
pub(crate) fn http_call(
    cluster: &str,
    headers: &[(&[u8], &[u8])],
    body: &[u8],
    timeout_ms: u32,
) -> Option<u32> {
    let headers = serialise(headers)?;
    let trailers = serialise(&[])?;
    let mut token = 0;
    // SAFETY: pointers and lengths are of live slices; the host writes one u32.
    let status = unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout_ms,
            &raw mut token,
        )
    };
    (status == OK).then_some(token)
}

/// Serialises a header map in the format of [`HeaderBlock`].
fn serialise(pairs: &[(&[u8], &[u8])]) -> Option<Vec<u8>> {
    let length = |slice: &[u8]| u32::try_from(slice.len()).ok().map(u32::to_le_bytes);
    let mut out = Vec::new();
    out.extend_from_slice(&u32::try_from(pairs.len()).ok()?.to_le_bytes());
    for (name, value) in pairs {
        out.extend_from_slice(&length(name)?);
        out.extend_from_slice(&length(value)?);
    }
    for slice in pairs.iter().flat_map(|(name, value)| [name, value]) {
        out.extend_from_slice(slice);
        out.push(0);
    }
    Some(out)
}

/// A random number. It serves as an id: no two are equal in practice.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// An environment variable of the VM, if it is set and not empty.
pub(crate) fn environment_variable(name: &str) -> Option<Vec<u8>> {
    let value = std::env::var_os(name)?.into_encoded_bytes();
    (!value.is_empty()).then_some(value)
}

/// 128 bits of entropy from the host.
pub(crate) fn entropy() -> Option<[u8; 16]> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}
