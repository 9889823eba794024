//! Curves over numbers of containers, drawn by plotters. What they are the curves of is `growth`'s.

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// One line of the plot: milliseconds by the number of containers.
pub(super) struct Curve {
    pub(super) name: &'static str,
    pub(super) points: Vec<(u32, f64)>,
}

const SIZE: (u32, u32) = (860, 460);

/// The room for the curves' names on the right, and the height of one.
const NAMES: u32 = 180;
const LINE: i32 = 17;

const FONT: &str = "sans-serif";

/// Where the axis of times has a line, if it reaches there.
const TIMES: [f64; 11] = [0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];

/// Colours that people who see fewer of them can tell apart, after Okabe and Ito; dark enough for text on white.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(90, 90, 90),
    RGBColor(213, 94, 0),
    RGBColor(0, 135, 98),
    RGBColor(178, 84, 136),
    RGBColor(150, 105, 0),
];

/// The plot as SVG, on a white ground. Times are on a logarithmic axis: what takes 2 ms and what takes 60 is seen in one.
pub(super) fn svg(curves: &[Curve]) -> Result<String> {
    let mut svg = String::new();
    draw(curves, &mut svg).map_err(|error| anyhow!("cannot draw the plot: {error}"))?;
    Ok(svg)
}

fn draw(curves: &[Curve], svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let mut steps: Vec<u32> = points().map(|(containers, _)| *containers).collect();
    steps.sort_unstable();
    steps.dedup();
    let most = steps.last().copied().unwrap_or(1);
    let slowest = points().map(|(_, time)| *time).fold(1.0, f64::max);
    let quickest = points().map(|(_, time)| *time).fold(slowest, f64::min);

    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut builder = ChartBuilder::on(&area);
    builder.margin(16).margin_right(NAMES).x_label_area_size(40).y_label_area_size(48);
    let (low, high) = (quickest * 0.8, slowest * 1.25);
    let lines = TIMES.into_iter().filter(|time| (low..high).contains(time)).collect();
    let times = (low..high).log_scale().with_key_points(lines);
    let across = (0..most + most / 50).with_key_points(steps);
    let mut chart = builder.build_cartesian_2d(across, times)?;
    let mut mesh = chart.configure_mesh();
    mesh.x_desc("containers").y_desc("milliseconds").label_style((FONT, 15)).axis_desc_style((FONT, 16));
    mesh.light_line_style(TRANSPARENT).bold_line_style(BLACK.mix(0.12));
    mesh.y_label_formatter(&|time| time.to_string()).draw()?;
    let mut ends = Vec::new();
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        chart.draw_series(LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2)))?;
        chart.draw_series(curve.points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
        if let Some(last) = curve.points.last() {
            ends.push((chart.backend_coord(last), curve.name, colour));
        }
    }
    // A name stands where its curve ends, or as far below as the one above it needs.
    ends.sort_by_key(|((_, y), ..)| *y);
    let mut free = 0;
    for ((x, y), name, colour) in ends {
        let y = free.max(y);
        free = y + LINE;
        let style = (FONT, 16).into_font().color(colour).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(name, (x + 10, y), style))?;
    }
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_curve_has_its_name_and_its_points() -> Result<()> {
        let curve =
            |name, factor: f64| Curve { name, points: [10, 60, 300].map(|x| (x, factor * f64::from(x))).into() };
        let svg = svg(&[curve("cnsenter ls", 0.1), curve("docker ps -a", 0.3)])?;
        for name in ["cnsenter ls", "docker ps -a", "containers", "milliseconds"] {
            assert!(svg.contains(&format!("\n{name}\n")), "{name}: {svg}");
        }
        assert_eq!(svg.matches("<circle").count(), 6, "{svg}");
        assert!(svg.contains(r##"<rect x="0" y="0" width="860" height="460" opacity="1" fill="#FFFFFF""##), "{svg}");
        Ok(())
    }
}
