use std::io::Read;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;

use super::*;

/// A folder of its own for one test; gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("doorward-control-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        socket(&self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway on a thread of its own until the returned sender is dropped.
fn gateway(door: Door) -> (tokio::sync::oneshot::Sender<()>, thread::JoinHandle<()>) {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let handler = |command| async move {
                match command {
                    Command::Status => Answer::done(format!("all is well\n\n{}\nend\n", "x".repeat(10_000))),
                    Command::Reload => Answer::fault("error[E014]: no\n  ┌ a.vcl:1:1"),
                    Command::Tell(_) | Command::Upgrade | Command::Stop => std::future::pending().await,
                }
            };
            tokio::select! {
                done = door.serve(handler) => done.unwrap(),
                _ = stopped => {}
            }
        });
    });
    (stop, thread)
}

fn exchange(path: &Path, line: &[u8]) -> String {
    let mut stream = net::UnixStream::connect(path).unwrap();
    stream.write_all(line).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    // A refused overlong line may end in a reset: what was said before counts.
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn commands_are_answered_line_by_line() {
    let folder = Folder::new();
    let (stop, thread) = gateway(open(&folder.socket()).unwrap());
    let status = ask(&folder.socket(), Command::Status, PATIENCE).unwrap();
    assert!(status.done);
    let lines: Vec<&str> = status.text.lines().collect();
    assert_eq!((lines[0], lines[1], lines[3]), ("all is well", "", "end"));
    assert!(lines[2].len() > 4_000 && lines[2].len() < 4_096);
    let reload = ask(&folder.socket(), Command::Reload, PATIENCE).unwrap();
    assert_eq!(reload, Answer::fault("error[E014]: no\n  ┌ a.vcl:1:1\n"));
    let silent = ask(&folder.socket(), Command::Stop, Duration::from_millis(50));
    assert!(matches!(silent, Err(AskFault::Silent(_))));
    drop(stop);
    thread.join().unwrap();
    assert!(!folder.socket().exists());
    assert!(matches!(ask(&folder.socket(), Command::Status, PATIENCE), Err(AskFault::Nobody(_))));
}

#[test]
fn bad_lines_get_a_fault_and_newer_commands_a_sentence() {
    let folder = Folder::new();
    let (stop, thread) = gateway(open(&folder.socket()).unwrap());
    for (line, said) in [
        (&b"1 dance\n"[..], "does not know `dance`; it knows status, reload, upgrade, stop"),
        (b"7 ban 192.0.2.1 1h\n", "does not know `ban`"),
        (b"1 status now\n", "takes nothing behind it"),
        (b"status\n", "protocol number"),
        (b"0 status\n", "protocol number"),
        (b"1 status", "no line of text"),
        (b"1 \xff\n", "no line of text"),
        (b"\n", "protocol number"),
    ] {
        let answer = exchange(&folder.socket(), line);
        let (greeting, rest) = answer.split_once('\n').unwrap();
        assert!(greeting.starts_with("doorward-control 1 version="), "{answer}");
        assert!(rest.starts_with("fault\n| ") && rest.ends_with("\nend\n"), "{answer}");
        assert!(rest.contains(said), "{answer}");
    }
    // A line without end is not read to its end.
    let answer = exchange(&folder.socket(), &vec![b'1'; 100_000]);
    assert!(answer.starts_with("doorward-control 1 "), "{answer}");
    // A newer command that says a higher number is understood.
    assert!(exchange(&folder.socket(), b"2 status\n").contains("done\n| all is well\n"));
    assert_eq!(exchange(&folder.socket(), b"").lines().count(), 1);
    drop(stop);
    thread.join().unwrap();
}

#[test]
fn a_second_gateway_is_told_who_runs_and_leaves_it_alone() {
    let folder = Folder::new();
    let (stop, thread) = gateway(open(&folder.socket()).unwrap());
    let fault = open(&folder.socket()).err().unwrap();
    assert!(
        matches!(fault, OpenFault::Running { pid: Some(pid), .. } if pid == std::process::id()),
        "{fault}"
    );
    assert!(fault.to_string().contains(&format!("(pid {})", std::process::id())), "{fault}");
    assert!(ask(&folder.socket(), Command::Status, PATIENCE).unwrap().done);
    drop(stop);
    thread.join().unwrap();
}

#[test]
fn what_a_killed_gateway_left_is_replaced_by_one_of_many() {
    let folder = Folder::new();
    // The file of a socket that nobody listens on any more.
    drop(net::UnixListener::bind(folder.socket()).unwrap());
    assert!(folder.socket().exists());
    let (opened, doors) = mpsc::channel();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (opened, path) = (opened.clone(), folder.socket());
            thread::spawn(move || {
                // A door that nobody serves yet does not greet; it is alive all the same.
                let _ = opened.send(open(&path));
            })
        })
        .collect();
    drop(opened);
    let first = doors.recv().unwrap().unwrap();
    let (stop, serving) = gateway(first);
    assert!(doors.iter().all(|door| matches!(door, Err(OpenFault::Running { .. }))));
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(ask(&folder.socket(), Command::Status, PATIENCE).unwrap().done);
    drop(stop);
    serving.join().unwrap();
}

