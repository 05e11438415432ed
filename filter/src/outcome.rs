//! The outcome of a request: how it ended, from Envoy's properties at the time of its access log.

use serin_core::gate::{Exposure, Outcome};
use serin_core::plan::Trial;

use crate::host;

/// The bits of `response.flags` that count as failures: no healthy upstream; upstream request timeout; reset by
/// Envoy, by the upstream; connection failure; connection termination; overflow; retry limit; stream maximum
/// duration; request timeout; upstream protocol error; no cluster; DNS failure.
const FAILED: u64 = bits(&[1, 2, 3, 4, 5, 6, 7, 15, 19, 22, 23, 24, 26]);
/// The bits of `response.flags` for a client that has disconnected: its connection, or its stream.
const CLIENT_DISCONNECTED: u64 = bits(&[14, 28]);

const fn bits(numbers: &[u32]) -> u64 {
    let (mut all, mut rest) = (0, numbers);
    while let Some((first, others)) = rest.split_first() {
        all |= 1_u64.wrapping_shl(*first);
        rest = others;
    }
    all
}

/// The outcome of the request whose log is being written.
pub(crate) fn outcome(trial: &Trial, exposure: &Exposure) -> Outcome {
    let flags = number(&["response", "flags"]).unwrap_or_default();
    let disconnected = flags & CLIENT_DISCONNECTED != 0;
    let status = number(&["response", "code"]).and_then(|code| u16::try_from(code).ok());
    // For a client that has disconnected this is how long it waited. The response would have taken longer,
    // so a canary that hangs until its clients disconnect is slow here.
    let is_timed = trial.gate().settings().latency.is_some();
    let nanos = is_timed.then(|| number(&["request", "duration"])).flatten();
    let kpi = trial.kpi_header().filter(|_| exposure.kpi);
    Outcome {
        status: status.unwrap_or_default(),
        failed: !disconnected && flags & FAILED != 0,
        micros: nanos.map(|nanos| nanos / 1000),
        kpi_header: kpi
            .is_some_and(|name| host::property(&["response", "headers", name]).is_some()),
    }
}

/// The status that the client received; `None` if it disconnected before the response.
pub(crate) fn client_status() -> Option<u16> {
    let disconnected =
        number(&["response", "flags"]).unwrap_or_default() & CLIENT_DISCONNECTED != 0;
    let status = number(&["response", "code"]).filter(|_| !disconnected)?;
    u16::try_from(status).ok()
}

/// A property that is a number: eight bytes, little-endian.
pub(crate) fn number(path: &[&str]) -> Option<u64> {
    Some(u64::from_le_bytes(host::property(path)?.try_into().ok()?))
}
