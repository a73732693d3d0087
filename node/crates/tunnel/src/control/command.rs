//! What is asked of tor: one line, which cannot become two.

use zeroize::Zeroizing;

use super::words::quoted;

/// A line for tor. It may hold a key or password: wiped when dropped, and it has no `Debug`.
pub(super) struct Command {
    keyword: &'static str,
    line: Zeroizing<String>,
}

/// Room for a line, so that no copy of a key stays behind when it grows: two keys and forty clients.
const LINE_BYTES: usize = 4096;

impl Command {
    /// The command of this name.
    #[must_use]
    pub(super) fn new(keyword: &'static str) -> Self {
        let mut line = Zeroizing::new(String::with_capacity(LINE_BYTES));
        line.push_str(keyword);
        Self { keyword, line }
    }

    /// With one more word. A space or control character in it, which would make it two words or two lines, is
    /// left out: texts from outside come here as parsed types, which have none.
    #[must_use]
    pub(super) fn with(mut self, word: &str) -> Self {
        self.line.push(' ');
        self.line.extend(word.chars().filter(|c| *c != ' ' && !c.is_control()));
        self
    }

    /// With one more text in quotes; control characters are left out of it.
    #[must_use]
    pub(super) fn with_text(mut self, text: &str) -> Self {
        let mut clean = Zeroizing::new(String::with_capacity(text.len()));
        clean.extend(text.chars().filter(|c| !c.is_control()));
        self.line.push(' ');
        self.line.push_str(&quoted(&clean));
        self
    }

    /// Its name, which errors and logs may show.
    #[must_use]
    pub(super) fn keyword(&self) -> &'static str {
        self.keyword
    }

    /// The line with its end.
    #[must_use]
    pub(super) fn bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.line.len() + 2));
        bytes.extend_from_slice(self.line.as_bytes());
        bytes.extend_from_slice(b"\r\n");
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one() {
        let command = Command::new("AUTHENTICATE").with("a\r\nQUIT b").with_text("p\"\\\r\nQUIT");
        let text = String::from_utf8(command.bytes().to_vec()).unwrap();
        assert_eq!(text, "AUTHENTICATE aQUITb \"p\\\"\\\\QUIT\"\r\n");
    }
}
