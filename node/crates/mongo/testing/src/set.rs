//! A replica set of servers of its own.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use mongodb::{
    Client,
    bson::{Bson, Document, doc},
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::{Server, TestingError, mongod};

/// How long a set may take to have a primary.
const ELECTION: Duration = Duration::from_mins(1);

/// How a set is to be.
#[derive(Clone, Debug, Default)]
pub struct SetOptions {
    /// Asks for user and password.
    pub with_password: bool,
    /// Takes `configureFailPoint`.
    pub with_failpoints: bool,
    /// Where its data are; a temporary folder where it is not said.
    pub folder: Option<std::path::PathBuf>,
    /// Memory for its cache in GiB, as mongod's option takes it; 0.25 where it is not said.
    pub cache_gib: Option<&'static str>,
    /// More of mongod's own arguments.
    pub arguments: Vec<String>,
}

/// Servers that are one replica set, `rs0`.
pub struct ReplicaSet {
    /// The servers.
    pub servers: Vec<Server>,
    _folder: Option<TempDir>,
}

/// A database for a test.
pub struct Given {
    /// The address of its server or servers.
    pub url: String,
    /// The set, where it was started for this.
    pub set: Option<ReplicaSet>,
}

/// The server that `LUCID_TEST_MONGO_URL` names, or a set of one that is started.
///
/// # Errors
/// [`TestingError`].
pub async fn given() -> Result<Given, TestingError> {
    if let Ok(url) = std::env::var("LUCID_TEST_MONGO_URL") {
        return Ok(Given { url, set: None });
    }
    let set = ReplicaSet::start(1, &SetOptions::default()).await?;
    Ok(Given { url: set.url(), set: Some(set) })
}

impl ReplicaSet {
    /// Starts a set of `count` and waits for its primary.
    ///
    /// # Errors
    /// [`TestingError`].
    pub async fn start(count: usize, options: &SetOptions) -> Result<Self, TestingError> {
        let program = mongod()?;
        let folder = TempDir::new().map_err(|e| TestingError::of("a folder for data", e))?;
        let root = options.folder.as_deref().unwrap_or(folder.path());
        let mut arguments = vec!["--replSet".to_owned(), "rs0".to_owned()];
        if options.with_password {
            let key = key_file(folder.path())?;
            arguments.extend(["--auth".to_owned(), "--keyFile".to_owned(), key]);
        }
        if options.with_failpoints {
            arguments.extend(["--setParameter".to_owned(), "enableTestCommands=1".to_owned()]);
        }
        let cache = options.cache_gib.unwrap_or("0.25");
        arguments.extend(["--wiredTigerCacheSizeGB".to_owned(), cache.to_owned()]);
        arguments.extend(options.arguments.iter().cloned());
        let server = |number: usize| {
            let data = root.join(format!("data-{number}"));
            // Not beside the data: a log that a full disk cuts off would not say why.
            let log = folder.path().join(format!("log-{number}"));
            Server::new(&program, &data, log, arguments.clone())
        };
        let mut servers: Vec<Server> = (0..count).map(server).collect();
        servers.iter_mut().try_for_each(Server::start)?;
        let set = Self { servers, _folder: Some(folder) };
        set.initiate().await?;
        set.primary().await?;
        Ok(set)
    }

    async fn initiate(&self) -> Result<(), TestingError> {
        let member = |(id, server): (usize, &Server)| {
            let id = i32::try_from(id).unwrap_or(i32::MAX);
            doc! { "_id": id, "host": server.address() }
        };
        let members: Vec<Document> = self.servers.iter().enumerate().map(member).collect();
        // Elections are quick, so that tests are.
        let settings = doc! { "electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500 };
        let config = doc! { "_id": "rs0", "members": members, "settings": settings };
        let first = self.servers.first().ok_or_else(|| TestingError("a set of none".into()))?;
        let until = Instant::now() + ELECTION;
        loop {
            let asked = command(first, doc! { "replSetInitiate": config.clone() }).await;
            match asked {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > until => {
                    let tail = first.log_tail();
                    return Err(TestingError(format!("{error}; mongod's log ends: {tail}")));
                }
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// The address of all servers.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_as("")
    }

    /// The address with user and password, such as `name:password@`.
    #[must_use]
    pub fn url_as(&self, user: &str) -> String {
        let hosts: Vec<String> = self.servers.iter().map(Server::address).collect();
        format!("mongodb://{user}{}/?replicaSet=rs0", hosts.join(","))
    }

    /// The place of the primary, which is waited for.
    ///
    /// # Errors
    /// [`TestingError`] where there is none within a minute.
    pub async fn primary(&self) -> Result<usize, TestingError> {
        let until = Instant::now() + ELECTION;
        loop {
            for (place, server) in self.servers.iter().enumerate() {
                if server.pid().is_none() {
                    continue;
                }
                let hello = command(server, doc! { "hello": 1 }).await;
                if hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false)) {
                    return Ok(place);
                }
            }
            if Instant::now() > until {
                return Err(TestingError("the replica set has no primary".into()));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Makes the primary step down.
    ///
    /// # Errors
    /// [`TestingError`].
    pub async fn step_down(&self) -> Result<(), TestingError> {
        let primary = self.primary().await?;
        let server = self.servers.get(primary).ok_or_else(|| TestingError("no primary".into()))?;
        let down = doc! { "replSetStepDown": 10, "secondaryCatchUpPeriodSecs": 5, "force": true };
        command(server, down).await.map(drop)
    }

    /// Drops a database, which need not be there.
    ///
    /// # Errors
    /// [`TestingError`].
    pub async fn drop_database(&self, name: &str) -> Result<(), TestingError> {
        let primary = self.primary().await?;
        let server = self.servers.get(primary).ok_or_else(|| TestingError("no primary".into()))?;
        command_on(name, server, doc! { "dropDatabase": 1 }).await.map(drop)
    }

    /// Makes a user, as the first one, which the server takes from loopback without a password.
    ///
    /// # Errors
    /// [`TestingError`].
    pub async fn make_admin(&self, name: &str, password: &str) -> Result<(), TestingError> {
        let primary = self.primary().await?;
        let server = self.servers.get(primary).ok_or_else(|| TestingError("no primary".into()))?;
        let user = doc! { "createUser": name, "pwd": password, "roles": ["root"] };
        command(server, user).await.map(drop)
    }
}

/// Runs a command on `admin` of one server.
async fn command(server: &Server, command: Document) -> Result<Document, TestingError> {
    command_on("admin", server, command).await
}

async fn command_on(
    database: &str,
    server: &Server,
    command: Document,
) -> Result<Document, TestingError> {
    let url = format!(
        "mongodb://{}/?directConnection=true&serverSelectionTimeoutMS=2000",
        server.address()
    );
    let name = command.keys().next().cloned().unwrap_or_default();
    let client = Client::with_uri_str(url).await.map_err(|e| TestingError::of(&name, e))?;
    let answered = client.database(database).run_command(command).await;
    client.shutdown().immediate(true).await;
    let answer = answered.map_err(|e| TestingError::of(&name, e))?;
    match answer.get("ok") {
        Some(Bson::Double(ok)) if *ok >= 1.0 => Ok(answer),
        _ => Err(TestingError::of(&name, answer)),
    }
}

/// The file by which members of a set with passwords know each other.
fn key_file(folder: &Path) -> Result<String, TestingError> {
    let path = folder.join("key");
    fs::write(&path, "bHVjaWQgdGVzdHMgb25seQ==")
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o600)))
        .map_err(|e| TestingError::of("the set's key file", e))?;
    Ok(path.display().to_string())
}
