//! Serin filter.
