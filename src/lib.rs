//! Foretop streams live Kubernetes lists to very many browser tabs.
//!
//! ```text
//! clusters ──watch──▶ control plane (tokio) ──blocks of frames──▶ cores (monoio, one thread each) ──SSE──▶ tabs
//! ```
//!
//! The promise, against which every line here is held: **an event is decoded once, encoded once, and its bytes are shared by every
//! tab that may see it. What an apiserver pays depends on clusters × kinds, never on tabs. No tab is ever silently stale, and none
//! sees a row that it may not see.**
//!
//! # The way of an event
//!
//! 1. [`cluster`]: the **reflector** of one (cluster, kind) lists and watches, over pooled HTTP/2, and has each line decoded.
//! 2. [`kind`]: decoding borrows from the line what the row needs; the **projection** makes the **row**. One file per kind.
//! 3. [`feed`]: the **replica** compares the row with the one it had; what shows nothing new stops here. The rest is encoded once, as a
//!    **frame** ([`wire::sse`]: SSE and chunk framing in one), and goes into the **journal** as an immutable **block**.
//! 4. [`core`]: each core that has a **view** of the feed is told that it has grown ([`feed::post`]), walks the chain of blocks, and puts
//!    each frame into the **log** of the views that it belongs to ([`core::grow`], [`core::log`]).
//! 5. [`core::turn`]: a lap gives each **stream** of a view one send of all that follows its place. A stream is a slot
//!    ([`core::slot`]): no task, no queue, no timer.
//!
//! # The way of a request
//!
//! 1. [`core::listener`] accepts (every core its own listener; [`tls`] ends TLS before it); [`core::connection`] reads the head, [`core::request`] parses and bounds it.
//! 2. [`identity`]: who asks, verified on the core.
//! 3. If the user's home is another core, the socket moves there, with what was read of it.
//! 4. [`access`]: may they.
//! 5. [`core::list`] answers a list from the feed's shared [`feed::snapshot`]; [`core::join`] opens a stream: *a prefix, then the journal from a
//!    place* ([`core::prefix`], [`core::catchup`], [`feed::journal`]). [`core::end`] ends it.
//! 6. All else moves, socket and all, to [`api`] on the control plane.
//!
//! [`audit`] records who saw what; [`doctor`] looks for what is wrong with a deployment; [`certificate`] tells when certificates end; [`feed::hub`] knows which feeds there are and starts and ends them; [`serve`] puts the parts together, and drains them; [`saved`] carries feeds over a
//! restart, and [`siblings`] says what other replicas serve; [`config`] is one typed tree; [`log`] bounds how much of one event is logged; [`sim`] simulates apiservers for the demo, the tests and load runs.
//!
//! Dependencies point one way: `core` and `cluster` know `feed`; `feed` knows `kind` and `wire` (and of `access` the
//! `Grant`, which its post carries to the cores, typed, as nothing may lose one on the way); `kind` knows nothing of the rest.
//! `core` never imports tokio; `cluster` and `api` never import monoio.

#![deny(missing_docs)]
#![warn(clippy::pedantic)]
#![allow(
    clippy::module_name_repetitions,
    clippy::must_use_candidate,
    reason = "names are read with their module; most of what is returned here is plainly wanted"
)]
#![allow(
    clippy::missing_panics_doc,
    reason = "each `expect` says why it holds; none is for the caller to see to"
)]

pub mod access;
pub mod api;
pub mod audit;
pub mod certificate;
pub mod cluster;
pub mod config;
pub mod core;
pub mod doctor;
pub mod feed;
pub mod identity;
pub mod kind;
pub mod log;
pub mod memory;
pub mod saved;
pub mod serve;
pub mod siblings;
pub mod sim;
pub mod tls;
pub mod wire;
