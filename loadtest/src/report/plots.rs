//! Plots as SVG text, each complete in itself.

use plotters::prelude::*;

use crate::tabs::totals::{self, Times};

const SIZE: (u32, u32) = (760, 360);

/// A named line of points.
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Its points.
    pub points: Vec<(f64, f64)>,
}

/// What stands at an axis.
pub struct Axes<'a> {
    /// Above the plot.
    pub title: &'a str,
    /// What the horizontal axis shows.
    pub x: &'a str,
    /// What the vertical axis shows.
    pub y: &'a str,
    /// Whether the vertical axis is logarithmic.
    pub logarithmic: bool,
}

/// Draws lines; `None` where there is nothing to draw.
pub fn lines(axes: &Axes<'_>, lines: &[Line]) -> Option<String> {
    let points = || lines.iter().flat_map(|line| &line.points);
    if points().count() < 2 {
        return None;
    }
    let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::MIN, f64::max);
    let least = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::MAX, f64::min);
    let (left, right) = (least(|point| point.0), most(|point| point.0) + f64::EPSILON);
    let top = most(|point| point.1).max(1e-6) * 1.05;
    let mut svg = String::new();
    let drawn = if axes.logarithmic {
        let bottom = least(|point| point.1).max(1e-3) * 0.8;
        draw(&mut svg, axes, lines, left..right, (bottom..top).log_scale())
    } else {
        draw(&mut svg, axes, lines, left..right, 0.0..top)
    };
    drawn.ok().map(|()| svg)
}

fn draw<Y>(
    svg: &mut String,
    axes: &Axes<'_>,
    lines: &[Line],
    x: std::ops::Range<f64>,
    y: Y,
) -> Result<(), Box<dyn std::error::Error>>
where
    Y: plotters::coord::ranged1d::AsRangedCoord<Value = f64>,
    Y::CoordDescType: plotters::coord::ranged1d::ValueFormatter<f64>,
{
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(|error| error.to_string())?;
    let mut chart = ChartBuilder::on(&root)
        .caption(axes.title, ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(x, y)
        .map_err(|error| error.to_string())?;
    chart
        .configure_mesh()
        .x_desc(axes.x)
        .y_desc(axes.y)
        .light_line_style(WHITE)
        .draw()
        .map_err(|error| error.to_string())?;
    for (index, line) in lines.iter().enumerate() {
        let color = Palette99::pick(index).to_rgba();
        let series = LineSeries::new(line.points.iter().copied(), color.stroke_width(2)).point_size(2);
        chart
            .draw_series(series)
            .map_err(|error| error.to_string())?
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .draw()
        .map_err(|error| error.to_string())?;
    root.present().map_err(|error| error.to_string())?;
    Ok(())
}

/// The points of a latency curve: how many nines, and the milliseconds that so many stay below.
pub fn latency_curve(times: &Times) -> Vec<(f64, f64)> {
    let mut histogram = totals::histogram();
    totals::add(&mut histogram, times);
    if histogram.is_empty() {
        return Vec::new();
    }
    let nines = (1..=40).map(|step| f64::from(step) / 10.0);
    let curve =
        nines.map(|nines| (nines, histogram.value_at_quantile(1.0 - 10f64.powf(-nines)) as f64 / 1000.0));
    curve.filter(|(nines, _)| 10f64.powf(*nines) <= histogram.len() as f64 * 2.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_rises_to_the_slowest_and_can_be_drawn() {
        let times: Times = (1..=1000).map(|milliseconds| (milliseconds * 1000, 1)).collect();
        let points = latency_curve(&times);
        assert!(points.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        assert!((points.last().unwrap().1 - 1000.0).abs() < 2.0);
        let axes = Axes { title: "t", x: "nines", y: "ms", logarithmic: true };
        let svg = lines(&axes, &[Line { name: "steady".to_owned(), points }]).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("steady"));
        assert!(lines(&axes, &[]).is_none());
    }
}
