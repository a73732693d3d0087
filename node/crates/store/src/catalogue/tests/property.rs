//! Random histories: every list, cursor, search and sum is the naive one's.

use lucid_core::{HashPrefix, Owner, SessionId, merkle};
use proptest::prelude::*;

use super::{
    super::{Catalogue, CatalogueFilter, Day, HashMatch},
    at, id,
    model::{Model, Step},
    open, owner, policy, read_chunks, take,
};
use crate::{
    db::{Order, State},
    error::StoreError,
    testing::folder_in_memory,
};

/// Clocks go back in these histories, and stand still; days pass.
fn when() -> impl Strategy<Value = u64> {
    prop_oneof![0..20_u64, 86_399_990..86_400_010_u64, Just(1 << 40)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_u8, when(), 1..3_u8).prop_map(|(of, when, level)| Step::Open { of, when, level }),
        4 => (0..8_usize, when(), 0..5_u32)
            .prop_map(|(which, when, chunks)| Step::Seal { which, when, chunks }),
        1 => (0..8_usize, when()).prop_map(|(which, when)| Step::Void { which, when }),
        2 => (0..8_usize, when()).prop_map(|(which, when)| Step::Erase { which, when }),
        1 => Just(Step::Other),
        2 => Just(Step::Read),
    ]
}

/// Everybody, each owner, and one who has no session.
fn owners() -> Vec<Option<Owner>> {
    std::iter::once(None).chain((0..4).map(|number| Some(owner(number)))).collect()
}

/// Pages of every size give the whole, in order.
fn check_list(catalogue: &Catalogue, model: &Model, filter: &CatalogueFilter) {
    let expected = model.list(filter);
    for limit in [1, 2, 7, 1000] {
        let mut found: Vec<SessionId> = Vec::new();
        loop {
            let page = catalogue.list(filter, found.last().copied(), limit).unwrap();
            assert!(page.len() <= limit);
            let full = page.len() == limit;
            for row in page {
                let one = &model.sessions[model.number_of(row.session.session) as usize];
                assert_eq!((row.session.state(), row.session.opened.0), (one.state, one.place));
                found.push(row.session.session);
            }
            if !full {
                break;
            }
        }
        assert_eq!(found, expected, "{filter:?} {limit}");
    }
    // A cursor that the filter does not take has its place all the same.
    for one in model.sessions.iter().step_by(3) {
        let after = id(one.number);
        let key = (one.opened_at, one.place);
        let beyond = |session: &&SessionId| {
            let other = &model.sessions[model.number_of(**session) as usize];
            let other = (other.opened_at, other.place);
            if filter.order == Order::NewestFirst { other < key } else { other > key }
        };
        let expected: Vec<_> = expected.iter().filter(beyond).take(3).copied().collect();
        let found = catalogue.list(filter, Some(after), 3).unwrap();
        let found: Vec<_> = found.iter().map(|row| row.session.session).collect();
        assert_eq!(found, expected, "{filter:?} after {after}");
    }
}

fn check_lists(catalogue: &Catalogue, model: &Model) {
    let states =
        [None, Some(State::Open), Some(State::Sealed), Some(State::Voided), Some(State::Erased)];
    let times = [None, Some(0), Some(7), Some(86_400_000), Some(u64::MAX)];
    for owner in owners() {
        for state in states {
            for order in [Order::OldestFirst, Order::NewestFirst] {
                for (from, until) in times.into_iter().zip(times.into_iter().cycle().skip(2)) {
                    let (from, until) = (from.map(at), until.map(at));
                    let owner = owner.clone();
                    check_list(
                        catalogue,
                        model,
                        &CatalogueFilter { owner, state, anchored: None, from, until, order },
                    );
                }
            }
        }
    }
    let unknown = id(u32::MAX);
    let refused = catalogue.list(&CatalogueFilter::default(), Some(unknown), 1);
    assert!(matches!(refused, Err(StoreError::UnknownSession(session)) if session == unknown));
}

fn sorted(mut found: Vec<HashMatch>) -> Vec<HashMatch> {
    found.sort_by_key(|found| (found.hash, found.kind, found.session, found.chunk, found.entry));
    found
}

fn check_searches(catalogue: &Catalogue, model: &Model) {
    let mut wanted: Vec<HashPrefix> =
        model.hashes().into_iter().map(|(_, found)| found.hash.into()).collect();
    wanted.push(lucid_core::Hash([0xff; 32]).into());
    wanted.push(lucid_core::Hash([0; 32]).into());
    let short = |of: &HashPrefix| -> HashPrefix { of.to_string()[..9].parse().unwrap() };
    wanted.extend(wanted.clone().iter().step_by(3).map(short));
    wanted.extend((1..3).map(|level| HashPrefix::from(policy(level).hash())));
    for prefix in wanted {
        for owner in owners() {
            let expected = sorted(model.search(&prefix, owner.as_ref()));
            for limit in [1, 3, 1000] {
                let mut found: Vec<HashMatch> = Vec::new();
                loop {
                    let after = found.last();
                    let page = catalogue.search(&prefix, owner.as_ref(), after, limit).unwrap();
                    let full = page.len() == limit;
                    found.extend(page);
                    if !full {
                        break;
                    }
                }
                assert!(found.is_sorted_by_key(|found| found.hash));
                assert_eq!(sorted(found), expected, "{prefix} {owner:?} {limit}");
            }
        }
    }
}

