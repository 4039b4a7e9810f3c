//! What the pictures promise: the same bytes each time, their sizes, and a weight in bounds.

use std::collections::HashSet;

use assets::{paint_hero, paint_product};
use webp::{Decoder, WebPImage};

fn decode(webp: &[u8]) -> WebPImage {
    Decoder::new(webp).decode().expect("a WebP picture")
}

#[test]
fn paints_a_product_the_same_each_time() {
    let product = catalogue::product(42);
    assert!(paint_product(&product) == paint_product(&product));
}

#[test]
fn paints_every_kind_and_none_like_another() {
    // Three rounds of all kinds.
    let pictures: Vec<_> = catalogue::products(120)
        .map(|product| paint_product(&product))
        .collect();
    // Average and heaviest: WebP of the same size weighs half, and a quarter of the pixels a quarter.
    for (form, average, heaviest) in [
        (0, 8_000..20_000, 50_000),
        (1, 4_000..8_000, 25_000),
        (2, 2_000..4_000, 10_000),
    ] {
        let pictures: Vec<_> = pictures.iter().map(|forms| &forms[form].1).collect();
        assert_eq!(pictures.iter().collect::<HashSet<_>>().len(), 120);

        let weights = || pictures.iter().map(|picture| picture.len());
        let mean = weights().sum::<usize>() / 120;
        assert!(average.contains(&mean), "{form}: {mean} bytes on average");
        let most = weights().max().unwrap();
        assert!(most < heaviest, "{form}: {most} bytes");
    }
}

#[test]
fn paints_one_picture_in_two_widths() {
    for product in catalogue::products(40) {
        let [_, (".webp", large), ("-240.webp", small)] = paint_product(&product) else {
            panic!("other forms");
        };
        let (large, small) = (decode(&large), decode(&small));
        assert_eq!((large.width(), large.height()), (480, 480));
        assert_eq!((small.width(), small.height()), (240, 240));
        // No transparency: three bytes for each pixel.
        assert_eq!(large.layout(), webp::PixelLayout::Rgb);

        let mut difference = 0;
        for (index, &channel) in small.iter().enumerate() {
            let (x, y, channel_index) = (index / 3 % 240, index / 720, index % 3);
            let at = |x: usize, y: usize| u32::from(large[(y * 480 + x) * 3 + channel_index]);
            let (x, y) = (2 * x, 2 * y);
            let mean = (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4;
            difference += mean.abs_diff(channel.into());
        }
        let mean = f64::from(difference) / small.len() as f64;
        assert!(mean < 2.0, "{}: {mean} of 255", product.sku);
    }
}

#[test]
fn paints_a_hero_as_heavy_as_a_camera_would() {
    let hero = paint_hero();
    assert!(
        (3_600_000..4_400_000).contains(&hero.len()),
        "{} bytes",
        hero.len()
    );
    assert!(hero == paint_hero());
}
