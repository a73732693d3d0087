//! Which processor the tests run on, and which kernel it gets. Where `LUCID_TEST_CPU` says which one is meant,
//! as `image/arm64/test` does for each that it emulates, another one is a failure: the tests of this build
//! would then be of a path that nobody asked about.

use lucid_hal::cpu;

#[test]
fn this_processor_is_the_one_that_is_meant() {
    let found = format!("{}: {}", cpu::features().names().join(" "), cpu::best_sha256());
    println!("this processor: {found}");
    if let Some(meant) = std::env::var_os("LUCID_TEST_CPU") {
        assert_eq!(found, meant.to_string_lossy());
    }
}
