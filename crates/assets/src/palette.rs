//! From a product's colours to the style sheet its drawing is inked with.

use catalogue::{Colour, Finish, Material};

/// Shared by all drawings.
const HAND: &str = include_str!("../scene/style.css");

/// Classes of `scene/style.css` and those that depend on the product.
pub(crate) fn style_sheet(colour: &Colour, material: &Material, finish: Finish) -> String {
    let Colour {
        main,
        accent,
        backdrop,
        ..
    } = colour;
    let tone = material.tone;
    let finish = match finish {
        Finish::Plain => "none",
        Finish::Speckled => "url(#speckled)",
        Finish::Striped => "url(#striped)",
        Finish::Dotted => "url(#dotted)",
        Finish::Dipped => "url(#dipped)",
        Finish::Checked => "url(#checked)",
        Finish::Herringbone => "url(#herringbone)",
        Finish::Floral => "url(#floral)",
        Finish::Hammered => "url(#hammered)",
        Finish::Ribbed => "url(#ribbed)",
    };
    format!(
        "{HAND}
        .main {{ fill: {main} }} .main-line {{ stroke: {main} }}
        .tone {{ fill: {tone} }} .tone-line, .fringe {{ stroke: {tone} }}
        .accent {{ fill: {accent} }} .accent-line {{ stroke: {accent} }}
        .accent-stop {{ stop-color: {accent} }}
        .finish {{ fill: {finish} }} .finish-line {{ stroke: {finish} }}
        .backdrop {{ fill: {backdrop} }}"
    )
}
