//! Who runs the program: the user that the kernel knows, and what that user calls itself.

/// Who runs this: the name and the number of the real user, and the name that the environment
/// gives where it is another. Whoever starts the program chooses the latter.
pub(crate) fn operator() -> String {
    let called =
        ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let called = called.filter(|name| !name.is_empty());
    #[cfg(unix)]
    {
        let uid = rustix::process::getuid().as_raw();
        let users = fs_err::read_to_string("/etc/passwd").unwrap_or_default();
        shown(uid, name(uid, &users), called.as_deref())
    }
    #[cfg(not(unix))]
    called.unwrap_or_else(|| "an unnamed user".to_owned())
}

/// The name of a user in `/etc/passwd`; a user of a directory service is not in it.
///
/// Source: passwd(5).
#[cfg(unix)]
fn name(uid: u32, users: &str) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(unix)]
fn shown(uid: u32, name: Option<&str>, called: Option<&str>) -> String {
    let known = match name {
        Some(name) => format!("{name} (user {uid})"),
        None => format!("user {uid}"),
    };
    match called.filter(|called| name != Some(*called)) {
        Some(called) => format!("{known}, by its environment `{called}`"),
        None => known,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn who_runs_it_is_the_users_number_and_name_whatever_the_environment_says() {
        const USERS: &str = "root:x:0:0:root:/root:/bin/sh\n# a remark\n\
            alice:x:1000:1000:Alice,,,:/home/alice:/bin/sh\n";
        let cases = [
            ("herself", 1000, Some("alice"), "alice (user 1000)"),
            ("no environment", 1000, None, "alice (user 1000)"),
            ("another", 1000, Some("bob"), "alice (user 1000), by its environment `bob`"),
            ("unknown here", 1001, Some("bob"), "user 1001, by its environment `bob`"),
            ("unknown and unnamed", 1001, None, "user 1001"),
        ];
        for (case, uid, called, expected) in cases {
            let found = shown(uid, name(uid, USERS), called);
            assert_eq!(found, expected, "case: {case}");
        }
    }
}
