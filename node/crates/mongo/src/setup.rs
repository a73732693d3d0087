//! A new server made ready for the node: its replica set, its administrator, and the node's user.
//!
//! It is done once, from the server's own machine: as long as a server with access control has no user, it takes
//! its first one, and the making of its replica set, from loopback alone (MongoDB's localhost exception). What is
//! there already is left as it is, but for the node's user, who gets the password and the roles that it should
//! have, and the administrator's password where the former one is given with it: done again, it puts right what was
//! begun, or takes up a new password.

use std::time::Duration;

use mongodb::{
    Client, Database,
    bson::{Document, doc},
    options::{ClientOptions, Credential, ServerAddress},
};
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use crate::{Fault, FaultKind, Options, write};

/// The administrator's name.
pub const ADMINISTRATOR: &str = "root";
/// Codes: not allowed without a user; the set is made already; such a user is there.
const UNAUTHORISED: i32 = 13;
const ALREADY_INITIALISED: i32 = 23;
const USER_THERE: i32 = 51_003;
const ASK_EVERY: Duration = Duration::from_millis(200);

/// What is to be made.
pub struct Setup {
    /// The address and database as the node has them: names the set (`replicaSet`), its first member, and the
    /// node's user with its password.
    pub options: Options,
    /// Where the server is, seen from here: an address of loopback, such as `127.0.0.1:27017`.
    pub at: String,
    /// The administrator's password.
    pub root_password: Zeroizing<String>,
    /// What it was until now, where that one is new.
    pub former_root_password: Option<Zeroizing<String>>,
    /// How long the server, and then its election, are waited for.
    pub patience: Duration,
}

/// What had to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each says whether one thing was done")]
pub struct SetupReport {
    /// The replica set was made.
    pub replica_set: bool,
    /// The administrator was made.
    pub administrator: bool,
    /// The administrator had the former password, and has the new one.
    pub root_password: bool,
    /// The node's user was made; else it got its password and roles again.
    pub user: bool,
}

impl Setup {
    /// Does it. Cancelling it leaves what is done; doing it again goes on from there.
    ///
    /// # Errors
    /// [`Fault`]: an address without a set, a user or a password; a server that does not answer in time, that has
    /// another administrator's password, or that refuses something.
    pub async fn run(&self) -> Result<SetupReport, Fault> {
        let wanted = ClientOptions::parse(self.options.url.text());
        let wanted = wanted.await.map_err(|error| self.fault(&error, "the address of MongoDB"))?;
        let (set, member, user) = named(&wanted)?;
        let open = self.connect(None)?;
        let made = self.as_nobody(&open, &set, &member).await;
        write::end(open).await;
        let (replica_set, administrator) = made?;
        let root_password = match &self.former_root_password {
            Some(former) => self.change_root_password(former).await?,
            None => false,
        };
        let admin = self.as_administrator(&self.root_password)?;
        let user = self.make_user(&admin, user).await;
        write::end(admin).await;
        Ok(SetupReport { replica_set, administrator, root_password, user: user? })
    }

    /// What a server that has no user yet lets anybody do: whether the set and the administrator had to be made.
    async fn as_nobody(
        &self,
        open: &Client,
        set: &str,
        member: &str,
    ) -> Result<(bool, bool), Fault> {
        let replica_set = self.initiate(open, set, member).await?;
        self.wait_for_primary(open).await?;
        Ok((replica_set, self.make_administrator(open).await?))
    }

    fn as_administrator(&self, password: &str) -> Result<Client, Fault> {
        let credential = Credential::builder()
            .username(ADMINISTRATOR.to_owned())
            .password(password.to_owned())
            .source("admin".to_owned())
            .build();
        self.connect(Some(credential))
    }

