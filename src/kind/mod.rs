//! The kinds that Foretop streams: one file per kind, and their registry. Those that it follows for itself are in [`rbac`].
//!
//! A kind says what is decoded of its objects, what its row looks like and how an object becomes a row (its
//! *projection*). Nothing here knows of clusters, feeds or streams.
//!
//! Invariants: rows are equal to the wire contract byte for byte (field order, omissions, Go's HTML-safe escaping);
//! decoding borrows from the line and materialises only what the row needs, so never `managedFields`, and never the
//! data of `Secrets` or `ConfigMaps`.

#[cfg(test)]
mod case;
mod decode;
mod details;
mod field;
mod json;
pub mod quantity;
pub mod rbac;
mod row;
pub mod text;
mod time;
mod version;

use serde::Deserialize;

use decode::Depth;
use field::Identity;

pub use decode::{Change, DecodeError, Object, Page, StatusError};
pub use details::{Details, Labels};
pub use row::{ClockHole, Row};
pub use version::{NotAnRv, Rv};

/// One entry of the registry: everything that is particular to a kind.
pub struct Kind {
    /// The token in routes and in the configuration, such as `pods` or `pvcs` (Periscope's words, not always
    /// Kubernetes' plural).
    pub name: &'static str,
    /// The alias under which the kinds grammar names several kinds at once.
    pub group: Group,
    /// Where the apiserver serves it.
    pub api: Api,
    /// The name of the array in a list's body.
    pub wrapper: &'static str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// The order and length of its lists.
    pub listing: Listing,
    /// What one line of a watch says. The line comes without its newline.
    pub decode_line: fn(&[u8]) -> Result<Change, DecodeError>,
    /// What one page of a list holds.
    pub decode_page: fn(&[u8]) -> Result<Page, DecodeError>,
    /// The same as `decode_line`, with the [`Details`] of objects.
    pub detail_line: fn(&[u8]) -> Result<Change, DecodeError>,
    /// The same as `decode_page`, with the [`Details`] of objects.
    pub detail_page: fn(&[u8]) -> Result<Page, DecodeError>,
    /// Whether its plain row has an `owner` of its own, for which the full row has the controlling owner.
    pub own_owner: bool,
    /// The version of its rows, plain and full: what was saved with another is not restored. It goes up whenever some object's row becomes another one, which a test
    /// notices (`tests/row_versions.rs`).
    pub row_version: u32,
}

/// Where the apiserver serves a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Api {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The version within the group.
    pub version: &'static str,
    /// Kubernetes' plural, as in the URL.
    pub plural: &'static str,
}

impl Api {
    /// The path of the collection, such as `/apis/apps/v1/deployments`: of one namespace, or of all.
    #[must_use]
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = match self.group {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        match namespace {
            None => format!("{root}/{}", self.plural),
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", self.plural),
        }
    }
}

/// The aliases of the kinds grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// pods, events
    Core,
    /// deployments to poddisruptionbudgets
    Workloads,
    /// services to ingressclasses
    Networking,
    /// pvs, pvcs, storageclasses
    Storage,
    /// nodes to runtimeclasses
    Cluster,
}

impl Group {
    /// The alias as it is written in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Group::Core => "core",
            Group::Workloads => "workloads",
            Group::Networking => "networking",
            Group::Storage => "storage",
            Group::Cluster => "cluster",
        }
    }

    /// Every alias.
    pub const ALL: [Group; 5] =
        [Group::Core, Group::Workloads, Group::Networking, Group::Storage, Group::Cluster];
}

/// The order and length of a kind's lists and snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// All rows, by the bytes of `namespace/name` (etcd's order).
    ByKey,
    /// The `cap` newest by [`Row::order`], newest first. Such rows are known to the front end by uid, and their updates go out
    /// as `added`, since a client whose snapshot did not hold the row would ignore a `modified`.
    NewestFirst {
        /// The most rows that a list holds.
        cap: usize,
    },
}

/// What a kind's file says about it: where it is served, what is decoded of its objects, and how they become rows.
trait Projection {
    /// See [`Kind::name`].
    const NAME: &'static str;
    /// See [`Kind::group`].
    const GROUP: Group;
    /// See [`Kind::api`].
    const API: Api;
    /// See [`Kind::wrapper`].
    const WRAPPER: &'static str;
    /// See [`Kind::namespaced`].
    const NAMESPACED: bool = true;
    /// See [`Kind::listing`].
    const LISTING: Listing = Listing::ByKey;
    /// Whether its plain row has the object's `uid` already, at the beginning.
    const OWN_UID: bool = false;
    /// See [`Kind::own_owner`]: at the end of the row.
    const OWN_OWNER: bool = false;
    /// See [`Kind::row_version`].
    const ROW_VERSION: u32 = 1;

