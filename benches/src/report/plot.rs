//! Line charts as SVG.

use std::fmt::Write as _;

use super::page::escape;

/// A line of a chart.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 15.0;
const BOTTOM: f64 = 30.0;

/// Steps on an axis, about.
const STEPS: f64 = 5.0;

/// What stands below a chart.
#[derive(Debug, Clone, Copy)]
pub(super) enum Across {
    Numbers,
    /// Shares of all messages; each step leaves a tenth of them.
    Nines,
}

/// The shares at whole numbers of nines.
const NINES: [&str; 6] = ["0%", "90%", "99%", "99.9%", "99.99%", "99.999%"];

impl Across {
    fn ticks(self, most: f64) -> Vec<(f64, String)> {
        match self {
            Self::Numbers => ticks(step(most), most).map(|x| (x, short(x))).collect(),
            Self::Nines => ticks(1.0, most).zip(NINES.map(str::to_owned)).collect(),
        }
    }
}

/// Told apart by people who see few colours (Okabe and Ito).
const COLOURS: [&str; 8] = [
    "#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442",
];

/// A chart of all lines, with zero at the bottom.
pub(super) fn chart(series: &[Series], across: Across) -> String {
    let points = || series.iter().flat_map(|series| &series.points);
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max).max(1e-9);
    let y_step = step(most(&mut points().map(|(_, y)| *y)));
    let x_most = most(&mut points().map(|(x, _)| *x));
    let y_most = (most(&mut points().map(|(_, y)| *y)) / y_step).ceil() * y_step;
    let x_at = |x: f64| LEFT + (WIDTH - LEFT - RIGHT) * x / x_most;
    let y_at = |y: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / y_most;

    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" font-size=\"12\" \
         font-family=\"sans-serif\" role=\"img\">"
    );
    let mut add = |text: String| {
        // Writing to a string cannot fail.
        let _ = svg.write_str(&text);
    };
    for y in ticks(y_step, y_most) {
        let (left, right, at) = (LEFT, WIDTH - RIGHT, y_at(y));
        add(format!(
            "<path d=\"M{left} {at:.1}H{right}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"end\">{}</text>",
            left - 6.0,
            at + 4.0,
            short(y)
        ));
    }
    for (x, label) in across.ticks(x_most) {
        add(format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            x_at(x),
            HEIGHT - BOTTOM + 18.0
        ));
    }
    let mut row = TOP + 10.0;
    for (series, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        if series.points.is_empty() {
            continue;
        }
        let places = series.points.iter();
        let places: Vec<String> = places
            .map(|(x, y)| format!("{:.1},{:.1}", x_at(*x), y_at(*y)))
            .collect();
        add(format!(
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" points=\"{}\"/><text \
             x=\"{:.1}\" y=\"{row:.1}\" fill=\"{colour}\">{}</text>",
            places.join(" "),
            WIDTH - RIGHT + 10.0,
            escape(&series.name)
        ));
        row += 16.0;
    }
    svg + "</svg>"
}

/// A round distance (1, 2 or 5 times a power of ten) of which about five reach `most`.
fn step(most: f64) -> f64 {
    let rough = most / STEPS;
    let power = 10_f64.powf(rough.log10().floor());
    let digit = rough / power;
    let round = [1.0, 2.0, 5.0].into_iter().find(|round| digit <= *round);
    power * round.unwrap_or(10.0)
}

fn ticks(step: f64, most: f64) -> impl Iterator<Item = f64> {
    let upper = most + step / 1e6;
    (0..=20_u32)
        .map(move |count| f64::from(count) * step)
        .take_while(move |tick| *tick <= upper)
}

/// Three digits that matter, without zeros behind them.
pub(super) fn short(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        size if size >= 0.1 => 3,
        _ => 4,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (most, expected) in [(1.0, 0.2), (4.0, 1.0), (60.0, 20.0), (3_600.0, 1_000.0)] {
            let found = step(most);
            assert!((found / expected - 1.0).abs() < 1e-9, "{most}: {found}");
        }
    }

    #[test]
    fn figures_are_short() {
        let figures = [0.0, 0.05, 0.25, 1.5, 12.34, 100.4, 5_000.0].map(short);

        assert_eq!(figures, ["0", "0.05", "0.25", "1.5", "12.3", "100", "5000"]);
    }

    #[test]
    fn lines_run_from_the_left_to_the_top() {
        let series = Series {
            name: "a<b".to_owned(),
            points: vec![(0.0, 0.0), (10.0, 5.0)],
        };
        let svg = chart(std::slice::from_ref(&series), Across::Numbers);

        assert!(svg.contains("points=\"60.0,270.0 610.0,15.0\""), "{svg}");
        assert!(svg.contains("a&lt;b"), "{svg}");
        assert!(svg.contains(">10</text>"), "{svg}");
        assert!(chart(&[series], Across::Nines).contains(">99.9%</text>"));
    }
}
