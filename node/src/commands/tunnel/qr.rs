//! A text as a QR code (ISO/IEC 18004) in a terminal.

use qrcode::{Color, EcLevel, QrCode};

/// Modules around the code that stay light (§9.1).
const QUIET: usize = 4;

/// The code of `text` in block characters, two modules above each other in each: dark on light as a terminal with light
/// letters on a dark ground shows them. Nothing where the text is too long for one.
pub(super) fn code(text: &str) -> String {
    // The least correction: a screen has no dirt, and the code is small enough for a short terminal.
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::L) else {
        return String::new();
    };
    let (width, modules) = (code.width(), code.to_colors());
    let is_light = |x: usize, y: usize| {
        let inside = |place: usize| (QUIET..QUIET + width).contains(&place);
        !(inside(x) && inside(y)) || modules[(y - QUIET) * width + x - QUIET] == Color::Light
    };
    let side = width + 2 * QUIET;
    let mut shown = String::new();
    for y in (0..side).step_by(2) {
        for x in 0..side {
            // Below an odd last row there is nothing.
            shown.push(match (is_light(x, y), y + 1 < side && is_light(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        shown.push('\n');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_square_with_its_three_finders() {
        let text = code(&format!("http://{}.onion/", "a".repeat(56)));
        let rows: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
        // Version 4 has 33 modules, version 5 has 37; two rows to a line.
        let side = rows[0].len();
        assert!([33, 37].contains(&(side - 2 * QUIET)), "{side}");
        assert!(rows.iter().all(|row| row.len() == side) && rows.len() == side.div_ceil(2));
        // Each finder begins with seven dark modules.
        let is_dark = |x: usize, y: usize| {
            let upper = matches!(rows[y / 2][x], '█' | '▀');
            let lower = matches!(rows[y / 2][x], '█' | '▄');
            !(if y.is_multiple_of(2) { upper } else { lower })
        };
        for (left, top) in [(QUIET, QUIET), (side - QUIET - 7, QUIET), (QUIET, side - QUIET - 7)] {
            for step in 0..7 {
                assert!(is_dark(left + step, top) && is_dark(left, top + step), "{left} {top}");
            }
            assert!(!is_dark(left + 1, top + 1) && is_dark(left + 3, top + 3));
        }
    }

    #[test]
    fn what_is_too_long_has_none() {
        assert_eq!(code(&"x".repeat(4000)), "");
    }
}
