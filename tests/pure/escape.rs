//! Text that others wrote, as it is shown.

use ctnetlink::escape::{Escaped, is_plain};

#[test]
fn nothing_that_does_something_is_shown_as_it_is() {
    for (text, shown) in [
        ("ftp", "ftp"),
        ("Grüße, 東京, ▏ {\"a\": 'b'}\\x2d", "Grüße, 東京, ▏ {\"a\": 'b'}\\x2d"),
        ("a\nb\r\tc\0", r"a\nb\r\tc\u{0}"),
        ("\x1b]0;title\x07\x7f\u{9b}2J", r"\u{1b}]0;title\u{7}\u{7f}\u{9b}2J"),
        (
            "\u{202e}txt.exe\u{2066}\u{200b}\u{feff}\u{2028}",
            r"\u{202e}txt.exe\u{2066}\u{200b}\u{feff}\u{2028}",
        ),
    ] {
        assert_eq!(Escaped(text).to_string(), shown);
        // And in pieces, as other values write themselves.
        assert_eq!(Escaped(format_args!("{}{text}", 7)).to_string(), format!("7{shown}"));
    }
    for c in '\0'..=char::MAX {
        let shown = Escaped(c).to_string();
        assert!(shown.chars().all(is_plain) && (is_plain(c) == (shown == c.to_string())), "{c:?}");
    }
}
