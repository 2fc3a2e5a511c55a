//! Debian's `varnishd`, asked what it thinks of a file.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use doorward::base::random;

/// A folder that goes with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("doorward-vcl-{:016x}", random::number()));
        fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether there is a `varnishd`. In CI there must be.
pub fn is_here() -> bool {
    let here =
        Command::new("varnishd").arg("-V").stderr(Stdio::null()).stdout(Stdio::null()).status().is_ok();
    assert!(here || std::env::var_os("CI").is_none(), "varnishd is missing: tests/needs.sh test installs it");
    if !here {
        println!("NOT TRIED: varnishd is missing (tests/needs.sh test installs it)");
    }
    here
}

/// Compiles files as Varnish does, without paying for the C compiler each time: the first run keeps what the
/// compiler made, and the others are handed that. What Varnish refuses it has refused before.
pub struct Judge {
    folder: Folder,
    compiled: PathBuf,
}

impl Judge {
    pub fn new() -> Self {
        let folder = Folder::new();
        let compiled = folder.0.join("compiled.so");
        let parts = folder.0.join("parts");
        fs::create_dir(&parts).unwrap();
        for part in fs::read_dir("tests/vcl/corpus/parts").unwrap() {
            let part = part.unwrap();
            fs::copy(part.path(), parts.join(part.file_name())).unwrap();
        }
        let judge = Self { folder, compiled };
        let compiler =
            format!("exec sh -c \"cc -fpic -shared -O0 -w -o %o %s && cp %o {}\"", judge.compiled.display());
        let said = judge.run("first", "vcl 4.1;\nbackend default none;\n", &compiler);
        assert!(judge.compiled.exists(), "varnishd compiles nothing here: {said:?}");
        judge
    }

    /// `None`: accepted. Otherwise what varnishd says.
    pub fn refusal(&self, name: &str, text: &str) -> Option<String> {
        self.run(name, text, &format!("exec cp {} %o", self.compiled.display()))
    }

    fn run(&self, name: &str, text: &str, compiler: &str) -> Option<String> {
        let folder = self.folder.0.join(name);
        fs::create_dir(&folder).unwrap();
        let file = folder.join("main.vcl");
        fs::write(&file, text).unwrap();
        let out = Command::new("varnishd")
            .args(["-C", "-j", "none", "-p", &format!("cc_command={compiler}"), "-p"])
            .arg(format!("vcl_path={}", self.folder.0.join("parts").display()))
            .arg("-n")
            .arg(folder.join("work"))
            .arg("-f")
            .arg(&file)
            .stdout(Stdio::null())
            .output()
            .expect("varnishd runs");
        let _ = fs::remove_dir_all(&folder);
        (!out.status.success()).then(|| String::from_utf8_lossy(&out.stderr).into_owned())
    }
}
