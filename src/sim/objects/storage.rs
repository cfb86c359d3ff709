//! `PersistentVolumes`, their claims, `StorageClasses`.

use std::sync::LazyLock;

use super::template::{Manager, Template};
use crate::sim::clock::timestamp;
use crate::sim::model::Uid;
use crate::sim::object::Object;

const BY_CONTROLLER: [Manager; 2] =
    [Manager::Spec("kube-controller-manager"), Manager::Status("kube-controller-manager")];

static VOLUME: LazyLock<Template> = LazyLock::new(|| {
    Template::new("PersistentVolume", "v1", include_str!("json/persistentvolume.json"), &BY_CONTROLLER)
});
static CLAIM: LazyLock<Template> = LazyLock::new(|| {
    Template::new(
        "PersistentVolumeClaim",
        "v1",
        include_str!("json/persistentvolumeclaim.json"),
        &BY_CONTROLLER,
    )
});
static CLASS: LazyLock<Template> = LazyLock::new(|| {
    let manager = Manager::Spec("kubectl-client-side-apply");
    Template::new("StorageClass", "storage.k8s.io/v1", include_str!("json/storageclass.json"), &[manager])
});

/// The claim of a `StatefulSet`'s pod, and the volume that it is bound to.
pub struct Claim<'a> {
    /// The claim's namespace.
    pub namespace: &'a str,
    /// The `StatefulSet`.
    pub app: &'a str,
    /// The claim's name.
    pub name: &'a str,
    /// The claim's uid; the volume's is another.
    pub uid: Uid,
    /// Unix seconds.
    pub created: i64,
}

impl Claim<'_> {
    /// The volume's name.
    pub fn volume(&self) -> String {
        format!("pvc-{}", self.uid)
    }

    fn fill(&self, template: &Template) -> Object {
        let created = timestamp(self.created);
        let fields = [
            ("name", self.name),
            ("ns", self.namespace),
            ("app", self.app),
            ("claimUid", &self.uid.to_string()),
            ("uid", &Uid(self.uid.0 ^ 1).to_string()),
            ("volume", &self.volume()),
            ("size", "20Gi"),
            ("phase", "Bound"),
            ("created", &created),
            ("changed", &created),
        ];
        Object::from_text(template.fill(&fields))
    }
}

/// The claim as an object.
pub fn claim(claim: &Claim<'_>) -> Object {
    claim.fill(&CLAIM)
}

/// The claim's volume as an object.
pub fn volume(claim: &Claim<'_>) -> Object {
    claim.fill(&VOLUME)
}

/// A `StorageClass`.
pub fn storage_class(name: &str, uid: Uid, created: i64, default: bool) -> Object {
    let fields = [
        ("name", name),
        ("uid", &uid.to_string()),
        ("created", &timestamp(created)),
        ("default", if default { "true" } else { "false" }),
    ];
    Object::from_text(CLASS.fill(&fields))
}
