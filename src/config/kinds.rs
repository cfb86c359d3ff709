//! The kinds grammar: which kinds have a stream.
//!
//! The whole text is trimmed. Empty or `all` is every kind; `off` or `none` is no kind, each only as the whole text. Anything
//! else is a list with commas, each item trimmed and skipped if empty: the name of a kind, or of a group of them. Case counts,
//! duplicates are harmless, the result has the registry's order. An unknown item is an error (the reference drops it, so that a
//! typing error switches a stream off without a word).

use super::mistake::nearest;
use crate::kind::{Group, Kind};

/// An item that is neither a kind nor a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownToken {
    /// The item as it was written.
    pub token: String,
    /// The nearest valid one.
    pub nearest: Option<&'static str>,
}

/// The kinds that the text names, in the registry's order.
///
/// # Errors
///
/// Every item that names nothing, with the nearest that would.
pub fn parse(text: &str, registry: &'static [Kind]) -> Result<Vec<&'static Kind>, Vec<UnknownToken>> {
    match text.trim() {
        "" | "all" => return Ok(registry.iter().collect()),
        "off" | "none" => return Ok(Vec::new()),
        _ => {}
    }
    let mut chosen = Vec::new();
    let mut unknown = Vec::new();
    for token in text.split(',').map(str::trim).filter(|token| !token.is_empty()) {
        match named(token, registry) {
            Ok(kinds) => chosen.extend(kinds),
            Err(token) => unknown.push(token),
        }
    }
    if unknown.is_empty() { Ok(in_order(&chosen, registry)) } else { Err(unknown) }
}

/// What one item of the list names: a kind, or those of a group.
///
/// # Errors
///
/// The item, if it names nothing.
pub fn named(token: &str, registry: &'static [Kind]) -> Result<Vec<&'static Kind>, UnknownToken> {
    if let Some(kind) = registry.iter().find(|kind| kind.name == token) {
        return Ok(vec![kind]);
    }
    if let Some(group) = Group::ALL.into_iter().find(|group| group.name() == token) {
        return Ok(registry.iter().filter(|kind| kind.group == group).collect());
    }
    let groups = Group::ALL.iter().map(|group| (group.name(), group.name()));
    Err(UnknownToken { token: token.to_owned(), nearest: nearest(token, spellings(registry).chain(groups)) })
}

/// The same kinds, each once, in the registry's order.
pub fn in_order(chosen: &[&'static Kind], registry: &'static [Kind]) -> Vec<&'static Kind> {
    registry.iter().filter(|kind| chosen.contains(kind)).collect()
}

/// The name of the kind that was most likely meant.
pub fn nearest_kind(token: &str, registry: &'static [Kind]) -> Option<&'static str> {
    nearest(token, spellings(registry))
}

/// What people may call a kind: its name, Kubernetes' plural, and the array of its lists (`hpas`).
fn spellings(registry: &'static [Kind]) -> impl Iterator<Item = (&'static str, &'static str)> {
    registry
        .iter()
        .flat_map(|kind| [(kind.name, kind.name), (kind.api.plural, kind.name), (kind.wrapper, kind.name)])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::kind::{Api, DecodeError, Listing};

    const fn kind(name: &'static str, group: Group, plural: &'static str, wrapper: &'static str) -> Kind {
        Kind {
            name,
            group,
            api: Api { group: "", version: "v1", plural },
            wrapper,
            namespaced: true,
            listing: Listing::ByKey,
            decode_line: |_| Err(DecodeError::Type),
            decode_page: |_| Err(DecodeError::Type),
            detail_line: |_| Err(DecodeError::Type),
            detail_page: |_| Err(DecodeError::Type),
            own_owner: false,
            row_version: 1,
        }
    }

    /// A small registry with every group.
    pub(crate) static REGISTRY: [Kind; 8] = [
        kind("pods", Group::Core, "pods", "pods"),
        kind("events", Group::Core, "events", "events"),
        kind("deployments", Group::Workloads, "deployments", "deployments"),
        kind("horizontalpodautoscalers", Group::Workloads, "horizontalpodautoscalers", "hpas"),
        kind("services", Group::Networking, "services", "services"),
        kind("pvs", Group::Storage, "persistentvolumes", "pvs"),
        kind("pvcs", Group::Storage, "persistentvolumeclaims", "pvcs"),
        kind("nodes", Group::Cluster, "nodes", "nodes"),
    ];

    fn names(text: &str) -> Vec<&'static str> {
        parse(text, &REGISTRY).expect("valid").into_iter().map(|kind| kind.name).collect()
    }

    #[test]
    fn the_whole_text_can_be_a_word() {
        for all in ["", "  ", "all", " all\n"] {
            assert_eq!(names(all).len(), REGISTRY.len(), "{all:?}");
        }
        for none in ["off", "none", " off "] {
            assert!(names(none).is_empty(), "{none:?}");
        }
    }

    #[test]
    fn lists_keep_the_order_of_the_registry() {
        assert_eq!(names("nodes,pods"), ["pods", "nodes"]);
        assert_eq!(names(" pods , pods,, core ,"), ["pods", "events"]);
        assert_eq!(names("storage,deployments"), ["deployments", "pvs", "pvcs"]);
        assert!(names(",").is_empty());
    }

    #[test]
    fn every_unknown_item_is_named_with_the_nearest() {
        let unknown =
            parse("pods,Pods,all,off,hpa,persistentvolumeclaim,netwroking", &REGISTRY).expect_err("unknown");
        let found: Vec<_> = unknown.iter().map(|unknown| (unknown.token.as_str(), unknown.nearest)).collect();
        assert_eq!(found[..1], [("Pods", Some("pods"))],);
        assert_eq!(
            found.iter().map(|(token, _)| *token).collect::<Vec<_>>(),
            ["Pods", "all", "off", "hpa", "persistentvolumeclaim", "netwroking"]
        );
        assert_eq!(found[3].1, Some("horizontalpodautoscalers"));
        assert_eq!(found[4].1, Some("pvcs"));
        assert_eq!(found[5].1, Some("networking"));
    }

    #[test]
    fn the_groups_of_the_contract() {
        let of = |text| {
            parse(text, crate::kind::all()).expect("valid").iter().map(|kind| kind.name).collect::<Vec<_>>()
        };
        assert_eq!(of("core"), ["pods", "events"]);
        assert_eq!(of("workloads").len(), 8);
        assert_eq!(of("networking").len(), 5);
        assert_eq!(of("storage"), ["pvs", "pvcs", "storageclasses"]);
        assert_eq!(of("cluster"), ["nodes", "namespaces", "priorityclasses", "runtimeclasses"]);
        assert_eq!(of("all").len(), 22);
    }

    #[test]
    fn a_registry_without_kinds_still_has_groups_to_offer() {
        assert_eq!(parse("all", &[]).expect("valid"), Vec::<&Kind>::new());
        assert_eq!(parse("cores", &[]).expect_err("unknown")[0].nearest, Some("core"));
    }
}
