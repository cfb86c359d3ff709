//! The paged LIST: what an apiserver without initial events is synced by.

use std::time::Instant;

use super::Reflector;
use crate::cluster::status;
use crate::cluster::step::Outcome;
use crate::kind::{Page, Rv};

impl Reflector {
    /// Takes everything, page by page.
    pub(super) async fn list(&mut self) -> Outcome {
        let initial = self.begin_sync().await;
        let asked = Instant::now();
        let mut objects = Vec::new();
        let mut next = String::new();
        loop {
            let page = match self.page(self.settings.page_size, &next, initial.detailed).await {
                Ok(page) => page,
                Err(outcome) => return outcome,
            };
            objects.extend(page.items);
            // Tokens are opaque, but one that leads back to its own page would never end.
            match page.next.filter(|token| !token.is_empty()) {
                Some(token) if token == next => {
                    return Outcome::Garbage("a page of the list leads to itself".into());
                }
                Some(token) => next = token,
                None => {
                    let incarnation = initial.incarnation.as_deref();
                    self.replace(page.rv, objects, incarnation, |heard| heard.listed(asked));
                    return Outcome::Synced;
                }
            }
        }
    }

    /// The version of a LIST that is made now, from etcd.
    pub(super) async fn newest(&self) -> Option<Rv> {
        self.page(1, "", false).await.ok().map(|page| page.rv)
    }

    async fn page(&self, size: u32, token: &str, detailed: bool) -> Result<Page, Outcome> {
        let mut path = format!("{}?limit={size}", self.look.path);
        if !token.is_empty() {
            path.push_str("&continue=");
            percent_encode(token, &mut path);
        }
        let answer = self.cluster.get_page(&path, &self.look.headers).await?;
        if answer.status != 200 {
            return Err(status::outcome(&status::read(&answer)));
        }
        let kind = self.sink.key().kind;
        let decode = if detailed { kind.detail_page } else { kind.decode_page };
        decode(&answer.body).map_err(|error| Outcome::Garbage(error.to_string()))
    }
}

/// Appends a text as a value of a URL's query.
fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_continue_token_survives_the_url() {
        let mut out = String::new();
        percent_encode("aZ9-._~+/=& ä", &mut out);
        assert_eq!(out, "aZ9-._~%2B%2F%3D%26%20%C3%A4");
    }
}
