//! Debian's Apache with Subversion and `WebDAV`, as communities run it: on a free port, with folders of its own.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use crate::server::{Server, free_port};
use crate::stage::{Folder, Stage};

const MODULES: &str = "/usr/lib/apache2/modules";

/// An Apache that stands: repositories at `/svn/`, files at `/dav/`, both writable by `alice` alone, or by anybody.
pub struct Apache {
    pub server: Server,
    pub port: u16,
}

impl Apache {
    /// `passwords`: who writes must be alice.
    pub fn new(passwords: bool) -> Self {
        let port = free_port();
        let folder = Folder::new();
        for name in ["www/dav", "svn", "locks"] {
            fs::create_dir_all(folder.0.join(name)).expect("a folder");
        }
        run(Command::new("svnadmin").arg("create").arg(folder.0.join("svn/example")));
        // alice:wonderland, by the crypt that every Apache knows.
        folder.write("passwords", "alice:$apr1$5.G7EYPi$7ClJM83RkLUhIec/2N0N6.\n");
        let auth = if passwords {
            let file = folder.0.join("passwords");
            format!(
                "AuthType Basic\nAuthName \"Example Subversion\"\nAuthUserFile {}\n\
                 <LimitExcept GET PROPFIND OPTIONS REPORT>\nRequire valid-user\n</LimitExcept>",
                file.display()
            )
        } else {
            String::new()
        };
        let place = folder.0.display();
        let modules = [
            "mpm_prefork",
            "authn_core",
            "authn_file",
            "authz_core",
            "authz_user",
            "auth_basic",
            "alias",
            "mime",
            "dir",
            "dav",
            "dav_fs",
            "dav_lock",
            "dav_svn",
        ];
        let mut load = String::new();
        for name in modules {
            let _ = writeln!(load, "LoadModule {name}_module {MODULES}/mod_{name}.so");
        }
        // As root Apache wants to serve as somebody else, who must then own what is written.
        let user =
            if fs::metadata("/proc/self").is_ok_and(|proc| std::os::unix::fs::MetadataExt::uid(&proc) == 0) {
                run(Command::new("chown").args(["-R", "www-data:www-data"]).arg(&folder.0));
                "User www-data\nGroup www-data\n"
            } else {
                ""
            };
        folder.write("mime.types", "text/plain txt\n");
        folder.write(
            "apache.conf",
            &format!(
                "{load}{user}ServerRoot {place}\nServerName 127.0.0.1\nListen 127.0.0.1:{port}\nPidFile {place}/pid\n\
                 ErrorLog /dev/stderr\nLogLevel warn\nTypesConfig mime.types\nDocumentRoot {place}/www\n\
                 DefaultRuntimeDir {place}\nMutex file:{place}\n\
                 StartServers 4\nMinSpareServers 4\nMaxRequestWorkers 16\nKeepAlive On\nMaxKeepAliveRequests 100\n\
                 KeepAliveTimeout 5\nDAVLockDB {place}/locks/db\nDavMinTimeout 60\n\
                 <Location /svn/>\nDAV svn\nSVNParentPath {place}/svn\n{auth}\n</Location>\n\
                 <Location /dav/>\nDAV on\n{auth}\n</Location>\n"
            ),
        );
        let mut command = Command::new("/usr/sbin/apache2");
        command.arg("-f").arg(folder.0.join("apache.conf")).arg("-DFOREGROUND");
        let mut server = Server::start(folder, command);
        server.wait_for(SocketAddr::from(([127, 0, 0, 1], port)));
        Self { server, port }
    }

    /// A gateway before it, for `localhost`.
    pub fn behind(&self) -> Stage {
        Stage::raw(
            "",
            &format!(
                "backend apache {{ .url = \"http://127.0.0.1:{}\"; .visitor_address = none; }}
                 site \"localhost\" {{
                     .force_https = no;
                     route \"/svn/\" {{ .backend = apache; .serves = subversion; .body_bytes_max = 0; .total_timeout = 0; }}
                     route \"/dav/\" {{ .backend = apache; .serves = webdav; .body_bytes_max = 0; }}
                 }}",
                self.port
            ),
        )
    }
}

/// Runs a command that must succeed, and says what it said.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?} does not start ({error}): `tests/needs.sh test` installs what the tests need")
    });
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?} failed:\n{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}
