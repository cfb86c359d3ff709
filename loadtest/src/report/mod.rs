//! What a run leaves behind: a table, JSON, a page; and two runs side by side.

pub mod compare;
mod fit;
pub mod page;
mod plots;
pub mod table;
