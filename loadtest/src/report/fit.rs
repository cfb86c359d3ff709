//! The straight line through some points, and how straight they lie.

/// A line by least squares.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    /// Where it begins.
    pub base: f64,
    /// How steep it is.
    pub slope: f64,
    /// The part of the points' variance that it explains: 1 where they lie on it.
    pub r2: f64,
}

/// The line through points; `None` of fewer than three, or where they do not differ.
pub fn line(points: &[(f64, f64)]) -> Option<Fit> {
    let count = points.len() as f64;
    if points.len() < 3 {
        return None;
    }
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let sums = points.iter().map(|point| (point.0 - x, point.1 - y));
    let (xx, xy, yy) =
        sums.fold((0.0, 0.0, 0.0), |(xx, xy, yy), (dx, dy)| (xx + dx * dx, xy + dx * dy, yy + dy * dy));
    let slope = xy / xx;
    let fit = Fit { base: y - slope * x, slope, r2: xy * xy / (xx * yy) };
    (fit.slope.is_finite() && fit.r2.is_finite()).then_some(fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_on_a_line_lie_straight() {
        let fit = line(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0), (10.0, 21.0)]).unwrap();
        assert!((fit.base - 1.0).abs() < 1e-9 && (fit.slope - 2.0).abs() < 1e-9 && fit.r2 > 0.999_999);
        let crooked = line(&[(0.0, 0.0), (1.0, 5.0), (2.0, 0.0), (3.0, 6.0)]).unwrap();
        assert!(crooked.r2 < 0.6);
        assert!(line(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]).is_none());
    }
}
