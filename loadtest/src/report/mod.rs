//! What a run leaves behind: a table, JSON, a page.

pub mod table;
