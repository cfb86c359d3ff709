//! Who answers access reviews.

use std::pin::Pin;

use bytes::Bytes;
use http::HeaderMap;

use crate::cluster::{Answer, CallError, Clusters};

/// An answer that is under way.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Answer, CallError>> + Send + 'a>>;

/// Answers access reviews about clusters.
pub trait Authorizer: Send + Sync + 'static {
    /// Creates a review at this path of a cluster; `headers` say as whom.
    fn review<'a>(
        &'a self,
        cluster: &'a str,
        path: &'static str,
        headers: HeaderMap,
        review: Bytes,
    ) -> Answering<'a>;
}

/// Each cluster's apiserver answers.
impl Authorizer for Clusters {
    fn review<'a>(
        &'a self,
        cluster: &'a str,
        path: &'static str,
        headers: HeaderMap,
        review: Bytes,
    ) -> Answering<'a> {
        Box::pin(async move {
            let Some(cluster) = self.get(cluster) else {
                return Err(CallError::Unreachable("the cluster cannot be entered".into()));
            };
            cluster.post_json(path, headers, review).await
        })
    }
}
