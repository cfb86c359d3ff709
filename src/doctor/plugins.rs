//! Whether the programs are there that kubeconfigs run for their credentials.

use std::path::{Path, PathBuf};

use kube::config::Kubeconfig;

use super::Finding;
use crate::cluster::{ClusterSpec, plain};

/// The program of the context that the registry names, if it is not to be found.
pub(super) fn missing(spec: &ClusterSpec) -> Vec<Finding> {
    let Some(command) = command(spec) else { return Vec::new() };
    let search = std::env::var_os("PATH").unwrap_or_default();
    if is_there(&command, &std::env::split_paths(&search).collect::<Vec<_>>()) {
        return Vec::new();
    }
    let what = format!("its kubeconfig runs `{}`, which is not here", plain(&command));
    let fix = "install it where Foretop runs, in a folder of its PATH (the chart: `execPlugins`), or use a token or client certificate";
    vec![Finding::broken(what, fix)]
}

/// What the kubeconfig runs. A kubeconfig that cannot be read is another check's.
fn command(spec: &ClusterSpec) -> Option<String> {
    let kubeconfig = match (&spec.kubeconfig_text, &spec.kubeconfig_path) {
        (Some(text), _) => Kubeconfig::from_yaml(text.as_str()).ok()?,
        (None, Some(path)) => Kubeconfig::read_from(path).ok()?,
        (None, None) => return None,
    };
    let wanted = spec.kubeconfig_context.as_ref().or(kubeconfig.current_context.as_ref())?;
    let context = kubeconfig.contexts.iter().find(|named| named.name == *wanted)?.context.as_ref()?;
    let user = kubeconfig.auth_infos.iter().find(|named| Some(&named.name) == context.user.as_ref())?;
    user.auth_info.as_ref()?.exec.as_ref()?.command.clone()
}

/// Whether a program is found as the system would find it.
fn is_there(command: &str, search: &[PathBuf]) -> bool {
    if command.contains('/') {
        return Path::new(command).is_file();
    }
    search.iter().any(|folder| folder.join(command).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(command: &str) -> ClusterSpec {
        let yaml = format!(
            "{{apiVersion: v1, kind: Config, current-context: c, clusters: [{{name: c, cluster: {{server: 'http://h'}}}}],
               contexts: [{{name: c, context: {{cluster: c, user: u}}}}],
               users: [{{name: u, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: {command}}}}}}}]}}"
        );
        ClusterSpec::from_kubeconfig_text("c", &yaml, None)
    }

    #[test]
    fn a_plugin_is_missed_where_no_folder_of_the_path_has_it() {
        assert_eq!(missing(&spec("sh")), []);
        assert_eq!(missing(&spec("/bin/sh")), []);
        assert_eq!(missing(&ClusterSpec::from_url("c", "http://h")), []);
        let found = missing(&spec("no-such-authenticator"));
        assert!(found[0].what.contains("no-such-authenticator"), "{found:?}");
        assert_eq!(missing(&spec("/no/such/authenticator")).len(), 1);
    }
}
