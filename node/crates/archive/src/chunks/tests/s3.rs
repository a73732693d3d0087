//! Against a real S3-compatible server, which checks every signature: s3s-fs, of crates.io. `.ci/s3` installs it and
//! runs these tests; `LUCID_S3S_FS` names its program.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use super::{proxy::Proxy, *};
use crate::{
    backup::{self, Expected, Keepers, Opener},
    testing::{at, checkpoint},
};

const KEY_ID: &str = "AKIDLUCIDTESTS";
const KEY: &str = "c29tZSBrZXkgb2YgdGhlc2UgdGVzdHM";

struct Server {
    process: Child,
    address: SocketAddr,
    root: PathBuf,
}

impl Server {
    fn start(root: PathBuf) -> Self {
        let program = std::env::var("LUCID_S3S_FS").expect("LUCID_S3S_FS names the program s3s-fs");
        fs::create_dir_all(root.join("chunks-of-a-node")).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", &free.port().to_string()])
            .args(["--access-key", KEY_ID, "--secret-key", KEY])
            .arg(&root)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { process, address: free, root };
        let begun = Instant::now();
        while TcpStream::connect(free).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "the server does not start");
            sleep(Duration::from_millis(20));
        }
        server
    }

    fn objects(&self) -> PathBuf {
        self.root.join("chunks-of-a-node/home")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn s3(url: &str, endpoint: &str, id: &str, key: &str) -> Place {
    let setting = |name: &str| match name {
        "AWS_ACCESS_KEY_ID" => Some(id.to_owned()),
        "AWS_SECRET_ACCESS_KEY" => Some(key.to_owned()),
        "AWS_ENDPOINT_URL" => Some(endpoint.to_owned()),
        _ => None,
    };
    let limits = Limits { at_once: 2, retries_max: 2, retry_for: Duration::from_secs(5) };
    Place::open(url, &setting, None, limits).unwrap()
}

fn shown(error: &ArchiveError) -> String {
    format!("{error} {error:?}")
}

#[test]
#[ignore = "needs s3s-fs: .ci/s3 runs it"]
fn backup_wipe_restore_and_import_give_the_same_node() {
    let (keep, data, _, bytes) = places();
    let server = Server::start(keep.path().join("s3"));
    let place =
        s3("s3://chunks-of-a-node/home", &format!("http://{}", server.address), KEY_ID, KEY);
    let (store, _) = open(&data);
    let old = checkpoint(&store);
    drop(store);
    let report = sent(&data, &place).unwrap();
    assert_eq!((report.chunks, report.bytes, report.sessions_whole), (8, bytes, 4));
    assert_eq!(files(&server.objects().join("chunks")).len(), 8);
    assert_eq!(read_back(&data, &place).unwrap().chunks, 8);

    let identity = age::x25519::Identity::generate();
    let file = keep.path().join("b.age");
    let options = backup::WriteOptions {
        keepers: Keepers::recipients(&[identity.to_public().to_string()]).unwrap(),
        trial: None,
        extras: Vec::new(),
        replace: false,
        at: at(5000),
        software: "lucid-archive tests".into(),
        disk: Disk::default(),
        progress: &mut |_, _| (),
    };
    backup::write(&data, &file, options).unwrap();
    fs::remove_dir_all(&data).unwrap();

    let other = keep.path().join("another/folder");
    let expected = Expected { node: None, checkpoints: vec![old.clone()] };
    let opener = Opener::Identities(vec![identity]);
    backup::restore(&file, &opener, &other, &expected, &Disk::default(), &mut |_, _| ()).unwrap();
    let report = fetched(&other, &place, false).unwrap();
    assert_eq!(
        (report.chunks, report.bytes, report.sessions_whole, report.losses_count),
        (8, bytes, 4, 0)
    );
    let (store, recovery) = open(&other);
    assert!(recovery.damaged.is_empty() && recovery.unknown.is_empty(), "{recovery:?}");
    assert!((1..=3).all(|seed| verifies(&store, seed)));
    let was = lucid_core::note::Checkpoint::verify(&old, store.log_key().verifier_key()).unwrap();
    assert_eq!(store.with_log(|log| Ok(log.root_at(was.size)?)).unwrap(), was.root);
    seal(&store, 5);
    assert!(verifies(&store, 5));
}

#[test]
#[ignore = "needs s3s-fs: .ci/s3 runs it"]
fn wrong_keys_and_a_missing_bucket_are_named() {
    let (keep, data, _, _) = places();
    let server = Server::start(keep.path().join("s3"));
    let endpoint = format!("http://{}", server.address);
    for (id, key) in [(KEY_ID, "bm90IHRoZSBrZXk"), ("AKIDSOMEBODY", KEY)] {
        let place = s3("s3://chunks-of-a-node/home", &endpoint, id, key);
        let error = sent(&data, &place).unwrap_err();
        let text = shown(&error);
        assert!(matches!(error, ArchiveError::Access { .. }), "{text}");
        assert!(!text.contains(id) && !text.contains(key), "{text}");
        eprintln!("{error}");
    }
    assert!(!server.objects().exists(), "something was written with the wrong keys");
    let place = s3("s3://no-such-bucket/home", &endpoint, KEY_ID, KEY);
    let error = sent(&data, &place).unwrap_err();
    assert!(matches!(error, ArchiveError::NoPlace { .. }), "{}", shown(&error));
    eprintln!("{error}");
    // The other way: with nothing here, every chunk is asked for.
    fs::remove_dir_all(data.join("chunks")).unwrap();
    fs::create_dir(data.join("chunks")).unwrap();
    let error = fetched(&data, &place, false).unwrap_err();
    assert!(matches!(error, ArchiveError::NoPlace { .. }), "{}", shown(&error));
    let place = s3("s3://chunks-of-a-node/home", &endpoint, KEY_ID, "bm90IHRoZSBrZXk");
    let error = fetched(&data, &place, false).unwrap_err();
    assert!(matches!(error, ArchiveError::Access { .. }), "{}", shown(&error));
    assert!(files(&data.join("chunks")).is_empty());
}

#[test]
#[ignore = "needs s3s-fs: .ci/s3 runs it"]
fn an_export_that_was_cut_goes_on() {
    let (keep, data, _, bytes) = places();
    let server = Server::start(keep.path().join("s3"));
    let proxy = Proxy::before(server.address);
    let place = s3("s3://chunks-of-a-node/home", &proxy.url(), KEY_ID, KEY);
    // In the middle of a chunk.
    proxy.cut_after(bytes / 2);
    let error = sent(&data, &place).unwrap_err();
    assert!(matches!(error, ArchiveError::Remote { .. }) && proxy.is_cut(), "{}", shown(&error));
    assert!(error.to_string().contains("run it again"), "{error}");
    eprintln!("{error}");
    proxy.heal();
    proxy.puts();
    let there = files(&server.objects().join("chunks")).len() as u64;
    assert!((1..8).contains(&there), "{there} chunks arrived before the cut");
    let report = sent(&data, &place).unwrap();
    assert_eq!((report.chunks, report.chunks_there, report.losses_count), (8 - there, there, 0));
    let marks = files(&server.objects().join("whole")).len() as u64;
    assert!(proxy.puts() <= 8 - there + marks, "what was there was sent again");
    let read = read_back(&data, &place).unwrap();
    assert_eq!((read.chunks, read.bytes, read.losses_count), (8, bytes, 0));
    assert_eq!((sent(&data, &place).unwrap().chunks, proxy.puts()), (0, 0));
}

#[test]
#[ignore = "needs s3s-fs: .ci/s3 runs it"]
fn an_import_that_was_cut_goes_on() {
    let (keep, data, _, bytes) = places();
    let server = Server::start(keep.path().join("s3"));
    let proxy = Proxy::before(server.address);
    let place = s3("s3://chunks-of-a-node/home", &proxy.url(), KEY_ID, KEY);
    sent(&data, &place).unwrap();
    let chunks = data.join("chunks");
    fs::remove_dir_all(&chunks).unwrap();
    fs::create_dir(&chunks).unwrap();
    proxy.cut_after(bytes / 2);
    let error = fetched(&data, &place, false).unwrap_err();
    assert!(matches!(error, ArchiveError::Remote { .. }) && proxy.is_cut(), "{}", shown(&error));
    let there = files(&chunks).len() as u64;
    assert!((1..8).contains(&there), "{there}");
    proxy.heal();
    let report = fetched(&data, &place, true).unwrap();
    assert_eq!((report.chunks, report.chunks_there), (8 - there, there), "what is named is whole");
    let (store, recovery) = open(&data);
    assert!(recovery.is_clean(), "{recovery:?}");
    assert!((1..=3).all(|seed| verifies(&store, seed)));
}

#[test]
#[ignore = "needs s3s-fs: .ci/s3 runs it"]
fn a_passing_cut_is_gone_through() {
    let (keep, data, _, bytes) = places();
    let server = Server::start(keep.path().join("s3"));
    let proxy = Proxy::before(server.address);
    let place = s3("s3://chunks-of-a-node/home", &proxy.url(), KEY_ID, KEY);
    proxy.cut_after(bytes / 3);
    let report = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !proxy.is_cut() {
                sleep(Duration::from_millis(1));
            }
            proxy.heal();
        });
        sent(&data, &place)
    });
    assert_eq!(report.unwrap().sessions_whole, 4);
    assert_eq!(read_back(&data, &place).unwrap().bytes, bytes);
}

#[test]
#[ignore = "needs s3s-fs: .ci/s3 runs it"]
fn what_was_altered_or_cut_short_there_is_refused() {
    let (keep, data, _, _) = places();
    let server = Server::start(keep.path().join("s3"));
    let place =
        s3("s3://chunks-of-a-node/home", &format!("http://{}", server.address), KEY_ID, KEY);
    sent(&data, &place).unwrap();
    let chunks = data.join("chunks");
    fs::remove_dir_all(&chunks).unwrap();
    fs::create_dir(&chunks).unwrap();
    let path = object(&server.objects(), 2, 1);
    let whole = fs::read(&path).unwrap();
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    for content in [altered.as_slice(), &whole[..whole.len() - 1], b""] {
        fs::write(&path, content).unwrap();
        let report = fetched(&data, &place, false).unwrap();
        assert_eq!((report.losses_count, report.losses[0].index), (1, Some(ChunkIndex(1))));
        assert!(!chunk_file(&data, 2, 1).exists());
    }
}
