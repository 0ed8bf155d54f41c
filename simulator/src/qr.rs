//! QR codes as pictures. Source: OpenAPI 1.8.1, `qrFormat`: SVG if nothing is said, PNG of 100 to 2,000 pixels.

use qrcode::{Color, EcLevel, QrCode};

/// Modules of white around a code, without which scanners need not find it (ISO/IEC 18004).
const QUIET: usize = 4;

/// What the address of a QR payment shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    Svg,
    /// Pixels of width and of height.
    Png(u32),
}

impl Picture {
    pub const DEFAULT_PIXELS: u32 = 1_024;

    /// The bytes and their content type; `None` for a text that no code can hold.
    pub fn of(self, text: &str) -> Option<(&'static str, Vec<u8>)> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        match self {
            Picture::Svg => Some(("image/svg+xml", svg(&code).into_bytes())),
            Picture::Png(pixels) => Some(("image/png", png(&code, usize::try_from(pixels).ok()?)?)),
        }
    }
}

fn is_dark(code: &QrCode, x: usize, y: usize) -> bool {
    code[(x, y)] == Color::Dark
}

/// One path of runs of dark modules; it has no size of its own and fills what it is put into.
fn svg(code: &QrCode) -> String {
    let width = code.width();
    let side = width + 2 * QUIET;
    let mut path = String::new();
    for y in 0..width {
        let mut x = 0;
        while x < width {
            let run = (x..width).take_while(|x| is_dark(code, *x, y)).count();
            if run > 0 {
                path += &format!("M{} {}h{run}v1h-{run}z", x + QUIET, y + QUIET);
            }
            x += run.max(1);
        }
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{side}v{side}h-{side}z"/><path d="{path}"/></svg>"##
    )
}

/// Each module a square of whole pixels, in the middle of a picture of exactly the size that was asked for.
fn png(code: &QrCode, pixels: usize) -> Option<Vec<u8>> {
    let width = code.width();
    let scale = pixels / (width + 2 * QUIET);
    if scale == 0 {
        return None;
    }
    let margin = (pixels - width * scale) / 2;
    let module = |at: usize| at.checked_sub(margin).map(|at| at / scale).filter(|at| *at < width);
    // One bit for each pixel, rows begin on a byte; 1 is white.
    let stride = pixels.div_ceil(8);
    let mut rows = vec![0xff_u8; stride * pixels];
    for y in 0..pixels {
        for x in 0..pixels {
            if let (Some(column), Some(row)) = (module(x), module(y)) {
                if is_dark(code, column, row) {
                    rows[y * stride + x / 8] &= !(0x80 >> (x % 8));
                }
            }
        }
    }
    let mut out = Vec::new();
    let side = u32::try_from(pixels).ok()?;
    let mut encoder = png::Encoder::new(&mut out, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    encoder.write_header().ok()?.write_image_data(&rows).ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_that_may_be_asked_for_has_room() {
        let address = format!("https://127.0.0.1:65535/landing?token={}", "f".repeat(32));
        for pixels in [100, 101, 999, 2_000] {
            assert!(Picture::Png(pixels).of(&address).is_some(), "{pixels}");
        }
        assert!(Picture::Svg.of(&"x".repeat(5_000)).is_none());
    }
}
