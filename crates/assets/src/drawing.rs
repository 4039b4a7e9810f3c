//! SVG in, pixels, JPEG and WebP out.

use jpeg_encoder::{ColorType, SamplingFactor};
use resvg::{
    tiny_skia::{FilterQuality, Pixmap, PixmapPaint, Transform},
    usvg::{Options, Tree},
};
use webp::WebPConfig;

/// Patterns and gradients that drawings refer to.
const FINISHES: &str = include_str!("../scene/finishes.svg");

/// Draws `layers`, each a whole SVG file of the same size, over one another.
pub(crate) fn draw(layers: &[&str], style_sheet: String, place: Transform, canvas: &mut Pixmap) {
    let svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 480">{FINISHES}{}</svg>"#,
        layers.concat()
    );
    draw_svg(&svg, style_sheet, place, canvas);
}

/// Draws one SVG file as it is.
pub(crate) fn draw_svg(svg: &str, style_sheet: String, place: Transform, canvas: &mut Pixmap) {
    let options = Options {
        style_sheet: Some(style_sheet),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).expect("drawings are compiled in and tested");
    resvg::render(&tree, place, &mut canvas.as_mut());
}

/// The picture at half its width and height.
pub(crate) fn halve(canvas: &Pixmap) -> Pixmap {
    let mut half =
        Pixmap::new(canvas.width() / 2, canvas.height() / 2).expect("neither side is zero");
    // At exactly half, bilinear is the mean of four pixels: nothing is skipped or blurred.
    let paint = PixmapPaint {
        quality: FilterQuality::Bilinear,
        ..PixmapPaint::default()
    };
    let place = Transform::from_scale(0.5, 0.5);
    half.draw_pixmap(0, 0, canvas.as_ref(), &paint, place, None);
    half
}

/// Encodes an opaque picture; `quality` is 1 to 100.
pub(crate) fn encode_jpeg(canvas: &Pixmap, quality: u8) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut jpeg, quality);
    // Full colour resolution: flat areas of strong colour would bleed at their edges.
    encoder.set_sampling_factor(SamplingFactor::F_1_1);
    encoder.set_optimized_huffman_tables(true);
    encoder
        .encode(
            canvas.data(),
            canvas.width() as u16,
            canvas.height() as u16,
            ColorType::Rgba,
        )
        .expect("encoding to memory fails only for an empty canvas");
    jpeg
}

/// Encodes an opaque picture; `quality` is 0 to 100, on another scale than that of JPEG.
pub(crate) fn encode_webp(canvas: &Pixmap, quality: f32) -> Vec<u8> {
    let mut config = WebPConfig::new().expect("built against its own header");
    config.quality = quality;
    // Of 0 to 6. From 3 on it takes three times as long, for 5 % fewer bytes.
    config.method = 2;
    webp::Encoder::from_rgba(canvas.data(), canvas.width(), canvas.height())
        .encode_advanced(&config)
        .expect("encoding to memory fails only for an empty canvas")
        .to_vec()
}
