//! `svn` against Apache and `mod_dav_svn`, directly and through us over TLS: the same commands come to the same.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apache::{Apache, run};
use crate::stage::{Folder, Stage};

/// One who works with a repository.
struct Worker {
    url: String,
    folder: Folder,
}

impl Worker {
    /// `root` is the authority that signed the server's certificate.
    fn new(url: String, root: Option<&Path>) -> Self {
        let folder = Folder::new();
        let trust =
            root.map(|root| format!("ssl-authority-files = {}\n", root.display())).unwrap_or_default();
        fs::create_dir(folder.0.join("config")).expect("a folder");
        folder.write("config/servers", &format!("[global]\nhttp-timeout = 120\n{trust}"));
        Self { url, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.0.join(name)
    }

    /// What a command says, without what differs from one place or moment to the other.
    fn svn(&self, args: &[&str]) -> String {
        let mut command = Command::new("svn");
        command.env("LC_ALL", "C.UTF-8").current_dir(&self.folder.0);
        command.args(["--config-dir", "config", "--non-interactive", "--no-auth-cache"]);
        command.args(["--username", "alice", "--password", "wonderland"]);
        for arg in args {
            command.arg(arg.replace("URL", &self.url));
        }
        let said = run(&mut command).replace(&self.url, "URL");
        let mut lines: Vec<&str> = said.lines().collect();
        // Files come over several connections, in any order.
        if matches!(args, ["checkout" | "update" | "switch" | "merge", ..]) {
            lines.sort_unstable();
        }
        let mut plain = String::new();
        for line in lines {
            // `r7 | alice | 2026-11-20 20:48:54 +0000 (Fri, 20 Nov 2026) | 1 line`
            match line.split(" | ").collect::<Vec<_>>()[..] {
                [revision, author, _, lines] if revision.starts_with('r') => {
                    plain.push_str(&[revision, author, lines].join(" | "));
                }
                _ => plain.push_str(line),
            }
            plain.push('\n');
        }
        plain
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file of the working copy");
}

/// All that a project does in a day, and what each command said.
fn day(worker: &Worker) -> Vec<String> {
    let mut said = Vec::new();
    let mut svn = |args: &[&str]| said.push(format!("{args:?}\n{}", worker.svn(args)));
    svn(&["mkdir", "URL/trunk", "URL/tags", "URL/branches", "-m", "a place for everything"]);
    svn(&["checkout", "URL/trunk", "work"]);
    let names = [
        "plain.txt",
        "with space.txt",
        "100%.txt",
        "%41.txt",
        "a#b;c.txt",
        "grüße & so.txt",
        "q?=[1]{x}.txt",
        "it's+~!$.txt",
    ];
    for (at, name) in names.iter().enumerate() {
        write(&worker.path("work").join(name), &format!("{name}\nline {at}\n"));
    }
    fs::create_dir(worker.path("work/sub folder")).expect("a folder");
    write(&worker.path("work/sub folder/ü.txt"), "below\n");
    svn(&["add", "--force", "work", "-q"]);
    svn(&["commit", "work", "-m", "names of all kinds"]);
    svn(&["ls", "-R", "URL"]);
    svn(&["copy", "URL/trunk", "URL/tags/1.0 beta", "-m", "a tag"]);
    svn(&[
        "copy",
        "URL/trunk/sub%20folder/%C3%BC.txt",
        "URL/branches/%23%25;%C3%9F.txt",
        "-m",
        "a copy of one file",
    ]);
    svn(&["move", "URL/trunk/with%20space.txt", "URL/trunk/100%25%20moved%20%C3%A4%23.txt", "-m", "a move"]);
    svn(&["update", "work"]);
    write(&worker.path("work/plain.txt"), "plain.txt\nline 0, changed\nand one more\n");
    svn(&["propset", "svn:keywords", "Id", "work/plain.txt"]);
    svn(&["diff", "work"]);
    svn(&["lock", "work/plain.txt", "work/a#b;c.txt", "-m", "mine"]);
    svn(&["commit", "work/plain.txt", "-m", "under a lock, which goes with it"]);
    svn(&["unlock", "work/a#b;c.txt"]);
    svn(&["lock", "URL/trunk/100%25.txt", "-m", "mine from afar"]);
    svn(&["unlock", "URL/trunk/100%25.txt"]);
    svn(&["move", "work/grüße & so.txt", "work/sub folder/grüße.txt"]);
    svn(&["delete", "work/%41.txt"]);
    svn(&["copy", "work/sub folder", "work/second folder"]);
    svn(&["commit", "work", "-m", "a move and a copy from here"]);
    svn(&["update", "work"]);
    svn(&["log", "-v", "URL"]);
    svn(&["blame", "work/plain.txt"]);
    svn(&["propget", "svn:keywords", "URL/trunk/plain.txt"]);
    svn(&["cat", "URL/tags/1.0%20beta/gr%C3%BC%C3%9Fe%20&%20so.txt"]);
    svn(&["switch", "--ignore-ancestry", "URL/tags/1.0%20beta", "work"]);
    svn(&["switch", "--ignore-ancestry", "URL/trunk", "work"]);
    svn(&["copy", "URL/trunk", "URL/branches/next", "-m", "a branch"]);
    svn(&["checkout", "-q", "URL/branches/next", "next"]);
    write(&worker.path("next/100%.txt"), "of the branch\n");
    svn(&["commit", "next", "-m", "in the branch"]);
    svn(&["update", "work"]);
    svn(&["merge", "URL/branches/next", "work"]);
    svn(&["commit", "work", "-m", "merged"]);
    svn(&["checkout", "URL", "everything"]);
    svn(&["status", "-u", "everything"]);
    svn(&["propset", "--revprop", "-r", "HEAD", "svn:log", "merged, said better", "URL"]);
    svn(&["log", "-r", "HEAD", "URL"]);
    said
}

/// Apache with a repository, a gateway before it, and one who works on either side.
fn both() -> (Apache, Stage, [Worker; 2]) {
    let apache = Apache::new(true);
    let svn = apache.server.path("svn");
    for name in ["direct", "through"] {
        run(Command::new("cp").arg("-a").arg(svn.join("example")).arg(svn.join(name)));
        // Both are one project: a working copy knows it by this.
        run(Command::new("svnadmin")
            .arg("setuuid")
            .arg(svn.join(name))
            .arg("5c1f2c3e-0000-4000-8000-000000000000"));
        let hook = svn.join(name).join("hooks/pre-revprop-change");
        write(&hook, "#!/bin/sh\nexit 0\n");
        run(Command::new("chmod").arg("755").arg(hook));
    }
    let stage = apache.behind();
    let root = &stage.running().open.root_certificate;
    let direct = Worker::new(format!("http://127.0.0.1:{}/svn/direct", apache.port), None);
    let through = Worker::new(format!("https://localhost:{}/svn/through", stage.https().port()), Some(root));
    (apache, stage, [direct, through])
}

#[test]
fn svn_does_the_same_through_us_as_directly() {
    let (apache, _stage, [direct, through]) = both();
    let (direct, through) = (day(&direct), day(&through));
    for (direct, through) in direct.iter().zip(&through) {
        assert_eq!(through, direct, "{}", apache.server.said());
    }
    println!("{} commands of svn say the same, directly and through us", direct.len());
}

#[test]
fn who_has_no_password_may_read_and_not_write() {
    let (_apache, stage, [_, through]) = both();
    assert!(through.svn(&["ls", "URL"]).is_empty());
    let root = &stage.running().open.root_certificate;
    let stranger = Worker::new(through.url.clone(), Some(root));
    let refused = Command::new("svn")
        .args(["--config-dir", "config", "--non-interactive", "mkdir", "-m", "x"])
        .arg(format!("{}/x", stranger.url))
        .current_dir(&stranger.folder.0)
        .output()
        .expect("svn");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    // Apache's own challenge, which svn answers with a password where it has one.
    assert!(!refused.status.success() && said.contains("Authentication failed"), "{said}");
}

/// Bytes that don't get smaller, and are the same in every run.
struct Noise {
    state: u64,
    left: u64,
}

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len()) / 8 * 8;
        for eight in buffer[..wanted].chunks_exact_mut(8) {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            eight.copy_from_slice(&self.state.to_le_bytes());
        }
        self.left -= wanted as u64;
        Ok(wanted)
    }
}

