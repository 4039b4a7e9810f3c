//! A picture per product: the drawing of its kind, in its colours, before a backdrop.

use catalogue::{Kind, Product, Rng};
use resvg::tiny_skia::{Pixmap, Transform};

use crate::{
    drawing::{draw, encode_jpeg, encode_webp, halve},
    palette::style_sheet,
};

const SIDE: u32 = 480;

/// 8 to 20 KB for most pictures, and no visible ringing on flat colours.
const JPEG_QUALITY: u8 = 79;

/// Half the bytes of the JPEG, and no difference seen at the size of a page. Fine patterns of strong
/// colours lose a little: WebP has one colour for each four pixels.
const WEBP_QUALITY: f32 = 80.0;

const BACKDROP: &str = include_str!("../scene/backdrop.svg");

/// A picture's forms, each by what follows the SKU in its name: WebP in two widths, 480 and 240
/// pixels, and a JPEG of 480 for browsers that know no WebP. All are square; the same product gives
/// the same bytes.
pub fn paint_product(product: &Product) -> [(&'static str, Vec<u8>); 3] {
    let canvas = paint(product);
    [
        (".jpg", encode_jpeg(&canvas, JPEG_QUALITY)),
        (".webp", encode_webp(&canvas, WEBP_QUALITY)),
        // Painting anew takes longer than scaling, and looks the same.
        ("-240.webp", encode_webp(&halve(&canvas), WEBP_QUALITY)),
    ]
}

fn paint(product: &Product) -> Pixmap {
    let Product {
        kind,
        colour,
        material,
        finish,
        ..
    } = product;
    let setting = Setting::of(product);
    let style = style_sheet(colour, material, *finish) + setting.style();
    let mut canvas = Pixmap::new(SIDE, SIDE).expect("the side is not zero");
    draw(
        &[BACKDROP, art(kind)],
        style,
        Transform::identity(),
        &mut canvas,
    );
    canvas
}

/// What the backdrop shows behind the product.
#[derive(Clone, Copy)]
enum Setting {
    Sun,
    Arch,
    Window,
    /// No table: the product hangs.
    Wall,
}

impl Setting {
    fn of(product: &Product) -> Self {
        match product.kind.name {
            "wall shelf" | "wall clock" | "tea towel" | "art print" | "pendant lamp" => Self::Wall,
            "lantern" | "candle" | "table lamp" => Self::Arch,
            _ => *Rng::new(u64::from(product.index)).pick(&[Self::Sun, Self::Arch, Self::Window]),
        }
    }

    /// Hides the rest of the backdrop.
    const fn style(self) -> &'static str {
        match self {
            Self::Sun => ".arch, .window { display: none }",
            Self::Arch => ".sun, .window { display: none }",
            Self::Window => ".sun, .arch { display: none }",
            Self::Wall => ".sun, .arch, .table { display: none }",
        }
    }
}

/// The drawing of a kind, in classes instead of colours.
pub(crate) fn art(kind: &Kind) -> &'static str {
    match kind.name {
        "mug" => include_str!("../art/mug.svg"),
        "bowl" => include_str!("../art/bowl.svg"),
        "plate" => include_str!("../art/plate.svg"),
        "jug" => include_str!("../art/jug.svg"),
        "teapot" => include_str!("../art/teapot.svg"),
        "cooking pot" => include_str!("../art/cooking-pot.svg"),
        "chopping board" => include_str!("../art/chopping-board.svg"),
        "rolling pin" => include_str!("../art/rolling-pin.svg"),
        "table lamp" => include_str!("../art/table-lamp.svg"),
        "pendant lamp" => include_str!("../art/pendant-lamp.svg"),
        "candle" => include_str!("../art/candle.svg"),
        "lantern" => include_str!("../art/lantern.svg"),
        "chair" => include_str!("../art/chair.svg"),
        "stool" => include_str!("../art/stool.svg"),
        "side table" => include_str!("../art/side-table.svg"),
        "wall shelf" => include_str!("../art/wall-shelf.svg"),
        "blanket" => include_str!("../art/blanket.svg"),
        "cushion" => include_str!("../art/cushion.svg"),
        "tea towel" => include_str!("../art/tea-towel.svg"),
        "rug" => include_str!("../art/rug.svg"),
        "vase" => include_str!("../art/vase.svg"),
        "wall clock" => include_str!("../art/wall-clock.svg"),
        "mirror" => include_str!("../art/mirror.svg"),
        "art print" => include_str!("../art/art-print.svg"),
        "basket" => include_str!("../art/basket.svg"),
        "jar" => include_str!("../art/jar.svg"),
        "box" => include_str!("../art/box.svg"),
        "tote bag" => include_str!("../art/tote-bag.svg"),
        "notebook" => include_str!("../art/notebook.svg"),
        "pencil set" => include_str!("../art/pencil-set.svg"),
        "envelope set" => include_str!("../art/envelope-set.svg"),
        "wrapping paper" => include_str!("../art/wrapping-paper.svg"),
        "yarn" => include_str!("../art/yarn.svg"),
        "scissors" => include_str!("../art/scissors.svg"),
        "thread spool" => include_str!("../art/thread-spool.svg"),
        "paint brush" => include_str!("../art/paint-brush.svg"),
        "plant pot" => include_str!("../art/plant-pot.svg"),
        "watering can" => include_str!("../art/watering-can.svg"),
        "trowel" => include_str!("../art/trowel.svg"),
        "bird house" => include_str!("../art/bird-house.svg"),
        other => unreachable!("{other} has no drawing"),
    }
}
