//! How old what is read may be.

use std::time::{Duration, Instant};

use cache::Spec;
use futures::future::join_all;

use crate::{BOUND, Running, SPEC, Table, World, get, until, vouched};

#[tokio::test]
async fn without_a_heartbeat_nothing_is_trusted() {
    let world = World::new(Table::default());
    world.table.set("mug", 7);
    let cache = world.process();
    world.feed(&cache).pass().await.unwrap();
    assert_eq!(get(&cache, "mug").await, Some(7));
    // Told to nobody, as if the writer had died.
    world.table.set("mug", 6);
    until("its end", async || !vouched(&world.redises.cache).await).await;
    assert_eq!(get(&cache, "mug").await, Some(6));
}

#[tokio::test]
async fn a_pass_of_the_feed_makes_good_what_a_writer_did_not_say() {
    let world = World::new(Table::default());
    world.table.set("mug", 7);
    let cache = world.process();
    let feed = world.feed(&cache);
    feed.pass().await.unwrap();
    assert_eq!(get(&cache, "mug").await, Some(7));
    world.table.set("mug", 6);
    feed.pass().await.unwrap();
    assert_eq!(get(&cache, "mug").await, Some(6));
    assert_eq!(world.table.waiting(), 0);
}

#[tokio::test]
async fn a_heartbeat_counts_from_the_beginning_of_its_pass() {
    let table = Table {
        outbox_takes: Duration::from_millis(700),
        ..Table::default()
    };
    let world = World::new(table);
    let cache = world.process_with(Spec {
        bound: Some(Duration::from_secs(1)),
        ..SPEC
    });
    world.feed(&cache).pass().await.unwrap();
    let left: i64 = world
        .redis(&["PTTL", "cache:heartbeat:level"])
        .await
        .parse()
        .unwrap();
    assert!(left <= 300, "{left} ms");
}

#[tokio::test]
async fn a_pass_that_left_something_vouches_for_nothing() {
    let world = World::new(Table::default());
    for n in 0..1_001 {
        world.table.set(&format!("mug-{n}"), 7);
    }
    let cache = world.process_with(PATIENT);
    let feed = world.feed(&cache);
    assert!(!feed.pass().await.unwrap().is_complete);
    assert!(!vouched(&world.redises.cache).await);
    assert!(feed.pass().await.unwrap().is_complete);
    assert!(vouched(&world.redises.cache).await);
    assert_eq!(world.table.waiting(), 0);
}

/// As when a stage without a cache ran before: nearly all of it is the same few things.
#[tokio::test]
async fn much_that_was_said_is_told_soon() {
    let world = World::new(Table::default());
    for n in 0..20_000 {
        world.table.set(&format!("mug-{}", n % 300), n);
    }
    let cache = world.process_with(PATIENT);
    let feed = world.feed(&cache);
    while !feed.pass().await.unwrap().is_complete {}
    assert_eq!(world.table.waiting(), 0);
    // 20,000 are 66 of each, and 67 of the first 200.
    for (mug, version) in [("mug-0", 67), ("mug-299", 66)] {
        let key = format!("cache:level:{mug}");
        let said = world.redis(&["GETRANGE", &key, "0", "15"]).await;
        assert_eq!(i64::from_str_radix(&said, 16), Ok(version), "{mug}");
    }
}

/// Long enough for any machine: only what is said counts here.
const PATIENT: Spec = Spec {
    bound: Some(Duration::from_secs(60)),
    ..SPEC
};

/// A read that began before a change ends after it. What it brings is not in the cache then: by the
/// lease if nothing else is left of the change, by the version if the lease is his.
async fn a_slow_reader(leave: impl AsyncFn(&World)) {
    let world = World::new(Table::taking(Duration::from_millis(300)));
    world.table.set("mug", 7);
    let (slow, writer) = (world.process_with(PATIENT), world.process_with(PATIENT));
    world.feed(&slow).pass().await.unwrap();
    let reading = tokio::spawn({
        let slow = slow.clone();
        async move { get(&slow, "mug").await }
    });
    until("under way", async || world.table.loads() == 1).await;
    let lease = world.redis(&["GET", "cache:lease:level:mug"]).await;
    assert!(!lease.is_empty(), "no lease");
    let version = world.table.set("mug", 6);
    writer.invalidate(vec![("mug".to_owned(), version)]).await;
    world.redis(&["SET", "test:lease", &lease]).await;
    leave(&world).await;
    // What he read is of before the change, and so was his question.
    assert_eq!(reading.await.unwrap(), Some(7));
    for cache in [&slow, &writer] {
        assert_eq!(get(cache, "mug").await, Some(6));
    }
}

