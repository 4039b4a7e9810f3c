use crate::{
    Finish::{self, *},
    Material,
    material::*,
};

/// A sort of ware: every product is one of these, in some material, finish and colour.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Singular and lower-case, as in "oak stool"; also names the kind's drawing.
    pub name: &'static str,
    /// Begins the stock-keeping unit of each of its products: `MUG` in `MUG-0042`.
    pub code: &'static str,
    /// Slug of the department that sells it.
    pub category: &'static str,
    pub(crate) materials: &'static [Material],
    pub(crate) finishes: &'static [Finish],
    /// Cheapest and dearest, in cents.
    pub(crate) price_cents: (i64, i64),
    /// What it is good for: a sentence for the description.
    pub(crate) purpose: &'static str,
}

/// All kinds, four to a category.
pub const fn kinds() -> &'static [Kind] {
    &KINDS
}

const GLAZED: &[Finish] = &[Plain, Speckled, Striped, Dotted, Dipped, Floral];
const WOVEN: &[Finish] = &[Plain, Striped, Checked, Dotted, Herringbone, Floral];
const JOINED: &[Finish] = &[Plain, Dipped, Ribbed, Speckled];
const FORGED: &[Finish] = &[Plain, Hammered, Dipped, Ribbed];
const PRINTED: &[Finish] = &[Plain, Striped, Dotted, Checked, Floral, Speckled];
const DYED: &[Finish] = &[Plain, Speckled, Striped, Dipped];

