//! Who may mirror into a file: its owner alone. What another user creates beside it, the owner's service could not open.

use super::open_error::{OpenError, unusable};
use rustix::process::geteuid;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The numbers of users and their names.
const USERS: &str = "/etc/passwd";
const ROOT: u32 = 0;

/// Refuses another user than the owner of the file. Before there is a file, anybody who may write in its directory may begin
/// one, as in /tmp; only root, who may everywhere, must own the directory.
pub(super) fn check(database: &Path) -> Result<(), OpenError> {
    let me = geteuid().as_raw();
    let directory = database.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (place, found) = match fs::metadata(database) {
        Ok(file) => ("it", file),
        Err(_) if me != ROOT => return Ok(()),
        Err(_) => match fs::metadata(directory) {
            Ok(found) => ("its directory", found),
            Err(_) => return Ok(()),
        },
    };
    if found.uid() == me {
        return Ok(());
    }
    let (owner, me) = (name(found.uid()), name(me));
    let why = format!("{place} belongs to the user {owner}, who could not open the files that {me} leaves there");
    Err(unusable(database, format!("{why}. Run the same as that user: sudo -u '{owner}' mls-sync ...")))
}

/// A user as sudo takes it: the name, or the number behind a #.
fn name(user: u32) -> String {
    let users = fs::read_to_string(USERS).unwrap_or_default();
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut names = fields.filter_map(|fields| (fields.get(2)?.parse() == Ok(user)).then(|| fields[0].to_owned()));
    names.next().unwrap_or_else(|| format!("#{user}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_name_where_the_machine_knows_it() {
        assert_eq!(name(ROOT), "root");
        assert_eq!(name(3_999_999_999), "#3999999999");
    }

    #[test]
    fn the_owner_of_a_file_may_mirror_into_it_and_root_may_not_into_anothers() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("mls.db");
        assert!(check(&path).is_ok(), "the directory is ours");
        fs::write(&path, "").expect("written");
        assert!(check(&path).is_ok(), "the file is ours");
        // Only root can give a file away.
        if std::os::unix::fs::chown(&path, Some(3_999_999_999), None).is_ok() {
            let refused = check(&path).expect_err("another's file").to_string();
            assert!(refused.contains("belongs to the user #3999999999") && refused.contains("sudo -u '#3999999999'"), "{refused}");
            std::os::unix::fs::chown(directory.path(), Some(3_999_999_999), None).expect("given away");
            fs::remove_file(&path).expect("removed");
            assert!(check(&path).expect_err("another's directory").to_string().contains("its directory belongs to"));
        }
    }
}
