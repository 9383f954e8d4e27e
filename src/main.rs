//! The `packhold` binary.

fn main() -> std::process::ExitCode {
    packhold::cli::main()
}
