//! `agespan`; read `lib.rs`.

fn main() -> std::process::ExitCode {
    agespan::main()
}
