//! What a TRON node says of an anchor that was proved without one.

use lucid_core::{
    Hash,
    tron::{
        BlockId, BlockNumber, TransactionId,
        anchor::{AnchorClaims, AnchorPins, Genesis},
    },
};
use lucid_tron::{
    Client,
    online::{self, OnlineFinding},
};

use super::{slow, world::World};

/// The init code of `LucidAnchors`.
fn anchors_code() -> Vec<u8> {
    let artefact = include_str!("../../../../contracts/artefacts/LucidAnchors.json");
    let artefact: serde_json::Value = serde_json::from_str(artefact).unwrap();
    let code = artefact["bytecode"].as_str().unwrap();
    hex::decode(code.trim_start_matches("0x")).unwrap()
}

async fn finding(client: &Client, claims: &AnchorClaims, code: &[u8]) -> OnlineFinding {
    online::check(client, claims, code).await.unwrap_err()
}

#[tokio::test]
async fn what_is_so_is_borne_out_and_nothing_else() {
    for with_contract in [true, false] {
        let world = World::new(with_contract, slow());
        world.disk.session_ends();
        world.anchored(&world.node(), 1).await;
        let claims = {
            let records = world.disk.records.lock().unwrap();
            let proof = records[0].proof();
            proof.verify(records[0].checkpoint(), &AnchorPins::of(proof)).unwrap()
        };
        let (client, code) = (world.client(), anchors_code());
        online::check(&client, &claims, &code).await.unwrap();

        let other = AnchorClaims { genesis: Genesis::NILE, ..claims.clone() };
        let found = finding(&client, &other, &code).await;
        assert!(matches!(found, OnlineFinding::OtherNetwork { .. }), "{found}");

        let block = BlockId::new(claims.block_number, &Hash::of(b"another block"));
        let other = AnchorClaims { block, ..claims.clone() };
        let found = finding(&client, &other, &code).await;
        assert!(matches!(found, OnlineFinding::OtherBlock { .. }), "{found}");

        let block_number = BlockNumber(claims.block_number.0 + 1_000_000);
        let other = AnchorClaims { block_number, ..claims.clone() };
        let found = finding(&client, &other, &code).await;
        assert!(matches!(found, OnlineFinding::NotSolid { .. }), "{found}");

        let transaction = TransactionId(Hash::of(b"another transaction"));
        let other = AnchorClaims { transaction, ..claims.clone() };
        let found = finding(&client, &other, &code).await;
        assert!(matches!(found, OnlineFinding::NotDone(_)), "{found}");

        // A memo calls nothing whose code would matter.
        let found = online::check(&client, &claims, b"other code").await;
        match with_contract {
            true => assert!(matches!(found, Err(OnlineFinding::OtherContract(_))), "{found:?}"),
            false => found.unwrap(),
        }
    }
}
