//! The most that a request can be made to carry under a plan.

/// The maximum size of the header field `serin-flags`, in bytes. Envoy refuses a request whose
/// header fields exceed 60 KiB in all, and many servers refuse one beyond 16 or 8 KiB.
pub const MAX_FLAGS_BYTES: usize = 16 << 10;
/// The maximum size of a decision record, in bytes. Collectors of logs cut or drop lines beyond
/// 256 KB; the record is one part of such a line.
pub const MAX_RECORD_BYTES: usize = 128 << 10;

/// Upper bounds of what one request can carry, over all paths, variants and arms, in bytes. No
/// decision of the plan exceeds them, and `compile` refuses a spec whose bounds exceed
/// [`MAX_FLAGS_BYTES`] or [`MAX_RECORD_BYTES`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestSize {
    /// The value of the header field `serin-flags`.
    pub flags: usize,
    /// The values of the other header fields of the upstream request.
    pub other_fields: usize,
    /// The decision record.
    pub record: usize,
}
