//! Where the scripts of a route lie: for a backend that runs them, and for no other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Compiler, text, texts};
use crate::language::source::{FileId, joined};
use crate::language::tree::{Declaration, Value};
use crate::language::{Code, Diagnostic};
use crate::plan::{Answers, BackendId, Scripts, ScriptsBeside};
use crate::settings::value;

const INDEX: &str = "index.php";
const ENDING: &str = ".php";

impl Compiler<'_> {
    /// What a route says of scripts, and whether its backends run any.
    pub(super) fn scripts(&mut self, route: &Declaration, answers: &Answers) -> Option<Box<Scripts>> {
        let servers = Self::backends_of(answers).into_iter().flat_map(|id| self.servers(id));
        let mut runs = servers.map(runs_scripts);
        let first = runs.next().unwrap_or(false);
        let mixed = runs.any(|other| other != first);
        let Some(backend) = route.setting("backend").filter(|_| first || mixed) else {
            self.no_scripts(route);
            return None;
        };
        if mixed {
            let label = "let all of them be reached by `fastcgi:`, or none: what a path means hangs on it";
            return self.fault(
                Diagnostic::new(
                    Code::Contradiction,
                    backend.name_span,
                    "only some of these backends run scripts",
                )
                .label(label),
            );
        }
        let root = text(route, "root");
        let Some((root, root_span)) = root else {
            if route.setting("root").is_some() {
                // What is wrong with it was said.
                return None;
            }
            return self.fault(
                Diagnostic::new(
                    Code::NoRoot,
                    backend.name_span,
                    "this backend runs scripts, and nobody says where they lie",
                )
                .label("add `.root = \"/srv/www\";`, the folder that the paths of the route begin in"),
            );
        };
        if root.get().is_empty() {
            return self.fault(
                Diagnostic::new(Code::BadFile, root_span, format!("{} is no folder", root.quote()))
                    .label("write a folder"),
            );
        }
        let root: PathBuf = joined(self.tree.sources.folder(FileId(0)), root.get());
        let (root_there, endings) = (self.root_there(route, &root)?, self.endings(route)?);
        let mut index = None;
        for written in texts(route, "index") {
            let name = self.read(Code::BadFile, "name of a script", written, value::name_in_folder)?;
            if !endings.iter().any(|ending| name.ends_with(&**ending)) {
                return self.fault(
                    Diagnostic::new(Code::BadFile, written.1, format!("{} is no script", written.0.quote()))
                        .label("end it as `.endings` says, by default with `.php`"),
                );
            }
            index = index.or(Some(name));
        }
        let front = match text(route, "script") {
            Some(written) => Some(self.read(Code::BadFile, "path of a script", written, value::script)?),
            None => None,
        };
        if let (Some(script), Some(useless)) =
            (route.setting("script"), route.setting("index").or(route.setting("endings")))
        {
            return self.fault(
                Diagnostic::new(
                    Code::Contradiction,
                    useless.name_span,
                    format!("`.{}` says which script runs, and one is named", useless.row.name),
                )
                .label("take out one of the two")
                .at(script.name_span, "this runs for every path"),
            );
        }
        Some(Box::new(Scripts {
            root,
            root_there,
            index: index.unwrap_or_else(|| INDEX.into()),
            front,
            endings,
        }))
    }

    /// Scripts that lie among the files of a route.
    pub(super) fn scripts_beside(&mut self, route: &Declaration, root: &Path) -> Option<ScriptsBeside> {
        let setting = route.setting("scripts")?;
        let valued = route.value("scripts")?;
        let Value::Name(backend) = valued.value else { return None };
        let backend = BackendId(backend);
        if !self.servers(backend).into_iter().all(runs_scripts) {
            return self.fault(
                Diagnostic::new(Code::Contradiction, valued.span, "this backend runs no scripts")
                    .label("name one that is reached by `fastcgi:`, such as php-fpm")
                    .at(setting.name_span, "it would get those that lie among the files"),
            );
        }
        let (root_there, endings) = (self.root_there(route, root)?, self.endings(route)?);
        Some(ScriptsBeside { backend, root_there, endings })
    }

    /// The folder of the scripts as their backend sees it.
    fn root_there(&mut self, route: &Declaration, root: &Path) -> Option<Arc<str>> {
        Some(match text(route, "root_there") {
            Some(written) => {
                Arc::from(&*self.read(Code::BadFile, "folder of the backend", written, value::place)?)
            }
            None => root.to_string_lossy().trim_end_matches('/').into(),
        })
    }

    fn endings(&mut self, route: &Declaration) -> Option<Box<[Box<str>]>> {
        let mut endings = Vec::new();
        for written in texts(route, "endings") {
            endings.push(self.read(Code::BadFile, "ending of a name", written, value::ending)?);
        }
        if endings.is_empty() {
            endings.push(ENDING.into());
        }
        Some(endings.into())
    }

    /// Where nobody runs scripts, nothing is said of them.
    fn no_scripts(&mut self, route: &Declaration) {
        let beside = route.setting("files").and(route.setting("scripts"));
        for name in ["root", "root_there", "script", "endings"] {
            if let Some(setting) = route.setting(name) {
                match (beside, name) {
                    (Some(_), "root_there" | "endings") => continue,
                    (Some(beside), _) => {
                        let instead = if name == "root" {
                            "take it out: they lie where `.files` says"
                        } else {
                            "let it stand at the end of `.try`: `.try = \"{path}\", \"/index.php\";`"
                        };
                        self.found.push(
                            Diagnostic::new(
                                Code::Contradiction,
                                setting.name_span,
                                format!("`.{name}` is for a route whose paths are scripts, and here they lie among files"),
                            )
                            .label(instead)
                            .at(beside.name_span, "they lie among the files by this"),
                        );
                        continue;
                    }
                    (None, _) => {}
                }
                let fault = Diagnostic::new(
                    Code::Contradiction,
                    setting.name_span,
                    format!("`.{name}` is about scripts, and nobody runs any here"),
                )
                .label("take it out, or let a backend that is reached by `fastcgi:` answer");
                self.found.push(match route.setting("backend") {
                    Some(backend) => fault.at(backend.name_span, "it is reached by http"),
                    None => fault,
                });
            }
        }
    }

    fn backends_of(answers: &Answers) -> Vec<BackendId> {
        match answers {
            Answers::Backend(id) => vec![*id],
            Answers::Lookup { rows, otherwise, .. } => rows.0.values().chain(otherwise).copied().collect(),
            Answers::Files(_) | Answers::Redirect(_) | Answers::Fixed(_) => Vec::new(),
        }
    }

    /// The servers behind a name: itself, or the members of a director.
    fn servers(&self, id: BackendId) -> Vec<&Declaration> {
        let tree = self.tree;
        let Some(director) = id.0.checked_sub(tree.backends.len()).and_then(|at| tree.directors.get(at))
        else {
            return tree.backends.get(id.0).into_iter().collect();
        };
        let members = director.setting("members").into_iter().flat_map(|setting| &setting.values);
        let members = members.filter_map(|member| match member.value {
            Value::Member { backend, .. } => tree.backends.get(backend),
            _ => None,
        });
        members.collect()
    }
}

fn runs_scripts(server: &Declaration) -> bool {
    text(server, "url").is_some_and(|(url, _)| {
        url.get().get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("fastcgi:"))
    })
}
