//! Checks the definitions in `workflows/` and compiles them in.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use scheme::Scheme;

#[path = "src/definition/compile/mod.rs"]
mod compile;
#[allow(dead_code, reason = "some of it is for the Worker")]
#[path = "src/definition/model/mod.rs"]
mod model;
#[allow(dead_code, reason = "some of it is for the Worker")]
#[path = "src/definition/prompt.rs"]
mod prompt;
#[path = "src/definition/prompts.rs"]
mod prompts;
#[allow(dead_code, reason = "some of it is for keys")]
#[path = "src/key/scheme.rs"]
mod scheme;
#[allow(dead_code, reason = "some of it is for rendering")]
#[path = "src/template/mod.rs"]
mod template;
#[allow(dead_code, reason = "some of it is for the Worker")]
#[path = "src/transform/compile/mod.rs"]
mod transform;

fn main() -> ExitCode {
    println!("cargo::rerun-if-env-changed=EDGEMEMO_WORKFLOWS");
    println!("cargo::rustc-check-cfg=cfg(without_pages)");
    // The core carries no definitions.
    if std::env::var_os("CARGO_FEATURE_WORKER").is_none() {
        return ExitCode::SUCCESS;
    }
    let folder = std::env::var_os("EDGEMEMO_WORKFLOWS").map_or("workflows".into(), PathBuf::from);
    println!("cargo::rerun-if-changed={}", folder.display());
    match compile::compile_folder(&folder) {
        Ok(definitions) => {
            let converts = |node: &model::Node| matches!(node.kind, model::Kind::Converter(_));
            if !definitions.nodes.iter().any(converts) {
                println!("cargo::rustc-cfg=without_pages");
            }
            match write(&definitions) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    println!("cargo::error=cannot write the definitions: {error}");
                    ExitCode::FAILURE
                }
            }
        }
        Err(mistakes) => {
            for mistake in mistakes {
                println!("cargo::error={}", mistake.to_string().replace('\n', " "));
            }
            ExitCode::FAILURE
        }
    }
}

/// Writes the definitions in the form in which the Worker carries them, and as JSON for whoever wants
/// to look at them.
fn write(definitions: &model::Definitions) -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("definitions.postcard"), postcard::to_allocvec(definitions)?)?;
    Ok(std::fs::write(out.join("definitions.json"), serde_json::to_vec(definitions)?)?)
}
