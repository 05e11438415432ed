//! Serin core.
#![no_std]
