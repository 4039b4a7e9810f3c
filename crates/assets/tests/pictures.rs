//! What the pictures promise: the same bytes each time, and a weight in bounds.

use std::collections::HashSet;

use assets::{paint_hero, paint_product};

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
    assert_eq!(pictures.iter().collect::<HashSet<_>>().len(), 120);

    let total: usize = pictures.iter().map(Vec::len).sum();
    assert!(
        (8_000..20_000).contains(&(total / 120)),
        "{} bytes on average",
        total / 120
    );
    let heaviest = pictures.iter().map(Vec::len).max().unwrap();
    assert!(heaviest < 50_000, "{heaviest} bytes");
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
