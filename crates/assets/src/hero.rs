//! The front page's picture: shelves, a counter and the morning in the window.

use catalogue::{Product, Rng, products};
use resvg::tiny_skia::{Pixmap, Transform};

use crate::{
    drawing::{draw, draw_svg, encode_jpeg},
    palette::style_sheet,
    picture::art,
};

const WIDTH: u32 = 3_000;
const HEIGHT: u32 = 1_600;

/// Far finer than the eye needs. Together with the grain it makes the picture weigh about 4 MB, as
/// pictures straight from a camera do: the CDN stage is about what such a picture costs.
const QUALITY: u8 = 96;
const GRAIN: f32 = 3.6;

const ROOM: &str = include_str!("../scene/hero-room.svg");
const LIGHT: &str = include_str!("../scene/hero-light.svg");

/// A ware in the room: its kind, where its foot stands, in pixels, its scale, and a colour.
type Placed = (&'static str, f32, f32, f32, &'static str);

#[rustfmt::skip]
const WARES: &[Placed] = &[
    // On the window sill.
    ("plant pot", 330.0, 1_006.0, 0.50, "clay"), ("jar", 520.0, 1_006.0, 0.34, "sky"), ("vase", 850.0, 1_006.0, 0.52, "honey"),
    // On the upper shelf.
    ("jug", 1_410.0, 422.0, 0.74, "sky"), ("bowl", 1_640.0, 422.0, 0.62, "sage"), ("vase", 1_870.0, 422.0, 0.84, "blush"),
    ("basket", 2_130.0, 422.0, 0.78, "ochre"), ("lantern", 2_390.0, 422.0, 0.80, "ink"), ("plant pot", 2_600.0, 422.0, 0.80, "teal"),
    ("jar", 2_810.0, 422.0, 0.66, "chalk"),
    // On the lower shelf.
    ("blanket", 1_440.0, 792.0, 0.72, "moss"), ("teapot", 1_720.0, 792.0, 0.74, "honey"), ("mug", 1_935.0, 792.0, 0.50, "brick"),
    ("mug", 2_080.0, 792.0, 0.50, "sky"), ("cooking pot", 2_310.0, 792.0, 0.74, "teal"), ("thread spool", 2_520.0, 792.0, 0.56, "plum"),
    ("yarn", 2_680.0, 792.0, 0.54, "rust"), ("yarn", 2_830.0, 792.0, 0.44, "sage"),
    // On the wall.
    ("art print", 2_240.0, 1_142.0, 0.60, "teal"), ("art print", 2_470.0, 1_142.0, 0.60, "rust"), ("wall clock", 2_730.0, 1_126.0, 0.60, "ochre"),
    // On the counter, the far row first.
    ("watering can", 690.0, 1_330.0, 0.92, "teal"), ("table lamp", 1_390.0, 1_320.0, 1.12, "rust"), ("box", 1_720.0, 1_330.0, 0.80, "moss"),
    ("pencil set", 2_380.0, 1_340.0, 0.74, "ochre"), ("plant pot", 2_640.0, 1_330.0, 0.62, "blush"),
    ("tote bag", 260.0, 1_450.0, 1.05, "lavender"), ("candle", 1_040.0, 1_420.0, 0.80, "oat"), ("mug", 1_540.0, 1_450.0, 0.62, "chalk"),
    ("bowl", 2_060.0, 1_460.0, 1.00, "sage"), ("cushion", 2_780.0, 1_480.0, 1.00, "brick"),
];

/// A JPEG of 3000 by 1600 pixels and about 4 MB; always the same bytes.
pub fn paint_hero() -> Vec<u8> {
    let mut canvas = Pixmap::new(WIDTH, HEIGHT).expect("neither side is zero");
    draw_svg(ROOM, String::new(), Transform::identity(), &mut canvas);
    for &placed in WARES {
        place(placed, &mut canvas);
    }
    draw_svg(LIGHT, String::new(), Transform::identity(), &mut canvas);
    add_grain(&mut canvas);
    encode_jpeg(&canvas, QUALITY)
}

fn place((kind, x, foot, scale, colour): Placed, canvas: &mut Pixmap) {
    let Product {
        material,
        finish,
        colour,
        kind,
        ..
    } = products(u32::MAX)
        .find(|product| product.kind.name == kind && product.colour.name == colour)
        .expect("every kind comes in every colour");
    // Drawings stand at (240, 384) of their 480 by 480.
    let place =
        Transform::from_scale(scale, scale).post_translate(x - 240.0 * scale, foot - 384.0 * scale);
    draw(
        &[art(kind)],
        style_sheet(colour, material, finish),
        place,
        canvas,
    );
}

/// Film grain: each dye layer of each pixel a little lighter or darker.
fn add_grain(canvas: &mut Pixmap) {
    let mut rng = Rng::new(0);
    for pixel in canvas.data_mut().chunks_exact_mut(4) {
        for channel in &mut pixel[..3] {
            // The sum of eight even draws is as good as a bell curve.
            let draws = rng.next_u64().to_le_bytes();
            let sum: f32 = draws
                .iter()
                .map(|&draw| f32::from(draw) / 127.5 - 1.0)
                .sum();
            *channel = (f32::from(*channel) + sum * GRAIN).clamp(0.0, 255.0) as u8;
        }
    }
}
