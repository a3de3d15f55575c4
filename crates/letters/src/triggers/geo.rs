//! Distances on the globe, and cells that an index can look into.
//!
//! A circle lies in one cell: the one of its centre, in a grid whose cells are about as large as its radius. Who
//! is at a point looks, in the grid of each size, into the cells around it: about a hundred names, however many
//! circles there are, and few circles that do not hold the point.
//!
//! The earth is a sphere of WGS84's mean radius: the error against the ellipsoid is at most 0.56 %, less than a
//! phone's own.

use std::collections::BTreeSet;

/// WGS84's mean radius R₁, in metres.
const EARTH: f64 = 6_371_008.8;

/// One degree of latitude, in metres.
pub(crate) const DEGREE: f64 = EARTH * std::f64::consts::PI / 180.0;

/// A point on the globe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// Degrees north, -90 to 90.
    pub(crate) latitude: f64,
    /// Degrees east, -180 to 180.
    pub(crate) longitude: f64,
}

impl Point {
    /// The great-circle distance in metres, by the haversine: exact for near points, where it matters.
    pub(crate) fn distance(self, other: Self) -> f64 {
        let (a, b) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half = |from: f64, to: f64| ((to - from) / 2.0).sin().powi(2);
        let h =
            half(a, b) + a.cos() * b.cos() * half(self.longitude.to_radians(), other.longitude.to_radians());
        2.0 * EARTH * h.clamp(0.0, 1.0).sqrt().asin()
    }

    /// All points within `metres` lie in this box; so may others.
    pub(crate) fn around(self, metres: f64) -> Area {
        // What rounding may do is less than a millionth.
        let reach = metres * (1.0 + 1e-6);
        let degrees = reach / DEGREE;
        let (south, north) = (self.latitude - degrees, self.latitude + degrees);
        let sine = (reach / EARTH).sin() / self.latitude.to_radians().cos();
        let whole = Area { south, north, east: [(-180.0, 180.0); 2] };
        // With a pole inside, every meridian is.
        if north >= 90.0 || south <= -90.0 || !sine.is_finite() || sine >= 1.0 {
            return whole;
        }
        let width = sine.asin().to_degrees();
        let (from, to) = (self.longitude - width, self.longitude + width);
        let east = if from < -180.0 {
            [(from + 360.0, 180.0), (-180.0, to)]
        } else if to > 180.0 {
            [(from, 180.0), (-180.0, to - 360.0)]
        } else {
            // The date line itself has two names.
            let edge = if from <= -180.0 { 180.0 } else { -180.0 };
            [(from, to), if from <= -180.0 || to >= 180.0 { (edge, edge) } else { (from, to) }]
        };
        Area { east, ..whole }
    }
}

/// A range of latitudes, and two of longitudes (the same twice where the date line is far).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Area {
    pub(crate) south: f64,
    pub(crate) north: f64,
    pub(crate) east: [(f64, f64); 2],
}

/// The grids' sizes: circles up to so many metres are in the first, up to twice as many in the second…
const FINEST: f64 = 200.0;
/// Up to 51,200 m.
const GRIDS: u8 = 9;

/// The sizes of the grids, in metres, with their numbers.
fn grids() -> impl Iterator<Item = (u8, f64)> {
    (0..GRIDS).map(|n| (n, FINEST * f64::from(1_u32 << n)))
}

/// The row of a latitude in the grid of this size.
fn row(latitude: f64, size: f64) -> f64 {
    ((latitude + 90.0) * DEGREE / size).floor()
}

/// How many cells a row has: each about as wide as high.
fn columns(row: f64, size: f64) -> f64 {
    let middle = (row + 0.5) * size / DEGREE - 90.0;
    (360.0 * DEGREE / size * middle.to_radians().cos()).floor().max(1.0)
}

/// The column of a longitude in a row of so many.
fn column(longitude: f64, columns: f64) -> f64 {
    ((longitude + 180.0) / 360.0 * columns).floor().clamp(0.0, columns - 1.0)
}

/// The name of the cell of a circle.
pub(crate) fn cell(centre: Point, radius: f64) -> String {
    let grid = grids().find(|(_, size)| radius <= *size);
    let (number, size) = grid.unwrap_or((GRIDS - 1, FINEST * f64::from(1_u32 << (GRIDS - 1))));
    let row = row(centre.latitude, size);
    format!("{number}:{row}:{}", column(centre.longitude, columns(row, size)))
}

