//! Text in fewer bytes: packed once, as well as it goes, instead of for each visitor and in haste.

use std::io::Write;

use brotli::enc::BrotliEncoderParams;
use flate2::{Compression, write::GzEncoder};

/// What shrinks. Pictures and fonts are packed already.
const TEXT: [&str; 4] = ["css", "js", "json", "svg"];

/// The asset in other codings (RFC 9110, 8.4.1), each by what follows its name: only those that are
/// smaller than the asset as it is. The same content gives the same bytes.
pub(crate) fn pack(name: &str, content: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let is_text = name
        .rsplit_once('.')
        .is_some_and(|(_, extension)| TEXT.contains(&extension));
    if !is_text {
        return Vec::new();
    }
    let mut packed = vec![(".br", brotli(content)), (".gz", gzip(content))];
    packed.retain(|(_, bytes)| bytes.len() < content.len());
    packed
}

fn brotli(mut content: &[u8]) -> Vec<u8> {
    // The highest: time matters only here, size for each visitor.
    let best = BrotliEncoderParams {
        quality: 11,
        ..BrotliEncoderParams::default()
    };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut content, &mut packed, &best).expect("memory takes all bytes");
    packed
}

/// For clients that know no brotli: some programs, and browsers without TLS.
fn gzip(content: &[u8]) -> Vec<u8> {
    // Its header could hold a time and a name; as made here it holds neither.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let packed = encoder.write_all(content).and_then(|()| encoder.finish());
    packed.expect("memory takes all bytes")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    const CSS: &[u8] = include_bytes!("../scene/style.css");

    #[test]
    fn packs_text_so_that_it_unpacks_to_the_same() {
        let packed = pack("shop.css", CSS);
        let [(".br", brotli), (".gz", gzip)] = &packed[..] else {
            panic!("{packed:?}");
        };
        assert!(
            brotli.len() < gzip.len() && gzip.len() < CSS.len(),
            "{} and {} of {}",
            brotli.len(),
            gzip.len(),
            CSS.len()
        );
        let mut unpacked = Vec::new();
        brotli::BrotliDecompress(&mut &brotli[..], &mut unpacked).unwrap();
        assert!(unpacked == CSS);
        unpacked.clear();
        GzDecoder::new(&gzip[..])
            .read_to_end(&mut unpacked)
            .unwrap();
        assert!(unpacked == CSS);
    }

    #[test]
    fn packs_the_same_each_time() {
        assert_eq!(pack("shop.css", CSS), pack("shop.css", CSS));
    }

    #[test]
    fn keeps_no_coding_that_is_not_smaller() {
        assert_eq!(pack("empty.css", b""), []);
        // Too short for the 18 bytes that gzip takes for itself.
        let endings: Vec<_> = pack("short.css", b"aaaaaaaaaaaaaaaa")
            .into_iter()
            .map(|(ending, _)| ending)
            .collect();
        assert_eq!(endings, [".br"]);
    }

    #[test]
    fn leaves_what_is_packed_already() {
        for name in ["hero.jpg", "product/MUG-0008.webp", "serif.woff2", "css"] {
            assert_eq!(pack(name, CSS), [], "{name}");
        }
    }
}
