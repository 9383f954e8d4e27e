//! A service manager that hands over a socket and wants to hear how it goes.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::{Folder, Ran, Server};
use crate::wire::Call;

/// The binary, started as a service manager does, with what is its standard input as descriptor 3.
fn started(folder: &Folder, sockets: &str, args: &str) -> Command {
    let plain = folder.command(&[]);
    let mut command = Command::new("sh");
    let script = format!(
        "exec 3<&0 </dev/null; export LISTEN_FDS={sockets} LISTEN_PID=$$; exec \"$0\" serve {args}"
    );
    command.arg("-c").arg(script).arg(plain.get_program());
    command
        .current_dir(folder.file(""))
        .env("HOME", folder.file(""));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PACKHOLD_") {
            command.env_remove(name);
        }
    }
    command
}

#[test]
fn a_socket_that_is_handed_over_is_served_and_the_manager_hears_of_it() {
    let folder = Folder::new();
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("it has one");
    let heard = UnixDatagram::bind(folder.file("notify")).expect("a socket");
    heard
        .set_read_timeout(Some(Duration::from_mins(1)))
        .expect("a socket");
    let mut command = started(&folder, "1", "--no-auth --listen 127.0.0.1:1");
    command.stdin(Stdio::from(OwnedFd::from(socket)));
    command.env("NOTIFY_SOCKET", folder.file("notify"));
    let server = Server::start(command, &folder.file("stderr.txt"));
    assert_eq!(server.address, address);
    assert_eq!(server.send(&Call::new("GET", "/healthz")).status, 200);
    let hear = || {
        let mut buffer = [0; 256];
        let len = heard.recv(&mut buffer).expect("it tells something");
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    };
    assert_eq!(hear().trim_end(), "READY=1");
    server.stop();
    assert_eq!(hear().trim_end(), "STOPPING=1");
}

#[test]
fn no_auth_is_judged_by_the_socket_that_is_handed_over() {
    let folder = Folder::new();
    let socket = TcpListener::bind("0.0.0.0:0").expect("a free port");
    let mut command = started(&folder, "1", "--no-auth");
    command.stdin(Stdio::from(OwnedFd::from(socket)));
    let ran = Ran::of(command.output().expect("it runs"));
    assert!(
        ran.assert_code(2).err().contains("--no-auth"),
        "{}",
        ran.err()
    );
    assert!(!folder.pack().exists());
}

#[test]
fn what_is_no_listening_socket_is_refused() {
    let folder = Folder::new();
    let file = std::fs::File::create(folder.file("file")).expect("a file");
    for (sockets, told) in [("1", "no TCP socket"), ("2", "2 sockets")] {
        let mut command = started(&folder, sockets, "--no-auth");
        command.stdin(Stdio::from(file.try_clone().expect("a file")));
        let ran = Ran::of(command.output().expect("it runs"));
        assert!(ran.assert_code(2).err().contains(told), "{}", ran.err());
    }
    assert!(!folder.pack().exists());
}
