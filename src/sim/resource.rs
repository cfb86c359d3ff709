//! The resources that a simulated cluster serves: the 22 of the wire contract, and those that hold who may do what.
//!
//! An own table, not [`crate::kind`]'s: the simulation must be able to disagree with the code that it tests.

/// One resource of the simulated API.
#[derive(Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its place in [`RESOURCES`].
    pub index: usize,
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The version within the group.
    pub version: &'static str,
    /// The plural, as in URLs.
    pub plural: &'static str,
    /// The singular, which kubectl accepts too.
    pub singular: &'static str,
    /// The kind of its objects.
    pub kind: &'static str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// kubectl's short names.
    pub short: &'static [&'static str],
    /// What a bookmark's object carries behind its metadata: the Go zero values that are not omitted.
    pub bookmark: &'static str,
}

impl Resource {
    /// The `apiVersion` of its objects, such as `apps/v1`.
    pub fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// Whether the apiserver keeps a watch cache for it. Events have none: no bookmarks, and another text for 410.
    pub fn watch_cached(&self) -> bool {
        self.plural != "events"
    }

    /// `pods`, or `deployments.apps`: how messages name it.
    pub fn qualified(&self) -> String {
        match self.group {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }
}

/// The resource with this plural; plurals are unique.
pub fn by_plural(plural: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|resource| resource.plural == plural)
}

/// The resource with this plural, which the simulation itself names.
pub(super) fn named(plural: &str) -> &'static Resource {
    by_plural(plural).expect("the simulation names only resources of its own table")
}

/// The resource that is served at this group, version and plural.
pub fn at(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    by_plural(plural).filter(|resource| resource.group == group && resource.version == version)
}

macro_rules! resources {
    ($($index:literal $group:literal $version:literal $plural:literal $singular:literal $kind:literal
        $scope:ident $short:expr, $bookmark:literal;)*) => {
        /// Every resource: the wire contract's kinds in their order, then the roles and bindings.
        pub static RESOURCES: [Resource; 26] = [$(Resource {
            index: $index,
            group: $group,
            version: $version,
            plural: $plural,
            singular: $singular,
            kind: $kind,
            namespaced: resources!($scope),
            short: &$short,
            bookmark: $bookmark,
        }),*];
    };
    (namespaced) => { true };
    (cluster) => { false };
}

