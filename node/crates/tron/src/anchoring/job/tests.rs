use super::*;

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_millis(second * 1000)
}

fn attempt(name: &str) -> Attempt {
    let from: Address = "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8".parse().unwrap();
    let genesis =
        "0000000000000000d698d4192c56cb6be724a558448e2684802de4d6cd8690dc".parse().unwrap();
    Attempt {
        transaction: hex::encode(name),
        tx_id: TransactionId(Hash::of(name.as_bytes())),
        target: Target { genesis, from, contract: None },
        built_at: at(1000),
        expires_at: at(1060),
        fee_max: Sun::new(300_000),
        sends: 0,
    }
}

fn due() -> Job {
    Job::due("checkpoint".into(), 5, Hash([2; 32]), at(900))
}

fn sent(sends: u32) -> Job {
    let mut job = due();
    assert!(job.apply(Event::Built(attempt("a"))));
    for _ in 0..sends {
        assert!(job.apply(Event::Sending));
    }
    assert_eq!(job.attempt().unwrap().sends, sends);
    job
}

fn solid(failure: Option<&str>) -> Event {
    let failure = failure.map(str::to_owned);
    Event::InSolidBlock { block: BlockNumber(7), fee: Sun::new(210_000), failure }
}

/// A step by its name.
fn step(job: &Job) -> &'static str {
    match job.next() {
        Step::Build => "build",
        Step::Send(_) => "send",
        Step::Look(_) => "look",
        Step::Enter(..) => "enter",
    }
}

#[test]
fn an_anchor_goes_from_due_to_solid() {
    let mut job = due();
    assert_eq!(step(&job), "build");
    for (event, next) in [
        (Event::Built(attempt("a")), "send"),
        (Event::Sending, "look"),
        (Event::InBlock(BlockNumber(7)), "look"),
        (solid(None), "enter"),
    ] {
        assert!(job.apply(event));
        assert_eq!(step(&job), next);
        let text = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job, "a restart changes nothing");
    }
    assert!(job.ended.is_empty());
    // Nothing that comes late undoes it.
    for event in [
        Event::Built(attempt("b")),
        Event::Sending,
        Event::Refused("late".into()),
        Event::InNoBlock(at(9999)),
        Event::InBlock(BlockNumber(8)),
        solid(Some("late")),
    ] {
        assert!(!job.apply(event.clone()), "{event:?}");
    }
    // But it cannot be proved by a server of another network.
    assert!(job.apply(Event::Elsewhere));
    assert_eq!(step(&job), "build");
}

/// Another transaction may be built where, and only where, nobody can have the one before.
#[test]
fn another_transaction_waits_until_the_one_before_is_impossible() {
    let refused = || Event::Refused("TAPOS_ERROR".into());
    let (early, late) = (Event::InNoBlock(at(1119)), Event::InNoBlock(at(1121)));
    let rows: [(&str, Job, Vec<Event>, &str); 13] = [
        ("refused at its only send", sent(1), vec![refused()], "build"),
        ("refused after an earlier send", sent(2), vec![refused()], "look"),
        ("its answer lost", sent(1), vec![Event::MaybeTaken], "look"),
        ("absent before it expired", sent(1), vec![early.clone(); 9], "look"),
        ("absent once after it expired", sent(1), vec![late.clone()], "look"),
        ("absent twice after it expired", sent(1), vec![late.clone(); 2], "build"),
        ("absent, from a node that lags", sent(1), vec![late.clone(), early, late.clone()], "look"),
        (
            "absent, sent again, absent",
            sent(1),
            vec![late.clone(), Event::Sending, late.clone()],
            "look",
        ),
        (
            "seen and forked away",
            sent(1),
            vec![Event::InBlock(BlockNumber(7)), late.clone()],
            "look",
        ),
        (
            "seen, forked away, absent twice",
            sent(1),
            vec![Event::InBlock(BlockNumber(7)), late.clone(), late.clone(), late.clone()],
            "build",
        ),
        ("failed in a solid block", sent(3), vec![solid(Some("OUT_OF_ENERGY"))], "build"),
        ("absent, then solid after all", sent(1), vec![late, solid(None)], "enter"),
        ("the network is another now", sent(2), vec![Event::Elsewhere], "build"),
    ];
    for (name, mut job, events, next) in rows {
        for event in events {
            job.apply(event);
        }
        assert_eq!(step(&job), next, "{name}");
        let ended = usize::from(next == "build");
        assert_eq!(job.ended.len(), ended, "{name}: what ended is told");
    }
}

#[test]
fn endings_are_kept_but_not_all_of_them() {
    let mut job = due();
    for number in 0..20 {
        job.apply(Event::Built(attempt(&number.to_string())));
        job.apply(Event::Sending);
        job.apply(Event::Refused(number.to_string()));
    }
    assert_eq!(job.ended.len(), ATTEMPTS_KEPT);
    assert_eq!(job.ended.last().unwrap().1, Ending::Refused("19".into()));
}
