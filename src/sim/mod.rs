//! A simulated apiserver.
