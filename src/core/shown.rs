//! What a request for a kind's rows says of the rows: whether they are full ones, and of which objects.

use std::sync::Arc;

use super::plan::Refused;
use super::request::Request;
use crate::feed::{Rows, Selector};
use crate::wire::refusal::Refusal;

/// Which rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    pub rows: Rows,
    pub selector: Option<Arc<Selector>>,
}

impl Shown {
    /// What `rows` and `labelSelector` in the request's query ask for.
    pub fn of(request: &Request<'_>) -> Result<Self, Refused> {
        let rows = match request.parameter("rows").as_deref() {
            None => Rows::default(),
            Some(word) => [Rows::Plain, Rows::Full]
                .into_iter()
                .find(|rows| rows.word() == word)
                .ok_or(Refusal::BadRows)?,
        };
        let text = request.parameter("labelSelector").unwrap_or_default();
        let selector = Selector::parse(&text).map_err(|error| Refused {
            why: Refusal::BadSelector,
            words: format!("labelSelector: {error}").into(),
        })?;
        Ok(Shown { rows, selector })
    }
}
