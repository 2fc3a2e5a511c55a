//! Django's admin behind gunicorn on a unix socket, and a WebSocket server, both as Debian has them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::Server;
use crate::stage::{Folder, Reply, Secure, Stage, Visitor};

/// Debian's own, which has Debian's packages.
const PYTHON: &str = "/usr/bin/python3";

/// What Django's manual says for a site behind a proxy that ends TLS; nothing else is changed for the gateway.
const SETTINGS: &str = r#"
from pathlib import Path
BASE = Path(__file__).parent
SECRET_KEY = "for a test"
ALLOWED_HOSTS = ["www.test"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
INSTALLED_APPS = ["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
                  "django.contrib.sessions", "django.contrib.messages", "django.contrib.staticfiles"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware",
              "django.contrib.sessions.middleware.SessionMiddleware",
              "django.middleware.common.CommonMiddleware",
              "django.middleware.csrf.CsrfViewMiddleware",
              "django.contrib.auth.middleware.AuthenticationMiddleware",
              "django.contrib.messages.middleware.MessageMiddleware"]
ROOT_URLCONF = "pages"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
              "OPTIONS": {"context_processors": ["django.template.context_processors.request",
                                                 "django.contrib.auth.context_processors.auth",
                                                 "django.contrib.messages.context_processors.messages"]}}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
STATIC_URL = "/static/"
"#;

const PAGES: &str = "from django.contrib import admin\nfrom django.urls import path\n\
                     urlpatterns = [path('admin/', admin.site.urls)]\n";

fn django_admin(folder: &Path, arguments: &[&str]) {
    let output = Command::new("django-admin")
        .args(arguments)
        .current_dir(folder)
        .env("PYTHONPATH", folder)
        .env("DJANGO_SETTINGS_MODULE", "settings")
        .env("DJANGO_SUPERUSER_PASSWORD", "correct horse")
        .output()
        .expect("django-admin");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn gunicorn() -> (Server, PathBuf) {
    let folder = Folder::new();
    folder.write("settings.py", SETTINGS);
    folder.write("pages.py", PAGES);
    django_admin(&folder.0, &["migrate", "--verbosity", "0"]);
    django_admin(
        &folder.0,
        &["createsuperuser", "--noinput", "--username", "anna", "--email", "anna@example.org"],
    );
    let socket = folder.0.join("app.sock");
    let mut command = Command::new("gunicorn");
    command
        .args(["--workers", "2", "--bind"])
        .arg(format!("unix:{}", socket.display()))
        .arg("django.core.wsgi:get_wsgi_application()")
        .current_dir(&folder.0)
        .env("PYTHONPATH", &folder.0)
        .env("DJANGO_SETTINGS_MODULE", "settings");
    let mut server = Server::start(folder, command);
    server.wait_for_socket(&socket);
    (server, socket)
}

/// A browser that keeps its cookies.
struct Browser {
    visitor: Visitor<Secure>,
    port: u16,
    cookies: Vec<(String, String)>,
}

impl Browser {
    fn ask(&mut self, method: &str, path: &str, form: &str) -> Reply {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let site = format!("www.test:{}", self.port);
        let reply = self.visitor.ask(&format!(
            "{method} {path} HTTP/1.1\r\nHost: {site}\r\nCookie: {}\r\nOrigin: https://{site}\r\n\
             Referer: https://{site}{path}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            cookies.join("; "),
            form.len()
        ));
        for (_, cookie) in reply.headers.iter().filter(|(name, _)| name == "set-cookie") {
            // One that is taken back (it is in the past) need not be.
            assert!(cookie.contains("Secure") || cookie.contains("1970"), "{cookie}");
            let (name, rest) = cookie.split_once('=').expect("a cookie");
            let value = rest.split(';').next().unwrap_or_default().to_owned();
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value));
        }
        reply
    }

    /// The hidden field that Django wants back with each form.
    fn token(page: &Reply) -> String {
        let text = page.text();
        let (_, rest) = text.split_once("name=\"csrfmiddlewaretoken\" value=\"").expect("a form");
        rest.split('"').next().expect("a token").to_owned()
    }
}

