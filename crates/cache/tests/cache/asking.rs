//! How often the database is asked.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cache::Spec;
use futures::future::join_all;

use crate::{Running, SPEC, Table, World, ctx, get, until, vouched};

const SLOW: Duration = Duration::from_millis(20);

/// One whose copies are trusted for as long as they are good.
const FOR_A_MINUTE: Spec = Spec {
    bound: None,
    ..SPEC
};

#[tokio::test]
async fn what_is_there_costs_no_query() {
    let world = World::new(Table::default());
    world.table.set("mug", 7);
    let (here, there) = (
        world.process_with(FOR_A_MINUTE),
        world.process_with(FOR_A_MINUTE),
    );
    for cache in [&here, &here, &there] {
        assert_eq!(get(cache, "mug").await, Some(7));
    }
    assert_eq!(world.table.loads(), 1);
}

#[tokio::test]
async fn what_does_not_exist_costs_no_second_query() {
    let world = World::new(Table::default());
    let cache = world.process_with(FOR_A_MINUTE);
    for _ in 0..3 {
        assert_eq!(get(&cache, "unicorn").await, None);
    }
    assert_eq!(world.table.loads(), 1);
}

#[tokio::test]
async fn many_are_one_question_and_the_missing_ones_one_query() {
    let world = World::new(Table::default());
    let keys: Vec<String> = (0..24).map(|n| format!("mug-{n}")).collect();
    for key in &keys {
        world.table.set(key, 7);
    }
    let cache = world.process_with(FOR_A_MINUTE);
    cache.get_many(&ctx(), &keys[..20]).await.unwrap();
    let asked = ctx();
    let found = cache.get_many(&asked, &keys).await.unwrap();
    assert_eq!(found.len(), 24);
    assert_eq!(world.table.loads(), 2);
    assert_eq!(asked.hops()[0].desc, "redis levels 20 hit 4 miss");
}

#[tokio::test]
async fn all_who_miss_in_one_process_are_one_query() {
    let world = World::new(Table::taking(SLOW));
    world.table.set("mug", 7);
    let cache = world.process_with(FOR_A_MINUTE);
    let all = join_all((0..200).map(|_| get(&cache, "mug"))).await;
    assert!(all.iter().all(|level| *level == Some(7)));
    assert_eq!(world.table.loads(), 1);
}

#[tokio::test]
async fn all_who_miss_in_five_processes_are_one_query() {
    let world = World::new(Table::taking(SLOW));
    world.table.set("mug", 7);
    let processes: Vec<_> = (0..5).map(|_| world.process_with(FOR_A_MINUTE)).collect();
    let all = (0..200).map(|n| get(&processes[n % 5], "mug"));
    let all = join_all(all).await;
    assert!(all.iter().all(|level| *level == Some(7)));
    assert_eq!(world.table.loads(), 1);
}

#[tokio::test]
async fn a_process_that_died_with_the_lease_holds_up_nobody_for_long() {
    let world = World::new(Table::default());
    world.table.set("mug", 7);
    world
        .redis(&["SET", "cache:lease:level:mug", "the dead one's"])
        .await;
    let started = std::time::Instant::now();
    assert_eq!(get(&world.process_with(FOR_A_MINUTE), "mug").await, Some(7));
    assert!(
        started.elapsed() < Duration::from_millis(500),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_load_that_failed_keeps_nobody_from_the_next() {
    let world = World::new(Table::default());
    world.table.set("mug", 7);
    let cache = world.process_with(FOR_A_MINUTE);
    world.table.is_away.store(true, Ordering::SeqCst);
    assert!(cache.get(&ctx(), &"mug".to_owned()).await.is_err());
    world.table.is_away.store(false, Ordering::SeqCst);
    // It has the lease, and fills: the third asks nobody.
    for _ in 0..2 {
        assert_eq!(get(&cache, "mug").await, Some(7));
    }
    assert_eq!(world.table.loads(), 2);
}

#[tokio::test]
async fn a_request_that_goes_away_takes_nothing_from_others() {
    let world = World::new(Table::taking(SLOW));
    world.table.set("mug", 7);
    let cache = world.process_with(FOR_A_MINUTE);
    let first = tokio::spawn({
        let cache = cache.clone();
        async move { get(&cache, "mug").await }
    });
    until("under way", async || world.table.loads() == 1).await;
    first.abort();
    assert_eq!(get(&cache, "mug").await, Some(7));
    assert_eq!(world.table.loads(), 1);
}

#[tokio::test]
async fn an_entry_that_is_due_is_loaded_again_while_readers_are_served() {
    let spec = Spec {
        good_for: Duration::from_millis(300),
        ..FOR_A_MINUTE
    };
    // Loading takes a sizeable part of the time for which it is good: it is due early.
    let world = World::new(Table::taking(SLOW));
    world.table.set("mug", 7);
    let cache = world.process_with(spec);
    get(&cache, "mug").await;
    let mut slowest = Duration::ZERO;
    until("loaded early", async || {
        let started = std::time::Instant::now();
        get(&cache, "mug").await;
        slowest = slowest.max(started.elapsed());
        world.table.loads() > 3
    })
    .await;
    // Some wait, when nobody read in the last moments; all would, if none were early.
    let hops = ctx();
    cache.get(&hops, &"mug".to_owned()).await.unwrap();
    assert!(hops.hops()[0].desc.ends_with("1 hit"), "{:?}", hops.hops());
}

#[tokio::test]
async fn under_the_feed_a_hit_costs_no_query_either() {
    let world = World::new(Table::default());
    world.table.set("mug", 7);
    let cache = world.process();
    let _feed = Running::start(world.feed(&cache));
    until("vouched for", async || vouched(&world.redises.cache).await).await;
    until("filled", async || {
        let before = world.table.loads();
        get(&cache, "mug").await;
        world.table.loads() == before
    })
    .await;
}

#[tokio::test]
async fn what_an_older_program_wrote_is_loaded_anew() {
    let world = World::new(Table::default());
    world.table.set("mug", 7);
    world
        .redis(&["SET", "cache:level:mug", "{\"level\":\"seven\"}"])
        .await;
    assert_eq!(get(&world.process_with(FOR_A_MINUTE), "mug").await, Some(7));
}