/// A file of this size goes in by one working copy and comes out in another.
fn large(megabytes: u64) {
    let (_apache, _stage, [_, through]) = both();
    let noise = || Noise { state: 0x2545_f491_4f6c_dd1d, left: megabytes << 20 };
    through.svn(&["checkout", "-q", "URL", "work"]);
    let mut file = File::create(through.path("work/large.bin")).expect("a file");
    std::io::copy(&mut noise(), &mut file).expect("room on the disk");
    file.flush().expect("room on the disk");
    through.svn(&["add", "-q", "work/large.bin"]);
    through.svn(&["commit", "-q", "work", "-m", "large"]);
    fs::remove_dir_all(through.path("work")).expect("a folder to take away");
    through.svn(&["export", "-q", "URL/large.bin", "large.bin"]);
    let (mut came, mut sent) = (File::open(through.path("large.bin")).expect("the file"), noise());
    let (mut one, mut other) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let read = sent.read(&mut one).expect("noise");
        if read == 0 {
            break;
        }
        came.read_exact(&mut other[..read]).expect("as many bytes as were sent");
        assert!(one[..read] == other[..read], "other bytes than were sent");
    }
    assert_eq!(came.read(&mut other).expect("the end"), 0);
}

#[test]
fn a_large_file_goes_in_and_comes_out() {
    large(64);
}

#[test]
#[ignore = "takes minutes; `make prove` runs it"]
fn a_gibibyte_goes_in_and_comes_out() {
    large(1_024);
}
