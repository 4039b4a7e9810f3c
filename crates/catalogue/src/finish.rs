/// How a product's surface is decorated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    Plain,
    Speckled,
    Striped,
    Dotted,
    Dipped,
    Checked,
    Herringbone,
    Floral,
    Hammered,
    Ribbed,
}

impl Finish {
    /// As a name begins with it: "Speckled stoneware mug". Nothing for [`Finish::Plain`].
    pub(crate) const fn adjective(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Speckled => "speckled",
            Self::Striped => "striped",
            Self::Dotted => "dotted",
            Self::Dipped => "dipped",
            Self::Checked => "checked",
            Self::Herringbone => "herringbone",
            Self::Floral => "floral",
            Self::Hammered => "hammered",
            Self::Ribbed => "ribbed",
        }
    }

    /// A sentence for the product's description.
    pub(crate) const fn remark(self) -> &'static str {
        match self {
            Self::Plain => "Nothing added: the shape does the talking.",
            Self::Speckled => "Fine freckles, never twice the same.",
            Self::Striped => "Even stripes, a little wobbly where the hand was.",
            Self::Dotted => "Dots set by eye, not by ruler.",
            Self::Dipped => "Dipped by hand, so every edge runs differently.",
            Self::Checked => "A calm check that goes with nearly everything.",
            Self::Herringbone => "A herringbone that only shows when you come close.",
            Self::Floral => "Small meadow flowers, strewn rather than arranged.",
            Self::Hammered => "Hammered until the light scatters on it.",
            Self::Ribbed => "Fine ribs that sit well in the hand.",
        }
    }
}
