//! Charts as SVG: bars side by side, and curves over a logarithmic axis. Plain shapes and text, so that
//! any browser and any page of the web shows them.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result};

/// Why writing to a string cannot fail.
const STRING: &str = "a string takes what it is given";

/// Colours that are told apart by people who see few (Okabe and Ito).
const COLOURS: [&str; 7] =
    ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#555555"];

/// Width of everything, in pixels.
const WIDTH: f64 = 860.0;
/// Where bars begin, to the right of their names.
const BARS_AT: f64 = 250.0;
/// What the longest bar has, so that its figure fits behind it.
const BARS_WIDTH: f64 = 480.0;
const BAR_HEIGHT: f64 = 14.0;
const LINE_HEIGHT: f64 = 18.0;
/// Height of a panel of curves, and what is left around its axes.
const CURVES_HEIGHT: f64 = 260.0;
const MARGIN: f64 = 60.0;

/// One bar.
pub(crate) struct Bar {
    /// What it is of.
    pub(crate) name: String,
    /// Its length.
    pub(crate) value: f64,
    /// What stands behind it.
    pub(crate) shown: String,
    /// Bars of one kind have one colour.
    pub(crate) kind: usize,
}

/// One curve.
pub(crate) struct Curve {
    /// What it is of.
    pub(crate) name: String,
    /// Across, all above 0, and up.
    pub(crate) points: Vec<(f64, f64)>,
}

/// A drawing that grows downwards.
pub(crate) struct Chart {
    body: String,
    bottom: f64,
}

impl Chart {
    /// A chart with a title.
    pub(crate) fn new(title: &str) -> Self {
        let mut chart = Self { body: String::new(), bottom: 30.0 };
        chart.text(10.0, "start", 16, title);
        chart
    }

