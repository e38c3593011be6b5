//! Files that are written whole, whoever else writes them, and however one is killed.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use ctnetlink::replace::Replacement;

fn replace(path: &Path, text: &str) -> std::io::Result<u64> {
    let mut file = Replacement::begin(path)?;
    file.write_all(text.as_bytes())?;
    file.finish()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    names
}

#[test]
fn mode_and_links_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.conf");
    for mode in [0o600, 0o640, 0o664, 0o755] {
        fs::write(&path, "before").expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
        assert_eq!(replace(&path, "after").expect("written"), 5);
        assert_eq!(fs::metadata(&path).expect("a file").mode() & 0o7777, mode);
        assert_eq!(fs::read_to_string(&path).expect("a file"), "after");
    }
    // A new one is as any new file.
    let (new, any) = (folder.path().join("new"), folder.path().join("any"));
    replace(&new, "").expect("written");
    fs::write(&any, "").expect("a file");
    let mode = |path: &Path| fs::metadata(path).expect("a file").mode();
    assert_eq!(mode(&new), mode(&any));

    // Of a link that is written which it leads to, be it there or not.
    fs::create_dir(folder.path().join("below")).expect("a folder");
    symlink("below/target", folder.path().join("first")).expect("a link");
    symlink("first", folder.path().join("second")).expect("a link");
    for text in ["one", "two"] {
        replace(&folder.path().join("second"), text).expect("written");
        let target = fs::read_to_string(folder.path().join("below/target"));
        assert_eq!(target.expect("a file"), text);
        assert!(
            folder.path().join("second").is_symlink() && folder.path().join("first").is_symlink()
        );
    }
    symlink("circle", folder.path().join("circle")).expect("a link");
    assert!(replace(&folder.path().join("circle"), "").is_err());
    // What is no file is not replaced by one.
    for other in
        [folder.path(), &folder.path().join("below"), Path::new("/dev/null"), Path::new("/")]
    {
        assert!(replace(other, "").is_err(), "{}", other.display());
    }
    assert_eq!(
        names(folder.path()),
        ["a.conf", "any", "below", "circle", "first", "new", "second"]
    );
}

#[test]
fn what_is_there_is_there_until_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a");
    let text = || fs::read_to_string(&path).expect("a file");
    fs::write(&path, "before").expect("a file");
    let mut given_up = Replacement::begin(&path).expect("begun");
    given_up.write_all(b"half").expect("written");
    assert_eq!((text().as_str(), names(folder.path()).len()), ("before", 2));
    let hidden = names(folder.path()).remove(0);
    assert!(hidden.starts_with(".a.") && hidden.ends_with(".new"), "{hidden}");
    drop(given_up);
    assert_eq!(names(folder.path()), ["a"]);

    // As a new file only, and the other's stays.
    let mut file = Replacement::begin(&folder.path().join("b")).expect("begun");
    file.write_all(b"ours").expect("written");
    fs::write(folder.path().join("b"), "theirs").expect("a file");
    let error = file.finish_new().expect_err("there");
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(folder.path().join("b")).expect("a file"), "theirs");
    assert_eq!(names(folder.path()), ["a", "b"]);
    let file = Replacement::begin(&folder.path().join("c")).expect("begun");
    assert_eq!(file.finish_new().expect("new"), 0);
    assert_eq!(names(folder.path()), ["a", "b", "c"]);
}

#[test]
fn many_may_write_the_same_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.conf");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let text = writer.to_string().repeat(10_000);
                for _ in 0..100 {
                    replace(path, &text).expect("no collision");
                    let found = fs::read(path).expect("a file");
                    let whole = found.iter().all(|byte| *byte == found[0]);
                    assert!(whole && found.len() == 10_000, "a mixture, or a half");
                }
            });
        }
    });
    assert_eq!(names(folder.path()), ["a.conf"]);
}

const TARGET: &str = "CTNETLINK_TEST_REPLACE";

/// Begins a file and waits to be killed.
#[test]
#[ignore = "a process of what_a_killed_run_leaves_is_cleared"]
fn begins_a_file() {
    let Some(path) = std::env::var_os(TARGET) else { return };
    let mut file = Replacement::begin(Path::new(&path)).expect("begun");
    file.write_all(b"half").expect("written");
    println!("\nbegun");
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "leftovers are cleared on Linux only")]
#[cfg_attr(target_arch = "s390x", ignore = "under emulation a test cannot start its own program")]
fn what_a_killed_run_leaves_is_cleared() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.conf");
    // Not ours to clear: other files' temporaries, and other names.
    let others = [
        ".a.123456.new",
        ".a.conf.12345.new",
        ".a.conf.b.123456.new",
        ".a.conf.new",
        ".b.conf.123456.new",
    ];
    for name in others {
        fs::write(folder.path().join(name), "").expect("a file");
    }
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "replace::begins_a_file", "--ignored", "--nocapture"])
        .env(TARGET, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let out = BufReader::new(child.stdout.take().expect("a pipe"));
    assert!(out.lines().any(|line| line.expect("text") == "begun"));
    let temporaries = || {
        let names = names(folder.path());
        names.into_iter().filter(|name| !others.contains(&&name[..])).collect::<Vec<_>>()
    };
    let [hidden] = &temporaries()[..] else { panic!("{:?}", temporaries()) };
    replace(&path, "while it lives").expect("written");
    assert_eq!(temporaries(), [hidden.as_str(), "a.conf"], "it lives");
    child.kill().expect("killed");
    child.wait().expect("dead");
    assert_eq!(temporaries(), [hidden.as_str(), "a.conf"], "the leftover");
    replace(&path, "after it").expect("written");
    assert_eq!(temporaries(), ["a.conf"]);
    assert_eq!(fs::read_to_string(&path).expect("a file"), "after it");
    assert_eq!(names(folder.path()).len(), 1 + others.len());
}