#[test]
fn the_socket_is_for_its_user_alone_and_so_is_a_folder_made_for_it() {
    let folder = Folder::new();
    let state = folder.0.join("deeper/state");
    let door = open(&socket(&state)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(door.path()), 0o600);
    assert!(may_talk(0, 1_000) && may_talk(1_000, 1_000) && !may_talk(1_001, 1_000));
}

#[tokio::test]
async fn a_stranger_is_turned_away_unheard() {
    let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
    let handler = |_| async { unreachable!("a stranger's command") };
    assert_eq!(talk(ours, false, &handler).await, None);
    let mut said = String::new();
    tokio::io::BufReader::new(theirs).read_to_string(&mut said).await.unwrap();
    assert!(said.starts_with("fault\n| ") && said.ends_with("\nend\n"), "{said}");
    assert!(matches!(hello("fault"), Ok(Hello::Refusal)));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_never_comes_is_not_waited_for() {
    let (ours, _theirs) = tokio::net::UnixStream::pair().unwrap();
    assert_eq!(talk(ours, true, &|_| async { Answer::done("") }).await, None);
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let folder = Folder::new();
    fs::write(folder.socket(), "a letter").unwrap();
    assert!(matches!(open(&folder.socket()), Err(OpenFault::NoSocket(_))));
    assert_eq!(fs::read(folder.socket()).unwrap(), b"a letter");
    let long = folder.0.join("x".repeat(120)).join(SOCKET);
    assert!(matches!(open(&long), Err(OpenFault::PathTooLong(_))));
    assert!(matches!(ask(&long, Command::Stop, PATIENCE), Err(AskFault::PathTooLong(_))));
}

#[test]
fn a_door_does_not_take_away_what_another_put_in_its_place() {
    let folder = Folder::new();
    let door = open(&folder.socket()).unwrap();
    fs::rename(folder.socket(), folder.0.join("old.sock")).unwrap();
    let _new = net::UnixListener::bind(folder.socket()).unwrap();
    drop(door);
    assert!(folder.socket().exists());
}

#[test]
fn answers_that_break_off_or_make_no_sense_are_no_answers() {
    for said in [
        "",
        "doorward-control\n",
        "HTTP/1.1 400 Bad Request\n",
        "doorward-control 1\ndone\n| half",
        "doorward-control 1\ndone\n| half\n",
        "doorward-control 1\nmaybe\nend\n",
    ] {
        let folder = Folder::new();
        let listener = net::UnixListener::bind(folder.socket()).unwrap();
        let thread = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(said.as_bytes()).unwrap();
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let answer = ask(&folder.socket(), Command::Status, PATIENCE);
        assert!(matches!(answer, Err(AskFault::Garbled(_))), "{said:?} {answer:?}");
        thread.join().unwrap();
    }
    // What a newer gateway adds is passed over.
    let folder = Folder::new();
    let listener = net::UnixListener::bind(folder.socket()).unwrap();
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"doorward-control 3 pid=1 colour=green\ndone\n+ 40%\n| word\nend\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    assert_eq!(ask(&folder.socket(), Command::Status, PATIENCE).unwrap(), Answer::done("word\n"));
    thread.join().unwrap();
}

#[test]
fn a_socket_that_takes_over_stands_where_the_old_one_stood_and_the_old_one_leaves_it_alone() {
    let folder = Folder::new();
    let path = folder.socket();
    let old = open(&path).unwrap();
    fs::write(folder.0.join(NEW_SOCKET), "left by one that was killed").unwrap();
    let mut new = open_beside(&path).unwrap();
    assert_eq!(fs::metadata(new.path()).unwrap().permissions().mode() & 0o777, 0o600);
    new.take_over(&path).unwrap();
    drop(old);
    let (stop, thread) = gateway(new);
    assert!(ask(&path, Command::Status, PATIENCE).unwrap().done);
    assert!(!folder.0.join(NEW_SOCKET).exists());
    drop(stop);
    thread.join().unwrap();
    assert!(!path.exists());
    // One that never takes over leaves nothing behind.
    drop(open_beside(&path).unwrap());
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
}
