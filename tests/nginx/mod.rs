//! A real nginx, with the configuration that operators are given, before several replicas.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The configuration that operators are given.
const CONFIGURATION: &str = include_str!("../../deploy/proxy/nginx.conf");

/// A running nginx; dropping it ends it.
pub struct Nginx {
    child: Child,
    pub address: SocketAddr,
    folder: tempfile::TempDir,
}

/// A port of this machine that is free for now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Where the program is; `None`: there is none on this machine.
fn program() -> Option<&'static str> {
    ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/bin/nginx"]
        .into_iter()
        .find(|path| Path::new(path).exists())
}

impl Nginx {
    /// Before these replicas, in turns. `None`: there is no nginx on this machine.
    pub fn before(replicas: &[SocketAddr]) -> Option<Nginx> {
        let program = program()?;
        let folder = tempfile::tempdir().expect("a folder");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let servers: Vec<_> =
            replicas.iter().map(|replica| format!("server {replica} max_fails=0;")).collect();
        let site = CONFIGURATION
            .replace("server 127.0.0.1:8080 max_fails=0;", &servers.join("\n"))
            .replace("listen 80;", &format!("listen {address};"));
        assert!(
            replicas.iter().all(|replica| site.contains(&replica.to_string())),
            "the configuration has changed"
        );
        let at = folder.path().display();
        let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {at}/{name};\n"))
            .concat();
        let text = format!(
            "daemon off;\npid {at}/pid;\nerror_log {at}/error.log warn;\nworker_processes 1;\nworker_rlimit_nofile 20000;\n\
             events {{ worker_connections 16000; }}\nhttp {{\naccess_log off;\n{paths}{site}\n}}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), text).expect("a file");
        let mut command = Command::new(program);
        command
            .arg("-c")
            .arg(folder.path().join("nginx.conf"))
            .arg("-e")
            .arg(folder.path().join("error.log"));
        let child = command.stdout(Stdio::null()).spawn().expect("nginx starts");
        Some(Nginx { child, address, folder })
    }

    /// What it complained of.
    pub fn complaints(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("nginx says:\n{}", self.complaints());
        }
        // So that its workers end with it.
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::TERM,
        );
        let _ = self.child.wait();
    }
}
