//! `doctor`: what is wrong with a deployment, on standard output; exit code 1 where something does not work.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use foretop::cluster::{ClusterSpec, Registry};
use foretop::config::{self, Config, Mistake, Mistakes};
use foretop::doctor::{self, Finding, Report, Visit};
use http::header::{HeaderName, HeaderValue};

use super::{Doctor, settings};

/// Examines what the command line names.
pub fn doctor(line: &Doctor) -> ExitCode {
    let report = match visit(line) {
        Ok(visit) => examine(&visit),
        Err(mistakes) => Report::new(mistakes.0.iter().map(finding).collect()),
    };
    if line.json {
        println!("{}", serde_json::to_string_pretty(&report).expect("a report is JSON"));
    } else {
        println!("{report}");
    }
    if report.errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn examine(visit: &Visit) -> Report {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime {
        Ok(runtime) => {
            let report = runtime.block_on(doctor::examine(visit));
            // A plugin that hangs is not waited for.
            runtime.shutdown_background();
            report
        }
        Err(error) => Report::new(vec![Finding::of_settings(&format!("no runtime: {error}"))]),
    }
}

fn finding(mistake: &Mistake) -> Finding {
    Finding::of_settings(&mistake.to_string())
}

fn visit(line: &Doctor) -> Result<Visit, Mistakes> {
    let sources = settings::from_file(&line.config, Vec::new(), false)?;
    let config = config::load(&sources)?.config;
    let clusters = clusters(&config)?;
    let headers = line.header_file.as_deref().map(headers).transpose()?.unwrap_or_default();
    Ok(Visit {
        config: Arc::new(config),
        clusters,
        url: line.url.clone(),
        headers,
        authorities: line.ca_file.clone(),
    })
}

fn clusters(config: &Config) -> Result<Vec<Arc<ClusterSpec>>, Mistakes> {
    let Some(path) = &config.clusters_file else { return Ok(Vec::new()) };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Mistakes(vec![Mistake::unreadable(name.clone(), &error)]))?;
    Ok(Registry::parse_for(&config.tenants, &name, &text)?.clusters)
}

/// A field per line: `Name: value`. What is wrong with a line is told without it.
fn headers(path: &Path) -> Result<Vec<(HeaderName, HeaderValue)>, Mistakes> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Mistakes(vec![Mistake::unreadable(name.clone(), &error)]))?;
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let mut value = HeaderValue::from_str(value.trim()).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, value))
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let fields: Option<Vec<_>> = lines.map(field).collect();
    fields.ok_or_else(|| {
        let wrong = std::io::Error::other("a line of it is no header field; right would be `Name: value`");
        Mistakes(vec![Mistake::unreadable(name, &wrong)])
    })
}
