//! Distances on the Earth.

use millstream_model::Value;

use super::arguments::{at, double, text};
use super::{Body, Definition, Entry};
use crate::eval::{Failure, Outcome};

pub(super) const FUNCTIONS: &[Definition] = &[Definition {
    name: "GEO_DISTANCE",
    category: "OTHER",
    about: "The length of the great circle between two points in degrees, in kilometres or in MILES (haversine formula).",
    entries: &[
        Entry::new(
            "latitude DOUBLE, longitude DOUBLE, latitude2 DOUBLE, longitude2 DOUBLE -> DOUBLE",
            Body::Strict(distance),
        ),
        Entry::new(
            "latitude DOUBLE, longitude DOUBLE, latitude2 DOUBLE, longitude2 DOUBLE, unit STRING -> DOUBLE",
            Body::Lenient(distance_in),
        ),
    ],
}];

/// The Earth's mean radius.
const RADIUS_KM: f64 = 6371.0;
const RADIUS_MILES: f64 = 3959.0;

fn distance(values: &[&Value]) -> Outcome {
    great_circle(values, RADIUS_KM)
}

/// A null unit is the same as none.
fn distance_in(values: &[&Value]) -> Outcome {
    if values.iter().take(4).any(|value| value.is_null()) {
        return Ok(Value::Null);
    }
    let unit = if at(values, 4).is_null() { "" } else { text(at(values, 4))?.trim() };
    match unit.to_lowercase().as_str() {
        "" | "km" | "kilometer" | "kilometers" | "kilometre" | "kilometres" => {
            great_circle(values, RADIUS_KM)
        }
        "mi" | "mile" | "miles" => great_circle(values, RADIUS_MILES),
        other => Err(Failure::new(format!("there is no unit {other}; there are KM and MILES"))),
    }
}

fn great_circle(values: &[&Value], radius: f64) -> Outcome {
    let [latitude, longitude, latitude2, longitude2] = [0, 1, 2, 3].map(|place| double(at(values, place)));
    let (latitude, longitude, latitude2, longitude2) = (latitude?, longitude?, latitude2?, longitude2?);
    let fits = latitude.abs().max(latitude2.abs()) <= 90.0 && longitude.abs().max(longitude2.abs()) <= 180.0;
    if !fits {
        return Err(Failure::new("latitudes are from -90 to 90 degrees, and longitudes from -180 to 180"));
    }
    let half_chord = |difference: f64| (difference.to_radians() / 2.0).sin().powi(2);
    let across =
        half_chord(longitude2 - longitude) * latitude.to_radians().cos() * latitude2.to_radians().cos();
    let angle = 2.0 * (half_chord(latitude2 - latitude) + across).sqrt().asin();
    Ok(Value::Double(angle * radius))
}