/// The names of all cells in which a circle may lie that holds this point.
pub(crate) fn cells(point: Point) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (number, size) in grids() {
        let area = point.around(size);
        let last = row(area.north.min(90.0), size);
        let mut at = row(area.south.max(-90.0), size);
        while at <= last {
            let columns = columns(at, size);
            for (west, east) in area.east {
                let (mut x, end) = (column(west, columns), column(east, columns));
                while x <= end {
                    names.insert(format!("{number}:{at}:{x}"));
                    x += 1.0;
                }
            }
            at += 1.0;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latitude: f64, longitude: f64) -> Point {
        Point { latitude, longitude }
    }

    fn contains(area: &Area, p: Point) -> bool {
        (area.south..=area.north).contains(&p.latitude)
            && area.east.iter().any(|(from, to)| (*from..=*to).contains(&p.longitude))
    }

    #[track_caller]
    fn is_near(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
    }

    #[test]
    fn known_distances() {
        is_near(at(0.0, 0.0).distance(at(0.0, 1.0)), DEGREE, 0.001);
        is_near(at(90.0, 0.0).distance(at(-90.0, 77.0)), std::f64::consts::PI * EARTH, 0.01);
        // Beijing to Shanghai, and London to New York, as everybody has them.
        is_near(at(39.904, 116.407).distance(at(31.230, 121.474)), 1_067_000.0, 2000.0);
        is_near(at(51.507, -0.128).distance(at(40.713, -74.006)), 5_570_000.0, 5000.0);
        // All longitudes are one point at the pole, and the date line is no border.
        is_near(at(90.0, 10.0).distance(at(90.0, -150.0)), 0.0, 1e-3);
        is_near(at(0.0, 180.0).distance(at(0.0, -180.0)), 0.0, 1e-3);
        is_near(at(0.0, 179.9995).distance(at(0.0, -179.9995)), 111.195, 0.01);
        is_near(at(12.0, 34.0).distance(at(12.0, 34.0)), 0.0, 0.0);
    }

    /// Whatever lies within the distance lies in the box and in a cell, at the poles and the date line, too.
    #[test]
    fn a_box_misses_nothing() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |from: f64, to: f64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            #[expect(clippy::cast_precision_loss, reason = "53 bits")]
            let unit = (state >> 11) as f64 / (1_u64 << 53) as f64;
            from + unit * (to - from)
        };
        let edges = [-90.0, -89.9999, -0.1, 0.0, 45.0, 89.6, 89.999_999, 90.0];
        let meridians = [-180.0, -179.999, -179.6, 0.0, 120.0, 179.6, 179.999, 180.0];
        let (mut inside, mut most) = (0, 0);
        for reach in [100.0, 500.0, 6400.0, 50_000.0, 100_000.0] {
            for latitude in edges {
                for longitude in meridians {
                    let centre = at(latitude, longitude);
                    let area = centre.around(reach);
                    let cells = cells(centre);
                    most = most.max(cells.len());
                    for _ in 0..300 {
                        let spread = 1.5 * reach / DEGREE;
                        let lat = (latitude + random(-spread, spread)).clamp(-90.0, 90.0);
                        let wide = (spread / lat.to_radians().cos().max(1e-9)).min(180.0);
                        let mut lon = longitude + random(-wide, wide);
                        lon = (lon + 540.0).rem_euclid(360.0) - 180.0;
                        for p in [at(lat, lon), at(lat, if lon > 0.0 { 180.0 } else { -180.0 })] {
                            if centre.distance(p) <= reach {
                                inside += 1;
                                assert!(contains(&area, p), "{p:?} is within {reach} m of {centre:?}");
                                let seen = reach > 51_200.0 || cells.contains(&cell(p, reach));
                                assert!(seen, "{p:?} is in no cell within {reach} m of {centre:?}");
                            }
                        }
                    }
                }
            }
        }
        assert!(inside > 10_000, "only {inside} points were near");
        assert!(most <= 160, "{most} cells");
    }

    #[test]
    fn a_box_is_no_larger_than_it_must_be() {
        let area = at(60.0, 20.0).around(50_000.0);
        assert!(!contains(&area, at(60.5, 20.0)) && !contains(&area, at(60.0, 21.0)));
        assert!(contains(&area, at(60.44, 20.0)) && contains(&area, at(60.0, 20.89)));
    }
}
