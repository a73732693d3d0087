//! A folder as a stream: a tar archive (POSIX ustar with GNU long names), its entries in the order of
//! their names, so that one folder always gives one stream.

use std::{
    fs::{self, File, Metadata},
    io::{self, PipeReader, PipeWriter, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    thread::JoinHandle,
};

use lucid_pipeline::source::{Filled, ReadSource, Source};
use rustix::pipe::fcntl_setpipe_size;
use tar::{Builder, EntryType, Header};

/// Bytes that fit into the pipe between the archiver and the pipeline.
const PIPE_BYTES: usize = 1 << 20;

/// What was left out: sockets, devices and pipes, of which an archive would hold nothing, and the
/// node's own data folder.
pub type Skipped = Vec<PathBuf>;

/// A file system's device and a file's number on it.
type Inode = (u64, u64);

/// A folder, archived by a thread of its own.
pub struct TarSource {
    reader: Option<ReadSource<PipeReader>>,
    archiver: Option<JoinHandle<io::Result<Skipped>>>,
    skipped: Skipped,
}

impl TarSource {
    /// Begins to archive the folder `path` under its own name, without the folder `own` in it: the
    /// node's data folder, which has its keys.
    ///
    /// # Errors
    /// Where the folder cannot be found, or no pipe or thread can be had.
    pub fn spawn(path: &Path, own: Option<&Path>) -> io::Result<Self> {
        let name = fs::canonicalize(path)?;
        let name = PathBuf::from(name.file_name().unwrap_or("root".as_ref()));
        let (reader, writer) = io::pipe()?;
        // A larger pipe saves switching between the two threads; without it, it works too.
        let _ = fcntl_setpipe_size(&writer, PIPE_BYTES);
        let own = own.and_then(|own| fs::metadata(own).ok()).map(|own| (own.dev(), own.ino()));
        let path = path.to_owned();
        let thread = std::thread::Builder::new().name("tar".into());
        let archiver = thread.spawn(move || archive(&path, &name, own, writer))?;
        let (reader, archiver) = (Some(ReadSource(reader)), Some(archiver));
        Ok(Self { reader, archiver, skipped: Skipped::new() })
    }

    /// What was left out; complete once the source has ended.
    #[must_use]
    pub fn skipped(&self) -> &[PathBuf] {
        &self.skipped
    }

    /// The pipe's end is the archive's end only where the archiver says so.
    fn join(&mut self) -> io::Result<()> {
        if let Some(archiver) = self.archiver.take() {
            let archived = archiver.join();
            self.skipped = archived.map_err(|_| io::Error::other("the archiver panicked"))??;
        }
        Ok(())
    }
}

impl Source for TarSource {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled> {
        let Some(reader) = &mut self.reader else { return Ok(Filled::End(0)) };
        let filled = reader.fill(buffer)?;
        if let Filled::End(_) = filled {
            self.reader = None;
            self.join()?;
        }
        Ok(filled)
    }
}

fn archive(
    path: &Path,
    name: &Path,
    own: Option<Inode>,
    writer: PipeWriter,
) -> io::Result<Skipped> {
    let mut builder = Builder::new(io::BufWriter::with_capacity(256 << 10, writer));
    let mut skipped = Skipped::new();
    append(&mut builder, path, name, own, &mut skipped)?;
    builder.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(skipped)
}

fn append<W: io::Write>(
    builder: &mut Builder<W>,
    path: &Path,
    name: &Path,
    own: Option<Inode>,
    skipped: &mut Skipped,
) -> io::Result<()> {
    let metadata = at(path, fs::symlink_metadata(path))?;
    if own == Some((metadata.dev(), metadata.ino())) {
        skipped.push(path.to_owned());
        return Ok(());
    }
    let kind = metadata.file_type();
    let mut header = Header::new_gnu();
    header.set_metadata(&metadata);
    if kind.is_dir() {
        header.set_size(0);
        at(path, builder.append_data(&mut header, name.join(""), io::empty()))?;
        let mut children = at(path, fs::read_dir(path)?.collect::<io::Result<Vec<_>>>())?;
        children.sort_by_key(fs::DirEntry::file_name);
        for child in children {
            append(builder, &child.path(), &name.join(child.file_name()), own, skipped)?;
        }
    } else if kind.is_symlink() {
        let target = at(path, fs::read_link(path))?;
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        at(path, builder.append_link(&mut header, name, target))?;
    } else if kind.is_file() {
        let file = at(path, File::open(path))?;
        at(path, builder.append_data(&mut header, name, Exactly::new(file, &metadata)))?;
    } else {
        skipped.push(path.to_owned());
    }
    Ok(())
}

/// A file that must give as many bytes as its archive header says: fewer would shift every entry
/// after it, more are those of a file that is still growing and not part of what was found.
struct Exactly {
    file: File,
    rest: u64,
}

impl Exactly {
    fn new(file: File, metadata: &Metadata) -> Self {
        Self { file, rest: metadata.len() }
    }
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        let count = self.file.read(&mut buffer[..wanted])?;
        if count == 0 && wanted > 0 {
            return Err(io::Error::other("it became shorter while it was read"));
        }
        self.rest -= count as u64;
        Ok(count)
    }
}

fn at<T>(path: &Path, done: io::Result<T>) -> io::Result<T> {
    done.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeMap, os::unix::fs::symlink};

    fn read_all(path: &Path) -> (Vec<u8>, Skipped) {
        let own = path.join("own");
        let mut source = TarSource::spawn(path, Some(&own)).unwrap();
        let (mut all, mut buffer) = (Vec::new(), vec![0; 10_000]);
        loop {
            match source.fill(&mut buffer).unwrap() {
                Filled::Full => all.extend_from_slice(&buffer),
                Filled::Paused(_) => panic!("a folder never pauses"),
                Filled::End(count) => {
                    all.extend_from_slice(&buffer[..count]);
                    return (all, source.skipped().to_vec());
                }
            }
        }
    }

    #[test]
    fn a_folder_is_one_stream_with_everything_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("things");
        let long = "n".repeat(200);
        fs::create_dir_all(root.join("b/empty")).unwrap();
        fs::write(root.join("b/z"), vec![7; 30_000]).unwrap();
        fs::write(root.join("a"), b"first").unwrap();
        fs::create_dir(root.join("own")).unwrap();
        fs::write(root.join("own/master.key"), b"secret").unwrap();
        fs::write(root.join(&long), b"").unwrap();
        symlink("a", root.join("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        let (first, skipped) = read_all(&root);
        assert_eq!(skipped, [root.join("own"), root.join("socket")]);
        assert_eq!(first, read_all(&root).0, "the same stream every time");
        let mut archive = tar::Archive::new(&first[..]);
        let mut found = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            found.insert(name, (entry.header().entry_type(), content));
        }
        let names: Vec<_> = found.keys().cloned().collect();
        let long = format!("things/{long}");
        let expected = [
            "things/",
            "things/a",
            "things/b/",
            "things/b/empty/",
            "things/b/z",
            "things/link",
            &long,
        ];
        assert_eq!(names, expected);
        assert_eq!(found["things/b/z"].1, vec![7; 30_000]);
        assert_eq!(found["things/link"].0, EntryType::Symlink);
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_an_error_that_names_it() {
        let missing = Path::new("/nonexistent/folder");
        assert!(TarSource::spawn(missing, None).is_err());
        let file = File::open("/dev/null").unwrap();
        let mut short = Exactly { file, rest: 5 };
        assert!(short.read(&mut [0; 8]).unwrap_err().to_string().contains("shorter"));
    }
}
