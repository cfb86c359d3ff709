//! Tenants: who shares this server with whom, and how much of it each may have.
//!
//! A cluster of another tenant is to a user as if there were none. Without rules there is one tenant, `default`, of which everyone and every
//! cluster is; with rules a cluster that lists no tenant is nobody's.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use arc_swap::ArcSwap;

use super::bucket::Bucket;
use crate::cluster::ClusterSpec;
use crate::config::{self, DEFAULT_TENANT, TenantRule};
use crate::identity::Identity;

/// The names of the tenants of each cluster.
type ByCluster = HashMap<Arc<str>, Box<[Arc<str>]>>;

/// The tenants of a process.
#[derive(Debug)]
pub struct Tenants {
    rules: Vec<(TenantRule, Arc<Tenant>)>,
    /// The one of everyone, without rules.
    only: Option<Arc<Tenant>>,
    /// The tenants of each cluster, as the registry has them.
    clusters: ArcSwap<ByCluster>,
}

/// A tenant, and what it has taken of its quotas. Charged where streams are opened and closed, by whichever core.
#[derive(Debug)]
pub struct Tenant {
    /// Its name.
    pub name: Arc<str>,
    /// Which of the tenants it is, from 0.
    pub number: usize,
    /// What its streams may be sent; `None`: without a bound.
    pub bytes: Option<Bucket>,
    /// The same of its lists.
    list_bytes: Option<Bucket>,
    most_streams: u32,
    most_connects: u32,
    streams: AtomicU32,
    /// A second, and how many streams were opened in it.
    opened: AtomicU64,
}

/// The quota that a tenant has used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    /// Open streams.
    Streams,
    /// New streams per second.
    Connects,
}

impl Tenants {
    /// The tenants of a configuration. No cluster is anybody's yet, where there are rules.
    #[must_use]
    pub fn new(settings: &config::Tenants) -> Self {
        let mut tenants: HashMap<String, Arc<Tenant>> = HashMap::new();
        let rules = settings.rules.iter().map(|rule| {
            let number = tenants.len();
            // Several rules may be of one tenant.
            let tenant =
                tenants.entry(rule.name.clone()).or_insert_with(|| Tenant::new(&rule.name, number, settings));
            (rule.clone(), tenant.clone())
        });
        let rules: Vec<_> = rules.collect();
        let only = rules.is_empty().then(|| Tenant::new(DEFAULT_TENANT, 0, settings));
        Tenants { rules, only, clusters: ArcSwap::default() }
    }

    /// All of them, each at its number.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Tenant>> {
        let tenants = self.rules.iter().map(|(_, tenant)| tenant).chain(&self.only);
        let mut tenants: Vec<_> = tenants.cloned().collect();
        tenants.sort_by_key(|tenant| tenant.number);
        tenants.dedup_by_key(|tenant| tenant.number);
        tenants
    }

    /// Takes the registry as it is now.
    pub fn serve<'a>(&self, specs: impl IntoIterator<Item = &'a Arc<ClusterSpec>>) {
        let clusters = specs.into_iter().map(|spec| (spec.name.clone(), spec.tenants.clone().into()));
        self.clusters.store(Arc::new(clusters.collect()));
    }

    /// Whose they are. `None`: no rule matches, and there is no cluster for them.
    #[must_use]
    pub fn of(&self, who: &Identity) -> Option<&Arc<Tenant>> {
        let matching = self.rules.iter().find(|(rule, _)| matches(rule, who));
        self.only.as_ref().or(matching.map(|(_, tenant)| tenant))
    }

    /// Whether there is such a cluster for them. Takes no lock.
    #[must_use]
    pub fn admit(&self, who: &Identity, cluster: &str) -> bool {
        let Some(tenant) = self.of(who) else { return false };
        if self.only.is_some() {
            return true;
        }
        self.clusters.load().get(cluster).is_some_and(|tenants| tenants.contains(&tenant.name))
    }
}

fn matches(rule: &TenantRule, who: &Identity) -> bool {
    let domain = who.email.rsplit_once('@').map(|(_, domain)| domain);
    rule.subjects.iter().any(|subject| subject == "*" || **subject == *who.subject)
        || who.groups.iter().any(|group| rule.groups.iter().any(|one| **one == **group))
        || domain.is_some_and(|domain| rule.email_domains.iter().any(|one| one.eq_ignore_ascii_case(domain)))
}

impl Tenant {
    fn new(name: &str, number: usize, settings: &config::Tenants) -> Arc<Self> {
        let bucket = || {
            let per_second = settings.bytes_per_second;
            (per_second > 0).then(|| Bucket::new(per_second as u64, Instant::now()))
        };
        Arc::new(Tenant {
            name: name.into(),
            number,
            bytes: bucket(),
            list_bytes: bucket(),
            most_streams: settings.streams,
            most_connects: settings.connects_per_second,
            streams: AtomicU32::new(0),
            opened: AtomicU64::new(0),
        })
    }

    /// One more stream, at this second.
    ///
    /// # Errors
    /// The quota that does not allow it.
    pub fn open(&self, second: u32) -> Result<(), Exceeded> {
        if self.most_connects > 0 && !self.count_connect(second) {
            return Err(Exceeded::Connects);
        }
        let streams = self.streams.fetch_add(1, Relaxed);
        if self.most_streams > 0 && streams >= self.most_streams {
            self.close();
            return Err(Exceeded::Streams);
        }
        Ok(())
    }