#[rustfmt::skip]
static KINDS: [Kind; 40] = [
    kind("mug", "MUG", "tableware", CERAMICS, GLAZED, (1_400, 3_400), "Holds three deciliters and keeps them warm."),
    kind("bowl", "BWL", "tableware", CERAMICS, GLAZED, (1_800, 4_800), "For porridge, soup or the first strawberries."),
    kind("plate", "PLT", "tableware", CERAMICS, GLAZED, (1_600, 4_200), "Wide enough for supper, flat enough to stack."),
    kind("jug", "JUG", "tableware", CERAMICS, GLAZED, (2_800, 6_400), "Pours without a drip; also likes wild flowers."),

    kind("teapot", "TPT", "kitchen", CERAMICS, GLAZED, (3_900, 8_900), "Four cups, a deep lid and a spout that behaves."),
    kind("cooking pot", "POT", "kitchen", ENAMELS, FORGED, (5_900, 18_900), "Goes from the hob to the oven to the table."),
    kind("chopping board", "BRD", "kitchen", WOODS, JOINED, (2_400, 7_900), "End-grain edges and a hole to hang it by."),
    kind("rolling pin", "PIN", "kitchen", WOODS, JOINED, (1_600, 3_900), "Turned in one piece, heavy enough to do the work."),

    kind("table lamp", "LMP", "lighting", WOODS, WOVEN, (6_900, 18_900), "A soft cone of light for a desk or a bedside."),
    kind("pendant lamp", "PND", "lighting", METALS, FORGED, (7_900, 24_900), "Hangs low over a table and gathers people."),
    kind("candle", "CDL", "lighting", WAXES, GLAZED, (900, 2_900), "Burns clean and slow for some forty hours."),
    kind("lantern", "LTN", "lighting", METALS, FORGED, (3_400, 9_900), "For the garden path, the tent or a power cut."),

    kind("chair", "CHR", "furniture", WOODS, WOVEN, (14_900, 39_900), "A straight back, a kind seat, no screws."),
    kind("stool", "STL", "furniture", WOODS, JOINED, (6_900, 16_900), "A seat, a step, a bedside table."),
    kind("side table", "TBL", "furniture", WOODS, JOINED, (12_900, 34_900), "Just big enough for a lamp, a book and a cup."),
    kind("wall shelf", "SHF", "furniture", WOODS, JOINED, (5_900, 15_900), "Carries more than it looks; fixings included."),

    kind("blanket", "BLK", "textiles", CLOTHS, WOVEN, (6_900, 17_900), "Large enough for two on a sofa."),
    kind("cushion", "CSH", "textiles", CLOTHS, WOVEN, (2_900, 6_900), "Filled with feathers, closed with a hidden zip."),
    kind("tea towel", "TWL", "textiles", CLOTHS, WOVEN, (900, 2_400), "Dries well from the first wash on."),
    kind("rug", "RUG", "textiles", CLOTHS, WOVEN, (8_900, 29_900), "Flat-woven, reversible, kind to bare feet."),

    kind("vase", "VSE", "decor", GLASSES, GLAZED, (2_400, 8_900), "One branch is enough to fill it."),
    kind("wall clock", "CLK", "decor", WOODS, PRINTED, (4_900, 11_900), "A silent movement behind a calm face."),
    kind("mirror", "MIR", "decor", WOODS, JOINED, (5_900, 17_900), "Brings the window to the other side of the room."),
    kind("art print", "PRT", "decor", PAPERS, PRINTED, (1_900, 5_900), "Printed in small runs, framed and ready to hang."),

    kind("basket", "BSK", "storage", FIBRES, WOVEN, (2_400, 7_900), "For bread, toys or firewood."),
    kind("jar", "JAR", "storage", GLASSES, GLAZED, (1_200, 3_900), "The lid closes with a soft, certain sound."),
    kind("box", "BOX", "storage", WOODS, PRINTED, (1_900, 5_900), "Dovetailed corners and a lid that stays put."),
    kind("tote bag", "TOT", "storage", CLOTHS, WOVEN, (1_400, 3_900), "Carries a week of groceries over one shoulder."),

    kind("notebook", "NBK", "stationery", PAPERS, PRINTED, (900, 2_900), "Opens flat; the paper takes ink without complaint."),
    kind("pencil set", "PCL", "stationery", WOODS, PRINTED, (700, 2_400), "Soft enough to draw with, hard enough to write."),
    kind("envelope set", "ENV", "stationery", PAPERS, PRINTED, (800, 1_900), "Ten of them, lined, for letters worth keeping."),
    kind("wrapping paper", "WRP", "stationery", PAPERS, PRINTED, (500, 1_400), "Three meters: enough for a small birthday."),

    kind("yarn", "YRN", "craft", YARNS, DYED, (700, 2_400), "Two hundred meters, plied for even stitches."),
    kind("scissors", "SCS", "craft", METALS, FORGED, (1_900, 5_900), "Cut cleanly to the very tip, left or right hand."),
    kind("thread spool", "SPL", "craft", WOODS, DYED, (400, 1_200), "Strong enough for buttons, fine enough for hems."),
    kind("paint brush", "BRS", "craft", WOODS, JOINED, (600, 2_900), "Keeps its point and gives back all its paint."),

    kind("plant pot", "PLP", "garden", CERAMICS, GLAZED, (1_200, 4_900), "With a saucer and a hole where it matters."),
    kind("watering can", "WTC", "garden", METALS, FORGED, (2_900, 7_900), "A long spout for seedlings and shy corners."),
    kind("trowel", "TRW", "garden", METALS, FORGED, (1_400, 3_400), "A sharp edge and a handle turned to fit."),
    kind("bird house", "BRH", "garden", WOODS, JOINED, (2_400, 5_900), "Sized for tits and sparrows, opens for cleaning."),
];

const fn kind(
    name: &'static str,
    code: &'static str,
    category: &'static str,
    materials: &'static [Material],
    finishes: &'static [Finish],
    price_cents: (i64, i64),
    purpose: &'static str,
) -> Kind {
    Kind {
        name,
        code,
        category,
        materials,
        finishes,
        price_cents,
        purpose,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::categories;

    #[test]
    fn fills_every_category_with_four_kinds() {
        for category in categories() {
            let sold = kinds()
                .iter()
                .filter(|kind| kind.category == category.slug)
                .count();
            assert_eq!(sold, 4, "{}", category.slug);
        }
    }

    #[test]
    fn has_distinct_names_and_codes() {
        let names: HashSet<_> = kinds().iter().map(|kind| kind.name).collect();
        let codes: HashSet<_> = kinds().iter().map(|kind| kind.code).collect();
        assert_eq!((names.len(), codes.len()), (kinds().len(), kinds().len()));
    }
}
