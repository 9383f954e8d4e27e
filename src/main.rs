//! The `packhold` binary.

/// Requests wander between threads, with what is allocated for them; it is made for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    packhold::cli::main()
}
