//! `doorward lsp` as an editor meets it: Neovim's own client, over stdin and stdout.

use std::process::Command;

use crate::stage::Folder;

#[test]
fn neovim_is_told_faults_meanings_places_and_one_layout() {
    let folder = Folder::new();
    folder.write("backends.vcl", "backend trac { .url = \"http://127.0.0.1:8000\"; }\n");
    folder.write(
        "main.vcl",
        "include \"backends.vcl\";\nsite \"www.test\" {\n    route \"/\" { .backend =   tarc; }\n}\n",
    );
    let done = Command::new("nvim")
        .args(["--headless", "-u", "NONE", "-i", "NONE", "-n", "-S", "tests/house/editor.lua"])
        .env("PLAY_FOLDER", &folder.0)
        .env("PLAY_PROGRAM", env!("CARGO_BIN_EXE_doorward"))
        .env("HOME", &folder.0)
        .output()
        .expect("Neovim is installed (tests/needs.sh test)");
    let said = std::fs::read_to_string(folder.0.join("said")).unwrap_or_default();
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(
        said,
        "fault 3:30 E014 there is no backend called `tarc`\n\
         mended\n\
         hover .backend = other;\n\
         definition backends.vcl 1:9\n\
         offer trac\n\
         line include \"backends.vcl\";\n\
         line site \"www.test\" {\n\
         line     route \"/\" { .backend = trac; }\n\
         line }\n\
         goodbye\n"
    );
}
