//! What a run leaves behind: a table, JSON, a page; and two runs side by side.

pub mod compare;
pub mod page;
mod plots;
pub mod table;