#[tokio::test]
async fn a_slow_reader_fills_nothing_without_his_lease() {
    a_slow_reader(async |world| {
        // As if it had been evicted.
        world.redis(&["DEL", "cache:level:mug"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_slow_reader_fills_nothing_over_a_newer_version() {
    a_slow_reader(async |world| {
        let lease = world.redis(&["GET", "test:lease"]).await;
        world.redis(&["SET", "cache:lease:level:mug", &lease]).await;
    })
    .await;
}

#[tokio::test]
async fn an_old_message_that_comes_late_changes_nothing() {
    let world = World::new(Table::default());
    let old = world.table.set("mug", 7);
    world.table.set("mug", 6);
    let cache = world.process_with(PATIENT);
    world.feed(&cache).pass().await.unwrap();
    assert_eq!(get(&cache, "mug").await, Some(6));
    cache.invalidate(vec![("mug".to_owned(), old)]).await;
    let loads = world.table.loads();
    assert_eq!(get(&cache, "mug").await, Some(6));
    assert_eq!(
        world.table.loads(),
        loads,
        "the newer value was thrown away"
    );
}

#[tokio::test]
async fn what_did_not_exist_is_seen_once_it_does() {
    let world = World::new(Table::default());
    let cache = world.process();
    let feed = world.feed(&cache);
    feed.pass().await.unwrap();
    assert_eq!(get(&cache, "mug").await, None);
    world.table.set("mug", 7);
    feed.pass().await.unwrap();
    assert_eq!(get(&cache, "mug").await, Some(7));
}

#[tokio::test]
async fn who_finds_no_heartbeat_brings_one_about() {
    let world = World::new(Table::default());
    world.table.set("mug", 7);
    let cache = world.process();
    let feed = world.feed(&cache);
    let standing_by = tokio::spawn(async move { feed.stand_by().await });
    get(&cache, "mug").await;
    until("vouched for", async || vouched(&world.redises.cache).await).await;
    standing_by.abort();
}

/// Writers and readers race on the same keys through three processes, and half of the changes are told
/// to nobody. No read that begins `BOUND` after a change sees what was before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_older_than_the_bound() {
    let world = World::new(Table::taking(Duration::from_millis(2)));
    let keys = ["mug", "jug", "pot"];
    for key in keys {
        world.table.set(key, 0);
    }
    let processes: Vec<_> = (0..3).map(|_| world.process()).collect();
    let _feed = Running::start(world.feed(&processes[0]));
    let end = Instant::now() + Duration::from_secs(3);
    // When each level of a key was set: levels count up.
    let writers = keys.iter().enumerate().map(|(n, key)| {
        let (table, cache) = (world.table.clone(), processes[n].clone());
        async move {
            let mut set_at = vec![Instant::now()];
            while Instant::now() < end {
                let level = set_at.len() as i64;
                let version = table.set(key, level);
                set_at.push(Instant::now());
                if fastrand::bool() {
                    cache.invalidate(vec![((*key).to_owned(), version)]).await;
                }
                tokio::time::sleep(Duration::from_millis(fastrand::u64(0..60))).await;
            }
            set_at
        }
    });
    let readers = (0..12).map(|n: usize| {
        let (cache, key) = (processes[n % 3].clone(), keys[n % 3 * 2 % 3]);
        async move {
            let mut seen = Vec::new();
            while Instant::now() < end {
                let asked = Instant::now();
                let level = get(&cache, key).await.unwrap();
                seen.push((key, asked, level));
                tokio::time::sleep(Duration::from_millis(fastrand::u64(0..3))).await;
            }
            seen
        }
    });
    let (set_at, seen) = tokio::join!(join_all(writers), join_all(readers));
    let (mut reads, mut stale, mut oldest) = (0, 0, Duration::ZERO);
    for (key, asked, level) in seen.into_iter().flatten() {
        let set_at = &set_at[keys.iter().position(|one| *one == key).unwrap()];
        reads += 1;
        if let Some(replaced) = set_at.get(level as usize + 1)
            && let Some(age) = asked.checked_duration_since(*replaced)
        {
            stale += 1;
            oldest = oldest.max(age);
        }
    }
    println!(
        "{reads} reads, {stale} stale, the oldest by {oldest:?}; {} loads",
        world.table.loads()
    );
    assert!(
        reads > 1_000 && world.table.loads() < reads / 2,
        "nothing was shown"
    );
    assert!(
        stale > 0,
        "nothing was shown: changes that nobody tells must be seen late"
    );
    assert!(oldest <= BOUND, "{oldest:?}");
}
