//! The `packhold` binary.

/// Requests wander between threads, with what is allocated for them; it is made for that, and the same
/// wherever the binary runs. Its second version: the third takes twice the memory for quiet connections.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    packhold::cli::main()
}