    /// The server, past the replica set that it may not have yet, as nobody or as the administrator.
    fn connect(&self, credential: Option<Credential>) -> Result<Client, Fault> {
        let refused = |error| self.fault(&error, "where MongoDB is to be set up");
        let at = ServerAddress::parse(&self.at).map_err(refused)?;
        let mut options = ClientOptions::builder().hosts(vec![at]).build();
        options.direct_connection = Some(true);
        options.app_name = Some("lucid-node".to_owned());
        options.server_selection_timeout = Some(self.options.select);
        options.connect_timeout = Some(self.options.select);
        options.credential = credential;
        Client::with_options(options).map_err(refused)
    }

    /// Makes the set, unless there is one.
    async fn initiate(&self, client: &Client, set: &str, member: &str) -> Result<bool, Fault> {
        let admin = client.database("admin");
        let until = Instant::now() + self.patience;
        let said = loop {
            match self.command(&admin, doc! { "hello": 1 }, "asking MongoDB who it is").await {
                Ok(said) => break said,
                Err((_, fault)) if Instant::now() > until => return Err(fault),
                Err(_) => sleep(ASK_EVERY).await,
            }
        };
        if let Ok(there) = said.get_str("setName") {
            let other = || format!("MongoDB's replica set is {there}, not {set}");
            return if there == set { Ok(false) } else { Err(address(other())) };
        }
        let config = doc! { "_id": set, "members": [{ "_id": 0, "host": member }] };
        let initiate = doc! { "replSetInitiate": config };
        match self.command(&admin, initiate, "making the replica set").await {
            Ok(_) => Ok(true),
            Err((Some(ALREADY_INITIALISED), _)) => Ok(false),
            Err((_, fault)) => Err(fault),
        }
    }

    async fn wait_for_primary(&self, client: &Client) -> Result<(), Fault> {
        let admin = client.database("admin");
        let until = Instant::now() + self.patience;
        loop {
            let said = self.command(&admin, doc! { "hello": 1 }, "waiting for a primary").await;
            match said {
                Ok(said) if said.get_bool("isWritablePrimary").unwrap_or(false) => return Ok(()),
                Ok(_) if Instant::now() > until => {
                    let text = "the server here did not become primary: set MongoDB up where the primary is";
                    return Err(Fault::new(FaultKind::Interrupted, text));
                }
                Err((_, fault)) if Instant::now() > until => return Err(fault),
                _ => sleep(ASK_EVERY).await,
            }
        }
    }

    /// Makes the administrator where the server has no user at all.
    async fn make_administrator(&self, client: &Client) -> Result<bool, Fault> {
        let create = doc! {
            "createUser": ADMINISTRATOR,
            "pwd": self.root_password.as_str(),
            "roles": ["root"],
        };
        let admin = client.database("admin");
        match self.command(&admin, create, "making MongoDB's administrator").await {
            Ok(_) => Ok(true),
            // There are users: the one we are about to be is asked for its password next.
            Err((Some(UNAUTHORISED | USER_THERE), _)) => Ok(false),
            Err((_, fault)) => Err(fault),
        }
    }

    /// Gives the administrator the new password by the `former` one. Where that one is refused the change was made
    /// before, or neither is right: the new one is tried next, and its refusal told.
    async fn change_root_password(&self, former: &str) -> Result<bool, Fault> {
        let client = self.as_administrator(former)?;
        let update = doc! { "updateUser": ADMINISTRATOR, "pwd": self.root_password.as_str() };
        let what = "changing the password of MongoDB's administrator";
        let changed = self.command(&client.database("admin"), update, what).await;
        write::end(client).await;
        match changed {
            Ok(_) => Ok(true),
            Err((_, fault)) if fault.kind == FaultKind::Password => Ok(false),
            Err((_, fault)) => Err(fault),
        }
    }

