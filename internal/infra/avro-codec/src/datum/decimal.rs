use std::fmt::Write;

/// Bytes of the widest decimal: 38 digits fit in 127 bits.
const BYTES_MAX: usize = 16;

/// Reads a two's-complement big-endian number; `None` when it takes more than 128 bits.
pub(super) fn unscaled(bytes: &[u8]) -> Option<i128> {
    let is_negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let fill: u8 = if is_negative { 0xff } else { 0 };
    let cut = bytes.len().saturating_sub(BYTES_MAX);
    let (excess, rest) = bytes.split_at_checked(cut)?;
    let mut wide = [fill; BYTES_MAX];
    wide.get_mut(BYTES_MAX - rest.len()..)?.copy_from_slice(rest);
    let number = i128::from_be_bytes(wide);
    (excess.iter().all(|byte| *byte == fill) && (number < 0) == is_negative).then_some(number)
}

/// The fewest bytes that hold `number`, or exactly `width` of them; `None` when it does not fit those.
pub(super) fn bytes_of(number: i128, width: Option<usize>, out: &mut Vec<u8>) -> Option<()> {
    let wide = number.to_be_bytes();
    let fill: u8 = if number < 0 { 0xff } else { 0 };
    let is_spare = |at: usize| {
        let next = wide.get(at + 1).is_some_and(|next| (next & 0x80 != 0) == (number < 0));
        next && wide.get(at) == Some(&fill)
    };
    let spare = (0..BYTES_MAX - 1).take_while(|at| is_spare(*at)).count();
    let shortest = wide.get(spare..)?;
    if let Some(width) = width {
        out.resize(out.len() + width.checked_sub(shortest.len())?, fill);
    }
    out.extend_from_slice(shortest);
    Some(())
}

/// `number` with `scale` digits after the point, in plain decimal text.
pub(super) fn text(number: i128, scale: u32) -> String {
    let scale = scale as usize;
    let mut text = String::with_capacity(scale + 48);
    if number < 0 {
        text.push('-');
    }
    let start = text.len();
    // Writing to a String can't fail.
    let _ = write!(text, "{}", number.unsigned_abs());
    let zeros = (scale + 1).saturating_sub(text.len() - start);
    for _ in 0..zeros {
        text.insert(start, '0');
    }
    if scale > 0 {
        text.insert(text.len() - scale, '.');
    }
    text
}

/// Reads plain decimal text as a number with exactly `scale` digits after the point.
///
/// `None` when it is no such text, or when digits other than zeros would be lost.
pub(super) fn parse(text: &str, scale: u32) -> Option<i128> {
    let (is_negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let kept = fraction.get(..fraction.len().min(scale as usize))?;
    let lost = fraction.get(kept.len()..)?;
    if !lost.bytes().all(|byte| byte == b'0') {
        return None;
    }
    let zeros = std::iter::repeat_n(b'0', scale as usize - kept.len());
    let mut number: i128 = 0;
    for byte in whole.bytes().chain(kept.bytes()).chain(zeros) {
        let digit = byte.is_ascii_digit().then(|| i128::from(byte - b'0'))?;
        number = number.checked_mul(10)?.checked_add(digit)?;
    }
    Some(if is_negative { -number } else { number })
}

/// How many digits `number` has.
pub(super) fn digits(number: i128) -> usize {
    number.unsigned_abs().checked_ilog10().map_or(1, |log| log as usize + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_that_are_no_decimal_of_the_scale_are_refused() {
        for text in ["", "-", ".", "1e3", "0x1", "1.2.3", "1.234", " 1", "1_0", "--1"] {
            assert_eq!(parse(text, 2), None, "{text}");
        }
        for (text, scale, number) in
            [("1", 2, 100), ("-.5", 1, -5), ("+7.", 0, 7), ("1.2300", 2, 123), ("-0", 0, 0)]
        {
            assert_eq!(parse(text, scale), Some(number), "{text}");
        }
    }

    #[test]
    fn the_shortest_bytes_are_those_of_the_specification() {
        for (number, bytes) in [
            (0, &[0][..]),
            (127, &[127]),
            (128, &[0, 128]),
            (-128, &[128]),
            (-129, &[255, 127]),
            (-1, &[255]),
        ] {
            let mut out = Vec::new();
            bytes_of(number, None, &mut out).unwrap();
            assert_eq!(out, bytes, "{number}");
        }
        assert_eq!(bytes_of(128, Some(1), &mut Vec::new()), None);
        assert_eq!(unscaled(&[]), Some(0));
        assert_eq!(unscaled(&[1; 17]), None);
    }

    proptest! {
        #[test]
        fn every_number_survives_bytes_and_text(number: i128, scale in 0u32..40, width in 16usize..20) {
            let (mut short, mut wide) = (Vec::new(), Vec::new());
            prop_assert!(bytes_of(number, None, &mut short).is_some());
            prop_assert!(bytes_of(number, Some(width), &mut wide).is_some());
            prop_assert_eq!(wide.len(), width);
            prop_assert_eq!((unscaled(&short), unscaled(&wide)), (Some(number), Some(number)));
            if number > i128::MIN {
                prop_assert_eq!(parse(&text(number, scale), scale), Some(number));
            }
        }
    }
}
