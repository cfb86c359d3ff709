//! Tenants: who shares this server with whom.

use std::sync::Arc;

use super::GIB;
use super::grammar::{Size, TenantRules, Whole};
use super::table::{Section, Table};

/// Tenants.
#[derive(Clone, Debug, Default)]
pub struct Tenants {
    /// Who is of which tenant: an identity takes the first rule that matches. None: everyone is of the one tenant `default`.
    pub rules: Vec<TenantRule>,
    /// Open streams of a tenant, on all cores; 0: no limit.
    pub streams: u32,
    /// New streams of a tenant per second, on all cores; 0: no limit.
    pub connects_per_second: u32,
    /// Bytes per second that a tenant's streams are sent, on all cores, and as many again for its lists; 0: no limit.
    pub bytes_per_second: usize,
}

/// Who is of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantRule {
    /// The tenant.
    pub name: String,
    /// Whoever has one of these groups.
    pub groups: Vec<String>,
    /// These users; `*`: everyone.
    pub subjects: Vec<String>,
    /// Whose e-mail is of one of these domains.
    pub email_domains: Vec<String>,
}

/// The tenant of everyone where no rule says otherwise.
pub const DEFAULT_TENANT: &str = "default";

impl Tenants {
    /// The names of all tenants.
    #[must_use]
    pub fn names(&self) -> Vec<Arc<str>> {
        if self.rules.is_empty() {
            return vec![DEFAULT_TENANT.into()];
        }
        self.rules.iter().map(|rule| rule.name.as_str().into()).collect()
    }
}

impl Section for Tenants {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "rules",
            &mut self.rules,
            TenantRules,
            "Who is of which tenant: a list of maps with `name` and one or more of `groups`, `subjects` (`*` is everyone) and `emailDomains`. \
             The first that matches counts; whom none matches sees no cluster. Each cluster of the registry then lists its `tenants`. \
             Without rules everyone is of the tenant `default`. Rely on `emailDomains` only where the identity provider verifies addresses.",
        );
        table.setting(
            "streams",
            &mut self.streams,
            Whole(0, 10_000_000),
            "Open streams of each tenant, beside the limit of each user; further ones are refused (429). 0: no limit.",
        );
        table.setting(
            "connectsPerSecond",
            &mut self.connects_per_second,
            Whole(0, 1_000_000),
            "New streams per second of each tenant; further ones are refused (429). 0: no limit.",
        );
        table.setting(
            "bytesPerSecond",
            &mut self.bytes_per_second,
            Size(0, 1024 * GIB),
            "Bytes per second that the streams of each tenant are sent. At its quota a tenant's streams take turns, and one that falls behind by \
             that gets the latest rows, as a slow reader does; nothing is lost. Its lists have as many bytes again; further ones are refused \
             (429). 0: no limit; else at least 16KiB.",
        );
    }
}
