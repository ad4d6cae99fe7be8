//! Makes `page/dist`: `bundler COMPILED.wasm PAGE_FOLDER`, as `make page` calls it.
//!
//! That is the module with its JavaScript (by wasm-bindgen), and `inputs.sha256`: the digest of what it was made of, which
//! `tests/it/page.rs` computes anew. The digest is SHA-256 over the lines of `sha256sum`, in order of the paths: every file of
//! `src/`, `Cargo.toml` and `Cargo.lock`.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [compiled, page] = arguments.as_slice() else { return Err("usage: bundler COMPILED.wasm PAGE_FOLDER".into()) };
    let dist = page.join("dist");
    if dist.exists() {
        fs::remove_dir_all(&dist)?;
    }
    fs::create_dir_all(&dist)?;
    Bindgen::new()
        .input_path(compiled)
        .web(true)?
        .typescript(false)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(&dist)?;
    // Two thirds smaller, and every browser takes it.
    let module = dist.join("page_bg.wasm");
    let mut packed = GzEncoder::new(fs::File::create(dist.join("page_bg.wasm.gz"))?, Compression::best());
    packed.write_all(&fs::read(&module)?)?;
    packed.finish()?;
    fs::remove_file(module)?;
    fs::write(dist.join("inputs.sha256"), format!("{}\n", digest(page)?))?;
    Ok(())
}

fn digest(page: &Path) -> Result<String, Box<dyn Error>> {
    let mut inputs = files(&page.join("src"))?;
    inputs.extend(["Cargo.toml", "Cargo.lock"].map(|name| page.join(name)));
    let mut lines = Vec::new();
    for input in inputs {
        let path = input.strip_prefix(page)?.to_str().ok_or("a path that is not UTF-8")?.to_owned();
        lines.push((path, hex::encode(Sha256::digest(fs::read(&input)?))));
    }
    lines.sort();
    let text: String = lines.iter().map(|(path, digest)| format!("{digest}  {path}\n")).collect();
    Ok(hex::encode(Sha256::digest(text)))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    Ok(entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_file()).collect())
}
