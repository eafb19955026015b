//! `tasuki-bench report`: a report as a page for people.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::report::Report;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Report of a run, as JSON
    report: PathBuf,
    /// Reports of other numbers of sessions, for a plot of the CPU time by sessions
    beside: Vec<PathBuf>,
    /// Where to write the page [default: the report's name with .html]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<ExitCode> {
    let report = Report::read(&arguments.report)?;
    let beside = arguments.beside.iter();
    let beside = beside
        .map(|path| Report::read(path))
        .collect::<Result<Vec<_>>>()?;
    let path = arguments.out.clone();
    let path = path.unwrap_or_else(|| arguments.report.with_extension("html"));
    std::fs::write(&path, report.to_html(&beside))
        .with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(out, "{}", path.display())?;
    Ok(ExitCode::SUCCESS)
}
