//! The codes are read back by a scanner that shares no code with what drew them.

use serde_json::{Value, json};

use crate::bench::{Bench, push};

fn qr(reference: &str, format: &Value) -> Value {
    let mut body = push(reference);
    body.as_object_mut().expect("an object").remove("customer");
    body["userFlow"] = json!("QR");
    body["returnUrl"] = json!("https://example.com/done");
    if !format.is_null() {
        body["qrFormat"] = format.clone();
    }
    body
}

/// The path and query of an address of this simulator.
pub fn path_of(bench: &Bench, url: &str) -> String {
    url.strip_prefix(&bench.simulator.url).unwrap_or_else(|| panic!("{url} is elsewhere")).to_owned()
}

fn open(bench: &Bench, reference: &str, format: &Value) -> String {
    let created = bench.create_with(&qr(reference, format)).send();
    assert_eq!(created.status, 201, "{}", created.text());
    created.json()["redirectUrl"].as_str().expect("an address").to_owned()
}

fn scan(side: usize, is_dark: impl Fn(usize, usize) -> bool) -> String {
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(side, side, |x, y| if is_dark(x, y) { 0 } else { 255 });
    let codes = image.detect_grids();
    assert_eq!(codes.len(), 1);
    codes[0].decode().expect("a code that can be read").1
}

/// Width, height and whether a pixel is dark.
fn decoded(bytes: &[u8]) -> (usize, Vec<bool>) {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut pixels).expect("its pixels");
    assert_eq!((info.width, info.color_type), (info.height, png::ColorType::Grayscale));
    (info.width as usize, pixels.iter().map(|grey| *grey < 128).collect())
}

/// Draws the runs of the path, four pixels for each module.
fn drawn(svg: &str) -> (usize, Vec<bool>) {
    const SCALE: usize = 4;
    let between = |text: &str, from: &str, to: &str| text.split(from).nth(1)?.split(to).next().map(str::to_owned);
    let side: usize = between(svg, "viewBox=\"0 0 ", " ").expect("a box").parse().expect("a number");
    let path = svg.rsplit("<path d=\"").next().and_then(|rest| rest.split('"').next()).expect("a path");
    let width = side * SCALE;
    let mut dark = vec![false; width * width];
    for run in path.split('M').skip(1) {
        let (at, rest) = run.split_once('h').expect("a run");
        let (x, y) = at.split_once(' ').expect("two numbers");
        let length: usize = rest.split('v').next().and_then(|n| n.parse().ok()).expect("a length");
        let (x, y): (usize, usize) = (x.parse().expect("x"), y.parse().expect("y"));
        for row in y * SCALE..(y + 1) * SCALE {
            dark[row * width + x * SCALE..row * width + (x + length) * SCALE].fill(true);
        }
    }
    (width, dark)
}

#[test]
fn pixels_of_the_size_that_was_asked_for() {
    let bench = Bench::new();
    for (n, (size, expected)) in
        [(json!(100), 100), (json!(333), 333), (json!(2000), 2000), (Value::Null, 1024)].into_iter().enumerate()
    {
        let reference = format!("ride-png-{n}");
        let url = open(&bench, &reference, &json!({"format": "IMAGE/PNG", "size": size}));
        let picture = bench.bare("GET", &path_of(&bench, &url)).send();
        assert_eq!((picture.status, picture.header("content-type").as_deref()), (200, Some("image/png")));
        let (side, dark) = decoded(&picture.body);
        assert_eq!(side, expected);
        // White on every side, as far as scanners want it, and the code in the middle.
        let rows: Vec<usize> = (0..side).filter(|y| (0..side).any(|x| dark[y * side + x])).collect();
        let columns: Vec<usize> = (0..side).filter(|x| (0..side).any(|y| dark[y * side + x])).collect();
        let (above, below) = (rows[0], side - 1 - rows[rows.len() - 1]);
        let (left, right) = (columns[0], side - 1 - columns[columns.len() - 1]);
        // The mark in the corner is seven modules wide.
        let module = (columns[0]..).take_while(|x| dark[above * side + x]).count() / 7;
        assert!(above.abs_diff(below) <= 1 && left.abs_diff(right) <= 1, "{above} {below} {left} {right}");
        assert!([above, below, left, right].iter().all(|margin| *margin >= 4 * module), "{above} {module}");
        let target = scan(side, |x, y| dark[y * side + x]);
        let page = bench.bare("GET", &path_of(&bench, &target)).send();
        assert_eq!(page.status, 200);
        assert!(page.text().contains(&reference), "{target} leads to the payment");
    }
}

#[test]
fn lines_that_grow_with_their_place() {
    let bench = Bench::new();
    for (n, format) in [Value::Null, json!({"format": "IMAGE/SVG+XML"})].iter().enumerate() {
        let reference = format!("ride-svg-{n}");
        let url = open(&bench, &reference, format);
        let picture = bench.bare("GET", &path_of(&bench, &url)).send();
        assert_eq!((picture.status, picture.header("content-type").as_deref()), (200, Some("image/svg+xml")));
        let (side, dark) = drawn(&picture.text());
        let target = scan(side, |x, y| dark[y * side + x]);
        assert!(bench.bare("GET", &path_of(&bench, &target)).send().text().contains(&reference));
    }
}

#[test]
fn the_target_alone_for_merchants_who_draw() {
    let bench = Bench::new();
    let url = open(&bench, "ride-0001", &json!({"format": "TEXT/TARGETURL"}));
    assert!(bench.bare("GET", &path_of(&bench, &url)).send().text().contains("ride-0001"));
    // There is no picture of it.
    let picture = path_of(&bench, &url).replace("/landing", "/qr-image");
    assert_eq!(bench.bare("GET", &picture).send().status, 404);
    assert_eq!(bench.bare("GET", "/qr-image?token=x").send().status, 404);
    assert_eq!(bench.bare("GET", "/qr-image").send().status, 404);
}

#[test]
fn formats_and_sizes_that_are_not_there() {
    let bench = Bench::new();
    for (n, (format, field)) in [
        (json!({"format": "IMAGE/PNG", "size": 99}), "qrFormat.size"),
        (json!({"format": "IMAGE/PNG", "size": 2001}), "qrFormat.size"),
        (json!({"format": "image/png"}), "qrFormat.format"),
        (json!({"size": 200}), "qrFormat.format"),
    ]
    .into_iter()
    .enumerate()
    {
        let refused = bench.create_with(&qr(&format!("ride-bad-{n}"), &format)).send();
        assert_eq!(refused.invalid(), [field], "{format}");
    }
}

#[test]
fn fault_rules_know_pictures_and_pages() {
    let bench = Bench::new();
    let url = open(&bench, "ride-0001", &Value::Null);
    bench.fault(json!({"operation": "qr_image", "reference": "ride-0001", "action": "status", "status": 503}));
    assert_eq!(bench.bare("GET", &path_of(&bench, &url)).send().status, 503);
    assert_eq!(bench.bare("GET", &path_of(&bench, &url)).send().status, 200);
}
