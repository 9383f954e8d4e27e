//! Asking for a new password. The only home of console.

use std::io::{BufRead, IsTerminal};

use console::Term;

use crate::cli::CliError;

/// A new password: of the variable `PACKHOLD_NEW_PASSWORD`, or asked for twice at a terminal without
/// showing it, or else one line of standard input.
pub fn new_password(name: &str) -> Result<String, CliError> {
    let given = std::env::var("PACKHOLD_NEW_PASSWORD").ok();
    let password = match given.filter(|password| !password.is_empty()) {
        Some(password) => password,
        None if std::io::stdin().is_terminal() => ask(name)?,
        None => {
            let mut line = String::new();
            let read = std::io::stdin().lock().read_line(&mut line);
            read.map_err(CliError::io("reading the password from standard input"))?;
            line.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    match password.is_empty() {
        true => Err(CliError::Usage("the password is empty".to_owned())),
        false => Ok(password),
    }
}

fn ask(name: &str) -> Result<String, CliError> {
    let terminal = Term::stderr();
    let ask = |prompt: String| {
        let asked = terminal.write_str(&prompt);
        let read = asked.and_then(|()| terminal.read_secure_line());
        read.map_err(CliError::io("asking for the password"))
    };
    let password = ask(format!("New password of {name}: "))?;
    match ask("The same again: ".to_owned())? == password {
        true => Ok(password),
        false => Err(CliError::Usage("the two passwords differ".to_owned())),
    }
}
