//! What an operator would install: nginx with the nchan module, as Debian packages them.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use super::BaselineError;

const NGINX: &str = "/usr/sbin/nginx";
const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// Becomes nginx: a single process, so that its CPU time and memory are those of this pid.
///
/// # Errors
/// When nginx or the module is not installed, or does not start.
pub fn serve(listen: SocketAddr, feed: &Path) -> Result<(), BaselineError> {
    is_installed()?;
    let folder = tempfile::tempdir().map_err(BaselineError::io("a folder"))?.keep();
    let file = folder.join("nginx.conf");
    std::fs::write(&file, config(listen, feed)).map_err(BaselineError::io("its configuration"))?;
    let error = Command::new(NGINX).arg("-p").arg(&folder).arg("-c").arg(&file).exec();
    Err(BaselineError::io("nginx")(error))
}

/// Whether nginx and the module are installed.
///
/// # Errors
/// Which of them is not.
pub fn is_installed() -> Result<(), BaselineError> {
    for (file, name) in [(NGINX, "nginx"), (MODULE, "nginx's nchan module")] {
        if !Path::new(file).exists() {
            return Err(BaselineError::NotInstalled(name));
        }
    }
    Ok(())
}

/// One channel; subscribers begin with what is published after they came, as the other baselines' do.
fn config(listen: SocketAddr, feed: &Path) -> String {
    let feed = feed.display();
    format!(
        "load_module {MODULE};\n\
         daemon off;\n\
         master_process off;\n\
         pid nginx.pid;\n\
         error_log stderr error;\n\
         worker_rlimit_nofile 20000;\n\
         events {{ worker_connections 19900; }}\n\
         http {{\n  \
           access_log off;\n  \
           tcp_nodelay on;\n  \
           keepalive_requests 100000000;\n  \
           nchan_max_reserved_memory 512M;\n  \
           server {{\n    \
             listen {listen} backlog=4096;\n    \
             location / {{\n      \
               nchan_subscriber eventsource;\n      \
               nchan_channel_id feed;\n      \
               nchan_subscriber_first_message newest;\n      \
               nchan_eventsource_ping_interval 15;\n    \
             }}\n  \
           }}\n  \
           server {{\n    \
             listen unix:{feed};\n    \
             location = /publish {{\n      \
               nchan_publisher http;\n      \
               nchan_channel_id feed;\n      \
               nchan_message_buffer_length 16;\n    \
             }}\n  \
           }}\n\
         }}\n"
    )
}
