//! Refusals, counted by their code.

use crate::feed::Counter;
use crate::wire::refusal::Refusal;

/// How often each refusal was given.
#[derive(Debug)]
pub struct Refusals([Counter; Refusal::ALL.len()]);

impl Default for Refusals {
    fn default() -> Self {
        Refusals(std::array::from_fn(|_| Counter::default()))
    }
}

impl Refusals {
    /// Counts one.
    pub fn count(&self, why: Refusal) {
        if let Some(index) = Refusal::ALL.iter().position(|known| *known == why) {
            self.0[index].add(1);
        }
    }

    /// All of them, each by its code. A code may come more than once.
    pub fn by_code(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Refusal::ALL.iter().zip(&self.0).map(|(why, count)| (why.code(), count.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_by_its_code() {
        let refusals = Refusals::default();
        refusals.count(Refusal::Full);
        refusals.count(Refusal::MethodNotAllowed { head: true });
        refusals.count(Refusal::MethodNotAllowed { head: false });
        let counted: Vec<_> = refusals.by_code().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("method_not_allowed", 1), ("method_not_allowed", 1), ("full", 1)]);
    }
}
