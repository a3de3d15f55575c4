//! Rust cut into code, comments and string literals: as much of a lexer as the checks need.

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Everything else.
    Code,
    /// With its slashes.
    Comment,
    /// What stands between the quotes, escapes replaced by one character each.
    Text,
}

/// A run of characters of one kind.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub kind: Kind,
    /// Where it begins, from 1.
    pub line: usize,
    /// Its characters; as many line breaks as in the file.
    pub text: String,
}

impl Piece {
    /// The piece's lines with their numbers.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.split('\n').enumerate().map(|(n, text)| (self.line + n, text))
    }
}

/// The pieces of a file.
pub fn pieces(source: &str) -> Vec<Piece> {
    let mut scan = Scan {
        chars: source.chars().collect(),
        at: 0,
        line: 1,
        start: 1,
        run: String::new(),
        out: Vec::new(),
    };
    while let Some(c) = scan.peek(0) {
        match (c, scan.peek(1)) {
            ('/', Some('/')) => scan.line_comment(),
            ('/', Some('*')) => scan.block_comment(),
            ('"', _) => scan.text(),
            ('r', Some('"' | '#')) => scan.raw_text(),
            ('\'', _) => scan.quote(),
            _ => scan.keep(),
        }
    }
    scan.flush(Kind::Code);
    scan.out
}

struct Scan {
    chars: Vec<char>,
    at: usize,
    line: usize,
    /// Where the current run began.
    start: usize,
    run: String,
    out: Vec<Piece>,
}

impl Scan {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.at += 1;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn keep(&mut self) {
        if let Some(c) = self.take() {
            self.run.push(c);
        }
    }

    /// Ends the current run and begins the next.
    fn flush(&mut self, kind: Kind) {
        let text = std::mem::take(&mut self.run);
        if !text.is_empty() {
            self.out.push(Piece { kind, line: self.start, text });
        }
        self.start = self.line;
    }

    fn line_comment(&mut self) {
        self.flush(Kind::Code);
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.keep();
        }
        self.flush(Kind::Comment);
    }

    fn block_comment(&mut self) {
        self.flush(Kind::Code);
        let mut depth = 0_u32;
        loop {
            match (self.peek(0), self.peek(1)) {
                (None, _) => break,
                (Some('/'), Some('*')) => depth += 1,
                (Some('*'), Some('/')) => depth -= 1,
                _ => {
                    self.keep();
                    continue;
                }
            }
            self.keep();
            self.keep();
            if depth == 0 {
                break;
            }
        }
        self.flush(Kind::Comment);
    }

    fn text(&mut self) {
        self.keep();
        self.flush(Kind::Code);
        while let Some(c) = self.take() {
            match c {
                '"' => {
                    self.at -= 1;
                    break;
                }
                '\\' => match self.take() {
                    Some('n' | 't' | 'r') => self.run.push(' '),
                    Some(escaped) => self.run.push(escaped),
                    None => break,
                },
                other => self.run.push(other),
            }
        }
        self.flush(Kind::Text);
        self.keep();
    }

    /// `r"…"`, `r#"…"#`; a raw identifier (`r#type`) is code.
    fn raw_text(&mut self) {
        let mut hashes = 0;
        while self.peek(1 + hashes) == Some('#') {
            hashes += 1;
        }
        self.keep();
        if self.peek(hashes) != Some('"') {
            return;
        }
        for _ in 0..=hashes {
            self.keep();
        }
        self.flush(Kind::Code);
        while let Some(c) = self.peek(0) {
            if c == '"' && (1..=hashes).all(|n| self.peek(n) == Some('#')) {
                break;
            }
            self.keep();
        }
        self.flush(Kind::Text);
        for _ in 0..=hashes {
            self.keep();
        }
    }

    /// A character literal, which may be a quote, or a lifetime.
    fn quote(&mut self) {
        let length = match (self.peek(1), self.peek(2)) {
            (Some('\\'), _) => 3,
            (_, Some('\'')) => 2,
            _ => 0,
        };
        for _ in 0..length {
            self.keep();
        }
        self.keep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: Kind, source: &str) -> Vec<(usize, String)> {
        pieces(source).into_iter().filter(|p| p.kind == kind).map(|p| (p.line, p.text)).collect()
    }

    #[test]
    fn nothing_is_lost() {
        let source = "//! a\nfn f<'a>(x: &'a str) -> char { /* b /* c */ \" */ '\"' } // d\nlet r#type = r#\"x\"y\"#;\n";
        let all: String = pieces(source).into_iter().map(|p| p.text).collect();
        assert_eq!(all, source);
    }

    #[test]
    fn texts_with_their_lines() {
        let source = "a(\"one\",\n  \"two\\\" \\\n   three\",\n r#\"four \"quoted\" \"#, b\"five\", '\"', '\\'', '\\\"', \"six\")";
        let texts = of(Kind::Text, source);
        let want = [(1, "one"), (2, "two\" \n   three"), (4, "four \"quoted\" "), (4, "five"), (4, "six")];
        assert_eq!(texts, want.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn comments_with_their_lines() {
        let source = "x // one \"\n/* two\n/* 2 */ */ y \"// no\"\n// three";
        let want = [(1, "// one \""), (2, "/* two\n/* 2 */ */"), (4, "// three")];
        assert_eq!(of(Kind::Comment, source), want.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn lifetimes_do_not_open_anything() {
        assert_eq!(of(Kind::Text, "impl<'a> X<'a> { fn f() { g(\"t\") } }"), [(1, "t".to_owned())]);
    }
}
