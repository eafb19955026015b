//! A report as one HTML page: nothing in it comes from elsewhere, and no script runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::plot::{self, Across, Series};
use super::{Ratio, Report, Round};
use crate::number::float;
use crate::statistics;
use crate::verdict::Outcome;

const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;\
    color:#222}table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;text-align:right;\
    border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}pre{background:#f5f5f5;\
    padding:1em;overflow:auto}.pass{color:#176b2c}.fail{color:#b3261e}.void{color:#8a5a00}\
    svg{max-width:100%;height:auto}";

impl Report {
    /// The whole page. Rounds of reports `beside` it are in one plot, which shows how CPU time
    /// grows with sessions.
    pub fn to_html(&self, beside: &[Self]) -> String {
        let mut page = String::new();
        let (word, class) = match self.verdict.outcome {
            Outcome::Pass => ("Pass", "pass"),
            Outcome::Fail => ("Fail", "fail"),
            Outcome::Void => ("Void", "void"),
        };
        push(
            &mut page,
            &format!(
                "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>tasuki-bench: \
                 {word}</title><style>{STYLE}</style>\n<h1>tasuki-bench: <span \
                 class=\"{class}\">{word}</span></h1>\n<ul>"
            ),
        );
        for reason in &self.verdict.reasons {
            push(&mut page, &format!("<li>{}</li>", escape(reason)));
        }
        push(&mut page, "</ul>\n");
        let cpu = format!("CPU time for each {}", self.measure.name());
        table_of_ratios(&mut page, &cpu, &self.ratios, &self.scenario.goals);
        let delay = "Delay that is added to the middle message";
        table_of_ratios(&mut page, delay, &self.delays, &self.scenario.delay_goals);
        self.rounds_table(&mut page);
        self.by_sessions(beside, &mut page);
        self.plots(&mut page);
        self.origin_section(&mut page);
        page
    }

    fn rounds_table(&self, page: &mut String) {
        let head = format!(
            "<h2>Rounds</h2><table><tr><th>subject<th>round<th>sessions<th>messages/s<th>Mbit/s<th>\
             p50 ms<th>p99 ms<th>CPU {}/{}<th>load side busy<th>faults</tr>",
            self.measure.unit(),
            self.measure.name()
        );
        push(page, &head);
        for round in &self.rounds {
            let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), plot::short);
            push(
                page,
                &format!(
                    "<tr><td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{:.0}%<td>{}</tr>",
                    escape(&round.subject),
                    round.number,
                    round.sessions,
                    plot::short(float(round.messages) / round.measured_s),
                    plot::short(float(round.bytes) * 8e-6 / round.measured_s),
                    figure(round.latency.ms(0.5)),
                    figure(round.latency.ms(0.99)),
                    figure(round.cost(self.measure)),
                    100.0 * round.load_busy,
                    round.faults.total()
                ),
            );
        }
        push(page, "</table>\n");
    }

    /// CPU time by sessions: the median of each subject's rounds.
    fn by_sessions(&self, beside: &[Self], page: &mut String) {
        let mut costs: BTreeMap<&str, BTreeMap<u32, Vec<f64>>> = BTreeMap::new();
        let reports = std::iter::once(self).chain(beside);
        for report in reports.filter(|report| report.measure == self.measure) {
            for round in &report.rounds {
                if let Some(cost) = round.cost(self.measure) {
                    let sessions = costs.entry(&round.subject).or_default();
                    let found = sessions.entry(report.scenario.sessions).or_default();
                    found.push(cost);
                }
            }
        }
        let series: Vec<Series> = costs
            .into_iter()
            .map(|(name, sessions)| Series {
                name: name.to_owned(),
                points: sessions
                    .into_iter()
                    .filter_map(|(count, costs)| {
                        Some((f64::from(count), statistics::median(costs)?))
                    })
                    .collect(),
            })
            .collect();
        let (unit, name) = (self.measure.unit(), self.measure.name());
        let title = format!("CPU time in {unit} for each {name}, by sessions");
        draw(page, &title, &series, Across::Numbers);
    }

    fn plots(&self, page: &mut String) {
        let latency = |round: &Round| {
            let points = round.latency.quantiles_us.iter();
            // Far quantiles spread out: 90%, 99%, 99.9% lie one step apart.
            let nines = |quantile: f64| -(1.0 - quantile.min(0.999_99)).log10();
            points
                .map(|(quantile, us)| (nines(*quantile), us / 1e3))
                .collect()
        };
        let sampled = |round: &Round, value: fn(&super::Sample) -> f64| {
            let points = round.samples.iter();
            points.map(|sample| (sample.at_s, value(sample))).collect()
        };
        let mib = 1_048_576.0;
        let charts = [
            (
                "Latency in ms that so many messages stay below",
                self.series(latency),
                Across::Nines,
            ),
            (
                "Memory of the subject in MiB (PSS), by seconds",
                self.series(|round| sampled(round, |it| float(it.memory_bytes) / 1_048_576.0)),
                Across::Numbers,
            ),
            (
                "Kernel memory of all TCP sockets of the machine in MiB, by seconds",
                self.series(|round| {
                    let points = round.samples.iter();
                    points
                        .map(|it| (it.at_s, float(it.tcp_memory_bytes) / mib))
                        .collect()
                }),
                Across::Numbers,
            ),
            (
                "Descriptors of the subject, by seconds",
                self.series(|round| sampled(round, |it| float(it.descriptors))),
                Across::Numbers,
            ),
        ];
        for (title, series, across) in charts {
            draw(page, title, &series, across);
        }
    }

    /// One line for each subject: its last round, so that a page of many rounds can be read.
    fn series(&self, points: impl Fn(&Round) -> Vec<(f64, f64)>) -> Vec<Series> {
        let mut series: Vec<Series> = Vec::new();
        for round in self.rounds.iter().rev() {
            if !series.iter().any(|known| known.name == round.subject) {
                let name = round.subject.clone();
                let points = points(round);
                series.push(Series { name, points });
            }
        }
        series.reverse();
        series
    }

    fn origin_section(&self, page: &mut String) {
        let origin = &self.origin;
        let text = format!(
            "command    {}\ncommit     {}\nversion    {}{}\nstarted    {}\n\
             kernel     {}\nprocessor  {} ({} of them)\nmemory     {:.1} GiB\nautogroup  {}\nload \
             average before the run {:.2}",
            origin.command.join(" "),
            origin.commit.as_deref().unwrap_or("unknown"),
            origin.version,
            if origin.optimised {
                ""
            } else {
                ", a debug build"
            },
            date(origin.started),
            origin.kernel,
            origin.processor,
            origin.processors,
            float(origin.memory_bytes) / 1_073_741_824.0,
            if origin.autogroup { "on" } else { "off" },
            origin.load_average,
        );
        push(
            page,
            &format!("<h2>What ran, and where</h2><pre>{}</pre>", escape(&text)),
        );
        let scenario = serde_json::to_string_pretty(&self.scenario).unwrap_or_default();
        push(
            page,
            &format!("<h2>Scenario</h2><pre>{}</pre>\n", escape(&scenario)),
        );
        let mut told: Vec<&str> = Vec::new();
        for round in &self.rounds {
            if !told.contains(&round.subject.as_str()) {
                told.push(&round.subject);
                push(
                    page,
                    &format!(
                        "<h2>{}</h2><pre>{}</pre>\n",
                        escape(&round.subject),
                        escape(&round.settings)
                    ),
                );
            }
        }
    }
}

