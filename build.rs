//! Puts the console into the binary: the files of `web/console/dist`, where somebody has built it (`npm run build`, `make demo`).
//!
//! Nothing here needs Node. Without a console the binary is built all the same, and says so. `dist` is in the repository, empty, so that a build is
//! repeated when something comes into it, and not each time.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let dist = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("web/console/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        collect(&dist, "", &mut files)?;
    }
    files.sort();
    let mut table = String::from("&[\n");
    for (path, file) in &files {
        writeln!(table, "    ({path:?}, include_bytes!({file:?})),")?;
    }
    table.push(']');
    fs::write(Path::new(&env::var("OUT_DIR")?).join("console_files.rs"), table)?;
    Ok(())
}

/// Names each file below a directory, and where it is.
fn collect(dir: &Path, prefix: &str, files: &mut Vec<(String, String)>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|name| format!("{name:?} is no UTF-8"))?;
        if name.starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{prefix}{name}/"), files)?;
        } else {
            let path = entry
                .path()
                .into_os_string()
                .into_string()
                .map_err(|path| format!("{path:?} is no UTF-8"))?;
            files.push((format!("{prefix}{name}"), path));
        }
    }
    Ok(())
}
