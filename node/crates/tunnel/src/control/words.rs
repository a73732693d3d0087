//! The words of a line, as tor writes them and as it reads them (control-spec §2.1).

use zeroize::Zeroizing;

/// A line's words and `KEY=value` pairs, in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Words {
    words: Vec<(Option<String>, String)>,
}

/// A line that cannot be cut into words: a quote without its end, or with something stuck to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a quoted string of tor has no end, or something after it")]
pub struct WordsError;

impl Words {
    /// Cuts a line at its spaces, outside quotes.
    ///
    /// # Errors
    /// [`WordsError`].
    pub fn of(line: &str) -> Result<Self, WordsError> {
        let mut words = Vec::new();
        let mut rest = line.trim_start_matches(' ');
        while !rest.is_empty() {
            let (word, after) = word(rest)?;
            words.push(word);
            rest = after.trim_start_matches(' ');
        }
        Ok(Self { words })
    }

    /// The word at this place, where it is no pair.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<&str> {
        match self.words.get(place) {
            Some((None, word)) => Some(word),
            _ => None,
        }
    }

    /// The value of the first pair of this name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut words = self.words.iter();
        words.find(|(key, _)| key.as_deref() == Some(name)).map(|(_, value)| value.as_str())
    }
}

/// The first word, and what is after it.
fn word(text: &str) -> Result<((Option<String>, String), &str), WordsError> {
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let key = text.bytes().take_while(|byte| is_key(*byte)).count();
    let (key, value) = match text[key..].strip_prefix('=') {
        Some(value) if key > 0 => (Some(text[..key].to_owned()), value),
        _ => (None, text),
    };
    if let Some(inside) = value.strip_prefix('"') {
        let (value, after) = unquoted(inside)?;
        return match after.is_empty() || after.starts_with(' ') {
            true => Ok(((key, value), after)),
            false => Err(WordsError),
        };
    }
    let end = value.find(' ').unwrap_or(value.len());
    Ok(((key, value[..end].to_owned()), &value[end..]))
}

/// What a quoted string means, its first quote taken off, and what is after it. Tor escapes some as C does
/// (control-spec §2.1.1).
fn unquoted(text: &str) -> Result<(String, &str), WordsError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        let (first, after) = rest.split_first().ok_or(WordsError)?;
        rest = after;
        match first {
            b'"' => break,
            b'\\' => {
                let (escaped, after) = rest.split_first().ok_or(WordsError)?;
                rest = after;
                match escaped {
                    b'n' => bytes.push(b'\n'),
                    b't' => bytes.push(b'\t'),
                    b'r' => bytes.push(b'\r'),
                    b'0'..=b'7' => {
                        let more = rest.iter().take(2).take_while(|b| (b'0'..=b'7').contains(b));
                        let more = more.count();
                        let octal = |sum: u32, digit: &u8| sum * 8 + u32::from(digit - b'0');
                        let value = rest[..more].iter().fold(u32::from(escaped - b'0'), octal);
                        bytes.push(u8::try_from(value).map_err(|_| WordsError)?);
                        rest = &rest[more..];
                    }
                    other => bytes.push(*other),
                }
            }
            other => bytes.push(*other),
        }
    }
    // A quote or a digit is one byte, so what is left begins where a character does.
    let after = &text[text.len() - rest.len()..];
    Ok((String::from_utf8(bytes).map_err(|_| WordsError)?, after))
}

/// A text as tor reads it in quotes. It has no line end, which [`super::command::Command`] sees to.
#[must_use]
pub(super) fn quoted(text: &str) -> Zeroizing<String> {
    // Room for every character escaped: nothing is reallocated, no copy stays behind.
    let mut quoted = Zeroizing::new(String::with_capacity(2 * text.len() + 2));
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_and_pairs_are_told_apart() {
        let line = r#"STATUS_CLIENT NOTICE  BOOTSTRAP PROGRESS=85 TAG=ap SUMMARY="Connecting \"x\"" $A~n=b ="#;
        let words = Words::of(line).unwrap();
        assert_eq!((words.at(0), words.at(2)), (Some("STATUS_CLIENT"), Some("BOOTSTRAP")));
        assert_eq!(words.at(3), None, "a pair is no word");
        assert_eq!(words.value("PROGRESS"), Some("85"));
        assert_eq!(words.value("SUMMARY"), Some("Connecting \"x\""));
        assert_eq!((words.at(6), words.at(7)), (Some("$A~n=b"), Some("=")));
        assert_eq!(words.value("WARNING"), None);
    }

    #[test]
    fn escapes_are_those_of_tor() {
        for (text, expected) in [
            (r#"A="""#, Ok("")),
            (r#"A="\\x\"\n\t\r""#, Ok("\\x\"\n\t\r")),
            (r#"A="\303\251\0z\18""#, Ok("é\0z\u{1}8")),
            (r#"A="\q""#, Ok("q")),
            (r#"A="x"#, Err(WordsError)),
            (r#"A="x\"#, Err(WordsError)),
            (r#"A="x\""#, Err(WordsError)),
            (r#"A="x"y"#, Err(WordsError)),
            (r#"A="\777""#, Err(WordsError)),
            (r#"A="\377""#, Err(WordsError)),
        ] {
            let value = Words::of(text).map(|words| words.value("A").unwrap().to_owned());
            assert_eq!(value.as_deref().map_err(|e| *e), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_again(text in "[^\\r\\n]*") {
            // An escaped letter or digit would be read as C's, but only quotes and backslashes are escaped.
            let line = format!("A={}", quoted(&text).as_str());
            let words = Words::of(&line).unwrap();
            prop_assert_eq!(words.value("A"), Some(text.as_str()));
        }

        #[test]
        fn any_line_is_words_or_an_error(line: String) {
            let _ = Words::of(&line);
        }
    }
}
