//! Which cities there are: a list of some 400, with their names, centres and extents.
//!
//! For letters that wait for a city by its name. A client says where it is by coordinates and, if it knows,
//! by a name; the list makes one city of `北京`, `北京市` and `Beijing`, and finds the city of coordinates.

use std::{collections::HashMap, sync::LazyLock};

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use super::{geo::Point, words::fold};

static LIST: LazyLock<List> = LazyLock::new(|| List::read(include_str!("../../data/cities.txt")));

/// A city of the list.
#[derive(Debug, PartialEq)]
pub(crate) struct City {
    /// What it is known by here.
    pub(crate) key: String,
    /// Its English name.
    pub(crate) name: String,
    /// Its centre.
    pub(crate) centre: Point,
    /// How far it reaches, in metres.
    pub(crate) radius: f64,
}

struct List {
    cities: Vec<City>,
    by_name: HashMap<String, usize>,
}

impl List {
    fn read(text: &str) -> Self {
        let mut list = Self { cities: Vec::new(), by_name: HashMap::new() };
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            let mut fields = line.split(';');
            let mut next = || fields.next().unwrap_or_default();
            let (name, chinese, latitude, longitude, radius) = (next(), next(), next(), next(), next());
            let (Ok(latitude), Ok(longitude), Ok(radius)) =
                (latitude.parse(), longitude.parse(), radius.parse::<f64>())
            else {
                continue;
            };
            let others = next().split('/').filter(|other| !other.is_empty());
            for name in [name, chinese].into_iter().chain(others) {
                list.by_name.insert(simple(name), list.cities.len());
            }
            let centre = Point { latitude, longitude };
            let radius = radius * 1000.0;
            list.cities.push(City { key: simple(name), name: name.to_owned(), centre, radius });
        }
        list
    }
}

/// A city's name without what does not tell cities apart: width, case, accents, and the word for city.
fn simple(name: &str) -> String {
    let folded = fold(&name.nfd().filter(|c| !is_combining_mark(*c)).collect::<String>());
    let bare = ["市", " city", " shi"].iter().find_map(|end| folded.strip_suffix(end)).map(str::trim_end);
    bare.filter(|bare| !bare.is_empty()).unwrap_or(&folded).to_owned()
}

/// The city of this name.
pub(crate) fn named(name: &str) -> Option<&'static City> {
    LIST.by_name.get(&simple(name)).and_then(|n| LIST.cities.get(*n))
}

/// What a city's name is compared by: names of one city of the list have one key.
pub(crate) fn key(name: &str) -> String {
    named(name).map_or_else(|| simple(name), |city| city.key.clone())
}

/// The city in which this point lies: of several the one whose centre is nearest, by its extent.
pub(crate) fn around(point: Point) -> Option<&'static City> {
    let part = |city: &City| city.centre.distance(point) / city.radius;
    let inside = LIST.cities.iter().map(|city| (part(city), city)).filter(|(part, _)| *part <= 1.0);
    inside.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, city)| city)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_city_and_every_name_one_city() {
        let text = include_str!("../../data/cities.txt");
        let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
        assert!(lines.len() >= 300);
        assert_eq!(LIST.cities.len(), lines.len());
        for (city, line) in LIST.cities.iter().zip(&lines) {
            assert!(city.centre.latitude.abs() <= 90.0 && city.centre.longitude.abs() <= 180.0, "{line}");
            assert!((5_000.0..=50_000.0).contains(&city.radius), "{line}");
            assert_eq!(line.split(';').count(), 6, "{line}");
            let names = line.split(';').take(2).chain(line.split(';').nth(5).unwrap().split('/'));
            for name in names.filter(|name| !name.is_empty()) {
                assert_eq!(named(name), Some(city), "{name} names two cities");
            }
        }
    }

    #[test]
    fn one_city_by_all_its_names() {
        for name in
            ["北京", "北京市", "Beijing", "BEIJING ", "Ｂeijing", "Beijing City", "Beijing Shi", "Peking"]
        {
            assert_eq!(key(name), "beijing", "{name}");
        }
        assert_eq!(key("São Paulo"), key("圣保罗市"));
        assert_eq!(key("Xi'an"), key("西安"));
        assert_eq!(key("胡志明市"), key("Ho Chi Minh City"));
        assert_eq!(key("Mexico City"), key("墨西哥城"));
        // One that is not in the list is compared by its name.
        assert_eq!(key("义乌市"), "义乌");
        assert_ne!(key("义乌"), key("东阳"));
        assert_eq!(key("市"), "市");
    }

    #[test]
    fn a_point_lies_in_its_city() {
        let city = |latitude, longitude| around(Point { latitude, longitude }).map(|c| c.name.as_str());
        assert_eq!(city(39.916, 116.397), Some("Beijing"));
        assert_eq!(city(23.02, 113.12), Some("Foshan"));
        assert_eq!(city(48.8584, 2.2945), Some("Paris"));
        assert_eq!(city(-33.857, 151.215), Some("Sydney"));
        assert_eq!(city(0.0, -30.0), None);
        assert_eq!(city(90.0, 0.0), None);
    }

    /// Centres of different cities are not one inside the other by mistake of a digit.
    #[test]
    fn every_centre_is_its_own_city() {
        for city in &LIST.cities {
            assert_eq!(around(city.centre).map(|c| &c.name), Some(&city.name));
        }
    }
}