fn check(catalogue: &Catalogue, model: &Model) {
    let progress = catalogue.progress();
    assert_eq!(progress.head.size, model.log.len() as u64);
    let leaves: Vec<_> = model.log.iter().map(|entry| lucid_core::entry::leaf(entry)).collect();
    assert_eq!(progress.head.root, merkle::root(&leaves));
    check_lists(catalogue, model);
    check_searches(catalogue, model);
    for owner in owners() {
        assert_eq!(catalogue.totals(owner.as_ref()).unwrap(), model.totals(owner.as_ref()));
        let days = catalogue.sealed_by_day(owner.as_ref(), (Day(0), Day(u32::MAX))).unwrap();
        assert_eq!(days, model.sealed_by_day(owner.as_ref()));
        let later = catalogue.sealed_by_day(owner.as_ref(), (Day(1), Day(1))).unwrap();
        let expected: Vec<_> = days.into_iter().filter(|(day, _)| *day == Day(1)).collect();
        assert_eq!(later, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_history_is_found_as_it_was(
        steps in prop::collection::vec(step(), 0..120),
        page in 1..40_usize,
        chunk_page in 1..4_u32,
        reopen in any::<bool>(),
    ) {
        let place = folder_in_memory();
        let folder = place.path().join("sessions-data");
        let (mut catalogue, _) = open(&folder);
        let (mut model, mut taken) = (Model::default(), 0);
        for step in steps {
            model.step(step);
            if matches!(step, Step::Read) {
                take(&catalogue, &model.log[taken..], page);
                taken = model.log.len();
                read_chunks(&catalogue, |session| model.number_of(session), chunk_page);
                prop_assert_eq!(catalogue.progress().unread, 0);
                if reopen {
                    catalogue.flush().unwrap();
                    drop(catalogue);
                    let (again, anew) = open(&folder);
                    prop_assert!(anew.is_none());
                    catalogue = again;
                }
            }
        }
        take(&catalogue, &model.log[taken..], page);
        check(&catalogue, &model);
    }
}

/// More sessions than a block, a page of sled's and a node above it take.
#[test]
fn many_sessions_are_found_as_they_were() {
    let place = folder_in_memory();
    let (catalogue, _) = open(&place.path().join("sessions-data"));
    let mut model = Model::default();
    for number in 0..4000_u32 {
        let when = u64::from(number / 3) * 50_000 + u64::from(number % 7);
        model.step(Step::Open { of: (number % 3) as u8, when, level: 1 });
        if number % 2 == 0 {
            let which = number as usize / 3;
            model.step(Step::Seal { which, when: when + 5, chunks: number % 4 });
        }
        if number % 5 == 0 {
            model.step(Step::Erase { which: number as usize, when: when + 9 });
        }
    }
    take(&catalogue, &model.log, 1000);
    read_chunks(&catalogue, |session| model.number_of(session), 2);
    model.step(Step::Read);
    for order in [Order::OldestFirst, Order::NewestFirst] {
        for state in [None, Some(State::Open), Some(State::Sealed)] {
            for (owner, times) in
                [(None, (None, None)), (Some(owner(1)), (Some(9_000_000), Some(20_000_000)))]
            {
                let (from, until) = (times.0.map(at), times.1.map(at));
                let filter = CatalogueFilter { owner, state, anchored: None, from, until, order };
                let mut found: Vec<SessionId> = Vec::new();
                loop {
                    let page = catalogue.list(&filter, found.last().copied(), 333).unwrap();
                    if page.is_empty() {
                        break;
                    }
                    found.extend(page.iter().map(|row| row.session.session));
                }
                assert_eq!(found, model.list(&filter));
            }
        }
    }
    for (_, found) in model.hashes().into_iter().step_by(97) {
        let of = HashPrefix::from(found.hash);
        let mut all = Vec::new();
        loop {
            let page = catalogue.search(&of, Some(&owner(2)), all.last(), 500).unwrap();
            if page.is_empty() {
                break;
            }
            all.extend(page);
        }
        assert_eq!(sorted(all), sorted(model.search(&of, Some(&owner(2)))));
    }
    assert_eq!(catalogue.totals(None).unwrap(), model.totals(None));
}
