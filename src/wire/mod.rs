//! The contract's bytes, said once for `core` and `api`: SSE frames and their chunk framing, response heads, refusals, ids.
//!
//! Invariant: whatever comes from a client or an apiserver is escaped or validated before it becomes part of a head, a line or
//! a text made here.

pub mod as_of;
pub mod dress;
pub mod fields;
pub mod head;
pub mod id;
pub mod line;
pub mod refusal;
pub mod selector;
pub mod sse;