#[test]
fn djangos_admin_signs_in_saves_a_form_and_signs_out() {
    let (server, socket) = gunicorn();
    let stage = Stage::with(
        "route \"/\" { .backend = django; }",
        &format!("backend django {{ .url = \"unix:{}\"; }}", socket.display()),
    );
    let mut anna = Browser { visitor: stage.visitor(), port: stage.https().port(), cookies: Vec::new() };
    let away = anna.ask("GET", "/admin/", "");
    assert_eq!((away.status, away.header("location")), (302, Some("/admin/login/?next=/admin/")));
    let form = anna.ask("GET", "/admin/login/?next=/admin/", "");
    assert_eq!(form.status, 200, "{}", server.said());
    let token = Browser::token(&form);
    let wrong = format!("csrfmiddlewaretoken={token}&username=anna&password=wrong&next=/admin/");
    assert!(
        anna.ask("POST", "/admin/login/?next=/admin/", &wrong).text().contains("Please enter the correct")
    );
    let forged = "csrfmiddlewaretoken=x&username=anna&password=correct+horse&next=/admin/";
    assert_eq!(anna.ask("POST", "/admin/login/?next=/admin/", forged).status, 403);
    let token = Browser::token(&anna.ask("GET", "/admin/login/?next=/admin/", ""));
    let right = format!("csrfmiddlewaretoken={token}&username=anna&password=correct+horse&next=/admin/");
    let entered = anna.ask("POST", "/admin/login/?next=/admin/", &right);
    assert_eq!((entered.status, entered.header("location")), (302, Some("/admin/")), "{}", entered.text());
    assert!(anna.ask("GET", "/admin/", "").text().contains("Site administration"));

    let form = anna.ask("GET", "/admin/auth/group/add/", "");
    let name = "K%C3%A4se+%26+%E2%98%83";
    let form = format!("csrfmiddlewaretoken={}&name={name}&_save=Save", Browser::token(&form));
    let saved = anna.ask("POST", "/admin/auth/group/add/", &form);
    assert_eq!(
        (saved.status, saved.header("location")),
        (302, Some("/admin/auth/group/")),
        "{}",
        saved.text()
    );
    let list = anna.ask("GET", "/admin/auth/group/?q=K%C3%A4se", "").text();
    assert!(list.contains("Käse &amp; ☃"), "{list}");
}

const ECHO: &str = r"
import asyncio, sys, websockets
async def echo(socket):
    async for message in socket:
        await socket.send(message)
async def main():
    async with websockets.unix_serve(echo, sys.argv[1]):
        await asyncio.Future()
asyncio.run(main())
";

const TALK: &str = r#"
import asyncio, ssl, sys, websockets
async def main():
    trust = ssl.create_default_context(cafile=sys.argv[2])
    where = f"wss://www.test:{sys.argv[1]}/live"
    async with websockets.connect(where, ssl=trust, server_hostname="www.test",
                                  host="127.0.0.1", port=int(sys.argv[1])) as socket:
        for message in ["hello", "K\u00e4se \u2603", "x" * 200_000, b"\x00\xff" * 1000]:
            await socket.send(message)
            assert await socket.recv() == message
        await (await socket.ping())
    assert socket.close_code == 1000, socket.close_code
asyncio.run(main())
print("said and heard")
"#;

#[test]
fn a_websocket_client_talks_to_a_websocket_server() {
    let folder = Folder::new();
    let (script, socket) = (folder.write("echo.py", ECHO), folder.0.join("live.sock"));
    let talk = folder.write("talk.py", TALK);
    let mut command = Command::new(PYTHON);
    command.arg(script).arg(&socket);
    let mut server = Server::start(folder, command);
    server.wait_for_socket(&socket);
    let stage = Stage::with(
        "route \"/live\" { .backend = live; }",
        &format!("backend live {{ .url = \"unix:{}\"; }}", socket.display()),
    );
    let root = &stage.running().open.root_certificate;
    let output = Command::new(PYTHON)
        .arg(talk)
        .arg(stage.https().port().to_string())
        .arg(root)
        .output()
        .expect(PYTHON);
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(said.ends_with("said and heard\n"), "{said}{}", server.said());
}
