//! Bakes into the module what it was built from; `build_info` tells it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use blake2b_simd::Params;

fn main() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    set("SOURCE_HASH", &source_hash(&workspace));
    set("COMMIT", &output(Command::new("git").args(["rev-parse", "HEAD"]).current_dir(&workspace)));
    set("COMPILER", &output(Command::new(env::var("RUSTC").unwrap_or_default()).arg("--version")));
    set("PROFILE", &env::var("PROFILE").unwrap_or_default());
    set("OPT_LEVEL", &env::var("OPT_LEVEL").unwrap_or_default());
    set("TARGET", &env::var("TARGET").unwrap_or_default());
    set("FLAGS", &env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default().replace('\x1f', " "));
}

fn set(name: &str, value: &str) {
    println!("cargo:rustc-env=CORE_{name}={value}");
}

fn output(command: &mut Command) -> String {
    let out = command.output().ok().filter(|out| out.status.success());
    out.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default()
}

/// BLAKE2b-128 over path and content of the files that make up the module, in order of path; the
/// registry of `bot/accelerated` computes the same over the files on disk.
fn source_hash(workspace: &Path) -> String {
    let mut files = vec![workspace.join("Cargo.toml"), workspace.join("Cargo.lock")];
    for crate_folder in entries(&workspace.join("crates")) {
        files.push(crate_folder.join("Cargo.toml"));
        files.push(crate_folder.join("build.rs"));
        collect(&crate_folder.join("src"), &mut files);
        println!("cargo:rerun-if-changed={}", crate_folder.join("src").display());
    }
    files.retain(|file| file.is_file());
    let mut named: Vec<(String, PathBuf)> = files
        .into_iter()
        .map(|file| {
            println!("cargo:rerun-if-changed={}", file.display());
            let relative = file.strip_prefix(workspace).unwrap_or(&file);
            (relative.to_string_lossy().replace('\\', "/"), file)
        })
        .collect();
    named.sort();
    let mut state = Params::new().hash_length(16).to_state();
    for (name, file) in named {
        let content = fs::read(file).unwrap_or_default();
        state.update(name.as_bytes()).update(&[0]);
        state.update(&(content.len() as u64).to_le_bytes()).update(&content);
    }
    state.finalize().to_hex().to_string()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for path in entries(folder) {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
