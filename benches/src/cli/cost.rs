//! `tasuki-bench cost`: yen per user per month.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::cost::{Cost, Inputs, MODEL_YEN};
use crate::number::float;
use crate::report::{Report, Round};
use crate::verdict::Outcome;

#[derive(Debug, Args)]
#[command(
    after_help = "Prices are assumptions until you give your own. What a board carries is \
        measured: run the soak against the board itself."
)]
pub(super) struct Arguments {
    /// Report of a soak that passed
    report: PathBuf,
    /// Share of all users who are in a session at the busiest time
    #[arg(long, value_name = "SHARE", default_value_t = 0.3)]
    peak_share: f64,
    #[arg(long, value_name = "YEN", default_value_t = 13_000.0)]
    board_yen: f64,
    /// Until a board is written off
    #[arg(long, value_name = "YEARS", default_value_t = 3.0)]
    board_years: f64,
    /// Spare boards for each one in use
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    spare_share: f64,
    #[arg(long, value_name = "WATTS", default_value_t = 12.6)]
    board_watts: f64,
    /// Energy with cooling, as a multiple of the board's own
    #[arg(long, value_name = "FACTOR", default_value_t = 1.5)]
    cooling: f64,
    #[arg(long, value_name = "YEN", default_value_t = 30.0)]
    yen_per_kwh: f64,
    /// Room for one board for a month
    #[arg(long, value_name = "YEN", default_value_t = 1_000.0)]
    space_yen: f64,
    /// One Mbit/s of the busiest time for a month
    #[arg(long, value_name = "YEN", default_value_t = 50.0)]
    transit_yen_per_mbps: f64,
}

impl Arguments {
    fn inputs(&self, round: &Round) -> Result<Inputs> {
        let positive = [
            ("--peak-share", self.peak_share),
            ("--board-years", self.board_years),
        ];
        for (name, value) in positive {
            ensure!(value > 0.0, "{name} must be more than 0");
        }
        ensure!(self.peak_share <= 1.0, "--peak-share must be at most 1");
        ensure!(round.sessions > 0, "the report has no sessions");
        let sessions = float(round.sessions);
        Ok(Inputs {
            sessions,
            session_kbps: float(round.bytes) * 8.0 / 1_000.0 / round.measured_s / sessions,
            peak_share: self.peak_share,
            board_yen: self.board_yen,
            board_years: self.board_years,
            spare_share: self.spare_share,
            board_watts: self.board_watts,
            cooling: self.cooling,
            yen_per_kwh: self.yen_per_kwh,
            space_yen: self.space_yen,
            transit_yen_per_mbps: self.transit_yen_per_mbps,
        })
    }
}

pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<ExitCode> {
    let report = Report::read(&arguments.report)?;
    ensure!(
        report.verdict.outcome == Outcome::Pass,
        "{} did not pass: a load that a board does not hold has no price",
        arguments.report.display()
    );
    let round = report.rounds.last().context("the report has no rounds")?;
    let inputs = arguments.inputs(round)?;
    let cost = Cost::of(&inputs);
    let (low, high) = MODEL_YEN;
    writeln!(
        out,
        "measured:  {} sessions at a time of {:.0} kbit/s each ({}, {})\n\
         assumed:   {:.0}% of all users at the busiest time, so {:.0} users a board; the prices \
         below",
        inputs.sessions,
        inputs.session_kbps,
        round.subject,
        report.origin.processor,
        100.0 * inputs.peak_share,
        cost.users_per_board,
    )?;
    let parts = [
        (
            cost.hardware,
            format!(
                "a board of {} yen in {} years, {:.0}% spare",
                inputs.board_yen,
                inputs.board_years,
                100.0 * inputs.spare_share
            ),
        ),
        (
            cost.power,
            format!(
                "{} W, times {} for cooling, at {} yen per kWh",
                inputs.board_watts, inputs.cooling, inputs.yen_per_kwh
            ),
        ),
        (cost.space, format!("{} yen a board", inputs.space_yen)),
        (
            cost.transit,
            format!("{} yen per Mbit/s", inputs.transit_yen_per_mbps),
        ),
    ];
    for (name, (yen, why)) in ["hardware", "power", "space", "transit"]
        .into_iter()
        .zip(parts)
    {
        writeln!(out, "{name:<10} {yen:>6.2} yen per user per month: {why}")?;
    }
    writeln!(
        out,
        "{:<10} {:>6.2} yen per user per month; the model's operators published {low} to {high}",
        "together",
        cost.total()
    )?;
    Ok(ExitCode::SUCCESS)
}
