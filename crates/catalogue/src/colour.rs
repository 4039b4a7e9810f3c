/// A named colourway: what the shop calls it and how it is painted. Colours are `#rrggbb`.
#[derive(Debug, PartialEq, Eq)]
pub struct Colour {
    /// As in "mug in moss".
    pub name: &'static str,
    /// The product itself.
    pub main: &'static str,
    /// Patterns, trims and small contrasts; reads clearly on `main`.
    pub accent: &'static str,
    /// The wall behind the product's picture.
    pub backdrop: &'static str,
}

const fn colour(
    name: &'static str,
    main: &'static str,
    accent: &'static str,
    backdrop: &'static str,
) -> Colour {
    Colour {
        name,
        main,
        accent,
        backdrop,
    }
}

/// Neighbours differ clearly, so that a page of products is a mixed one.
pub(crate) const COLOURS: [Colour; 16] = [
    colour("moss", "#76855a", "#efe3c2", "#e9e4d2"),
    colour("clay", "#c9805c", "#f6e3cd", "#f3e3d6"),
    colour("ink", "#34456b", "#e8dcc0", "#dde3ea"),
    colour("oat", "#dcc9a6", "#a5774b", "#efe7da"),
    colour("plum", "#7a4a63", "#efcfc4", "#efe0e1"),
    colour("sky", "#8fb4c9", "#f7f1e3", "#e2ecef"),
    colour("rust", "#b1552f", "#f3cf9a", "#f4e2d3"),
    colour("sage", "#a8b79a", "#56684d", "#e8ede1"),
    colour("ochre", "#d39b3f", "#7a4a22", "#f6ead0"),
    colour("teal", "#3d7f80", "#f2d9b0", "#dcebe7"),
    colour("blush", "#e2aaa0", "#9a4f4b", "#f8e8e3"),
    colour("charcoal", "#4b4b4e", "#d8c7a8", "#e6e3df"),
    colour("honey", "#e6b65c", "#fdf3dc", "#f8eed8"),
    colour("lavender", "#a79bc4", "#f3ecf6", "#ebe6f1"),
    colour("brick", "#a2483f", "#f0d3b4", "#f2e0da"),
    colour("chalk", "#f0ebe1", "#7f93a1", "#dfe4e2"),
];
