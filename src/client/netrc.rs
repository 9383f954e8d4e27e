//! Credentials from a `.netrc`, as curl and git read it: `machine HOST login USER password SECRET`,
//! in any order, `default`, macros passed over, `#` comments, words in double quotes with `\`.

/// What a file has for a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// `login`.
    pub login: Option<String>,
    /// `password`.
    pub password: Option<String>,
}

/// The first entry for a host, and for a user if one is wanted; what `default` says stands for any
/// host.
///
/// # Errors
/// What is wrong with the text, with the line where. No word of it is told: it may be a password.
pub fn find(text: &str, host: &str, user: Option<&str>) -> Result<Option<Entry>, String> {
    let mut words = Words { text, line: 1 };
    let mut found: Option<Entry> = None;
    let fits = |entry: &Entry| match (user, &entry.login) {
        (Some(user), Some(login)) => user == login,
        _ => true,
    };
    // The entry that is being read, if it is for the host.
    let mut current: Option<Entry> = None;
    while let Some(word) = words.next()? {
        match word.as_str() {
            "machine" | "default" => {
                found = found.or(current.take().filter(fits));
                let is_it = word == "default" || words.value()?.eq_ignore_ascii_case(host);
                current = is_it.then(Entry::default);
            }
            "login" | "password" | "account" => {
                let value = words.value()?;
                match (word.as_str(), &mut current) {
                    ("login", Some(entry)) => entry.login = Some(value),
                    ("password", Some(entry)) => entry.password = Some(value),
                    _ => {}
                }
            }
            "macdef" => words.pass_macro(),
            _ => return Err(format!("line {}: not a word of a netrc", words.line)),
        }
    }
    Ok(found.or(current.filter(fits)))
}

struct Words<'t> {
    text: &'t str,
    line: usize,
}

impl Words<'_> {
    fn take(&mut self) -> Option<char> {
        let mut chars = self.text.chars();
        let taken = chars.next()?;
        self.text = chars.as_str();
        self.line += usize::from(taken == '\n');
        Some(taken)
    }

    fn next(&mut self) -> Result<Option<String>, String> {
        loop {
            match self.text.chars().next() {
                None => return Ok(None),
                Some('#') => while self.take().is_some_and(|c| c != '\n') {},
                Some(c) if c.is_whitespace() => drop(self.take()),
                Some('"') => return self.quoted().map(Some),
                Some(_) => break,
            }
        }
        let end = self.text.find(char::is_whitespace);
        let (word, rest) = self.text.split_at(end.unwrap_or(self.text.len()));
        self.text = rest;
        Ok(Some(word.to_owned()))
    }

    fn quoted(&mut self) -> Result<String, String> {
        let line = self.line;
        self.take();
        let mut word = String::new();
        loop {
            match self.take() {
                Some('"') => return Ok(word),
                Some('\\') => word.extend(self.take()),
                Some('\n') | None => return Err(format!("line {line}: a quote is not closed")),
                Some(c) => word.push(c),
            }
        }
    }

    fn value(&mut self) -> Result<String, String> {
        let line = self.line;
        let value = self.next()?;
        value.ok_or_else(|| format!("line {line}: a word is missing"))
    }

    /// A macro ends with an empty line.
    fn pass_macro(&mut self) {
        let mut is_empty = false;
        while let Some(c) = self.take() {
            match c {
                '\n' if is_empty => return,
                '\n' => is_empty = true,
                c if c.is_whitespace() => {}
                _ => is_empty = false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(login: &str, password: &str) -> Entry {
        Entry {
            login: Some(login.to_owned()),
            password: Some(password.to_owned()),
        }
    }

    const TEXT: &str = "# mine\nmachine a.example login ann password \"p \\\"w\"\n\
        machine b.example\n  password x1\n  login bob account z\n\
        macdef init\ncd machine a.example\nquit\n\n\
        machine a.example login zoe password zz\ndefault login any password no";

    #[test]
    fn entries_are_found_by_host_and_user() {
        let found = |host, user| find(TEXT, host, user).expect("it can be read");
        assert_eq!(found("a.example", None), Some(entry("ann", "p \"w")));
        assert_eq!(found("A.Example", Some("zoe")), Some(entry("zoe", "zz")));
        assert_eq!(found("b.example", None), Some(entry("bob", "x1")));
        assert_eq!(found("c.example", None), Some(entry("any", "no")));
        assert_eq!(found("b.example", Some("ann")), None);
        assert_eq!(find("", "a", None), Ok(None));
    }

    #[test]
    fn what_is_wrong_is_told_without_secrets() {
        for text in [
            "machine",
            "machine a login",
            "secret",
            "machine \"a",
            "x\u{0}",
        ] {
            let told = find(text, "a", None).expect_err(text);
            assert!(
                told.contains("line 1") && !told.contains("secret"),
                "{told}"
            );
        }
    }
}
