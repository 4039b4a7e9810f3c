use crate::{Colour, Finish, Kind, Material, Rng, colour::COLOURS, kinds};

/// Something the shop sells, as it is on the first day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Counts from 1.
    pub index: u32,
    /// Unique; the kind's code and the index: `MUG-0042`. Matches `[A-Z0-9-]{3,32}`.
    pub sku: String,
    /// Unique: "Speckled stoneware mug in moss".
    pub name: String,
    pub description: String,
    /// Slug of its [`Category`](crate::Category).
    pub category: &'static str,
    pub kind: &'static Kind,
    pub material: &'static Material,
    pub finish: Finish,
    pub colour: &'static Colour,
    pub price_cents: i64,
    pub initial_stock: i32,
}

/// Products 1 to `n`.
pub fn products(n: u32) -> impl Iterator<Item = Product> {
    (1..=n).map(product)
}

/// Product `index`, from 1; the same whatever the size of the shop.
pub fn product(index: u32) -> Product {
    assert!(index > 0, "products count from 1");
    let kinds = kinds();
    let round = (index - 1) as usize / kinds.len();

    // Each round sells every kind once, in an order of its own.
    let mut order: Vec<usize> = (0..kinds.len()).collect();
    Rng::new(round as u64).shuffle(&mut order);
    let place = order[(index - 1) as usize % kinds.len()];
    let kind = &kinds[place];

    // A kind's variants are numbered; each round takes the next one, a stride further on. The
    // stride is a prime that divides no number of variants, so all come before one comes again.
    const STRIDE: usize = 61;
    let variants = COLOURS.len() * kind.materials.len() * kind.finishes.len();
    let variant = (round * STRIDE + place * 7) % variants;
    let edition = round / variants + 1;
    let colour = &COLOURS[variant % COLOURS.len()];
    let material = &kind.materials[variant / COLOURS.len() % kind.materials.len()];
    let finish = kind.finishes[variant / COLOURS.len() / kind.materials.len()];

    let mut rng = Rng::new(u64::from(index) << 32);
    let (cheapest, dearest) = kind.price_cents;
    let steps = (dearest - cheapest) / PRICE_STEP_CENTS + 1;
    Product {
        index,
        sku: format!("{}-{index:04}", kind.code),
        name: name(finish, material, kind, colour, edition),
        description: describe(kind, finish, &mut rng),
        category: kind.category,
        kind,
        material,
        finish,
        colour,
        price_cents: cheapest + rng.below(steps as u64) as i64 * PRICE_STEP_CENTS,
        initial_stock: 40 + rng.below(361) as i32,
    }
}

const PRICE_STEP_CENTS: i64 = 50;

const MAKERS: [&str; 12] = [
    "Ilse Marten in Lübeck",
    "the Aldous workshop in Bath",
    "Tomás Figueira in Porto",
    "Hanne and Ole Dahl on Bornholm",
    "the Kovač family in Maribor",
    "Noor de Wit in Delft",
    "a workshop of six in Ghent",
    "Aino Lehto in Fiskars",
    "Brannagh & Daughters in Kilkenny",
    "Mirela Pop in Sibiu",
    "the Sato studio in Mashiko",
    "Chiara Bruni in Faenza",
];

fn name(
    finish: Finish,
    material: &Material,
    kind: &Kind,
    colour: &Colour,
    edition: usize,
) -> String {
    let phrase = format!("{} {} {}", finish.adjective(), material.name, kind.name);
    let phrase = phrase.trim_start();
    let edition = if edition > 1 {
        format!(", no. {edition}")
    } else {
        String::new()
    };
    format!(
        "{}{} in {}{edition}",
        phrase[..1].to_uppercase(),
        &phrase[1..],
        colour.name
    )
}

fn describe(kind: &Kind, finish: Finish, rng: &mut Rng) -> String {
    format!(
        "{} {} Made by {}.",
        kind.purpose,
        finish.remark(),
        rng.pick(&MAKERS)
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keeps_the_same_world_for_ever() {
        let seen: Vec<String> = [1, 42, 2_000]
            .into_iter()
            .map(product)
            .map(|p| {
                format!(
                    "{}: {}, {} cents, {} in stock",
                    p.sku, p.name, p.price_cents, p.initial_stock
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                "YRN-0001: Mohair yarn in moss, 1050 cents, 287 in stock",
                "NBK-0042: Speckled recycled-paper notebook in clay, 1450 cents, 214 in stock",
                "TPT-2000: Striped porcelain teapot in teal, 6300 cents, 246 in stock",
            ]
        );
    }

    #[test]
    fn gives_each_product_its_own_sku_and_name() {
        let skus: HashSet<_> = products(5_000).map(|product| product.sku).collect();
        let names: HashSet<_> = products(5_000).map(|product| product.name).collect();
        assert_eq!((skus.len(), names.len()), (5_000, 5_000));
    }

    #[test]
    fn numbers_the_editions_when_variants_run_out() {
        let names: HashSet<_> = products(20_000).map(|product| product.name).collect();
        assert_eq!(names.len(), 20_000);
    }

    #[test]
    fn changes_nothing_when_the_shop_grows() {
        assert!(products(100).eq(products(3_000).take(100)));
    }

    #[test]
    fn writes_skus_the_shop_accepts() {
        for Product { sku, .. } in products(5_000) {
            let legal = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
            assert!(
                (3..=32).contains(&sku.len()) && sku.chars().all(legal),
                "{sku}"
            );
        }
    }

    #[test]
    fn prices_within_the_range_of_the_kind() {
        for product in products(5_000) {
            let (cheapest, dearest) = product.kind.price_cents;
            assert!(
                (cheapest..=dearest).contains(&product.price_cents),
                "{product:?}"
            );
            assert!(product.initial_stock > 0, "{product:?}");
        }
    }
}
