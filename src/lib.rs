//! Foretop streams live Kubernetes lists to very many browser tabs.

#![deny(missing_docs)]
#![warn(clippy::pedantic)]
#![allow(clippy::module_name_repetitions, clippy::must_use_candidate)]

pub mod access;
pub mod api;
pub mod cluster;
pub mod config;
pub mod core;
pub mod feed;
pub mod identity;
pub mod kind;
pub mod serve;
pub mod sim;
pub mod wire;