    /// Makes the node's user, or gives it the password and roles that it should have.
    async fn make_user(&self, client: &Client, user: User) -> Result<bool, Fault> {
        let User { name, password, source } = user;
        let (of, database) = (client.database(&source), self.options.database.as_str());
        let roles = || {
            let role = |role: &str| doc! { "role": role, "db": database };
            vec![role("readWrite"), role("dbAdmin")]
        };
        let create = doc! { "createUser": &name, "pwd": password.as_str(), "roles": roles() };
        match self.command(&of, create, "making the node's user in MongoDB").await {
            Ok(_) => Ok(true),
            Err((Some(USER_THERE), _)) => {
                let update =
                    doc! { "updateUser": &name, "pwd": password.as_str(), "roles": roles() };
                let updated =
                    self.command(&of, update, "changing the node's user in MongoDB").await;
                updated.map(|_| false).map_err(|(_, fault)| fault)
            }
            Err((_, fault)) => Err(fault),
        }
    }

    /// Runs a command; what went wrong, with the server's code where it gave one.
    async fn command(
        &self,
        database: &Database,
        command: Document,
        what: &str,
    ) -> Result<Document, (Option<i32>, Fault)> {
        let run = database.run_command(command);
        match tokio::time::timeout(self.options.command, async { run.await }).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => {
                let code = match &*error.kind {
                    mongodb::error::ErrorKind::Command(error) => Some(error.code),
                    _ => None,
                };
                Err((code, self.fault(&error, what)))
            }
            Err(_) => {
                let text = format!("{what}: no answer within {} s", self.options.command.as_secs());
                Err((None, Fault::new(FaultKind::Interrupted, text)))
            }
        }
    }

    /// What the driver says, without passwords.
    fn fault(&self, error: &mongodb::error::Error, what: &str) -> Fault {
        let passwords = [Some(&self.root_password), self.former_root_password.as_ref()];
        let passwords = passwords.into_iter().flatten().filter(|password| !password.is_empty());
        Fault::of_driver(error, what).scrubbed(|text| {
            let text = self.options.url.scrubbed(text);
            passwords.clone().fold(text, |text, password| text.replace(password.as_str(), "***"))
        })
    }
}

/// The node's user, as its address names it.
struct User {
    name: String,
    password: Zeroizing<String>,
    source: String,
}

fn address(text: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Address, text)
}

/// What the node's address says of the set, its first member, and the user.
fn named(options: &ClientOptions) -> Result<(String, String, User), Fault> {
    let set = options.repl_set_name.clone();
    let set = set.ok_or_else(|| address("MONGO_URL names no replica set: add ?replicaSet=rs0"))?;
    let member = options.hosts.first().map(ToString::to_string);
    let member = member.ok_or_else(|| address("MONGO_URL names no host"))?;
    let credential = options.credential.as_ref();
    let part =
        |part: fn(&Credential) -> &Option<String>| credential.and_then(|of| part(of).clone());
    let (name, password) = (part(|of| &of.username), part(|of| &of.password));
    let (Some(name), Some(password)) = (name, password.map(Zeroizing::new)) else {
        return Err(address("MONGO_URL names no user with a password: mongodb://USER:PASSWORD@…"));
    };
    let source = part(|of| &of.source).unwrap_or_else(|| "admin".to_owned());
    Ok((set, member, User { name, password, source }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_address_says_what_is_to_be_made() {
        let of = async |url: &str| named(&ClientOptions::parse(url).await.unwrap());
        let full = "mongodb://lucid:p%40ss@mongodb:27017/?replicaSet=rs0&authSource=admin";
        let (set, member, user) = of(full).await.ok().unwrap();
        assert_eq!((set.as_str(), member.as_str()), ("rs0", "mongodb:27017"));
        assert_eq!((user.name.as_str(), user.password.as_str()), ("lucid", "p@ss"));
        assert_eq!(user.source, "admin");
        for (url, lacks) in [
            ("mongodb://lucid:p@mongodb:27017/", "no replica set"),
            ("mongodb://mongodb:27017/?replicaSet=rs0", "no user"),
        ] {
            let fault = of(url).await.err().unwrap();
            assert!(fault.text.contains(lacks), "{url}: {}", fault.text);
        }
    }
}
