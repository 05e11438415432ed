//! serin
fn main() {}
