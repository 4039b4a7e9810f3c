/// What a product is made of.
#[derive(Debug, PartialEq, Eq)]
pub struct Material {
    /// As in "oak stool".
    pub name: &'static str,
    /// Its own colour, `#rrggbb`, where it shows: legs, handles, rims, lids.
    pub tone: &'static str,
}

const fn material(name: &'static str, tone: &'static str) -> Material {
    Material { name, tone }
}

pub(crate) const CERAMICS: &[Material] = &[
    material("stoneware", "#c9b08c"),
    material("earthenware", "#c07d55"),
    material("porcelain", "#f3eee5"),
];
pub(crate) const WOODS: &[Material] = &[
    material("oak", "#c79a67"),
    material("walnut", "#86593b"),
    material("beech", "#dcb98c"),
];
pub(crate) const METALS: &[Material] = &[
    material("brass", "#c9a04e"),
    material("steel", "#a9b0b5"),
    material("copper", "#c47a55"),
];
pub(crate) const ENAMELS: &[Material] = &[
    material("enamel", "#3f4347"),
    material("cast-iron", "#55565a"),
    material("copper", "#c47a55"),
];
pub(crate) const CLOTHS: &[Material] = &[
    material("linen", "#e4d8c0"),
    material("cotton", "#f2ece0"),
    material("wool", "#d9c8ae"),
];
pub(crate) const FIBRES: &[Material] = &[
    material("willow", "#b98a58"),
    material("rattan", "#d3ab72"),
    material("seagrass", "#b5a26c"),
];
pub(crate) const YARNS: &[Material] = &[
    material("merino", "#e4d8c0"),
    material("alpaca", "#cbb394"),
    material("mohair", "#efe4d4"),
];
pub(crate) const PAPERS: &[Material] = &[
    material("cotton-paper", "#f6f0e2"),
    material("recycled-paper", "#d9c6a4"),
    material("rice-paper", "#faf5ea"),
];
pub(crate) const GLASSES: &[Material] = &[
    material("glass", "#d7e4e2"),
    material("stoneware", "#c9b08c"),
    material("porcelain", "#f3eee5"),
];
pub(crate) const WAXES: &[Material] = &[
    material("beeswax", "#e8c374"),
    material("soy-wax", "#f3e9d4"),
    material("rapeseed-wax", "#efdcae"),
];
