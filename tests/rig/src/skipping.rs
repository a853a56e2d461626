//! What a test does where a part cannot be had.

/// True if a part is there. Otherwise the test is skipped on somebody's machine, and fails where `CI` is set, because
/// there a skipped test is a hole that nobody sees.
///
/// ```no_run
/// if !rig::provided(rig::kafka::available()) {
///     return;
/// }
/// ```
#[track_caller]
pub fn provided(available: Result<(), String>) -> bool {
    let Err(reason) = available else { return true };
    assert!(std::env::var_os("CI").is_none(), "in CI nothing may be missing: {reason}");
    // One line: the summary of all tests quotes it.
    println!("skipped, because {}", reason.lines().next().unwrap_or("a part is missing"));
    false
}