fn table_of_ratios(page: &mut String, what: &str, ratios: &[Ratio], goals: &BTreeMap<String, f64>) {
    if ratios.is_empty() {
        return;
    }
    push(
        page,
        &format!(
            "<h2>{what}, ours beside theirs</h2><table><tr><th>peer<th>ratio<th>from<th>to<th>rounds\
             <th>goal</tr>"
        ),
    );
    for ratio in ratios {
        let goal = goals.get(&ratio.family);
        let goal = goal.map_or_else(|| "-".to_owned(), |goal| format!("{goal:.2}"));
        let interval = ratio.interval;
        push(
            page,
            &format!(
                "<tr><td>{}<td>{:.3}<td>{:.3}<td>{:.3}<td>{}<td>{goal}</tr>",
                escape(&ratio.family),
                interval.estimate,
                interval.low,
                interval.high,
                ratio.rounds
            ),
        );
    }
    push(page, "</table>\n");
}

/// A chart with its title, if there is a line to draw.
fn draw(page: &mut String, title: &str, series: &[Series], across: Across) {
    if series.iter().any(|series| series.points.len() > 1) {
        let chart = plot::chart(series, across);
        push(page, &format!("<h2>{title}</h2>{chart}\n"));
    }
}

/// Seconds since 1970, for people.
fn date(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or_default();
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "-".to_owned(), |it| it.to_string())
}

fn push(page: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = page.write_str(text);
}

/// Text as it may stand in HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::comparison::{OURS, ratios};
    use crate::report::{FORMAT, Measure, Origin, Recorder};
    use crate::scenario::Scenario;
    use crate::verdict::Verdict;

    fn report() -> Report {
        let mut recorder = Recorder::new();
        for us in 1..1_000 {
            recorder.record(std::time::Duration::from_micros(us));
        }
        let round = |family| Round {
            latency: recorder.latency(),
            ..crate::report::comparison::tests::round(family, 0, 8)
        };
        let mut rounds = vec![round(OURS), round("nginx")];
        rounds[1].settings = "listen <front> & go".to_owned();
        Report {
            format: FORMAT,
            origin: Origin::here(),
            scenario: Scenario::peers().unwrap(),
            measure: Measure::Message,
            ratios: ratios(&rounds, Measure::Message, 1),
            rounds,
            delays: Vec::new(),
            verdict: Verdict {
                outcome: Outcome::Fail,
                reasons: vec!["1 < 2".to_owned()],
            },
        }
    }

    #[test]
    fn the_page_has_every_figure_and_needs_nothing_else() {
        let page = report().to_html(&[]);

        for part in [
            "<span class=\"fail\">Fail</span>",
            "1 &lt; 2",
            "<td>nginx<td>1.000<td>1.000<td>1.000<td>1<td>0.72",
            "listen &lt;front&gt; &amp; go",
            "<svg",
            "per_second",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        for foreign in ["<script", "http://", "https://", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    }

    #[test]
    fn reports_of_other_sessions_are_in_one_plot() {
        let mut more = report();
        more.scenario.sessions = 500;
        let page = report().to_html(&[more]);

        assert!(page.contains("for each message, by sessions"), "{page}");
        assert!(page.contains(">2000</text>"), "{page}");
    }

    #[test]
    fn a_report_without_samples_has_no_empty_plots() {
        assert_eq!(report().to_html(&[]).matches("<svg").count(), 1);
    }
}