    /// One less.
    pub fn close(&self) {
        self.streams.fetch_sub(1, Relaxed);
    }

    /// Whether a list of so many bytes may be answered now; if so, they are counted.
    pub fn list(&self, now: Instant, bytes: usize) -> bool {
        self.list_bytes.as_ref().is_none_or(|bucket| bucket.take_if_any(now, bytes))
    }

    fn count_connect(&self, second: u32) -> bool {
        let counted = self.opened.fetch_update(Relaxed, Relaxed, |opened| {
            let (of, count) = (opened >> 32, opened & u64::from(u32::MAX));
            // Cores do not agree on a second's beginning to the last millisecond.
            let count = if of >= u64::from(second) { count } else { 0 };
            let of = of.max(u64::from(second));
            (count < u64::from(self.most_connects)).then_some(of << 32 | (count + 1))
        });
        counted.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Backend;

    fn who(subject: &str, email: &str, groups: &[&str]) -> Identity {
        Identity {
            subject: subject.into(),
            email: email.into(),
            groups: groups.iter().map(|group| Box::from(*group)).collect(),
            session: None,
            until: None,
        }
    }

    fn rule(name: &str, groups: &[&str], subjects: &[&str], domains: &[&str]) -> TenantRule {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        TenantRule {
            name: name.into(),
            groups: texts(groups),
            subjects: texts(subjects),
            email_domains: texts(domains),
        }
    }

    fn cluster(name: &str, tenants: &[&str]) -> Arc<ClusterSpec> {
        let tenants = tenants.iter().map(|tenant| Arc::from(*tenant)).collect();
        Arc::new(ClusterSpec { tenants, ..ClusterSpec::new(name, Backend::InCluster) })
    }

    fn of(tenants: &Tenants, who: &Identity) -> Option<String> {
        tenants.of(who).map(|tenant| tenant.name.to_string())
    }

    #[test]
    fn without_rules_everyone_sees_every_cluster() {
        let tenants = Tenants::new(&config::Tenants::default());
        let ann = who("ann", "", &[]);
        assert_eq!(of(&tenants, &ann).as_deref(), Some(DEFAULT_TENANT));
        assert!(tenants.admit(&ann, "any"));
    }

    #[test]
    fn the_first_rule_that_matches_counts_and_whom_none_matches_sees_nothing() {
        let rules = vec![
            rule("blue", &["blue-team"], &["root"], &[]),
            rule("red", &[], &[], &["Red.example"]),
            rule("blue", &["late"], &[], &[]),
        ];
        let tenants = Tenants::new(&config::Tenants { rules, ..config::Tenants::default() });
        let numbered: Vec<_> =
            tenants.all().iter().map(|tenant| (tenant.number, tenant.name.clone())).collect();
        assert_eq!(numbered, [(0, "blue".into()), (1, "red".into())]);
        tenants.serve(&[
            cluster("b", &["blue"]),
            cluster("r", &["red"]),
            cluster("both", &["red", "blue"]),
            cluster("nobody", &[]),
        ]);
        let sees = |who: &Identity| {
            ["b", "r", "both", "nobody", "no-such"].map(|cluster| tenants.admit(who, cluster))
        };
        let blue = who("ann", "ann@red.example", &["x", "blue-team"]);
        assert_eq!(of(&tenants, &blue).as_deref(), Some("blue"), "the first");
        assert_eq!(sees(&blue), [true, false, true, false, false]);
        let red = who("bob", "bob@x@red.EXAMPLE", &[]);
        assert_eq!(sees(&red), [false, true, true, false, false]);
        assert_eq!(of(&tenants, &who("root", "", &[])).as_deref(), Some("blue"));
        assert_eq!(of(&tenants, &who("eve", "", &["late"])).as_deref(), Some("blue"));
        for nobody in [who("eve", "eve@notred.example", &[]), who("eve", "red.example", &["blue-tea"])] {
            assert_eq!(of(&tenants, &nobody), None);
            assert_eq!(sees(&nobody), [false; 5]);
        }
    }

    #[test]
    fn quotas_are_of_all_rules_of_a_tenant_together() {
        let settings = config::Tenants {
            rules: vec![rule("blue", &["a"], &[], &[]), rule("blue", &["b"], &[], &[])],
            streams: 3,
            connects_per_second: 2,
            bytes_per_second: 0,
        };
        let tenants = Tenants::new(&settings);
        assert_eq!(tenants.all().len(), 1);
        let (a, b) = (who("x", "", &["a"]), who("y", "", &["b"]));
        let open = |who: &Identity, second| tenants.of(who).expect("a tenant").open(second);
        assert_eq!((open(&a, 7), open(&b, 7)), (Ok(()), Ok(())));
        assert_eq!(open(&b, 7), Err(Exceeded::Connects));
        assert_eq!(open(&a, 6), Err(Exceeded::Connects), "a core whose clock is behind");
        assert_eq!(open(&a, 8), Ok(()));
        assert_eq!(open(&a, 8), Err(Exceeded::Streams));
        tenants.of(&b).expect("a tenant").close();
        assert_eq!(open(&b, 9), Ok(()));
    }
}
