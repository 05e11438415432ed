//! `cargo xtask bench`: what a decision costs, natively and as wasm, in one table.
pub(crate) fn task() -> crate::shell::Outcome {
    Ok(())
}