resources! {
    0 "" "v1" "pods" "pod" "Pod" namespaced ["po"], r#","spec":{"containers":null},"status":{}"#;
    1 "" "v1" "events" "event" "Event" namespaced ["ev"],
        r#","involvedObject":{},"source":{},"firstTimestamp":null,"lastTimestamp":null,"eventTime":null,"reportingComponent":"","reportingInstance":"""#;
    2 "apps" "v1" "deployments" "deployment" "Deployment" namespaced ["deploy"],
        r#","spec":{"replicas":0,"selector":null,"template":{"metadata":{},"spec":{"containers":null}},"strategy":{}},"status":{}"#;
    3 "apps" "v1" "statefulsets" "statefulset" "StatefulSet" namespaced ["sts"],
        r#","spec":{"replicas":0,"selector":null,"template":{"metadata":{},"spec":{"containers":null}},"serviceName":"","updateStrategy":{}},"status":{"replicas":0,"availableReplicas":0}"#;
    4 "apps" "v1" "daemonsets" "daemonset" "DaemonSet" namespaced ["ds"],
        r#","spec":{"selector":null,"template":{"metadata":{},"spec":{"containers":null}},"updateStrategy":{}},"status":{"currentNumberScheduled":0,"numberMisscheduled":0,"desiredNumberScheduled":0,"numberReady":0}"#;
    5 "apps" "v1" "replicasets" "replicaset" "ReplicaSet" namespaced ["rs"],
        r#","spec":{"replicas":0,"selector":null,"template":{"metadata":{},"spec":{"containers":null}}},"status":{"replicas":0}"#;
    6 "batch" "v1" "jobs" "job" "Job" namespaced [],
        r#","spec":{"template":{"metadata":{},"spec":{"containers":null}}},"status":{}"#;
    7 "batch" "v1" "cronjobs" "cronjob" "CronJob" namespaced ["cj"],
        r#","spec":{"schedule":"","jobTemplate":{"metadata":{},"spec":{"template":{"metadata":{},"spec":{"containers":null}}}}},"status":{}"#;
    8 "autoscaling" "v2" "horizontalpodautoscalers" "horizontalpodautoscaler" "HorizontalPodAutoscaler" namespaced ["hpa"],
        r#","spec":{"scaleTargetRef":{"kind":"","name":""},"maxReplicas":0},"status":{"desiredReplicas":0,"currentMetrics":null}"#;
    9 "policy" "v1" "poddisruptionbudgets" "poddisruptionbudget" "PodDisruptionBudget" namespaced ["pdb"],
        r#","spec":{},"status":{"disruptionsAllowed":0,"currentHealthy":0,"desiredHealthy":0,"expectedPods":0}"#;
    10 "" "v1" "services" "service" "Service" namespaced ["svc"], r#","spec":{},"status":{"loadBalancer":{}}"#;
    11 "networking.k8s.io" "v1" "ingresses" "ingress" "Ingress" namespaced ["ing"],
        r#","spec":{},"status":{"loadBalancer":{}}"#;
    12 "networking.k8s.io" "v1" "networkpolicies" "networkpolicy" "NetworkPolicy" namespaced ["netpol"],
        r#","spec":{"podSelector":{}}"#;
    13 "discovery.k8s.io" "v1" "endpointslices" "endpointslice" "EndpointSlice" namespaced [],
        r#","addressType":"","endpoints":null,"ports":null"#;
    14 "networking.k8s.io" "v1" "ingressclasses" "ingressclass" "IngressClass" cluster [], r#","spec":{}"#;
    15 "" "v1" "persistentvolumes" "persistentvolume" "PersistentVolume" cluster ["pv"], r#","spec":{},"status":{}"#;
    16 "" "v1" "persistentvolumeclaims" "persistentvolumeclaim" "PersistentVolumeClaim" namespaced ["pvc"],
        r#","spec":{"resources":{}},"status":{}"#;
    17 "storage.k8s.io" "v1" "storageclasses" "storageclass" "StorageClass" cluster ["sc"], r#","provisioner":"""#;
    18 "" "v1" "nodes" "node" "Node" cluster ["no"],
        r#","spec":{},"status":{"daemonEndpoints":{"kubeletEndpoint":{"Port":0}},"nodeInfo":{"machineID":"","systemUUID":"","bootID":"","kernelVersion":"","osImage":"","containerRuntimeVersion":"","kubeletVersion":"","kubeProxyVersion":"","operatingSystem":"","architecture":""}}"#;
    19 "" "v1" "namespaces" "namespace" "Namespace" cluster ["ns"], r#","spec":{},"status":{}"#;
    20 "scheduling.k8s.io" "v1" "priorityclasses" "priorityclass" "PriorityClass" cluster ["pc"], r#","value":0"#;
    21 "node.k8s.io" "v1" "runtimeclasses" "runtimeclass" "RuntimeClass" cluster [], r#","handler":"""#;
    22 "rbac.authorization.k8s.io" "v1" "roles" "role" "Role" namespaced [], r#","rules":null"#;
    23 "rbac.authorization.k8s.io" "v1" "clusterroles" "clusterrole" "ClusterRole" cluster [], r#","rules":null"#;
    24 "rbac.authorization.k8s.io" "v1" "rolebindings" "rolebinding" "RoleBinding" namespaced [],
        r#","roleRef":{"apiGroup":"","kind":"","name":""}"#;
    25 "rbac.authorization.k8s.io" "v1" "clusterrolebindings" "clusterrolebinding" "ClusterRoleBinding" cluster [],
        r#","roleRef":{"apiGroup":"","kind":"","name":""}"#;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_knows_its_place() {
        for (index, resource) in RESOURCES.iter().enumerate() {
            assert_eq!(resource.index, index, "{}", resource.plural);
            assert_eq!(by_plural(resource.plural), Some(resource));
        }
    }

    #[test]
    fn every_bookmark_is_json() {
        for resource in &RESOURCES {
            let text = format!("{{\"metadata\":{{}}{}}}", resource.bookmark);
            serde_json::from_str::<serde_json::Value>(&text).expect(resource.plural);
        }
    }
}
