//! `asgd data fetch` against real HTTP servers on loopback, sound and otherwise.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;
use std::{fs, thread};

use tempfile::TempDir;

/// Serves every request with `answer`, which gets the path; returns the address.
fn serve(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/data/", listener.local_addr().unwrap());
    let answer = std::sync::Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), answer.clone());
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut request = String::new();
                reader.read_line(&mut request).unwrap();
                let mut header = String::from("x");
                while !header.trim().is_empty() {
                    header.clear();
                    reader.read_line(&mut header).unwrap();
                }
                answer(request.split(' ').nth(1).unwrap_or_default(), &mut stream);
            });
        }
    });
    address
}

/// A whole answer; what the client does with it is not the server's business.
fn send(stream: &mut TcpStream, status: &str, announced: usize, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {announced}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

fn fetch(folder: &Path, set: &str, mirror: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_asgd"));
    command.args(["data", "fetch", set, "--mirror", mirror, "--timeout", "0.5", "--quiet", "--data-dir"]).arg(folder);
    for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    command.output().unwrap()
}

/// One line that says why, and nothing left behind.
#[track_caller]
fn refuses(mirror: &str, words: &[&str]) {
    let folder = TempDir::new().unwrap();
    let output = fetch(folder.path(), "kmnist", mirror);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    for word in [&["train-images-idx3-ubyte.gz", "--mirror"], words].concat() {
        assert!(stderr.contains(word), "'{word}' is missing in: {stderr}");
    }
    assert_eq!(fs::read_dir(folder.path().join("kmnist")).unwrap().count(), 0, "files were left");
}

#[test]
fn servers_that_fail() {
    refuses(&serve(|_, stream| send(stream, "404 Not Found", 0, b"")), &["404"]);
    refuses(&serve(|_, stream| send(stream, "503 Service Unavailable", 0, b"")), &["503"]);
    let page = b"<html><body>Please log in to this network</body></html>";
    refuses(&serve(|_, stream| send(stream, "200 OK", page.len(), page)), &["no .gz file", "<html>"]);
    refuses(&serve(|_, stream| send(stream, "200 OK", 10, b"\x1f\x8b34567890")), &["wrong checksum"]);
    refuses(&serve(|_, stream| send(stream, "200 OK", 1000, b"\x1f\x8b34567890")), &["cut off after 10"]);
    refuses(
        &serve(|_, stream| {
            send(stream, "200 OK", 1000, b"\x1f\x8b34567890");
            thread::sleep(Duration::from_secs(5));
        }),
        &["sent nothing for 0.5 s", "10 bytes"],
    );
    refuses(&serve(|_, _| thread::sleep(Duration::from_secs(5))), &["did not answer within 0.5 s"]);
    refuses("http://127.0.0.1:9/", &["cannot be reached"]);
    refuses("http://no-such-host.invalid/", &["no-such-host.invalid"]);
    refuses("not a url", &["not a url"]);
}

/// The real files from a server: all four arrive whole, are there the second time, and a damaged one is fetched anew.
#[test]
#[ignore = "needs MNIST: set ASGD_DATA_DIR"]
fn mnist_from_a_mirror() {
    let source =
        Path::new(&std::env::var_os("ASGD_DATA_DIR").expect("ASGD_DATA_DIR names the folder of mnist")).join("mnist");
    let files = source.clone();
    let mirror = serve(move |path, stream| {
        let name = path.rsplit('/').next().unwrap();
        assert_eq!(path, format!("/data/{name}"));
        let bytes = fs::read(files.join(name)).unwrap();
        send(stream, "200 OK", bytes.len(), &bytes);
    });
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mnist/t10k-labels-idx1-ubyte.gz");
    for round in 0..3 {
        let output = fetch(folder.path(), "mnist", if round == 1 { "http://127.0.0.1:9/" } else { &mirror });
        assert!(output.status.success(), "{round}: {}", String::from_utf8_lossy(&output.stderr));
        for entry in fs::read_dir(folder.path().join("mnist")).unwrap() {
            let name = entry.unwrap().file_name();
            let (ours, theirs) = (fs::read(folder.path().join("mnist").join(&name)), fs::read(source.join(&name)));
            assert!(ours.unwrap() == theirs.unwrap(), "{name:?}");
        }
        assert_eq!(fs::read_dir(folder.path().join("mnist")).unwrap().count(), 4);
        if round == 1 {
            fs::write(&path, b"damaged").unwrap();
        }
    }
}
