//! How what tests are made of fails: at once, and saying why.

/// A test's own files are as they should be, or the test fails here.
pub(crate) fn ok<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => fail(&format!("{error:#}")),
    }
}

#[expect(clippy::panic, reason = "a test's own files are wrong: the test fails")]
pub(crate) fn fail<T>(why: &str) -> T {
    panic!("{why}")
}
