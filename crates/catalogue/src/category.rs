/// A department of the shop.
#[derive(Debug, PartialEq, Eq)]
pub struct Category {
    /// Names the category in URLs and in the database.
    pub slug: &'static str,
    pub name: &'static str,
    /// One sentence for the category's page.
    pub blurb: &'static str,
}

/// All departments, in the order the shop shows them.
pub const fn categories() -> &'static [Category] {
    CATEGORIES
}

const CATEGORIES: &[Category] = &[
    Category {
        slug: "tableware",
        name: "Tableware",
        blurb: "Mugs, bowls and plates for slow breakfasts and long suppers.",
    },
    Category {
        slug: "kitchen",
        name: "Kitchen",
        blurb: "Pots, boards and tools that get better with use.",
    },
    Category {
        slug: "lighting",
        name: "Lighting",
        blurb: "Warm light for desks, tables and late evenings.",
    },
    Category {
        slug: "furniture",
        name: "Furniture",
        blurb: "Small, sturdy pieces, joined rather than screwed.",
    },
    Category {
        slug: "textiles",
        name: "Textiles",
        blurb: "Blankets, cushions and rugs, woven to be handed on.",
    },
    Category {
        slug: "decor",
        name: "Decor",
        blurb: "Vases, mirrors and clocks: things to rest your eyes on.",
    },
    Category {
        slug: "storage",
        name: "Storage",
        blurb: "Baskets, jars and boxes: a place for everything.",
    },
    Category {
        slug: "stationery",
        name: "Stationery",
        blurb: "Paper, pencils and notebooks for people who still write.",
    },
    Category {
        slug: "craft",
        name: "Craft",
        blurb: "Yarn, thread and brushes for what you make yourself.",
    },
    Category {
        slug: "garden",
        name: "Garden",
        blurb: "Pots and tools for balconies, beds and window sills.",
    },
];