    fn text(&mut self, x: f64, anchor: &str, size: u32, text: &str) {
        let (y, text) = (self.bottom, escaped(text));
        writeln!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{text}</text>"
        )
        .expect(STRING);
    }

    fn text_at(&mut self, (x, y): (f64, f64), anchor: &str, text: &str) {
        let bottom = std::mem::replace(&mut self.bottom, y);
        self.text(x, anchor, 11, text);
        self.bottom = bottom;
    }

    /// Adds bars under a heading; all of one panel have one scale.
    pub(crate) fn bars(&mut self, heading: &str, bars: &[Bar]) {
        self.bottom += 32.0;
        self.text(10.0, "start", 13, heading);
        let longest = bars.iter().map(|bar| bar.value).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        for bar in bars {
            self.bottom += LINE_HEIGHT;
            self.text(BARS_AT - 8.0, "end", 11, &bar.name);
            let (width, top) = (BARS_WIDTH * bar.value / longest, self.bottom - BAR_HEIGHT + 3.0);
            let colour = COLOURS[bar.kind % COLOURS.len()];
            writeln!(
                self.body,
                "<rect x=\"{BARS_AT:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
                 height=\"{BAR_HEIGHT:.1}\" fill=\"{colour}\"/>"
            )
            .expect(STRING);
            self.text(BARS_AT + width + 6.0, "start", 11, &bar.shown);
        }
    }

    /// Adds curves under a heading: `across` has a logarithmic axis, `up` begins at 0. `name_of` names a
    /// place across.
    pub(crate) fn curves(
        &mut self,
        heading: &str,
        up: &str,
        curves: &[Curve],
        name_of: impl Fn(f64) -> String,
    ) {
        self.bottom += 36.0;
        self.text(10.0, "start", 13, &format!("{heading} ({up})"));
        let points = || curves.iter().flat_map(|curve| curve.points.iter().copied());
        let first = points().map(|(x, _)| x).fold(f64::INFINITY, f64::min);
        let last = points().map(|(x, _)| x).fold(0.0, f64::max);
        let highest = points().map(|(_, y)| y).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        if last <= 0.0 {
            return;
        }
        let (top, base) = (self.bottom + 14.0, self.bottom + CURVES_HEIGHT - 24.0);
        let decades = (last / first).ln().max(f64::MIN_POSITIVE);
        let place = |(x, y): (f64, f64)| {
            let across = MARGIN + (x / first).ln() / decades * (WIDTH - 3.5 * MARGIN);
            (across, base - y / highest * (base - top))
        };
        for part in [0.0, 0.5, 1.0] {
            let y = base - part * (base - top);
            let right = WIDTH - 2.5 * MARGIN;
            writeln!(
                self.body,
                "<line x1=\"{MARGIN:.1}\" y1=\"{y:.1}\" x2=\"{right:.1}\" y2=\"{y:.1}\" stroke=\"#ccc\"/>"
            )
            .expect(STRING);
            let figure = crate::report::digits(part * highest);
            self.text_at((MARGIN - 6.0, y + 4.0), "end", &figure);
        }
        let mut across: Vec<f64> = points().map(|(x, _)| x).collect();
        across.sort_by(f64::total_cmp);
        across.dedup();
        for x in across {
            self.text_at((place((x, 0.0)).0, base + 16.0), "middle", &name_of(x));
        }
        for (number, curve) in curves.iter().enumerate() {
            self.curve(curve, COLOURS[number % COLOURS.len()], place);
        }
        self.bottom += CURVES_HEIGHT;
        self.legend(curves);
    }

    fn curve(&mut self, curve: &Curve, colour: &str, place: impl Fn((f64, f64)) -> (f64, f64)) {
        let places: Vec<_> = curve.points.iter().map(|point| place(*point)).collect();
        let line: Vec<_> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let line = line.join(" ");
        writeln!(
            self.body,
            "<polyline points=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        )
        .expect(STRING);
        for (x, y) in places {
            writeln!(self.body, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>")
                .expect(STRING);
        }
    }

    /// Below the curves, each name in its colour.
    fn legend(&mut self, curves: &[Curve]) {
        let mut x = MARGIN;
        for (number, curve) in curves.iter().enumerate() {
            let (y, colour) = (self.bottom, COLOURS[number % COLOURS.len()]);
            writeln!(
                self.body,
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>",
                y - 9.0
            )
            .expect(STRING);
            self.text_at((x + 14.0, y), "start", &curve.name);
            x += 40.0 + 6.5 * curve.name.len() as f64;
        }
    }

    /// The whole file.
    fn svg(&self) -> String {
        let (height, body) = (self.bottom + 20.0, &self.body);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {WIDTH:.0} {height:.0}\" font-family=\"sans-serif\" fill=\"#222\">\n<rect \
             width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
        )
    }

    /// Writes it.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        fs::write(path, self.svg()).with_context(|| format!("cannot write {}", path.display()))
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_has_all_the_width_and_names_are_escaped() {
        let bar = |name: &str, value| Bar { name: name.into(), value, shown: "x".into(), kind: 0 };
        let mut chart = Chart::new("a & b");
        chart.bars("rates", &[bar("<one>", 1.0), bar("two", 2.0)]);
        let svg = chart.svg();
        assert!(svg.contains("width=\"480.0\"") && svg.contains("width=\"240.0\""), "{svg}");
        assert!(svg.contains("a &amp; b") && svg.contains("&lt;one&gt;"), "{svg}");
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn curves_go_from_the_first_place_to_the_last() {
        let mut chart = Chart::new("cost");
        let points = vec![(1.0, 5.0), (10.0, 10.0), (100.0, 0.0)];
        let curve = Curve { name: "one".into(), points };
        chart.curves("by size", "GB/s", &[curve], |x| format!("at {x}"));
        let svg = chart.svg();
        for expected in ["at 1<", "at 10<", "at 100<", "cx=\"60.0\"", "cx=\"710.0\""] {
            assert!(svg.contains(expected), "{expected} in {svg}");
        }
        assert_eq!(svg.matches("<circle").count(), 3);
        chart.curves("nothing", "GB/s", &[], |_| String::new());
        assert!(!chart.svg().contains("NaN"));
    }
}
