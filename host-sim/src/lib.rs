//! Serin host simulator.
