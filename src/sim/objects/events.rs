//! Events.

use std::sync::LazyLock;

use super::template::{Manager, Template};
use crate::sim::clock::timestamp;
use crate::sim::model::Notice;
use crate::sim::object::Object;

static EVENT: LazyLock<Template> = LazyLock::new(|| {
    Template::new("Event", "v1", include_str!("json/event.json"), &[Manager::Spec("kube-controller-manager")])
});

/// The event as an object.
pub fn event(notice: &Notice) -> Object {
    let (kind, api, about, about_uid) = &notice.about;
    let fields = [
        ("name", notice.name.as_str()),
        ("ns", &notice.namespace),
        ("uid", &notice.uid.to_string()),
        ("created", &timestamp(notice.first)),
        ("changed", &timestamp(notice.last)),
        ("kind", kind),
        ("aboutApi", api),
        ("about", about),
        ("aboutUid", &about_uid.to_string()),
        ("aboutRv", "1"),
        ("reason", notice.reason),
        ("message", &notice.message),
        ("component", notice.component),
        ("count", &notice.count.to_string()),
        ("type", if notice.warning { "Warning" } else { "Normal" }),
    ];
    Object::from_text(EVENT.fill(&fields))
}