    /// The fields that a row needs, borrowed from the line.
    type Object<'a>: Deserialize<'a> + Default;

    /// What names the object.
    fn identity<'o>(object: &'o Self::Object<'_>) -> Identity<'o>;

    /// The object as a list shows it.
    fn row(object: &Self::Object<'_>) -> Row;
}

impl Kind {
    const fn of<P: Projection>() -> Self {
        Kind {
            name: P::NAME,
            group: P::GROUP,
            api: P::API,
            wrapper: P::WRAPPER,
            namespaced: P::NAMESPACED,
            listing: P::LISTING,
            decode_line: |line| decode::line::<P>(line, Depth::Row),
            decode_page: |page| decode::page::<P>(page, Depth::Row),
            detail_line: |line| decode::line::<P>(line, Depth::Details),
            detail_page: |page| decode::page::<P>(page, Depth::Details),
            own_owner: P::OWN_OWNER,
            row_version: P::ROW_VERSION,
        }
    }
}

/// Declares each kind's file as a module, and the registry in the order of the lines.
macro_rules! registry {
    ($($file:ident::$kind:ident),* $(,)?) => {
        $(#[allow(clippy::struct_field_names, reason = "fields have the names that Kubernetes gave them")] mod $file;)*
        static REGISTRY: &[Kind] = &[$(Kind::of::<$file::$kind>()),*];
    };
}

registry! {
    pods::Pods,
    events::Events,
    deployments::Deployments,
    statefulsets::StatefulSets,
    daemonsets::DaemonSets,
    replicasets::ReplicaSets,
    jobs::Jobs,
    cronjobs::CronJobs,
    horizontalpodautoscalers::HorizontalPodAutoscalers,
    poddisruptionbudgets::PodDisruptionBudgets,
    services::Services,
    ingresses::Ingresses,
    networkpolicies::NetworkPolicies,
    endpointslices::EndpointSlices,
    ingressclasses::IngressClasses,
    pvs::PersistentVolumes,
    pvcs::PersistentVolumeClaims,
    storageclasses::StorageClasses,
    nodes::Nodes,
    namespaces::Namespaces,
    priorityclasses::PriorityClasses,
    runtimeclasses::RuntimeClasses,
}

/// Every kind, in the order of the contract (which `/api/features` shows).
#[must_use]
pub fn all() -> &'static [Kind] {
    REGISTRY
}

/// The kind with this token.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Kind> {
    all().iter().find(|kind| kind.name == name)
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Kind {}

impl std::hash::Hash for Kind {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_of_the_contract_come_first_and_in_its_order() {
        let names: Vec<&str> = all().iter().map(|kind| kind.name).collect();
        let contract = "pods events deployments statefulsets daemonsets replicasets jobs cronjobs \
            horizontalpodautoscalers poddisruptionbudgets services ingresses networkpolicies endpointslices \
            ingressclasses pvs pvcs storageclasses nodes namespaces priorityclasses runtimeclasses";
        assert_eq!(names[..22].join(" "), contract.split_whitespace().collect::<Vec<_>>().join(" "));
    }

    #[test]
    fn no_two_kinds_share_a_name_a_place_or_a_wrapper() {
        let keys: [fn(&Kind) -> String; 3] =
            [|kind| kind.name.to_owned(), |kind| kind.api.path(None), |kind| kind.wrapper.to_owned()];
        for key in keys {
            let distinct: std::collections::HashSet<String> = all().iter().map(key).collect();
            assert_eq!(distinct.len(), all().len());
        }
    }

    #[test]
    fn groups_are_those_of_the_contract() {
        let of =
            |group| all().iter().filter(|kind| kind.group == group).map(|kind| kind.name).collect::<Vec<_>>();
        assert_eq!(of(Group::Core)[..2], ["pods", "events"]);
        let workloads = of(Group::Workloads);
        assert_eq!((workloads[0], workloads[7]), ("deployments", "poddisruptionbudgets"));
        let networking = of(Group::Networking);
        assert_eq!((networking[0], networking[4]), ("services", "ingressclasses"));
        assert_eq!(of(Group::Storage)[..3], ["pvs", "pvcs", "storageclasses"]);
        assert_eq!(of(Group::Cluster)[..4], ["nodes", "namespaces", "priorityclasses", "runtimeclasses"]);
    }

    #[test]
    fn the_core_group_has_a_path_of_its_own() {
        assert_eq!(by_name("pvs").unwrap().api.path(None), "/api/v1/persistentvolumes");
        assert_eq!(by_name("deployments").unwrap().api.path(None), "/apis/apps/v1/deployments");
        assert!(by_name("persistentvolumes").is_none());
    }
}
