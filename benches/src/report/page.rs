//! A report as one HTML page: nothing in it comes from elsewhere, and no script runs.

use std::fmt::Write as _;

use super::plot::{self, Series};
use super::{Measure, Report, Round};
use crate::number::float;
use crate::verdict::Outcome;

const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;\
    color:#222}table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;text-align:right;\
    border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}pre{background:#f5f5f5;\
    padding:1em;overflow:auto}.pass{color:#176b2c}.fail{color:#b3261e}.void{color:#8a5a00}\
    svg{max-width:100%;height:auto}";

impl Report {
    /// The whole page.
    pub fn to_html(&self) -> String {
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
        self.ratios_table(&mut page);
        self.rounds_table(&mut page);
        self.plots(&mut page);
        self.origin_section(&mut page);
        page
    }

    fn ratios_table(&self, page: &mut String) {
        if self.ratios.is_empty() {
            return;
        }
        let head = format!(
            "<h2>CPU time for each {}, ours beside theirs</h2><table><tr><th>peer<th>ratio<th>from\
             <th>to<th>rounds<th>goal</tr>",
            self.measure.name()
        );
        push(page, &head);
        for ratio in &self.ratios {
            let goal = self.scenario.goals.get(&ratio.family);
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

    fn rounds_table(&self, page: &mut String) {
        let unit = match self.measure {
            Measure::Message => "µs",
            Measure::Gib => "s",
        };
        let head = format!(
            "<h2>Rounds</h2><table><tr><th>subject<th>round<th>sessions<th>messages/s<th>Mbit/s<th>\
             p50 ms<th>p99 ms<th>CPU {unit}/{}<th>load side busy<th>faults</tr>",
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
                "Latency in ms, by nines (1: 90%, 2: 99%, 3: 99.9% of messages are faster)",
                self.series(latency),
            ),
            (
                "Memory of the subject in MiB (PSS), by seconds",
                self.series(|round| sampled(round, |it| float(it.memory_bytes) / 1_048_576.0)),
            ),
            (
                "Kernel memory of all TCP sockets of the machine in MiB, by seconds",
                self.series(|round| {
                    let points = round.samples.iter();
                    points
                        .map(|it| (it.at_s, float(it.tcp_memory_bytes) / mib))
                        .collect()
                }),
            ),
            (
                "Descriptors of the subject, by seconds",
                self.series(|round| sampled(round, |it| float(it.descriptors))),
            ),
        ];
        for (title, series) in charts {
            if series.iter().any(|series| series.points.len() > 1) {
                push(page, &format!("<h2>{title}</h2>{}\n", plot::chart(&series)));
            }
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
            "command    {}\ncommit     {}\nversion    {}{}\nstarted    {} (seconds since 1970)\n\
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
            origin.started,
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
    use crate::report::{FORMAT, Origin, Recorder};
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
            verdict: Verdict {
                outcome: Outcome::Fail,
                reasons: vec!["1 < 2".to_owned()],
            },
        }
    }

    #[test]
    fn the_page_has_every_figure_and_needs_nothing_else() {
        let page = report().to_html();

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
    fn a_report_without_samples_has_no_empty_plots() {
        assert_eq!(report().to_html().matches("<svg").count(), 1);
    }
}
