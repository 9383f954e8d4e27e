//! `packhold completions` and `packhold man`: made of the definitions that the arguments are parsed
//! by, and so never behind them.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::CliError;
use crate::cli::args::Args;

/// Prints what makes a shell complete the arguments.
pub fn completions(shell: Shell) -> Result<ExitCode, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "packhold", &mut script);
    print(&script)
}

/// Prints the man page, or writes those of all commands into a folder.
pub fn man(folder: Option<&Path>) -> Result<ExitCode, CliError> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(Args::command()).render(&mut page);
        rendered.map_err(CliError::io("making the man page"))?;
        return print(&page);
    };
    let failed = || CliError::io(format!("writing man pages to {}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed())?;
    clap_mangen::generate_to(Args::command(), folder).map_err(failed())?;
    Ok(ExitCode::SUCCESS)
}

fn print(bytes: &[u8]) -> Result<ExitCode, CliError> {
    let mut out = std::io::stdout();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(CliError::io("writing to standard output"))?;
    Ok(ExitCode::SUCCESS)
}
