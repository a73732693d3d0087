//! Indexes and validators of each collection.

use mongodb::bson::{Document, doc};

use crate::Collection;

/// The collection's indexes beside `_id`. Few: each costs every insert.
pub(crate) fn indexes(of: Collection) -> Vec<Document> {
    match of {
        Collection::Entries => {
            vec![doc! { "kind": 1, "at": 1 }, doc! { "session_id": 1, "log_index": 1 }]
        }
        Collection::Blocks => vec![doc! { "hash": 1 }, doc! { "node_id": 1, "number": 1 }],
        Collection::Sessions => vec![
            doc! { "session_id": 1 },
            doc! { "owner": 1, "state": 1, "opened.at": -1 },
            doc! { "sealed.merkle_root": 1 },
            // What an anchor covers is found by this one.
            doc! { "node_id": 1, "anchored.log_index": 1, "sealed.log_index": 1 },
        ],
        // The first is the shard key.
        Collection::Chunks => vec![doc! { "session_id": 1, "idx": 1 }, doc! { "chunk_root": 1 }],
        Collection::Anchors => vec![doc! { "tx_id": 1 }, doc! { "node_id": 1, "log_size": 1 }],
        Collection::Users => vec![doc! { "user": 1 }],
        Collection::NodeStatus => vec![],
    }
}

/// What a document of the collection must have. Patterns are left out: they cost every insert.
pub(crate) fn validator(of: Collection) -> Document {
    let node = doc! { "bsonType": "string", "minLength": 16_i64, "maxLength": 16_i64 };
    let mut required = vec!["_id", "node_id"];
    let mut properties = doc! { "_id": { "bsonType": "string" }, "node_id": node };
    for (name, shape, is_required) in fields(of) {
        if is_required {
            required.push(name);
        }
        properties.insert(name, shape);
    }
    doc! { "$jsonSchema": { "bsonType": "object", "required": required, "properties": properties } }
}

/// The collection's fields beside `_id` and `node_id`: name, shape, and whether it must be there.
fn fields(of: Collection) -> Vec<(&'static str, Document, bool)> {
    let (text, long, date, hash, flag) = (
        doc! { "bsonType": "string" },
        doc! { "bsonType": "long", "minimum": 0_i64 },
        doc! { "bsonType": "date" },
        doc! { "bsonType": "string", "minLength": 64_i64, "maxLength": 64_i64 },
        doc! { "bsonType": "bool" },
    );
    let step = doc! { "bsonType": "object", "required": ["log_index", "at"] };
    let fields: Vec<(&'static str, &Document, bool)> = match of {
        Collection::Entries => vec![
            ("log_index", &long, true),
            ("kind", &text, true),
            ("at", &date, true),
            ("session_id", &text, false),
            ("entry", &text, true),
        ],
        Collection::Blocks => vec![
            ("number", &long, true),
            ("hash", &hash, true),
            ("parent", &hash, true),
            ("time", &date, true),
            ("log_index", &long, true),
            ("log_root", &hash, true),
            ("state_root", &hash, true),
        ],
        Collection::Sessions => vec![
            ("session_id", &text, true),
            ("state", &text, true),
            ("log_index", &long, true),
            ("opened", &step, false),
            ("sealed", &step, false),
            ("anchored", &step, false),
            ("voided", &step, false),
            ("erased", &step, false),
        ],
        Collection::Chunks => vec![
            ("session_id", &text, true),
            ("idx", &long, true),
            ("chunk_root", &hash, true),
            ("codec", &long, true),
            ("payload_bytes", &long, true),
            ("plain_bytes", &long, true),
            ("log_index", &long, true),
        ],
        Collection::Anchors => vec![
            ("log_index", &long, true),
            ("log_size", &long, true),
            ("log_root", &hash, true),
            ("network", &text, true),
            ("tx_id", &text, true),
        ],
        Collection::Users => vec![
            ("user", &text, true),
            ("role", &text, true),
            ("revoked", &flag, true),
            ("log_index", &long, true),
        ],
        Collection::NodeStatus => vec![
            ("public_key", &text, true),
            ("log_origin", &text, true),
            ("log_size", &long, true),
            ("log_root", &hash, true),
            ("checkpoint", &text, true),
        ],
    };
    fields.into_iter().map(|(name, shape, must)| (name, shape.clone(), must)).collect()
}
