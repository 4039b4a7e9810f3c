//! SVG in, pixels and JPEG out.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{Options, Tree},
};

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

/// Encodes an opaque picture; `quality` is 1 to 100.
pub(crate) fn encode_jpeg(canvas: &Pixmap, quality: u8) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, quality);
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
