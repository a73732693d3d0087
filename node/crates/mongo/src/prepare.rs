//! Making the database ready: collections with validators, indexes, and whether it is still the same database.

use mongodb::bson::{Document, RawDocumentBuf, doc};

use crate::{
    Collection, Cursor, Fault, FaultKind, lane::Shared, schema, status_lane, status_lane::Stored,
    write::Link,
};

/// Codes: the collection is there; an index is there with other options or another definition.
const EXISTS: i32 = 48;
const INDEX_OPTIONS: i32 = 85;
const INDEX_KEYS: i32 = 86;

/// Makes what is not there. What the user may not make is told and gone without.
pub(crate) async fn database(shared: &Shared) -> Result<(), Fault> {
    let link = &shared.link;
    let mut missing = Vec::new();
    for of in Collection::ALL {
        prepare_validator(link, of, &mut missing).await?;
        prepare_indexes(link, of, &mut missing).await?;
    }
    for what in &missing {
        tracing::warn!(what, "MongoDB");
    }
    shared.kept.not_set_up(missing);
    Ok(())
}

async fn prepare_validator(
    link: &Link,
    of: Collection,
    missing: &mut Vec<String>,
) -> Result<(), Fault> {
    let name = of.name();
    let wanted = schema::validator(of);
    let list = doc! { "listCollections": 1, "filter": { "name": name } };
    let reply = run(link, &list, &format!("looking for {name}")).await?;
    let there = first_of(&reply);
    let way_out = "grant the user dbAdmin on the database once, or set it by hand";
    let Some(there) = there else {
        let create = doc! { "create": name, "validator": wanted };
        let created = run(link, &create, &format!("making {name}")).await;
        return match created {
            Err(fault) if told(&fault, EXISTS) => Ok(()),
            Err(fault) if fault.kind == FaultKind::Unauthorised => {
                missing.push(format!("{name} has no validator ({}); {way_out}", fault.text));
                Ok(())
            }
            created => created.map(drop),
        };
    };
    let validator = there.get_document("options").and_then(|o| o.get_document("validator"));
    if validator.is_ok_and(|validator| *validator == wanted) {
        return Ok(());
    }
    let change = doc! {
        "collMod": name,
        "validator": wanted,
        "validationLevel": "strict",
        "validationAction": "error",
    };
    match run(link, &change, &format!("setting the validator of {name}")).await {
        Err(fault) if fault.kind == FaultKind::Unauthorised => {
            missing
                .push(format!("{name} has another validator or none ({}); {way_out}", fault.text));
            Ok(())
        }
        changed => changed.map(drop),
    }
}

async fn prepare_indexes(
    link: &Link,
    of: Collection,
    missing: &mut Vec<String>,
) -> Result<(), Fault> {
    let name = of.name();
    for keys in schema::indexes(of) {
        let named: Vec<String> = keys.iter().map(|(key, order)| format!("{key}_{order}")).collect();
        let index = named.join("_");
        let indexes = vec![doc! { "key": keys, "name": &index }];
        let create = doc! { "createIndexes": name, "indexes": indexes };
        match run(link, &create, &format!("making an index of {name}")).await {
            Err(fault)
                if fault.kind == FaultKind::Unauthorised
                    || told(&fault, INDEX_OPTIONS)
                    || told(&fault, INDEX_KEYS) =>
            {
                let way_out = "make it by hand, or grant the user createIndex";
                missing.push(format!("{name} lacks the index {index} ({}); {way_out}", fault.text));
            }
            made => drop(made?),
        }
    }
    Ok(())
}

/// The first document of a command's cursor.
fn first_of(reply: &Document) -> Option<&Document> {
    reply.get_document("cursor").ok()?.get_array("firstBatch").ok()?.first()?.as_document()
}

fn told(fault: &Fault, code: i32) -> bool {
    fault.text.contains(&format!("MongoDB says {code}:"))
}

async fn run(link: &Link, command: &Document, what: &str) -> Result<Document, Fault> {
    let raw = RawDocumentBuf::try_from(command)
        .map_err(|error| Fault::new(FaultKind::Damaged, error.to_string()))?;
    link.command(raw, what).await
}

/// What the database has, by what the cursors say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// Nothing was ever sent, or what was is there as far as the node's own document tells.
    Sound,
    /// It has less: it is an empty one, another one, or one brought back from a copy. Then everything is to be sent
    /// again, where it is not being judged; what is there already is found so.
    Behind,
    /// It has a document of this node's, and the cursors know of nothing that was sent: they are lost, and what was
    /// sent and what was not cannot be told apart.
    Forgotten,
}

/// How the database stands.
pub(crate) async fn standing(shared: &Shared) -> Result<Standing, Fault> {
    let known = shared.cursors.get(Collection::NodeStatus).await?;
    if known == status_lane::LOST {
        return Ok(Standing::Behind);
    }
    let stored = status_lane::stored(shared).await?;
    if known == Cursor::default() {
        return Ok(match stored {
            Stored::Nothing => Standing::Sound,
            Stored::Signed(_) | Stored::Unsound => Standing::Forgotten,
        });
    }
    let has = match stored {
        Stored::Signed(checkpoint) => checkpoint.size,
        Stored::Nothing | Stored::Unsound => 0,
    };
    if has >= known.entry {
        return Ok(Standing::Sound);
    }
    let had = known.entry;
    tracing::warn!(had, has, "MongoDB has less than it had");
    Ok(Standing::Behind)
}
