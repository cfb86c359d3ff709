//! Opens very many tabs, and measures what they cost.

fn main() {}
