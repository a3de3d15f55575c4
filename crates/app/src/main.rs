//! The binary `hongyan`: see [`app::cli`].

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    match app::cli::Cli::parse().run().await {
        Ok(code) => code,
        Err(error) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "hongyan: {error:#}");
            ExitCode::FAILURE
        }
    }
}
