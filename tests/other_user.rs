//! Another user of the machine, who is of the database's group and may write nothing, reads the file: while the daemon runs, after
//! it has stopped, and after it was killed. It needs root, who can become others; without, it is skipped and says so.

use crate::support::{LIMIT, Mirror, eventually, small};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::Command;
use std::time::Duration;

/// Numbers that need no entry in /etc/passwd.
const GROUP: u32 = 47_110;
const READER: u32 = 47_111;
const STRANGER: u32 = 47_112;

/// What the program says to a user of this group, and whether it succeeds.
fn read_as(mirror: &Mirror, id: [u32; 2], arguments: &[&str]) -> (bool, String) {
    let [user, group] = [format!("--reuid={}", id[0]), format!("--regid={}", id[1])];
    // The way to the program that was built may be closed to others, and so is the configuration, which may hold a key.
    let [program, config] = ["program", "reader.toml"].map(|name| mirror.dir().join(name));
    if !config.exists() {
        fs::copy(env!("CARGO_BIN_EXE_mls-sync"), &program).unwrap();
        fs::write(&config, format!("database = {:?}\n", mirror.database())).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let mut command = Command::new("setpriv");
    command.args([&user, &group, "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]).arg(program).arg("--config").arg(config);
    let output = command.args(arguments).current_dir("/").output().unwrap();
    let words = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(words).unwrap())
}

#[test]
fn a_user_of_the_group_reads_while_the_daemon_runs_after_a_stop_and_after_a_kill() {
    let mirror = Mirror::new(small());
    if fs::metadata(mirror.dir()).unwrap().uid() != 0 || Command::new("setpriv").arg("--version").output().is_err() {
        assert!(std::env::var_os("MLS_SYNC_ALL_EXAMPLES").is_none(), "this needs root and setpriv");
        eprintln!("SKIPPED, and not checked: only root can become another user");
        return;
    }
    // As the unit has it: the directory is the service's, its group may read, nobody else may look.
    chown(mirror.dir(), None, Some(GROUP)).unwrap();
    fs::set_permissions(mirror.dir(), fs::Permissions::from_mode(0o2750)).unwrap();
    let reads = |when: &str| {
        let rows = mirror.number("SELECT count(*) FROM live_listings");
        for (arguments, words) in [(&["status"][..], "GAMLS"), (&["verify"], " as stored"), (&["changes", "--columns", "price"], "\"seq\"")]
        {
            let (succeeded, said) = read_as(&mirror, [READER, GROUP], arguments);
            assert!(succeeded && said.contains(words), "{when}: {said}");
        }
        assert!(rows > 0);
        let (succeeded, said) = read_as(&mirror, [STRANGER, STRANGER], &["status"]);
        assert!(!succeeded, "{when}: a stranger reads it: {said}");
    };
    let daemon = mirror.start(&["run"]);
    eventually("all is loaded", LIMIT, || mirror.verdict().is_ok_and(|verdict| verdict.agrees()));
    reads("while the daemon runs");
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(5)).succeeded();
    reads("after a stop");
    let daemon = mirror.start(&["run"]);
    let listing = mirror.truly_live("GAMLS").first().unwrap().clone();
    mirror.sandbox.with_world(|world| assert!(world.edit("GAMLS", &listing)));
    eventually("something is in the WAL", LIMIT, || mirror.number("SELECT count(*) FROM changes WHERE kind = 'changed'") > 0);
    daemon.signal("KILL");
    daemon.wait(Duration::from_secs(5));
    reads("after a kill");
}
