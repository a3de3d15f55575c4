//! Many armed letters, written beside the front door: a hundred thousand requests would say nothing more.

use serde_json::json;
use testkit::app::TestApp;

/// Letters of this owner: so many wait for places of a grid that is rebuilt here, as many for events.
pub async fn many(app: &TestApp, owner: &str, count: i32, place: &dyn Fn(i32) -> (f64, f64)) {
    let mut rows = Vec::new();
    for n in 0..count {
        let (latitude, longitude) = place(n);
        let radius = 100 + n % 300;
        rows.push(json!({"l": format!("mail_p{n}"), "a": cell(latitude, longitude, f64::from(radius)),
            "lat": latitude, "lon": longitude, "r": f64::from(radius)}));
        rows.push(json!({"l": format!("mail_e{n}"), "a": format!("word:w{}", n % 1000),
            "n": format!("w{}", n % 1000), "e": format!("kind{}", n % 100)}));
    }
    let mut tx = app.system.db.begin().await.unwrap();
    for part in rows.chunks(20_000) {
        let json = serde_json::to_string(part).unwrap();
        let statement = db::sql!(
            sqlite: "INSERT INTO armed_triggers (letter_id, schedule_no, number, owner_id, watcher, anchor, latitude,
                        longitude, radius, needle, event_type)
                     SELECT value ->> 'l', 1, 0, $2, $2, value ->> 'a', value ->> 'lat', value ->> 'lon',
                        value ->> 'r', value ->> 'n', value ->> 'e' FROM json_each($1)",
            postgres: "INSERT INTO armed_triggers (letter_id, schedule_no, number, owner_id, watcher, anchor,
                          latitude, longitude, radius, needle, event_type)
                       SELECT l, 1, 0, CAST($2 AS TEXT), CAST($2 AS TEXT), a, lat, lon, r, n, e
                       FROM json_to_recordset($1) AS x(l TEXT, a TEXT, lat DOUBLE PRECISION,
                          lon DOUBLE PRECISION, r DOUBLE PRECISION, n TEXT, e TEXT)"
        );
        tx.exec(statement, db::args![&json, owner]).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// The anchor of a small circle, as the product names it.
fn cell(latitude: f64, longitude: f64, radius: f64) -> String {
    let degree = 6_371_008.8 * std::f64::consts::PI / 180.0;
    let (number, size) = if radius <= 200.0 { (0, 200.0) } else { (1, 400.0) };
    let row = ((latitude + 90.0) * degree / size).floor();
    let middle = (row + 0.5) * size / degree - 90.0;
    let columns = (360.0 * degree / size * middle.to_radians().cos()).floor().max(1.0);
    let column = ((longitude + 180.0) / 360.0 * columns).floor();
    format!("point:{number}:{row}:{column}")
}
